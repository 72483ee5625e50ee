package record

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pgregory.net/rapid"
)

// sample lays out n records of various lengths one behind the other. No record
// ends in a byte that one flipped bit makes zero: in front of zeros it could not
// be told from a torn one.
func sample(t rapid.TB, f *Frame, n, maxValue int) (seg []byte, ends []int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		value := make([]byte, rng.IntN(maxValue+1))
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		const ones = 0x0101010101010100 // torn headers must not end in zeros either
		h := Header{Kind: KindData, Time: ones, Writer: ones, Seq: ones + uint64(i) + 1}
		b := encode(t, f, &h, fmt.Appendf(nil, "key %d", i), value)
		for last := b[len(b)-1]; last&(last-1) == 0; last = b[len(b)-1] {
			h.Time++
			b = encode(t, f, &h, fmt.Appendf(nil, "key %d", i), value)
		}
		seg = append(seg, b...)
		ends = append(ends, int64(len(seg)))
	}
	return seg, ends
}

// brief is an event in the form of the tables below.
func brief(events []span) (s []string) {
	for _, e := range events {
		if e.Class == Whole {
			s = append(s, fmt.Sprintf("#%d", e.Seq%256))
		} else {
			s = append(s, fmt.Sprintf("%v[%d,%d)", e.Class, e.From, e.To))
		}
	}
	return s
}

// Truncation at every byte: all records in front of the cut are delivered, the
// rest is one fragment if the segment is final, and silence if it is not. The
// same with the early seal: zeros from the cut up to the limit.
func TestTruncation(t *testing.T) {
	f := testFrame()
	seg, ends := sample(t, &f, 60, 2100)
	const limit = 64 << 10
	if len(seg) < 60<<10 || len(seg) > limit {
		t.Fatalf("the sample has %d bytes", len(seg))
	}
	opt := ScannerOptions{Frame: f, Limit: limit, Reuse: true, BlockSize: 8 << 10}
	zeros := make([]byte, limit+100)
	whole, at := 0, int64(0)
	for cut := 0; cut <= len(seg); cut += stepInShort(97) {
		for whole < len(ends) && ends[whole] <= int64(cut) {
			at = ends[whole]
			whole++
		}
		check := func(what string, seg []byte, final bool, rest ...span) {
			t.Helper()
			got := scan(t, seg, opt, final)
			if len(got) < whole {
				t.Fatalf("cut at %d, %s: %d records, want %d", cut, what, len(got), whole)
			}
			for i, e := range got[:whole] {
				if e.Class != Whole || e.To != ends[i] {
					t.Fatalf("cut at %d, %s: event %d is %v", cut, what, i, e)
				}
			}
			if !slices.Equal(rest, got[whole:]) {
				t.Fatalf("cut at %d, %s: %v, want %v", cut, what, brief(got[whole:]), brief(rest))
			}
		}
		var torn, hole []span
		data := int64(cut) // the last bytes of the remains may be zeros
		for data > at && seg[data-1] == 0 {
			data--
		}
		if data > at {
			torn = []span{{From: at, To: data, Class: Fragment}}
		}
		for _, to := range []int64{int64(cut), limit} {
			if to > data {
				hole = append(hole, span{From: data, To: to, Class: Hole})
				data = to
			}
		}
		check("final", seg[:cut], true, append(torn, hole...)...)
		check("growing", seg[:cut], false)
		copy(zeros, seg[:cut])
		clear(zeros[cut:])
		from := at
		if torn != nil {
			from = torn[0].To
		}
		var unused []span
		if from < limit {
			unused = []span{{From: from, To: limit, Class: Unused}}
		}
		check("closed early", zeros, true, append(append(torn, unused...), span{From: limit, To: limit + 100, Class: Void})...)
	}
}

// A record torn at any byte with others behind it costs nothing but itself.
func TestTornInTheMiddle(t *testing.T) {
	f := testFrame()
	all, ends := sample(t, &f, 4, 300)
	first, torn, rest := all[:ends[0]], all[ends[0]:ends[1]], all[ends[1]:]
	for cut := 1; cut < len(torn); cut++ {
		seg := cat(first, torn[:cut], rest)
		want := []string{"#1", fmt.Sprintf("fragment[%d,%d)", len(first), len(first)+cut), "#3", "#4"}
		for _, final := range []bool{false, true} {
			got := scan(t, seg, ScannerOptions{Frame: f, Limit: int64(len(seg)), BlockSize: 64}, final)
			if diff := cmp.Diff(want, brief(got)); diff != "" {
				t.Fatalf("torn at %d, final %v: %s", cut, final, diff)
			}
		}
	}
}

// Every bit of a segment, flipped: at most the record it belongs to is lost.
func TestEveryBitOfASegment(t *testing.T) {
	f := testFrame()
	seg, ends := sample(t, &f, 40, 300)
	for len(ends) > 0 && ends[len(ends)-1] > 8<<10 {
		ends = ends[:len(ends)-1]
	}
	seg = seg[:ends[len(ends)-1]]
	if len(seg) < 7<<10 {
		t.Fatalf("the sample has %d bytes", len(seg))
	}
	opt := ScannerOptions{Frame: f, Limit: int64(len(seg)), Reuse: true}
	clean := scan(t, seg, opt, true)
	if len(clean) != len(ends) {
		t.Fatalf("%d events, want %d", len(clean), len(ends))
	}
	hit := 0
	for bit := 0; bit < len(seg)*8; bit += stepInShort(61) {
		for ends[hit] <= int64(bit/8) {
			hit++
		}
		seg[bit/8] ^= 1 << (bit % 8)
		got := scan(t, seg, opt, true)
		seg[bit/8] ^= 1 << (bit % 8)
		want := append([]span(nil), clean...)
		want[hit] = span{From: clean[hit].From, To: clean[hit].To, Class: Corruption}
		if len(got) != len(want) {
			t.Fatalf("bit %d flipped: %v", bit, brief(got))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("bit %d flipped: event %d is %v, want %v", bit, i, got[i], want[i])
			}
		}
	}
}

// parts are records to compose segments of.
type parts struct {
	f    Frame
	recs [][]byte // recs[i] has sequence i+1
}

func newParts(t rapid.TB, n int) *parts {
	p := &parts{f: testFrame()}
	seg, ends := sample(t, &p.f, n, 0)
	for i, from := range append([]int64{0}, ends[:n-1]...) {
		p.recs = append(p.recs, seg[from:ends[i]:ends[i]])
	}
	return p
}

func zeros(n int) []byte { return make([]byte, n) }

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

func TestScanTable(t *testing.T) {
	p := newParts(t, 4)
	r := p.recs
	n := len(r[0]) // 57 bytes each
	for _, b := range r {
		if len(b) != 57 || n != 57 {
			t.Fatalf("a record of %d bytes: the offsets below are wrong", len(b))
		}
	}
	marker := p.f.Marker[:]
	noHeader := cat(marker, zeros(3), []byte("not a header"))
	const far = 1 << 20
	for _, tt := range []struct {
		name  string
		seg   []byte
		limit int64
		final string // events of the final segment
		grow  string // and of the growing one; "" if the same
	}{
		{"nothing", nil, 0, "", ""},
		{"nothing below the limit", nil, 100, "hole[0,100)", "-"},
		{"two records", cat(r[0], r[1]), 114, "#1 #2", ""},
		{"two torn headers in a row", cat(r[0], r[1][:20], r[2][:30], r[3]), 164, "#1 fragment[57,77) fragment[77,107) #4", ""},
		{"two torn behind the header", cat(r[0], r[1][:44], r[2][:56], r[3]), 214, "#1 fragment[57,101) fragment[101,157) #4", ""},
		{"torn within the marker, then torn", cat(r[1][:3], r[2][:9], r[3]), 69, "fragment[0,3) fragment[3,12) #4", ""},
		{"torn, then torn within the marker", cat(r[1][:50], r[2][:3], r[3]), 110, "fragment[0,53) #4", ""},
		{"one byte", []byte{marker[0]}, 1, "fragment[0,1)", "-"},
		{"one wrong byte", []byte{marker[0] ^ 1}, 1, "corruption[0,1)", "-"},
		{"torn at the end", cat(r[0], r[1][:50]), far, "#1 fragment[57,107) hole[107,1048576)", "#1"},
		{"torn header at the end", cat(r[0], r[1][:40]), 97, "#1 fragment[57,97)", "#1"},
		{"corrupted header at the end", cat(r[0], flip(r[1], 30)), 114, "#1 corruption[57,114)", "#1"},
		{"corrupted header", cat(r[0], flip(r[1], 30), r[2]), 171, "#1 corruption[57,114) #3", ""},
		{"corrupted marker", cat(r[0], flip(r[1], 2), r[2]), 171, "#1 corruption[57,114) #3", ""},
		{"corrupted key", cat(r[0], flip(r[1], 45), r[2]), 171, "#1 corruption[57,114) #3", ""},
		{"garbage in front", cat([]byte("garbage"), r[0]), 64, "corruption[0,7) #1", ""},
		{"garbage as long as a header", cat(bytes.Repeat([]byte("x"), 50), r[0]), 107, "corruption[0,50) #1", ""},
		{"a marker and no header", cat(noHeader, r[0]), 80, "fragment[0,23) #1", ""},
		{"markers only", cat(marker, marker, marker), 24, "fragment[0,8) fragment[8,16) fragment[16,24)", "-"},

		{"closed early", cat(r[0], zeros(143)), 200, "#1 unused[57,200)", "#1"},
		{"closed early and sealed beyond", cat(r[0], zeros(143), zeros(50)), 200, "#1 unused[57,200) void[200,250)", "#1"},
		{"torn, closed early", cat(r[0], r[1][:50], zeros(93)), 200, "#1 fragment[57,107) unused[107,200)", "#1"},
		{"torn header, closed early", cat(r[0], r[1][:20], zeros(123)), 200, "#1 fragment[57,77) unused[77,200)", "#1"},
		{"torn inside the trailer, closed early", cat(r[0], r[1][:56], zeros(87)), 200, "#1 fragment[57,113) unused[113,200)", "#1"},
		{"torn in front of the trailer, closed early", cat(r[0], r[1][:49], zeros(94)), 200, "#1 fragment[57,106) unused[106,200)", "#1"},
		{"whole but corrupted, closed early", cat(r[0], flip(r[1], 45), zeros(86)), 200, "#1 corruption[57,114) unused[114,200)", "#1"},
		{"corrupted trailer, closed early", cat(r[0], flip(r[1], 56), zeros(86)), 200, "#1 corruption[57,114) unused[114,200)", "#1"},
		{"two torn ones, closed early", cat(r[0][:50], r[1][:30], zeros(120)), 200, "fragment[0,50) fragment[50,80) unused[80,200)", "-"},
		{"torn, closed early, a void record", cat(r[0][:50], zeros(150), r[1]), 200, "fragment[0,50) unused[50,200) void[200,257)", "-"},
		{"torn, closed early, a torn void record", cat(r[0][:50], zeros(150), r[1][:20]), 200, "fragment[0,50) unused[50,200) void[200,220)", "-"},
		{"closed early, a torn void record", cat(zeros(200), r[1][:20]), 200, "unused[0,200) void[200,220)", "-"},

		{"hole", cat(r[0], zeros(100), r[1]), 214, "#1 hole[57,157) #2", ""},
		{"hole behind a torn record", cat(r[0][:50], zeros(100), r[1]), 207, "corruption[0,150) #2", ""},
		{"hole at the end of a cut off segment", cat(r[0], zeros(100)), 300, "#1 hole[57,157) hole[157,300)", "#1"},

		{"void", cat(r[0], r[1], r[2]), 57, "#1 void[57,171)", "#1"},
		{"straddling the limit", cat(r[0], r[1], r[2]), 58, "#1 #2 void[114,171)", "#1 #2"},
		{"ends at the limit", cat(r[0], r[1], r[2]), 114, "#1 #2 void[114,171)", "#1 #2"},
		{"starts on the byte below the limit", cat(r[0], r[1]), 58, "#1 #2", ""},
		{"torn straddling, void behind", cat(r[0], r[1][:50], r[2]), 60, "#1 fragment[57,107) void[107,164)", "#1"},
		{"torn straddling, torn void behind", cat(r[0], r[1][:50], r[2][:50]), 60, "#1 fragment[57,107) void[107,157)", "#1"},
		{"torn straddling at the end", cat(r[0], r[1][:50]), 60, "#1 fragment[57,107)", "#1"},
		{"corrupted straddling", cat(r[0], flip(r[1], 45), r[2]), 60, "#1 corruption[57,114) void[114,171)", "#1"},
		{"nothing but void", cat(r[0]), 0, "void[0,57)", "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			switch tt.grow {
			case "":
				tt.grow = tt.final
			case "-":
				tt.grow = ""
			}
			for _, block := range []int{0, 16, 50} {
				opt := ScannerOptions{Frame: p.f, Limit: tt.limit, BlockSize: block}
				if got := join(asBytes(brief(scan(t, tt.seg, opt, true)))); string(got) != tt.final {
					t.Errorf("final: %s, want %s", got, tt.final)
				}
				if got := join(asBytes(brief(scan(t, tt.seg, opt, false)))); string(got) != tt.grow {
					t.Errorf("growing: %s, want %s", got, tt.grow)
				}
			}
		})
	}
}

// asBytes puts a space between the words.
func asBytes(words []string) (b [][]byte) {
	for i, w := range words {
		if i > 0 {
			w = " " + w
		}
		b = append(b, []byte(w))
	}
	return b
}

// A torn or half written record at the end is pending until something valid
// follows it or the segment is final; then it is judged once.
func TestPending(t *testing.T) {
	p := newParts(t, 3)
	seg := cat(p.recs[0], p.recs[1][:50], p.recs[2])
	s := NewScanner(bytes.NewReader(seg), ScannerOptions{Frame: p.f, Limit: 1 << 20})
	s.See(57, false)
	if diff := cmp.Diff([]string{"#1"}, brief(drain(t, s))); diff != "" {
		t.Error(diff)
	}
	for size := int64(58); size < 107+HeaderSize; size++ {
		s.See(size, false)
		if got := drain(t, s); len(got) > 0 {
			t.Fatalf("at size %d: %v", size, brief(got))
		}
	}
	s.See(107+HeaderSize, false) // a header is enough: its writer must have come later
	if diff := cmp.Diff([]string{"fragment[57,107)"}, brief(drain(t, s))); diff != "" {
		t.Error(diff)
	}
	s.See(int64(len(seg)), false)
	if diff := cmp.Diff([]string{"#3"}, brief(drain(t, s))); diff != "" {
		t.Error(diff)
	}
	if s.Offset() != int64(len(seg)) || s.Size() != int64(len(seg)) {
		t.Errorf("offset %d, size %d, want %d", s.Offset(), s.Size(), len(seg))
	}
}

// A scan may begin at any offset that a position can have: behind the end there
// is nothing, and no sum of it overflows.
func TestFromBehindTheEnd(t *testing.T) {
	p := newParts(t, 2)
	seg := cat(p.recs[0], p.recs[1])
	for _, from := range []int64{int64(len(seg)), 1 << 20, math.MaxInt64 - Overhead, math.MaxInt64 - Overhead + 1, math.MaxInt64} {
		for _, final := range []bool{false, true} {
			s := NewScanner(bytes.NewReader(seg), ScannerOptions{Frame: p.f, Limit: int64(len(seg)), From: from})
			s.See(int64(len(seg)), final)
			if got := drain(t, s); len(got) > 0 {
				t.Errorf("from %d, final %v: %v", from, final, brief(got))
			}
			if s.Offset() != from {
				t.Errorf("from %d, final %v: goes on at %d", from, final, s.Offset())
			}
		}
	}
}
