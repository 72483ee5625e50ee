package oracle

import (
	"slices"
	"testing"
)

// The first block begins where the sync has ended, the others at their edges, and there
// are no more than can be lost.
func TestUnsynced(t *testing.T) {
	files := map[uint64][]byte{1: make([]byte, HeaderSize+100), 2: make([]byte, HeaderSize+BlockSize+5), 3: make([]byte, HeaderSize)}
	file := func(n uint64) []byte { return files[n] }
	want := []Block{{1, HeaderSize + 60, HeaderSize + 100}, {2, HeaderSize, HeaderSize + BlockSize}, {2, HeaderSize + BlockSize, HeaderSize + BlockSize + 5}}
	if got := Unsynced(file, Position{Segment: 1, Offset: HeaderSize + 60}); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	files[4] = make([]byte, HeaderSize+20*BlockSize)
	got := Unsynced(file, Position{Segment: 1, Offset: HeaderSize})
	if len(got) != LostBlocks || got[0].From != HeaderSize+10*BlockSize || got[9].To != HeaderSize+20*BlockSize {
		t.Errorf("of 23 blocks %v", got)
	}
}
