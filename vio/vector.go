package vio

import "math"

// Len returns the sum of the lengths of the pieces of bufs, in bytes. Pieces
// that share memory count each time, so the sum can exceed what memory can
// hold: if it does not fit an int64, Len returns [math.MaxInt64] and false.
func Len(bufs [][]byte) (n int64, ok bool) {
	v := vectorOf(bufs)
	return v.left, v.ok
}

// Advance appends to dst what is left of bufs behind its first n bytes, and
// returns the result: to go on after a transfer of n bytes. Empty pieces are
// left out.
//
// No byte is copied, and bufs is not changed; but Advance(bufs[:0], bufs, n)
// is allowed and works in place. With room in dst nothing is allocated. If n is
// negative or more than [Len](bufs), Advance returns dst as it was and false.
func Advance(dst, bufs [][]byte, n int64) (rest [][]byte, ok bool) {
	i, k, ok := find(bufs, n)
	if !ok {
		return dst, false
	}
	return appendPieces(dst, bufs[i:], k), true
}

// Trim appends to dst the first n bytes of bufs, and returns the result: the
// views that a read of n bytes filled. What [Advance] says of empty pieces,
// memory and n holds here too.
func Trim(dst, bufs [][]byte, n int64) (filled [][]byte, ok bool) {
	i, k, ok := find(bufs, n)
	if !ok {
		return dst, false
	}
	var last []byte
	if k > 0 {
		last = bufs[i][:k:k] // taken first, for dst may be bufs[:0]
	}
	dst = appendPieces(dst, bufs[:i], 0)
	if k > 0 {
		dst = append(dst, last)
	}
	return dst, true
}

// Split cuts bufs behind its first n bytes: head is what [Trim] returns, tail
// what [Advance] does. Both are parts of what is appended to dst, which takes
// len(bufs)+1 pieces at most and must not share its array with bufs. If n is
// out of range, both are nil and ok is false.
func Split(dst, bufs [][]byte, n int64) (head, tail [][]byte, ok bool) {
	all, ok := Trim(dst, bufs, n)
	if !ok {
		return nil, nil, false
	}
	cut := len(all)
	all, _ = Advance(all, bufs, n)
	return all[len(dst):cut:cut], all[cut:], true
}

// find returns where the byte n of bufs is: bufs[i][k]. If that is the end of a
// piece, it is the beginning of the next; i may be len(bufs) then.
func find(bufs [][]byte, n int64) (i, k int, ok bool) {
	if n < 0 {
		return 0, 0, false
	}
	// Counted down: the sum of lengths that came so far could overflow.
	for i, b := range bufs {
		if n < int64(len(b)) {
			return i, int(n), true
		}
		n -= int64(len(b))
	}
	return len(bufs), 0, n == 0
}

// appendPieces appends the pieces of bufs from bufs[0][skip] on that are not
// empty. dst may be the beginning of the array of bufs.
func appendPieces(dst, bufs [][]byte, skip int) [][]byte {
	for _, b := range bufs {
		if b = b[skip:]; len(b) > 0 {
			dst = append(dst, b)
		}
		skip = 0
	}
	return dst
}

// vector is what is left of a transfer. The caller's slice is never changed:
// net.Buffers sets what it has written to nil, and programs that used a vector
// twice wrote nothing the second time.
type vector struct {
	bufs   [][]byte
	skip   int   // bytes of bufs[0] that are done
	left   int64 // bytes; math.MaxInt64 if !ok
	pieces int   // pieces that are not empty
	ok     bool  // the sum of the lengths does not overflow
}

func vectorOf(bufs [][]byte) vector {
	v := vector{bufs: bufs, ok: true}
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		v.pieces++
		if int64(len(b)) > math.MaxInt64-v.left {
			v.left, v.ok = math.MaxInt64, false
			return v // further pieces change nothing
		}
		v.left += int64(len(b))
	}
	return v
}

// advance steps over the next n bytes, which are at most what is left, and
// over empty pieces behind them.
func (v *vector) advance(n int64) {
	if v.ok {
		v.left -= n
	}
	for len(v.bufs) > 0 {
		rest := int64(len(v.bufs[0]) - v.skip)
		if n < rest {
			v.skip += int(n)
			return
		}
		if len(v.bufs[0]) > 0 {
			v.pieces--
		}
		n -= rest
		v.bufs, v.skip = v.bufs[1:], 0
	}
}

// gather appends the next n bytes to b.
func (v *vector) gather(b []byte, n int) []byte {
	skip := v.skip
	for _, piece := range v.bufs {
		piece = piece[skip:]
		skip = 0
		if n <= len(piece) {
			return append(b, piece[:n]...)
		}
		b = append(b, piece...)
		n -= len(piece)
	}
	return b
}

// scatter copies b to the next bytes of the vector, which has room for it.
func (v *vector) scatter(b []byte) {
	skip := v.skip
	for _, piece := range v.bufs {
		if len(b) == 0 {
			break
		}
		b = b[copy(piece[skip:], b):]
		skip = 0
	}
}

// prefix returns the number of bytes and of non-empty pieces that the next
// pieces have together, up to limit bytes; a piece that reaches beyond the limit
// counts whole as a piece and up to the limit in bytes.
func (v *vector) prefix(limit int) (bytes, pieces int) {
	skip := v.skip
	for _, piece := range v.bufs {
		n := len(piece) - skip
		skip = 0
		if n == 0 {
			continue
		}
		pieces++
		if n >= limit-bytes {
			return limit, pieces
		}
		bytes += n
	}
	return bytes, pieces
}
