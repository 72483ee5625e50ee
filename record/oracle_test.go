package record

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// span is an event in a form that compares by value.
type span struct {
	From, To   int64
	Class      Class
	Kind       Kind
	Seq        uint64
	Key, Value string
}

func spanOf(ev *Event) span {
	s := span{From: ev.From, To: ev.To, Class: ev.Class}
	if ev.Class == Whole {
		s.Kind, s.Seq = ev.Header.Kind, ev.Header.Seq
		s.Key, s.Value = string(ev.Key), string(ev.Value)
	}
	return s
}

// drain takes all events that the scanner's snapshot has.
func drain(t rapid.TB, s *Scanner) (spans []span) {
	t.Helper()
	var ev Event
	for {
		err := s.Next(&ev)
		if err == io.EOF {
			return spans
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.To <= ev.From || ev.To != s.Offset() {
			t.Fatalf("event [%d, %d), scanner at %d", ev.From, ev.To, s.Offset())
		}
		spans = append(spans, spanOf(&ev))
	}
}

func scan(t rapid.TB, seg []byte, opt ScannerOptions, final bool) []span {
	t.Helper()
	return scanEnding(t, seg, opt, final, Ending{})
}

func scanEnding(t rapid.TB, seg []byte, opt ScannerOptions, final bool, e Ending) []span {
	t.Helper()
	run := func(r io.ReaderAt, opt ScannerOptions) []span {
		s := NewScanner(r, opt)
		s.See(int64(len(seg)), final)
		if final {
			s.Ends(e)
		}
		return drain(t, s)
	}
	spans := run(bytes.NewReader(seg), opt)
	if len(seg) > 8<<10 {
		return spans // the large ones come by the thousand
	}
	if opt.BlockSize == 0 {
		opt.BlockSize = 512 // the default takes time to allocate, and hides what is long
	}
	for _, reuse := range []bool{true, false} {
		opt.Reuse = reuse
		if got := run(&scatterer{bytes.NewReader(seg)}, opt); !slices.Equal(got, spans) {
			t.Fatalf("block %d, reuse %v (-plain +scattered): %s", opt.BlockSize, reuse, cmp.Diff(spans, got))
		}
	}
	opt.Skim = true
	skimmed := run(bytes.NewReader(seg), opt)
	want := slices.Clone(spans)
	for i := range want {
		if s := &want[i]; s.Class == Whole && s.To-s.From > int64(opt.BlockSize) && s.Kind != KindBatch {
			s.Value = ""
		}
	}
	if !slices.Equal(want, skimmed) {
		t.Fatalf("block %d (-plain +skimmed): %s", opt.BlockSize, cmp.Diff(want, skimmed))
	}
	return spans
}

// scatterer is a ScatterReaderAt.
type scatterer struct{ *bytes.Reader }

func (s *scatterer) ReadvAt(pieces [][]byte, off int64) (n int64, err error) {
	for _, p := range pieces {
		if len(p) == 0 {
			continue
		}
		k, err := s.ReadAt(p, off+n)
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// oracle judges a segment as docs/FORMAT.md, section 6, says, in the plainest
// way: it looks at every offset, whatever the cost, and shares no code with the
// package.
type oracle struct {
	marker []byte
	seed   uint64
	b      []byte
	limit  int64
	final  bool
	full   bool
	cut    bool // limit is one
}

func newOracle(f Frame, b []byte, limit int64, final bool, e Ending) *oracle {
	o := &oracle{f.Marker[:], f.Seed, b, limit, final, e.Full, false}
	if final && e.Cut > 0 && e.Cut < limit {
		o.limit, o.cut = e.Cut, true
	}
	return o
}

func (o *oracle) size() int64 { return int64(len(o.b)) }

func (o *oracle) marked(p int64) bool { return bytes.HasPrefix(o.b[p:], o.marker) }

// header returns the size of the record that a valid header at p claims.
func (o *oracle) header(p int64) (size int64, ok bool) {
	if p+44 > o.size() || !o.marked(p) {
		return 0, false
	}
	b := o.b[p:]
	if binary.LittleEndian.Uint32(b[40:]) != uint32(xxhash.Sum64(b[:40])^o.seed) || b[8] == 0 {
		return 0, false
	}
	size = 52 + int64(binary.LittleEndian.Uint16(b[10:])) + int64(binary.LittleEndian.Uint32(b[12:]))
	return size, size <= 1<<30
}

func (o *oracle) record(p int64) (s span, ok bool) {
	size, ok := o.header(p)
	if !ok || p+size > o.size() {
		return s, false
	}
	b := bytes.Clone(o.b[p : p+size])
	body := b[:size-8]
	if binary.LittleEndian.Uint64(b[size-8:]) != xxhash.Sum64(body)^o.seed || bytes.LastIndex(b, o.marker) != 0 {
		return s, false
	}
	for n := 1; n < 8; n++ {
		if b[size-1] == 0 || bytes.HasSuffix(b, o.marker[:n]) {
			return s, false
		}
	}
	s = span{From: p, To: p + size, Kind: Kind(b[8]), Seq: binary.LittleEndian.Uint64(b[32:])}
	if b[8] > 5 || b[9] > 1 {
		return s, true
	}
	payload := body[44:]
	if b[9] == 1 {
		state := xxhash.Sum64(b[:40]) ^ o.seed
		for i := range payload {
			if i%8 == 0 {
				state += 0x9E3779B97F4A7C15
			}
			z := state
			z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
			z = (z ^ (z >> 27)) * 0x94D049BB133111EB
			z ^= z >> 31
			payload[i] ^= byte(z >> (8 * (i % 8)))
		}
	}
	k := binary.LittleEndian.Uint16(b[10:])
	s.Key, s.Value = string(payload[:k]), string(payload[k:])
	if b[8] == 4 && (k != 0 || !goodBatch(payload)) {
		return span{}, false
	}
	return s, true
}

func goodBatch(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 {
		return false
	}
	for b = b[4:]; n > 0; n-- {
		if len(b) < 8 || b[0] == 0 || b[1] != 0 {
			return false
		}
		size := 8 + uint64(binary.LittleEndian.Uint16(b[2:])) + uint64(binary.LittleEndian.Uint32(b[4:]))
		if size > uint64(len(b)) {
			return false
		}
		b = b[size:]
	}
	return len(b) == 0
}

// events judges everything from offset o on.
func (o *oracle) events(off int64) (spans []span) {
	for {
		switch {
		case off >= o.limit || off >= o.size():
			if o.final && off < o.limit {
				spans = append(spans, span{From: off, To: o.limit, Class: Hole})
			} else if o.final && off < o.size() {
				class := Void
				if o.cut {
					class = Dropped
				}
				spans = append(spans, span{From: off, To: o.size(), Class: class})
			}
			return spans
		default:
			if s, ok := o.record(off); ok {
				spans, off = append(spans, s), s.To
				continue
			}
		}
		next := o.nextHeader(off)
		if next < 0 {
			return spans // pending
		}
		for off < next && off < o.limit {
			s := o.judge(off, next)
			spans, off = append(spans, s), s.To
		}
	}
}

func (o *oracle) nextHeader(off int64) int64 {
	hi := o.size()
	if !o.final {
		hi = min(hi, o.limit)
	}
	for p := off + 1; p < hi; p++ {
		if _, ok := o.header(p); ok {
			return p
		}
	}
	if o.final {
		return o.size()
	}
	return -1
}

func (o *oracle) judge(off, next int64) span {
	end := next
	for p := off + 1; p < next; p++ {
		if o.marked(p) {
			end = p
			break
		}
	}
	if o.final && !o.full && end >= min(o.limit, o.size()) {
		return o.judgeLast(off, end)
	}
	if zeros := min(end, o.limit); o.data(off, zeros) == off {
		return span{From: off, To: zeros, Class: Hole}
	}
	return span{From: off, To: end, Class: o.torn(off, end)}
}

func (o *oracle) judgeLast(off, end int64) span {
	size, ok := o.header(off)
	claimed := off + size
	zeros := end
	if !ok || claimed <= o.limit {
		zeros = min(end, o.limit)
	}
	data := o.data(off, zeros)
	if data == off {
		if o.size() >= o.limit {
			return span{From: off, To: zeros, Class: Unused}
		}
		return span{From: off, To: zeros, Class: Hole}
	}
	if data == zeros {
		data = end
	}
	if !ok || claimed > end {
		return span{From: off, To: data, Class: o.torn(off, data)}
	}
	trailer := claimed - 8
	if data <= trailer {
		return span{From: off, To: data, Class: Fragment}
	}
	if data < claimed {
		want := binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(o.b[off:trailer])^o.seed)
		if bytes.Equal(want[:data-trailer], o.b[trailer:data]) {
			return span{From: off, To: data, Class: Fragment}
		}
	}
	return span{From: off, To: max(data, claimed), Class: Corruption}
}

// data is the end of the last byte in [lo, hi) that is not zero, or lo.
func (o *oracle) data(lo, hi int64) int64 {
	for hi > lo && o.b[hi-1] == 0 {
		hi--
	}
	return hi
}

func (o *oracle) torn(lo, hi int64) Class {
	if hi-lo < 44 {
		if n := min(hi-lo, 8); bytes.Equal(o.b[lo:lo+n], o.marker[:n]) {
			return Fragment
		}
		return Corruption
	}
	if size, ok := o.header(lo); ok && lo+size > hi {
		return Fragment
	}
	return Corruption
}
