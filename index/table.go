package index

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sort"
	"sync"
	"sync/atomic"
)

// Table maps the hash of a key to the newest place that was put there. Two keys of
// one hash share an entry, so who uses a place must look whose it is; nothing else
// is wrong then. The zero Table is ready.
//
// It is made of parts by the first bits of the hash, and each part is ordered as
// far as collisions let it be: so entries that come in the order of their hashes,
// as those of a [Run] do, fill one part after the other, each while it is in the
// processor's cache, and growing is a copy from front to back. (Linear probing;
// Knuth, The Art of Computer Programming 3, 6.4.)
type Table struct {
	parts [1 << partBits]part
	floor atomic.Uint64
}

const partBits = 8

type part struct {
	mu    sync.RWMutex
	slots []slot
	used  int
}

// slot is an entry; place 0 is a free one. The lowest bit of the hash says that
// the key is deleted.
type slot struct{ hash, place uint64 }

// EntrySize is the length of an entry in bytes, in memory and in a list.
const EntrySize = 16

// Put notes that the newest record of the keys with this hash stands at place, if
// that is newer than what is there.
func (t *Table) Put(hash, place uint64, dead bool) {
	if dead {
		hash |= 1
	}
	p := &t.parts[hash>>(64-partBits)]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room(1, t.floor.Load())
	p.put(slot{hash, place})
}

// Get returns the newest place of the keys with this hash.
func (t *Table) Get(hash uint64) (place uint64, dead, ok bool) {
	p := &t.parts[hash>>(64-partBits)]
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.slots) == 0 {
		return 0, false, false
	}
	for i := p.home(hash); ; {
		s := p.slots[i]
		if s.place == 0 {
			return 0, false, false
		}
		if (s.hash^hash)&^1 == 0 {
			return s.place, s.hash&1 != 0, true
		}
		if i++; i == len(p.slots) {
			i = 0
		}
	}
}

// Forget lets the table drop places below floor when it needs room.
func (t *Table) Forget(floor uint64) { t.floor.Store(floor) }

// Len is the number of entries, deleted keys included, and the memory they take.
func (t *Table) Len() (entries, bytes int) {
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.RLock()
		entries += p.used
		bytes += len(p.slots) * EntrySize
		p.mu.RUnlock()
	}
	return entries, bytes
}

// Parts is how many parts a table and a list have.
const Parts = 1 << partBits

// PartOf is the part that a hash belongs to.
func PartOf(hash uint64) int { return int(hash >> (64 - partBits)) }

// List is entries as [Run.Entries] encodes them: pairs of a hash and a place, 64 bits
// each, little-endian, in the order of their hashes.
type List struct {
	// Part returns the entries of one part. buf is nil or what it has returned before
	// and may use again. Several goroutines call it.
	Part func(n int, buf []byte) ([]byte, error)
	// Base is added to every place.
	Base uint64
}

// ListOf is the list of entries in memory.
func ListOf(entries []byte, base uint64) List {
	return List{Base: base, Part: func(n int, _ []byte) ([]byte, error) {
		return entries[FromPart(entries, n):FromPart(entries, n+1)], nil
	}}
}

// FromPart is where in entries those of part n begin, in bytes.
func FromPart(entries []byte, n int) int {
	return EntrySize * sort.Search(len(entries)/EntrySize, func(i int) bool {
		return PartOf(entryAt(entries, i, 0).hash) >= n
	})
}

func entryAt(entries []byte, i int, base uint64) slot {
	b := entries[i*EntrySize:][:EntrySize]
	return slot{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]) + base}
}

// Find looks a hash up in one part of a list whose base is base.
func Find(part []byte, hash, base uint64) (place uint64, ok bool) {
	n := len(part) / EntrySize
	i := sort.Search(n, func(i int) bool { return entryAt(part, i, 0).hash >= hash })
	if i == n {
		return 0, false
	}
	s := entryAt(part, i, base)
	return s.place, (s.hash^hash)&^1 == 0
}

// Load puts all entries of lists, which may come in any order, with several
// goroutines. After an error some are missing.
func (t *Table) Load(lists []List, workers int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, max(1, workers))
	for w := range errs {
		wg.Go(func() {
			var l loader
			for n := int(next.Add(1)) - 1; n < Parts && errs[w] == nil; n = int(next.Add(1)) - 1 {
				errs[w] = l.load(&t.parts[n], n, lists, t.floor.Load())
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// loader is the memory of one goroutine: a part of each list.
type loader struct{ parts [][]byte }

func (l *loader) load(p *part, n int, lists []List, floor uint64) error {
	if l.parts == nil {
		l.parts = make([][]byte, len(lists))
	}
	total := 0
	for i := range lists {
		b, err := lists[i].Part(n, l.parts[i])
		if err != nil {
			return err
		}
		l.parts[i] = b
		total += len(b) / EntrySize
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.room(total, floor)
	for i, b := range l.parts {
		for k := range len(b) / EntrySize {
			if s := entryAt(b, k, lists[i].Base); PartOf(s.hash) == n { // else it is out of order
				p.put(s)
			}
		}
	}
	return nil
}

// home is where the search for a hash begins.
func (p *part) home(hash uint64) int {
	i, _ := bits.Mul64(hash<<partBits, uint64(len(p.slots)))
	return int(i)
}

// put needs room for one more.
func (p *part) put(s slot) {
	for i := p.home(s.hash); ; {
		old := &p.slots[i]
		if old.place == 0 {
			*old = s
			p.used++
			return
		}
		if (old.hash^s.hash)&^1 == 0 {
			// The same place again is the later entry of a unit.
			if s.place >= old.place {
				*old = s
			}
			return
		}
		if i++; i == len(p.slots) {
			i = 0
		}
	}
}

// room makes sure that n more entries leave a quarter of the slots free.
func (p *part) room(n int, floor uint64) {
	if (p.used+n)*4 <= len(p.slots)*3 {
		return
	}
	old, left := p.slots, 0
	for _, s := range old {
		if s.place > 0 && s.place >= floor {
			left++
		}
	}
	// Many entries come as a whole list, whose length is known; a single one comes
	// from an append, and others follow it.
	size := (left+n)*4/3 + 1
	if n == 1 {
		size = 2*left + 8
	}
	p.slots = make([]slot, size)
	p.used = 0
	for _, s := range old {
		if s.place > 0 && s.place >= floor {
			p.put(s)
		}
	}
}
