package record

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// A Frame is what all records of one segment share. It follows from the
// journal's UUID and the segment's number, so that it can be had without the
// segment's own header, and so that a record of another segment or another
// journal never checks out.
type Frame struct {
	// Marker begins every record. Its first byte is 0xF8 or above, which no
	// UTF-8 text contains, and occurs nowhere else in it: an occurrence can not
	// overlap another one.
	Marker [MarkerSize]byte
	// Seed is XORed into every checksum.
	Seed uint64
}

// NewFrame derives the frame of a segment.
func NewFrame(uuid [16]byte, segment uint64) Frame {
	var in [16 + 8 + 1]byte
	copy(in[:], uuid[:])
	binary.LittleEndian.PutUint64(in[16:], segment)
	f := Frame{Seed: xxhash.Sum64(in[:])}
	for try := byte(1); ; try++ {
		in[24] = try
		binary.LittleEndian.PutUint64(f.Marker[:], xxhash.Sum64(in[:]))
		f.Marker[0] |= 0xF8
		// One try in thirty-six has the first byte again further on. 255 such
		// tries in a row do not happen; the loop would begin anew with the same
		// bytes if they did, so accept the last one rather than spin.
		if bytes.IndexByte(f.Marker[1:], f.Marker[0]) < 0 || try == 255 {
			return f
		}
	}
}

// Find returns the offset in b of the first marker, or -1.
func (f *Frame) Find(b []byte) int { return bytes.Index(b, f.Marker[:]) }

// headerSum is the checksum of a header, and the full hash it was cut from.
func (f *Frame) headerSum(r *rawHeader) (sum uint32, hash uint64) {
	hash = xxhash.Sum64(r.summed()) ^ f.Seed
	return uint32(hash), hash
}

// ends reports whether tail, a checksum, may end a record of this segment.
//
// A torn record that lacks nothing but its last bytes must not become whole by
// what follows it: by zeros, which would bring back a record whose writer has
// been told that it failed, or by the first bytes of the next record's marker,
// which would cost that record. So no record ends in a zero, or in the
// beginning of a marker.
func (f *Frame) ends(tail []byte) bool {
	if tail[len(tail)-1] == 0 {
		return false
	}
	i := bytes.LastIndexByte(tail, f.Marker[0])
	return i < 0 || !bytes.HasPrefix(f.Marker[:], tail[i:])
}

// inside reports whether the marker occurs in the record b behind its start. It
// jumps from one first byte of a marker to the next: in most records there is
// none, and in others about one in 256 bytes.
func (f *Frame) inside(b []byte) bool {
	marker := binary.LittleEndian.Uint64(f.Marker[:])
	for b = b[MarkerSize:]; ; {
		i := bytes.IndexByte(b, f.Marker[0])
		if i < 0 || len(b)-i < MarkerSize {
			return false
		}
		if b = b[i:]; binary.LittleEndian.Uint64(b) == marker {
			return true
		}
		b = b[1:]
	}
}

// occurs reports whether the marker occurs in the concatenation of pieces,
// which need not be adjacent in memory. It is a pass over every payload at the
// speed of bytes.Index; only the seven bytes around a seam are copied.
func (f *Frame) occurs(pieces [][]byte) bool {
	var carry [2 * (MarkerSize - 1)]byte // end of what is behind us, then the start of the next piece
	n := 0
	for _, p := range pieces {
		head := p[:min(len(p), MarkerSize-1)]
		k := n + copy(carry[n:], head)
		if f.Find(carry[:k]) >= 0 || f.Find(p) >= 0 {
			return true
		}
		if len(p) >= MarkerSize-1 {
			n = copy(carry[:], p[len(p)-(MarkerSize-1):])
			continue
		}
		// A piece shorter than a seam: keep the last seven bytes of both.
		if k > MarkerSize-1 {
			copy(carry[:], carry[k-(MarkerSize-1):k])
			k = MarkerSize - 1
		}
		n = k
	}
	return false
}
