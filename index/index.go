// Package index is an ordered map from keys to where their newest record
// stands. It knows nothing of segments, files or records: the place is whatever
// its user makes of the type parameter.
//
// An Index may be used by several goroutines at a time. It is fed in journal
// order; a snapshot of it can be walked through while it is fed.
package index

import (
	"iter"
	"sync"

	"github.com/google/btree"
)

// degree of the tree. 32 keeps a node's keys in a few cache lines and its
// half-empty cost small.
const degree = 32

type item[P any] struct {
	key   string
	place P
}

// Index maps keys to places of type P. Make one with New.
type Index[P any] struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[item[P]]
}

// New returns an empty index.
func New[P any]() *Index[P] {
	less := func(a, b item[P]) bool { return a.key < b.key }
	return &Index[P]{tree: btree.NewG(degree, less)}
}

// Put notes that the newest record of key stands at place. The key is copied.
func (x *Index[P]) Put(key []byte, place P) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tree.ReplaceOrInsert(item[P]{string(key), place})
}

// Delete forgets key.
func (x *Index[P]) Delete(key []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tree.Delete(item[P]{key: string(key)})
}

// Get returns the place of key.
func (x *Index[P]) Get(key []byte) (place P, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	it, ok := x.tree.Get(item[P]{key: string(key)})
	return it.place, ok
}

// Len is the number of keys.
func (x *Index[P]) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.tree.Len()
}

// Range returns the keys from lo on and below hi, in order, as they are when
// the loop begins: it walks through a snapshot that costs nothing to take and
// holds no lock. A nil lo or hi means no bound on that side.
func (x *Index[P]) Range(lo, hi []byte) iter.Seq2[string, P] {
	return func(yield func(string, P) bool) {
		x.mu.Lock() // Clone marks the nodes as shared
		tree := x.tree.Clone()
		x.mu.Unlock()
		each := func(it item[P]) bool { return yield(it.key, it.place) }
		if hi == nil {
			tree.AscendGreaterOrEqual(item[P]{key: string(lo)}, each)
			return
		}
		tree.AscendRange(item[P]{key: string(lo)}, item[P]{key: string(hi)}, each)
	}
}
