package record

import "encoding/binary"

// MarkSize is the length of a whole mark in bytes, header and trailer included.
const MarkSize = Overhead + markValue

// markValue is the length of a mark's value: segment, offset.
const markValue = 16

// EncodeMark lays out a mark: everything in front of the position at was on disk
// when it was made. h has the time and the writer; its Seq is the number of that
// writer's last record, for a mark has none of its own.
func (b *Buffer) EncodeMark(f *Frame, h *Header, at Position) ([][]byte, error) {
	binary.LittleEndian.PutUint64(b.mark[:8], at.Segment)
	binary.LittleEndian.PutUint64(b.mark[8:], uint64(at.Offset))
	h.Kind = KindMark
	return b.Encode(f, h, nil, b.mark[:])
}

// ParseMark returns the position that a mark carries. It is false if the record
// is no mark, or one of a form this version does not know.
func ParseMark(h *Header, value []byte) (at Position, ok bool) {
	if !h.Interpretable() || h.Kind != KindMark || len(value) != markValue {
		return at, false
	}
	at.Segment = binary.LittleEndian.Uint64(value[:8])
	at.Offset = int64(binary.LittleEndian.Uint64(value[8:]))
	return at, at.Offset >= 0
}
