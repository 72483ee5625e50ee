package record

import "encoding/binary"

// A batch's value is a count and its entries, each:
//
//	 0    1    2      4      8
//	+----+----+------+------+-----+-------+
//	|kind| 0  | klen | vlen | key | value |
//	+----+----+------+------+-----+-------+
//
// Entries have no marker: nothing inside a batch can be taken for a beginning.

// Entry is one key and value of a batch.
type Entry struct {
	Kind       Kind
	Key, Value []byte
}

// AppendEntry appends the header of a batch entry to b. Its key and its value
// have to follow in the encoded batch.
func AppendEntry(b []byte, kind Kind, keyLen, valueLen int) ([]byte, error) {
	if keyLen > MaxKey {
		return b, &SizeError{"key", int64(keyLen), MaxKey}
	}
	if valueLen > MaxSize {
		return b, &SizeError{"value", int64(valueLen), MaxSize}
	}
	b = append(b, byte(kind), 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(keyLen))
	return binary.LittleEndian.AppendUint32(b, uint32(valueLen)), nil
}

// Entries walks through the value of a batch, which stays where it is.
type Entries struct {
	rest  []byte
	count int
}

// NewEntries checks the form of a batch's value to its last byte: false means
// that the batch must not be used, not even in part.
func NewEntries(value []byte) (Entries, bool) {
	if len(value) < BatchHeaderSize {
		return Entries{}, false
	}
	n := binary.LittleEndian.Uint32(value)
	all := Entries{rest: value[BatchHeaderSize:], count: int(n)}
	if n == 0 || int64(n) > int64(len(all.rest))/EntryHeaderSize {
		return Entries{}, false
	}
	for e := all; ; {
		if e.count == 0 {
			return all, len(e.rest) == 0
		}
		if _, ok := e.next(); !ok {
			return Entries{}, false
		}
	}
}

// Len is the number of entries that Next has not returned yet.
func (e *Entries) Len() int { return e.count }

// Next returns the next entry, false behind the last one.
func (e *Entries) Next() (Entry, bool) {
	if e.count == 0 {
		return Entry{}, false
	}
	return e.next()
}

func (e *Entries) next() (Entry, bool) {
	b := e.rest
	if len(b) < EntryHeaderSize || b[0] == 0 || b[1] != 0 {
		return Entry{}, false
	}
	k := int64(binary.LittleEndian.Uint16(b[2:]))
	v := int64(binary.LittleEndian.Uint32(b[4:]))
	if k+v > int64(len(b)-EntryHeaderSize) {
		return Entry{}, false
	}
	key := b[EntryHeaderSize:][:k:k]
	value := b[EntryHeaderSize+k:][:v:v]
	e.rest = b[EntryHeaderSize+k+v:]
	e.count--
	return Entry{Kind(b[0]), key, value}, true
}
