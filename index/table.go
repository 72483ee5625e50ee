package index

import (
	"encoding/binary"
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

// List is some entries as [Run.Entries] encodes them, in the order of their hashes.
type List struct {
	// Entries are pairs of a hash and a place, 64 bits each, little-endian.
	Entries []byte
	// Base is added to every place.
	Base uint64
}

func (l *List) len() int { return len(l.Entries) / EntrySize }

func (l *List) at(i int) slot {
	b := l.Entries[i*EntrySize:][:EntrySize]
	return slot{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]) + l.Base}
}

// from is the first entry whose hash is not below that of part n.
func (l *List) from(n int) int {
	return sort.Search(l.len(), func(i int) bool { return int(l.at(i).hash>>(64-partBits)) >= n })
}

// Load puts all entries of lists, which may come in any order, with several
// goroutines.
func (t *Table) Load(lists []List, workers int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range max(1, workers) {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < len(t.parts); n = int(next.Add(1)) - 1 {
				t.loadPart(n, lists)
			}
		})
	}
	wg.Wait()
}

func (t *Table) loadPart(n int, lists []List) {
	p := &t.parts[n]
	p.mu.Lock()
	defer p.mu.Unlock()
	total := 0
	for i := range lists {
		total += lists[i].from(n+1) - lists[i].from(n)
	}
	p.room(total, t.floor.Load())
	for i := range lists {
		l := &lists[i]
		for k := l.from(n); k < l.len(); k++ {
			s := l.at(k)
			if int(s.hash>>(64-partBits)) != n {
				break // the next part, or a list that is out of order
			}
			p.put(s)
		}
	}
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
	// Many at once are all there is to come, for now; one is followed by others.
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
