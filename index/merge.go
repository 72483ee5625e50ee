package index

import (
	"bytes"
	"container/heap"
	"iter"

	"github.com/manypen/manypen/internal/invariant"
)

// Cursor is a walk through keys in their order.
type Cursor interface {
	// Next returns the next key with all its places there, oldest first; ok is
	// false behind the last one. Both are the caller's until the next call.
	Next() (key []byte, places []Place, ok bool)
}

// Merge returns the keys below hi (nil: all) that any of the cursors has, in order,
// with the newest place of each. Deleted keys are among them.
func Merge(cursors []Cursor, hi []byte) iter.Seq2[[]byte, Place] {
	return func(yield func([]byte, Place) bool) {
		var h heads
		for _, c := range cursors {
			if s := (head{cursor: c}); s.next() {
				h = append(h, s)
			}
		}
		heap.Init(&h)
		var key []byte
		for len(h) > 0 && (hi == nil || bytes.Compare(h[0].key, hi) < 0) {
			if invariant.Enabled && key != nil && bytes.Compare(h[0].key, key) <= 0 {
				invariant.Violated("key %q comes behind %q", h[0].key, key)
			}
			key = append(key[:0], h[0].key...)
			var newest Place
			for len(h) > 0 && bytes.Equal(h[0].key, key) {
				if h[0].newest.After(newest) {
					newest = h[0].newest
				}
				if h[0].next() {
					heap.Fix(&h, 0)
				} else {
					heap.Pop(&h)
				}
			}
			if !yield(key, newest) {
				return
			}
		}
	}
}

// head is the key that a cursor stands at.
type head struct {
	cursor Cursor
	key    []byte
	newest Place
}

func (s *head) next() bool {
	key, places, ok := s.cursor.Next()
	if !ok || len(places) == 0 {
		return false
	}
	s.key, s.newest = key, places[len(places)-1]
	return true
}

// heads is a heap by keys.
type heads []head

func (h heads) Len() int           { return len(h) }
func (h heads) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h heads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)        { *h = append(*h, x.(head)) }
func (h *heads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
