package record

import "encoding/binary"

// GapSize is the length of a whole gap in bytes, header and trailer included.
const GapSize = Overhead + gapValue

// gapValue is the length of a gap's value: the first sequence that is missing.
const gapValue = 8

// EncodeGap lays out a gap: the records from to h.Seq of h.Writer are not in this
// journal, and whoever made it from another one knew so.
func (b *Buffer) EncodeGap(f *Frame, h *Header, from uint64) ([][]byte, error) {
	binary.LittleEndian.PutUint64(b.mark[:gapValue], from)
	h.Kind = KindGap
	return b.Encode(f, h, nil, b.mark[:gapValue])
}

// ParseGap returns the first sequence that a gap names; h.Seq is the last one. It is
// false if the record is no gap, or one of a form this version does not know.
func ParseGap(h *Header, value []byte) (from uint64, ok bool) {
	if !h.Interpretable() || h.Kind != KindGap || len(value) != gapValue {
		return 0, false
	}
	from = binary.LittleEndian.Uint64(value)
	return from, from >= 1 && from <= h.Seq
}
