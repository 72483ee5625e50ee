package record

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// skim is [Frame.Whole] and the delivery of a record that is longer than a block,
// in the memory of a block. The value is not delivered.
func (s *Scanner) skim(h *Header, ev *Event) (bool, error) {
	f := &s.opt.Frame
	tailAt := s.off + h.Size() - TrailerSize
	var sum xxhash.Digest
	sum.Reset()
	ok, err := s.pieces(s.off, tailAt+TrailerSize, func(at int64, p []byte) {
		sum.Write(p[:max(0, min(int64(len(p)), tailAt-at))]) // a hash does not fail
	})
	if !ok || err != nil {
		return false, err
	}
	tail, err := s.read(tailAt, TrailerSize)
	if err != nil {
		return false, err
	}
	if len(tail) < TrailerSize || sum.Sum64()^f.Seed != binary.LittleEndian.Uint64(tail) || !f.ends(tail) {
		return false, nil
	}
	if !h.Interpretable() {
		return true, nil
	}
	b, err := s.read(s.off, HeaderSize+h.KeyLen)
	if err != nil {
		return false, err
	}
	_, nonce := f.headerSum((*rawHeader)(b))
	s.key = append(s.key[:0], b[HeaderSize:]...)
	if h.Masked() {
		xorStream(s.key, nonce) // the stream begins with the key
	}
	ev.Key, ev.Value = s.key, nil
	return true, nil
}

// pieces calls visit with the bytes of the record [from, to), which is longer than
// a block, one block after the other. It stops and reports false if the marker
// occurs behind the record's start.
func (s *Scanner) pieces(from, to int64, visit func(at int64, p []byte)) (bool, error) {
	f := &s.opt.Frame
	block := int64(s.opt.BlockSize)
	var seam [2 * (MarkerSize - 1)]byte
	for at := from; at < to; {
		// Up to where a block of the window ends, but never less than a marker.
		end := min((at+MarkerSize+block-1)/block*block, to)
		p, err := s.read(at, int(end-at))
		if err != nil {
			return false, err
		}
		visit(at, p)
		if at == from {
			p = p[1:]
		} else {
			n := copy(seam[MarkerSize-1:], p)
			if f.Find(seam[:MarkerSize-1+n]) >= 0 {
				return false, nil
			}
		}
		if f.Find(p) >= 0 {
			return false, nil
		}
		copy(seam[:MarkerSize-1], p[max(0, len(p)-(MarkerSize-1)):])
		at = end
	}
	return true, nil
}
