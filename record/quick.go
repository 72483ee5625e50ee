package record

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// quick delivers the record at s.off if all of it is in the block at hand and it
// is of a plain kind. It decides nothing that [Scanner.next] would not decide in
// the same way: whatever is not plain is left to that.
//
// Nine of ten nanoseconds of a scan of small records are spent here, so the
// header is taken apart where it stands, and the marker inside of a record is
// looked for by its first byte, which text does not have.
func (s *Scanner) quick(ev *Event) bool {
	i := s.off - s.base
	if i < 0 || i > int64(len(s.block))-Overhead || s.off < s.dead || s.off < s.suspect {
		return false
	}
	b := s.block[i:]
	r := (*rawHeader)(b)
	keyLen, valueLen := int64(r.keyLen()), int64(r.valueLen())
	size := keyLen + valueLen + Overhead
	end := s.off + size
	if size > int64(len(b)) || size > MaxSize || end > s.size || s.off >= s.opt.Limit {
		return false
	}
	f := &s.opt.Frame
	kind := r.kind()
	if (kind != KindData && kind != KindDelete) || r.flags() != 0 || [MarkerSize]byte(b) != f.Marker {
		return false
	}
	if uint32(xxhash.Sum64(r.summed())^f.Seed) != r.sum() {
		return false
	}
	b = b[:size:size]
	body, tail := b[:size-TrailerSize], b[size-TrailerSize:]
	if xxhash.Sum64(body)^f.Seed != binary.LittleEndian.Uint64(tail) || !f.ends(tail) || f.inside(b) {
		return false
	}
	ev.To = end
	ev.Class = Whole
	h := &ev.Header
	h.Kind, h.flags = kind, 0
	h.KeyLen, h.ValueLen = int(keyLen), int(valueLen)
	h.Time, h.Writer, h.Seq = r.time(), r.writer(), r.seq()
	k := HeaderSize + keyLen
	ev.Key, ev.Value = b[HeaderSize:k:k], b[k:len(body):len(body)]
	return true
}
