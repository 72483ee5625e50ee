package index

import (
	"sync"

	"github.com/google/btree"
)

// degree of the tree. 32 keeps a node's keys in a few cache lines and its
// half-empty cost small.
const degree = 32

// leaf is one key. Most have one place, so the others are apart.
type leaf struct {
	key    string
	newest Place
	older  *[]Place // oldest first
}

func (l *leaf) places() []Place {
	if l.older == nil {
		return []Place{l.newest}
	}
	return append((*l.older)[:len(*l.older):len(*l.older)], l.newest)
}

// Tree holds the keys of what still grows. Make one with NewTree.
type Tree struct {
	mu     sync.RWMutex
	tree   *btree.BTreeG[leaf]
	places int
}

// NewTree returns an empty tree.
func NewTree() *Tree {
	return &Tree{tree: btree.NewG(degree, func(a, b leaf) bool { return a.key < b.key })}
}

// Add notes that a record of key stands at place, which is newer than all places
// of that key. The key is copied.
func (t *Tree) Add(key []byte, place Place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places++
	l := leaf{key: string(key), newest: place}
	old, there := t.tree.ReplaceOrInsert(l)
	if !there {
		return
	}
	// A walk through an earlier state may share the slice: it sees the length that
	// it had then.
	older := []Place{old.newest}
	if old.older != nil {
		older = append(*old.older, old.newest)
	}
	l.key, l.older = old.key, &older
	t.tree.ReplaceOrInsert(l)
}

// Places returns all places of key, oldest first.
func (t *Tree) Places(key []byte) []Place {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if l, ok := t.tree.Get(leaf{key: string(key)}); ok {
		return l.places()
	}
	return nil
}

// Len is the number of keys and of places.
func (t *Tree) Len() (keys, places int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.tree.Len(), t.places
}

// Cursor returns a walk from key lo on through the tree as it is now.
func (t *Tree) Cursor(lo []byte) Cursor {
	t.mu.Lock() // Clone marks the nodes as shared
	tree := t.tree.Clone()
	t.mu.Unlock()
	return &treeCursor{tree: tree, next: string(lo)}
}

// treeCursor takes some keys at a time out of the tree: its own walk cannot be
// stopped and gone on with.
type treeCursor struct {
	tree *btree.BTreeG[leaf]
	next string
	some []leaf
}

const treeStep = 64

func (c *treeCursor) Next() (key []byte, places []Place, ok bool) {
	if len(c.some) == 0 && c.tree != nil {
		c.some = make([]leaf, 0, treeStep)
		c.tree.AscendGreaterOrEqual(leaf{key: c.next}, func(l leaf) bool {
			c.some = append(c.some, l)
			return len(c.some) < treeStep
		})
		if len(c.some) < treeStep {
			c.tree = nil
		} else {
			c.next = c.some[treeStep-1].key + "\x00"
		}
	}
	if len(c.some) == 0 {
		return nil, nil, false
	}
	l := &c.some[0]
	c.some = c.some[1:]
	return []byte(l.key), l.places(), true
}
