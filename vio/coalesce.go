//go:build (linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) && !vio_portable

package vio

// In a vector of more than MaxIovs non-empty pieces, neighbours are merged into
// copies until it fits: one writev must do, for two would let another writer's
// record in between.
const (
	// Neighbours below copyBelow bytes are merged always: copying so little
	// costs no more than the kernel spends on one more iovec.
	copyBelow = 256

	// Pieces of mergeBelow bytes or more are merged only if merging all smaller
	// ones is not enough. Pieces between the two limits are merged from the
	// left, and only until the rest can have an iovec each.
	mergeBelow = 4 << 10
)

// coalesce sets s's iovecs to the bytes of v, which has more than MaxIovs
// non-empty pieces and stands at its beginning.
func (s *scratch) coalesce(v *vector) {
	clear(s.iovs[:s.n]) // it may need fewer
	bufs, pieces := v.bufs, v.pieces
	limit := mergeBelow
	n, copied := layout(bufs, pieces, limit, nil)
	// This ends: p pieces of limit bytes or more make at most 2p+1 iovecs, and
	// of 8 MiB pieces MaxBytes holds no more than 255.
	for n > MaxIovs {
		limit *= 2
		n, copied = layout(bufs, pieces, limit, nil)
	}
	s.copies = getBuffer(copied)
	s.n, _ = layout(bufs, pieces, limit, s)
}

// layout decides which neighbours among pieces below limit are merged. It
// returns the number of iovecs and the bytes to copy; if s is not nil, the
// iovecs fit s, and so do the copies, then it sets and makes them too.
//
// A piece that has no neighbour to be merged with stays in place. Empty pieces
// do not part their neighbours.
func layout(bufs [][]byte, pieces, limit int, s *scratch) (n, copied int) {
	var first []byte // of the pieces that the last iovec stands for
	run := 0         // how many these are; 0 if none may be added
	start := 0       // of their copy
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		merge := len(b) < copyBelow || len(b) < limit && pieces > MaxIovs-n
		pieces-- // left now
		if !merge || run == 0 {
			if s != nil {
				setIov(&s.iovs[n], b)
			}
			n++
			first, run = b, 0
			if merge {
				run = 1
			}
			continue
		}
		if run == 1 {
			start = copied
			copied += len(first)
			if s != nil {
				s.copies.b = append(s.copies.b, first...)
			}
		}
		copied += len(b)
		run++
		if s != nil {
			s.copies.b = append(s.copies.b, b...)
			setIov(&s.iovs[n-1], s.copies.b[start:])
		}
	}
	return n, copied
}
