package control

// A Pos is a position as one word, so that it can be compared and published
// atomically: 28 bits for the segment, 36 for the offset. It is ordered across
// segments, so what was synced of one segment can never be taken for a part of
// the next one, as a count of bytes would (C14).
type Pos uint64

const offsetBits = 36

// End is the offset of a segment of which everything is meant. No byte of a
// segment lies there: limits are below 32 GiB, records below 1 GiB.
const End = 1<<offsetBits - 1

// At packs a position. An offset beyond End is one of void bytes and means End.
func At(segment uint64, offset int64) Pos {
	return Pos(segment<<offsetBits | uint64(min(offset, End)))
}

// Segment is the segment of p.
func (p Pos) Segment() uint64 { return uint64(p) >> offsetBits }

// Offset is the offset of p.
func (p Pos) Offset() int64 { return int64(p & End) }

// FirstUnsynced is the first segment that is not wholly synced if p is what is
// synced (LO in the protocol).
func (p Pos) FirstUnsynced() uint64 {
	if p.Offset() == End {
		return p.Segment() + 1
	}
	return p.Segment()
}
