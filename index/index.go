// Package index has the parts that a journal finds its keys with. It knows nothing
// of segments or files: where a record stands is a [Place].
//
//   - A [Table] maps the hash of each key to its newest place, in 16 bytes and in
//     no order.
//   - A [Tree] holds the keys of what still grows, in order, each with all its
//     places.
//   - A [Run] holds the same for what does not grow any more, in one piece of
//     memory that can be written to a file and read back.
//   - [Merge] walks through any number of those in the order of keys.
//
// A Table and a Tree may be used by several goroutines at a time; a Run is never
// changed.
package index

import "github.com/cespare/xxhash/v2"

// Place is where a record of a key stands.
type Place struct {
	// At is the place of the unit that the record is in; later units have higher
	// ones. It is never 0.
	At uint64
	// Index is the place of the record in its unit.
	Index uint32
	// Dead says that the record deletes its key.
	Dead bool
}

// After reports whether p is newer than q.
func (p Place) After(q Place) bool { return p.At > q.At || p.At == q.At && p.Index > q.Index }

// Hash is the hash of a key that a [Table] is asked by. Its lowest bit is not part
// of it and always 0.
func Hash(key []byte) uint64 { return xxhash.Sum64(key) &^ 1 }
