package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/manypen/manypen/internal/invariant"
)

// Run holds the keys of what does not grow any more, in order, each with all its
// places, as one piece of memory:
//
//	run   = { entry }, keys in strictly ascending order
//	entry = uvarint(key length) key uvarint(number of places) { place }
//	place = uvarint(At, less that of the place in front) uvarint(Index << 1 | dead)
//
// with the varints of encoding/binary. At is counted from a base that is not part
// of it.
type Run struct {
	b            []byte
	base         uint64
	stops        []int // offset of every stopStep-th entry
	keys, places int
}

// stopStep is how many entries a search reads through at most.
const stopStep = 16

// Bytes is the run as it is written to a file.
func (r *Run) Bytes() []byte { return r.b }

// Len is the number of keys and of places.
func (r *Run) Len() (keys, places int) { return r.keys, r.places }

// Size is the memory that the run takes, in bytes.
func (r *Run) Size() int { return cap(r.b) + 8*cap(r.stops) }

// ParseRun makes a run of what Bytes gave, or reports that b is not of that form.
// It accepts any bytes. base is added to the place of every unit.
func ParseRun(b []byte, base uint64) (*Run, bool) {
	r := &Run{b: b, base: base}
	c := runCursor{r: r, rest: b}
	var last []byte
	for len(c.rest) > 0 {
		r.stop(len(b) - len(c.rest))
		key, places, ok := c.Next()
		if !ok || r.keys > 0 && bytes.Compare(last, key) >= 0 {
			return nil, false
		}
		last = key
		r.keys++
		r.places += len(places)
	}
	return r, true
}

// RunOf makes a run of a cursor's keys, whose places have base in them.
func RunOf(c Cursor, base uint64) *Run {
	r := &Run{base: base}
	var relative []Place
	for {
		key, places, ok := c.Next()
		if !ok {
			return r
		}
		relative = append(relative[:0], places...)
		for i := range relative {
			if invariant.Enabled && relative[i].At < base {
				invariant.Violated("place %d of key %q is in front of its base %d", relative[i].At, key, base)
			}
			relative[i].At -= base
		}
		r.add(key, relative)
	}
}

// stop notes that entry number r.keys begins at offset off.
func (r *Run) stop(off int) {
	if r.keys%stopStep == 0 {
		r.stops = append(r.stops, off)
	}
}

// add appends an entry. Its places are relative to the base.
func (r *Run) add(key []byte, places []Place) {
	r.stop(len(r.b))
	r.b = binary.AppendUvarint(r.b, uint64(len(key)))
	r.b = append(r.b, key...)
	r.b = binary.AppendUvarint(r.b, uint64(len(places)))
	at := uint64(0)
	for _, p := range places {
		if invariant.Enabled && p.At < at {
			invariant.Violated("place %d of key %q comes behind %d", p.At, key, at)
		}
		r.b = binary.AppendUvarint(r.b, p.At-at)
		at = p.At
		n := uint64(p.Index) << 1
		if p.Dead {
			n |= 1
		}
		r.b = binary.AppendUvarint(r.b, n)
	}
	r.keys++
	r.places += len(places)
}

// Cursor returns a walk from key lo on. The keys it gives are never changed.
func (r *Run) Cursor(lo []byte) Cursor {
	c := &runCursor{r: r}
	// The first stop whose key is not below lo; the entry is there or in front.
	i := sort.Search(len(r.stops), func(i int) bool {
		probe := runCursor{r: r, rest: r.b[r.stops[i]:]}
		key, _, _ := probe.Next()
		return bytes.Compare(key, lo) >= 0
	})
	if i > 0 {
		i--
	}
	if i < len(r.stops) {
		c.rest = r.b[r.stops[i]:]
	}
	for {
		before := c.rest
		key, _, ok := c.Next()
		if !ok || bytes.Compare(key, lo) >= 0 {
			c.rest = before
			return c
		}
	}
}

// Places returns all places of key, oldest first.
func (r *Run) Places(key []byte) []Place {
	k, places, ok := r.Cursor(key).Next()
	if !ok || !bytes.Equal(k, key) {
		return nil
	}
	return places
}

// Entries returns the hash of every key with its newest place, relative to the
// base, in the order of hashes, for [Table.Load].
func (r *Run) Entries() []byte {
	all := make([]slot, 0, r.keys)
	c := runCursor{r: &Run{}, rest: r.b}
	for {
		key, places, ok := c.Next()
		if !ok {
			break
		}
		s := slot{Hash(key), places[len(places)-1].At}
		if places[len(places)-1].Dead {
			s.hash |= 1
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b slot) int { return cmp.Compare(a.hash, b.hash) })
	b := make([]byte, 0, len(all)*EntrySize)
	for _, s := range all {
		b = binary.LittleEndian.AppendUint64(b, s.hash)
		b = binary.LittleEndian.AppendUint64(b, s.place)
	}
	return b
}

type runCursor struct {
	r      *Run
	rest   []byte
	places []Place
}

// Next returns false at the end and where the bytes are no entry.
func (c *runCursor) Next() (key []byte, places []Place, ok bool) {
	n, b, ok := uvarint(c.rest)
	if !ok || n > uint64(len(b)) {
		return nil, nil, false
	}
	key, b = b[:n:n], b[n:]
	count, b, ok := uvarint(b)
	if !ok || count == 0 || count > uint64(len(b)) {
		return nil, nil, false
	}
	c.places = c.places[:0]
	at := c.r.base
	for range count {
		var delta, n uint64
		if delta, b, ok = uvarint(b); !ok {
			return nil, nil, false
		}
		if n, b, ok = uvarint(b); !ok || n>>1 > 1<<32-1 {
			return nil, nil, false
		}
		at += delta
		c.places = append(c.places, Place{At: at, Index: uint32(n >> 1), Dead: n&1 != 0})
	}
	c.rest = b
	return key, c.places, true
}

func uvarint(b []byte) (uint64, []byte, bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 {
		return 0, nil, false
	}
	return n, b[k:], true
}

// Builder makes a run out of places in the order in which they are found. The zero
// Builder is ready.
type Builder struct {
	keys  []byte
	found []found
}

// found is a place, relative to the base, and its key in Builder.keys.
type found struct {
	prefix   uint64 // of the key: most comparisons end here
	from, to int
	place    Place
}

// Add notes that a record of key stands at place. The key is copied.
func (b *Builder) Add(key []byte, place Place) {
	var first [8]byte
	copy(first[:], key)
	from := len(b.keys)
	b.keys = append(b.keys, key...)
	b.found = append(b.found, found{binary.BigEndian.Uint64(first[:]), from, len(b.keys), place})
}

// Run returns what was added, with base added to every place. The Builder is empty
// afterwards.
func (b *Builder) Run(base uint64) *Run {
	slices.SortFunc(b.found, func(x, y found) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		if c := bytes.Compare(b.keys[x.from:x.to], b.keys[y.from:y.to]); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(x.place.At, y.place.At), cmp.Compare(x.place.Index, y.place.Index))
	})
	r := &Run{base: base, b: make([]byte, 0, len(b.keys)+8*len(b.found))}
	var places []Place
	for i := 0; i < len(b.found); {
		f := b.found[i]
		key := b.keys[f.from:f.to]
		places = places[:0]
		for ; i < len(b.found) && bytes.Equal(b.keys[b.found[i].from:b.found[i].to], key); i++ {
			places = append(places, b.found[i].place)
		}
		r.add(key, places)
	}
	*b = Builder{keys: b.keys[:0], found: b.found[:0]}
	return r
}
