package control

import (
	"cmp"
	"testing"

	"pgregory.net/rapid"
)

// The parts of the largest position are those of packages segment and record:
// numbers below 2^28, limits of at most 32 GiB, records of at most 1 GiB.
const (
	maxSegment = 1<<28 - 1
	maxOffset  = 32<<30 + 1<<30
)

func TestPosPacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		segment := rapid.Uint64Range(0, maxSegment)
		offset := rapid.OneOf(rapid.Int64Range(0, maxOffset), rapid.Just[int64](End))
		n, off := segment.Draw(t, "segment"), offset.Draw(t, "offset")
		p := At(n, off)
		if p.Segment() != n || p.Offset() != off {
			t.Fatalf("At(%d, %d) is %d:%d", n, off, p.Segment(), p.Offset())
		}
		m, other := segment.Draw(t, "other segment"), offset.Draw(t, "other offset")
		if got, want := cmp.Compare(p, At(m, other)), cmp.Or(cmp.Compare(n, m), cmp.Compare(off, other)); got != want {
			t.Fatalf("%d:%d against %d:%d: %d, want %d", n, off, m, other, got, want)
		}
	})
}

// C14: the void tail of a segment, however long, is not a part of the next one.
func TestC14VoidTail(t *testing.T) {
	for _, off := range []int64{maxOffset, End - 1, End, End + 1, 1 << 40, 1<<63 - 1} {
		p := At(7, off)
		if p.Segment() != 7 || p >= At(8, 0) {
			t.Errorf("offset %d of segment 7 is %d:%d", off, p.Segment(), p.Offset())
		}
		if off > End && p != At(7, End) {
			t.Errorf("offset %d is %d, want the end", off, p.Offset())
		}
	}
	if maxOffset >= End {
		t.Errorf("a record may end at %d, which means the end of a segment", int64(maxOffset))
	}
}

func TestFirstUnsynced(t *testing.T) {
	for _, c := range []struct {
		syn  Pos
		want uint64
	}{
		{0, 0},
		{At(1, 0), 1},
		{At(1, 8192), 1},
		{At(1, End-1), 1},
		{At(1, End), 2},
		{At(2, 0), 2},
		{At(maxSegment, End), maxSegment + 1},
	} {
		if got := c.syn.FirstUnsynced(); got != c.want {
			t.Errorf("%d:%d: first unsynced is %d, want %d", c.syn.Segment(), c.syn.Offset(), got, c.want)
		}
	}
}
