package journal

import (
	"math"

	"github.com/manypen/manypen/record"
)

// copyBelow is the length of a value up to which a batch copies it: below,
// copying is cheaper for the kernel than one more piece in the vector of the
// write, above it is not.
const copyBelow = 4096

// Batch collects entries that are appended together. The zero Batch is empty
// and ready. It must not be used by several goroutines at a time.
type Batch struct {
	pieces [][]byte // finished: arena parts and large values, in order
	arena  []byte   // the part that entries are added to
	size   int64    // of all entries, encoded
	count  int
	err    error // of the first entry that cannot be encoded
}

// Put adds a record. The key is copied; a value of 4 KiB or more is not and
// must stay as it is until the batch has been appended. What is wrong with an
// entry, AppendBatch says.
func (b *Batch) Put(key, value []byte) { b.add(KindData, key, value) }

// Delete adds a tombstone of key.
func (b *Batch) Delete(key []byte) {
	if len(key) == 0 {
		b.fail(ErrEmptyKey)
		return
	}
	b.add(KindDelete, key, nil)
}

// Len is the number of entries.
func (b *Batch) Len() int { return b.count }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.pieces) // the values are not ours to keep alive
	*b = Batch{pieces: b.pieces[:0], arena: b.arena[:0]}
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch) add(kind Kind, key, value []byte) {
	if b.err != nil {
		return
	}
	arena, err := record.AppendEntry(b.arena, kind, len(key), len(value))
	if err == nil && b.count == math.MaxUint32>>1 {
		err = &SizeError{What: "batch", Size: int64(b.count) + 1, Limit: math.MaxUint32 >> 1}
	}
	if err != nil {
		b.fail(err)
		return
	}
	b.arena = append(arena, key...)
	b.count++
	b.size += int64(record.EntryHeaderSize + len(key) + len(value))
	if b.size > record.MaxSize {
		b.fail(&SizeError{What: "batch", Size: b.size, Limit: record.MaxSize})
		return
	}
	if len(value) < copyBelow {
		b.arena = append(b.arena, value...)
		return
	}
	// The arena's memory behind this part is used for the next one.
	b.pieces = append(b.pieces, b.arena, value)
	b.arena = b.arena[len(b.arena):]
}

// encoded returns the entries in pieces.
func (b *Batch) encoded() ([][]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.count == 0 {
		return nil, ErrEmptyBatch
	}
	if len(b.arena) == 0 {
		return b.pieces, nil
	}
	return append(b.pieces, b.arena), nil
}
