package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Values made of valid records, headers and markers of the very segment they
// are stored in never surface, wherever the record around them is torn.
func TestHostileValues(t *testing.T) {
	f := testFrame()
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		forged := forge(&f, Header{Kind: KindData, Writer: 666, Seq: 666}, make([]byte, rng.IntN(50)))
		fill := func() []byte {
			var b []byte
			for range 1 + rng.IntN(6) {
				b = append(b, make([]byte, rng.IntN(9))...)
				switch rng.IntN(4) {
				case 0:
					b = append(b, f.Marker[:]...)
				case 1:
					b = append(b, forged[:HeaderSize]...)
				default:
					b = append(b, forged...)
				}
			}
			return b
		}
		var seg []byte
		var want []string
		for seq := uint64(1); seq <= 6; seq++ {
			h := Header{Kind: KindData, Time: int64(rng.Uint64()), Writer: rng.Uint64(), Seq: seq}
			var b []byte
			switch seq % 3 {
			case 0:
				b = encodeBatch(t, &f, &h, Entry{KindData, fill(), fill()}, Entry{KindDelete, forged, nil})
			default:
				b = encode(t, &f, &h, fill(), fill())
			}
			cut := len(b)
			if rng.IntN(2) == 0 {
				cut = MarkerSize + rng.IntN(len(b)-MarkerSize)
				want = append(want, "fragment")
			} else {
				want = append(want, fmt.Sprint(seq))
			}
			seg = append(seg, b[:cut]...)
		}
		end := encode(t, &f, &Header{Kind: KindData, Seq: 7}, nil, nil)
		seg = append(seg, end...)
		want = append(want, "7")
		for _, block := range []int{0, 64} {
			var got []string
			for _, e := range scan(t, seg, ScannerOptions{Frame: f, Limit: int64(len(seg)), BlockSize: block}, true) {
				if e.Class == Whole {
					got = append(got, fmt.Sprint(e.Seq))
				} else {
					got = append(got, e.Class.String())
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
		}
	}
}

// A record that was put into a file around valid records, by other means than
// an encoder, is no record, neither for who sees it whole nor for who saw it
// grow; those inside it are in both cases.
func TestHostileEnvelope(t *testing.T) {
	f := testFrame()
	inner := encode(t, &f, &Header{Kind: KindData, Seq: 2}, nil, nil)
	seg := forge(&f, Header{Kind: KindData, Seq: 1}, cat([]byte("front"), inner, []byte("behind")))
	want := []string{"fragment[0,49)", "#2", "corruption[101,115)"}
	opt := ScannerOptions{Frame: f, Limit: int64(len(seg))}
	if diff := cmp.Diff(want, brief(scan(t, seg, opt, true))); diff != "" {
		t.Errorf("at once: %s", diff)
	}
	s := NewScanner(bytes.NewReader(seg), opt)
	var got []span
	for size := range int64(len(seg)) {
		s.See(size, false)
		got = append(got, drain(t, s)...)
	}
	s.See(int64(len(seg)), true)
	if diff := cmp.Diff(want, brief(append(got, drain(t, s)...))); diff != "" {
		t.Errorf("growing: %s", diff)
	}
}

// A countingReader counts what is asked of it.
type countingReader struct {
	r            io.ReaderAt
	calls, bytes int64
}

func (c *countingReader) ReadAt(p []byte, off int64) (int, error) {
	c.calls++
	c.bytes += int64(len(p))
	return c.r.ReadAt(p, off)
}

// Segments full of headers that lie end after work linear in their size. Claims
// that grow from header to header are never wholly in memory, so whoever hashes
// one has to read first: there the number of reads bounds the hashing too.
func TestHostileWork(t *testing.T) {
	const size = 4 << 20
	f := testFrame()
	header := func(claim int) []byte { return rawHead(&f, Header{Kind: KindData, ValueLen: claim - Overhead}) }
	fill := func(b []byte) []byte { return bytes.Repeat(b, size/len(b)+1)[:size] }
	increasing := make([]byte, 0, size+HeaderSize)
	for len(increasing) < size {
		increasing = append(increasing, header(1<<20+len(increasing)%1000)...)
	}
	toTheEnd := make([]byte, 0, size+HeaderSize)
	for len(toTheEnd) < size-HeaderSize-Overhead {
		toTheEnd = append(toTheEnd, header(size-len(toTheEnd))...)
	}
	for name, seg := range map[string][]byte{
		"claims of 1 MiB":        fill(header(1 << 20)),
		"varied claims":          increasing,
		"claims to the end":      toTheEnd,
		"claims beyond the end":  fill(header(1 << 29)),
		"claims of two headers":  fill(header(2 * HeaderSize)),
		"markers between":        fill(cat(header(1<<20), bytes.Repeat(f.Marker[:], 5))),
		"headers far apart":      fill(cat(header(100<<10), make([]byte, 60<<10))),
		"claims up to the next":  fill(cat(header(60<<10), make([]byte, 60<<10-HeaderSize))),
		"nothing but markers":    fill(f.Marker[:]),
		"first bytes of markers": fill(f.Marker[:1]),
		"zeros":                  fill([]byte{0}),
		"markers and zeros":      fill(cat(f.Marker[:], make([]byte, 400))),
	} {
		for _, opt := range []ScannerOptions{{Reuse: true}, {}, {BlockSize: 4 << 10}} {
			block := int64(opt.BlockSize)
			if block == 0 {
				block = defaultBlock
			}
			opt.Frame, opt.Limit = f, int64(len(seg))
			count := &countingReader{r: bytes.NewReader(seg)}
			s := NewScanner(count, opt)
			s.See(int64(len(seg)), true)
			at := int64(0)
			var ev Event
			for s.Next(&ev) == nil {
				if ev.Class == Whole || ev.From != at {
					t.Fatalf("%s: %v at %d behind %d", name, ev.Class, ev.From, at)
				}
				at = ev.To
			}
			if at != int64(len(seg)) {
				t.Errorf("%s: ends at %d", name, at)
			}
			if limit := 8 * int64(len(seg)); count.bytes > limit {
				t.Errorf("%s, blocks of %d: %d bytes read of %d", name, block, count.bytes, len(seg))
			}
			if limit := 8 * int64(len(seg)) / block; count.calls > limit {
				t.Errorf("%s, blocks of %d: %d reads", name, block, count.calls)
			}
		}
	}
}

var errDisk = errors.New("input/output error")

// A badReader fails for ranges that touch the byte at bad.
type badReader struct {
	r   io.ReaderAt
	bad int64
}

func (r *badReader) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.bad && r.bad < off+int64(len(p)) {
		return 0, errDisk
	}
	return r.r.ReadAt(p, off)
}

// An error of the reader is handed on as it is, the scanner stays where it is,
// and goes on as if nothing had happened once the error is gone.
func TestReaderError(t *testing.T) {
	f := testFrame()
	seg, ends := sample(t, &f, 6, 200)
	seg = cat(seg[:ends[2]-5], seg[ends[2]:], make([]byte, 70), []byte("garbage"), make([]byte, 30))
	opt := ScannerOptions{Frame: f, Limit: int64(len(seg)) - 20, BlockSize: 64}
	want := scan(t, seg, opt, true)
	for bad := range int64(len(seg)) {
		r := &badReader{bytes.NewReader(seg), bad}
		s := NewScanner(r, opt)
		s.See(int64(len(seg)), true)
		var got []span
		var ev Event
		failed := 0
		for {
			at := s.Offset()
			err := s.Next(&ev)
			if err == io.EOF {
				break
			}
			if err == nil {
				got = append(got, spanOf(&ev))
				continue
			}
			if err != errDisk || s.Offset() != at {
				t.Fatalf("byte %d bad: error %v, moved from %d to %d", bad, err, at, s.Offset())
			}
			if failed++; failed == 3 {
				r.bad = -1
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("byte %d bad for a while: %s", bad, diff)
		}
	}
}

// A file that is shorter than the snapshot said is judged by what it has.
func TestReaderShrinks(t *testing.T) {
	f := testFrame()
	seg, ends := sample(t, &f, 6, 200)
	seg = cat(seg[:ends[2]-5], seg[ends[2]:], make([]byte, 100))
	for size := range int64(len(seg)) {
		for _, final := range []bool{false, true} {
			opt := ScannerOptions{Frame: f, Limit: int64(len(seg)) - 20, BlockSize: 64}
			s := NewScanner(bytes.NewReader(seg[:size]), opt)
			s.See(int64(len(seg)), final)
			want := scan(t, seg[:size], opt, final)
			if diff := cmp.Diff(want, drain(t, s)); diff != "" {
				t.Fatalf("%d bytes, final %v (-short +shrunk): %s", size, final, diff)
			}
			if s.Size() != size && !(size == 0 && len(want) == 0) {
				t.Fatalf("%d bytes, final %v: the scanner believes in %d", size, final, s.Size())
			}
		}
	}
}

// A file may be cut off under a scanner that has judged a part of it.
func TestReaderShrinksLater(t *testing.T) {
	f := testFrame()
	seg, ends := sample(t, &f, 6, 200)
	seg = cat(seg[:ends[2]-5], seg[ends[2]:], make([]byte, 100))
	for size := range int64(len(seg)) {
		for before := range 5 {
			opt := ScannerOptions{Frame: f, Limit: int64(len(seg)) - 20, BlockSize: 16}
			s := NewScanner(bytes.NewReader(seg), opt)
			s.See(int64(len(seg)), true)
			var ev Event
			for range before {
				if err := s.Next(&ev); err != nil {
					t.Fatal(err)
				}
			}
			at := s.Offset()
			s.Reset(bytes.NewReader(seg[:size]))
			for _, e := range drain(t, s) {
				if e.From != at || e.Class == Whole && e.To > size {
					t.Fatalf("%d bytes after %d events: [%d, %d) behind %d", size, before, e.From, e.To, at)
				}
				at = e.To
			}
			if at < opt.Limit {
				t.Fatalf("%d bytes after %d events: ends at %d", size, before, at)
			}
		}
	}
}

type readerFunc func(p []byte, off int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// Readers that break their contract do not make a scanner spin.
func TestReaderBroken(t *testing.T) {
	f := testFrame()
	for name, tt := range map[string]struct {
		read readerFunc
		want error
	}{
		"no progress": {func([]byte, int64) (int, error) { return 0, nil }, io.ErrNoProgress},
		"half":        {func(p []byte, _ int64) (int, error) { return len(p) / 2, nil }, io.ErrNoProgress},
		"half, error": {func(p []byte, _ int64) (int, error) { return len(p) / 2, errDisk }, errDisk},
		"ends":        {func([]byte, int64) (int, error) { return 0, io.EOF }, io.EOF},
		"ends early":  {func([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }, io.EOF},
		"full at end": {func(p []byte, _ int64) (int, error) { return len(p), io.EOF }, io.EOF},
	} {
		s := NewScanner(tt.read, ScannerOptions{Frame: f, Limit: 1 << 20})
		s.See(1000, false)
		var ev Event
		for range 3 {
			if err := s.Next(&ev); err != tt.want {
				t.Errorf("%s: %v, want %v", name, err, tt.want)
			}
		}
	}
}
