package oracle

// LostBlocks is how many blocks a loss of power can take away, BlockSize their size in
// bytes.
const (
	LostBlocks = 10
	BlockSize  = 4096
)

// Block is a stretch of a segment that gets to the disk or does not.
type Block struct {
	Segment  uint64
	From, To int64
}

// Unsynced returns the blocks behind a position, oldest first, at most LostBlocks of
// them. file returns the content of a segment, nil if there is none. The header of a
// segment is on disk before the segment has a name.
func Unsynced(file func(segment uint64) []byte, durable Position) []Block {
	var all []Block
	for n := durable.Segment; file(n) != nil; n++ {
		from, size := int64(HeaderSize), int64(len(file(n)))
		if n == durable.Segment {
			from = durable.Offset
		}
		for from < size {
			to := min(from/BlockSize*BlockSize+BlockSize, size)
			all = append(all, Block{n, from, to})
			from = to
		}
	}
	return all[max(0, len(all)-LostBlocks):]
}
