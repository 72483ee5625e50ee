package record

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A built segment knows what was put where.
type built struct {
	frame   Frame
	bytes   []byte
	limit   int64
	records []span // whole and undamaged, in order
	torn    []torn
}

// torn is a record of which only the first cut bytes were put at from.
type torn struct {
	from, cut int
	whole     []byte
}

// drawSegment composes a segment of records and everything that can go wrong
// between them.
func drawSegment(t *rapid.T, enc *Buffer) *built {
	s := &built{frame: testFrame()}
	f := &s.frame
	seq := uint64(0)
	record := func() []byte {
		seq++
		h := Header{Kind: Kind(rapid.ByteRange(1, 3).Draw(t, "kind")), Time: 9, Writer: 1, Seq: seq}
		switch rapid.IntRange(0, 7).Draw(t, "shape") {
		case 0:
			h.Kind = 200 // unknown
			return forge(f, h, drawBytes(9).Draw(t, "payload"))
		case 1:
			entries := drawEntries(t)[:1]
			head, err := AppendEntry(nil, entries[0].Kind, len(entries[0].Key), len(entries[0].Value))
			if err != nil {
				t.Fatal(err)
			}
			vec, err := enc.EncodeBatch(f, &h, 1, [][]byte{head, entries[0].Key, entries[0].Value})
			if err != nil {
				t.Fatal(err)
			}
			return join(vec)
		}
		value := drawBytes(40).Draw(t, "value")
		switch rapid.IntRange(0, 9).Draw(t, "filling") {
		case 0:
			value = append(value, make([]byte, rapid.IntRange(0, 400).Draw(t, "zeros"))...)
		case 1:
			value = append(value, f.Marker[:]...) // will be masked
		case 2:
			value = append(value, f.Marker[:7]...)
		}
		vec, err := enc.Encode(f, &h, drawBytes(8).Draw(t, "key"), value)
		if err != nil {
			t.Fatal(err)
		}
		return join(vec)
	}
	missing := byte(0)
	put := func(b []byte) { s.bytes = append(s.bytes, b...) }
	for range rapid.IntRange(0, 12).Draw(t, "pieces") {
		switch rapid.IntRange(0, 11).Draw(t, "piece") {
		default:
			b := record()
			from := int64(len(s.bytes))
			s.records = append(s.records, span{From: from, To: from + int64(len(b))})
			put(b)
		case 4, 5:
			b := record()
			cut := rapid.IntRange(0, len(b)-1).Draw(t, "torn at")
			s.torn = append(s.torn, torn{len(s.bytes), cut, b})
			put(b[:cut])
			missing = b[cut]
		case 6:
			put(make([]byte, rapid.IntRange(0, 100).Draw(t, "zeros")))
		case 7:
			b := drawBytes(60).Draw(t, "garbage")
			if len(b) > 0 && b[0] == missing {
				b[0] ^= 0x80 // garbage must not be just what a torn record lacked
			}
			put(b)
		case 8:
			put(f.Marker[:rapid.IntRange(1, 8).Draw(t, "marker")])
		case 9:
			put(rawHead(f, Header{Kind: KindData, ValueLen: rapid.IntRange(0, 600).Draw(t, "claim")}))
		}
	}
	s.limit = int64(len(s.bytes))
	switch rapid.IntRange(0, 3).Draw(t, "limit") {
	case 0: // records behind the limit are void
		s.limit = rapid.Int64Range(0, s.limit).Draw(t, "limit at")
	case 1: // closed early
		n := rapid.IntRange(1, 200).Draw(t, "unused")
		s.limit += int64(n)
		put(make([]byte, n+rapid.IntRange(0, 70).Draw(t, "behind")))
		put(record()[:rapid.IntRange(0, 52).Draw(t, "void")])
	case 2: // not full yet, or cut off
		s.limit += rapid.Int64Range(0, 200).Draw(t, "room")
	}
	s.damage(t)
	return s
}

// damage flips bits, and takes what it touches off the list of records.
func (s *built) damage(t *rapid.T) {
	if len(s.bytes) == 0 {
		return
	}
	was := bytes.Clone(s.bytes)
	for range max(0, rapid.IntRange(-3, 2).Draw(t, "flips")) {
		at := rapid.IntRange(0, len(s.bytes)-1).Draw(t, "flip at")
		s.bytes[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	}
	for _, r := range s.torn { // nor must a flip make up for what is lacking
		if bytes.HasPrefix(s.bytes[r.from:], r.whole) {
			s.bytes[r.from+r.cut] ^= 0x80
		}
	}
	s.records = slices.DeleteFunc(s.records, func(r span) bool {
		return !bytes.Equal(was[r.From:r.To], s.bytes[r.From:r.To])
	})
}

// check holds events of the first size bytes against what was put there.
func (s *built) check(t *rapid.T, size int64, final bool, events []span) {
	at, n := int64(0), 0
	want := s.records
	for _, e := range events {
		if e.From != at || e.To <= e.From {
			t.Fatalf("event [%d, %d) behind %d", e.From, e.To, at)
		}
		at = e.To
		if e.Class != Whole {
			continue
		}
		if n < len(want) && want[n].From == e.From && want[n].To == e.To {
			n++
		} else {
			t.Fatalf("delivered [%d, %d), which nobody put there", e.From, e.To)
		}
	}
	if end := max(size, s.limit); final && at != end {
		t.Fatalf("events end at %d, want %d", at, end)
	}
	if n < len(want) && want[n].From < s.limit && want[n].To <= size {
		t.Fatalf("lost the record at [%d, %d)", want[n].From, want[n].To)
	}
}

func TestScanProperty(t *testing.T) {
	var enc Buffer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSegment(t, &enc)
		b := s.bytes
		if rapid.Bool().Draw(t, "prefix") {
			b = b[:rapid.IntRange(0, len(b)).Draw(t, "size")]
		}
		final := rapid.Bool().Draw(t, "final")
		e := Ending{Full: rapid.Bool().Draw(t, "full")}
		opt := drawOptions(t, s)
		if final && s.limit > 1 && rapid.IntRange(0, 3).Draw(t, "kept") == 0 {
			e.Cut = rapid.Int64Range(1, s.limit).Draw(t, "cut")
			s.limit = e.Cut
		}
		got := scanEnding(t, b, opt, final, e)
		s.check(t, int64(len(b)), final, got)
		if diff := cmp.Diff(newOracle(s.frame, b, opt.Limit, final, e).events(0), got); diff != "" {
			t.Fatalf("limit %d, size %d, final %v, %+v (-oracle +scanner):\n%s", opt.Limit, len(b), final, e, diff)
		}
	})
}

func drawOptions(t *rapid.T, s *built) ScannerOptions {
	return ScannerOptions{
		Frame: s.frame, Limit: s.limit,
		Reuse:     rapid.Bool().Draw(t, "reuse"),
		BlockSize: rapid.SampledFrom([]int{0, 16, 17, 44, 64, 100, 333}).Draw(t, "block"),
		Until:     rapid.Int64Range(0, 4000).Draw(t, "until"),
	}
}

// What a scanner says of a growing segment, at whatever sizes it looks, is what
// another one says that comes when it is final.
func TestScanGrowing(t *testing.T) {
	var enc Buffer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSegment(t, &enc)
		size := int64(len(s.bytes))
		sc := NewScanner(bytes.NewReader(s.bytes), drawOptions(t, s))
		var got []span
		step := rapid.SampledFrom([]int64{1, 5, 50, 1000}).Draw(t, "step")
		for n := int64(0); n < size; n += rapid.Int64Range(1, step).Draw(t, "growth") {
			sc.See(n, false)
			got = append(got, drain(t, sc)...)
			s.check(t, n, false, got)
		}
		sc.See(size, true)
		got = append(got, drain(t, sc)...)
		if diff := cmp.Diff(newOracle(s.frame, s.bytes, s.limit, true, Ending{}).events(0), got); diff != "" {
			t.Fatalf("limit %d, size %d (-at once +growing):\n%s", s.limit, size, diff)
		}
	})
}

// A scanner that begins at the end of any event goes on with the next one, and
// so does one that is moved there from anywhere.
func TestScanFrom(t *testing.T) {
	var enc Buffer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSegment(t, &enc)
		opt := drawOptions(t, s)
		all := scan(t, s.bytes, opt, true)
		moved := NewScanner(bytes.NewReader(s.bytes), opt)
		moved.See(int64(len(s.bytes)), true)
		for i, e := range all {
			if e.Class != Whole {
				continue
			}
			opt.From = e.From
			if diff := cmp.Diff(all[i:], scan(t, s.bytes, opt, true)); diff != "" {
				t.Fatalf("from %d: %s", e.From, diff)
			}
			moved.Skip(e.From) // backwards, after the first time
			if diff := cmp.Diff(all[i:], drain(t, moved)); diff != "" {
				t.Fatalf("moved to %d: %s", e.From, diff)
			}
		}
	})
}

// Keys and values stay what they are while the scanner moves on, unless blocks
// are used again.
func TestScanKeepsPayload(t *testing.T) {
	var enc Buffer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSegment(t, &enc)
		opt := drawOptions(t, s)
		opt.Reuse = false
		sc := NewScanner(bytes.NewReader(s.bytes), opt)
		sc.See(int64(len(s.bytes)), true)
		var events []Event
		var copies []span
		for ev := (Event{}); sc.Next(&ev) == nil; {
			events, copies = append(events, ev), append(copies, spanOf(&ev))
		}
		for i := range events {
			if diff := cmp.Diff(copies[i], spanOf(&events[i])); diff != "" {
				t.Fatalf("event %d changed later: %s", i, diff)
			}
		}
	})
}
