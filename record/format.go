package record

import "encoding/binary"

// A record, little-endian:
//
//	 0        8  9  10   12     16       24       32       40    44
//	+--------+--+--+----+------+--------+--------+--------+-----+-----+-------+---------+
//	| marker |k |f |klen| vlen |  time  | writer |  seq   | sum | key | value | checksum|
//	+--------+--+--+----+------+--------+--------+--------+-----+-----+-------+---------+
//
// The offsets below are normative (docs/FORMAT.md, section 3).
const (
	// MarkerSize is the length of the marker that begins every record.
	MarkerSize = 8
	// HeaderSize is the number of bytes in front of the key.
	HeaderSize = 44
	// TrailerSize is the length of the checksum behind the value.
	TrailerSize = 8
	// Overhead is what a record costs beyond its key and value.
	Overhead = HeaderSize + TrailerSize

	// MaxKey is the longest key in bytes: its length is a 16-bit field.
	MaxKey = 1<<16 - 1
	// MaxSize bounds a whole record, header and trailer included. One system
	// call moves less than 2 GiB (docs/FORMAT.md, section 7), and a reader must
	// be able to hold a record in memory.
	MaxSize = 1 << 30

	// BatchHeaderSize is the length of the entry count in front of a batch.
	BatchHeaderSize = 4
	// EntryHeaderSize is the number of bytes in front of a batch entry's key.
	EntryHeaderSize = 8
)

const (
	offKind   = 8
	offFlags  = 9
	offKeyLen = 10
	offValLen = 12
	offTime   = 16
	offWriter = 24
	offSeq    = 32
	offSum    = 40
)

// The header ends where its checksum does; a constant expression that would
// not compile if a field were moved without the others.
const _ = uint(HeaderSize-offSum-4) + uint(offSum+4-HeaderSize)

// flagMasked says that key and value are stored XORed with the key stream of
// the header (see mask).
const flagMasked = 1 << 0

// knownFlags are the flags this version can interpret.
const knownFlags = flagMasked

// rawHeader is the encoded form, with one accessor per field.
type rawHeader [HeaderSize]byte

func (r *rawHeader) marker() []byte    { return r[:MarkerSize] }
func (r *rawHeader) kind() Kind        { return Kind(r[offKind]) }
func (r *rawHeader) flags() byte       { return r[offFlags] }
func (r *rawHeader) keyLen() uint16    { return binary.LittleEndian.Uint16(r[offKeyLen:]) }
func (r *rawHeader) valueLen() uint32  { return binary.LittleEndian.Uint32(r[offValLen:]) }
func (r *rawHeader) time() int64       { return int64(binary.LittleEndian.Uint64(r[offTime:])) }
func (r *rawHeader) writer() uint64    { return binary.LittleEndian.Uint64(r[offWriter:]) }
func (r *rawHeader) seq() uint64       { return binary.LittleEndian.Uint64(r[offSeq:]) }
func (r *rawHeader) sum() uint32       { return binary.LittleEndian.Uint32(r[offSum:]) }
func (r *rawHeader) summed() []byte    { return r[:offSum] }
func (r *rawHeader) setSum(sum uint32) { binary.LittleEndian.PutUint32(r[offSum:], sum) }

func (r *rawHeader) set(f *Frame, h *Header) {
	copy(r.marker(), f.Marker[:])
	r[offKind] = byte(h.Kind)
	r[offFlags] = h.flags
	binary.LittleEndian.PutUint16(r[offKeyLen:], uint16(h.KeyLen))
	binary.LittleEndian.PutUint32(r[offValLen:], uint32(h.ValueLen))
	binary.LittleEndian.PutUint64(r[offTime:], uint64(h.Time))
	binary.LittleEndian.PutUint64(r[offWriter:], h.Writer)
	binary.LittleEndian.PutUint64(r[offSeq:], h.Seq)
}
