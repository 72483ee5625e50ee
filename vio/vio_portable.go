//go:build !linux || vio_portable

package vio

import "os"

// This file stands in where a gathering write is missing or not wrapped yet:
// the pieces are copied together, and the one system call is a plain write or
// read. What is one piece on Linux stays one piece.

// appendOnce writes bufs, which has the extent v and at most maxCall bytes,
// with one write.
func appendOnce(f *os.File, bufs [][]byte, v extent) (int, error) {
	if v.pieces == 1 {
		return write(f, onlyPiece(bufs, 0))
	}
	p := gather(bufs, v.total)
	defer putBuffer(p)
	return write(f, p.b)
}

// readOnce reads at off into bufs, beginning at bufs[0][skip], with one read.
// A read may be short, and this one is rather than to take more than maxPooled
// bytes of memory. pieces is at least the number of non-empty ones.
func readOnce(f *os.File, bufs [][]byte, skip, pieces int, off int64) (int, error) {
	if pieces == 1 {
		b := onlyPiece(bufs, skip)
		return readAt(f, b[:min(int64(len(b)), maxCall)], off)
	}
	room := -skip
	for i := 0; i < len(bufs) && room < maxPooled; i++ {
		room += min(len(bufs[i]), maxPooled+skip)
	}
	p := getBuffer(min(room, maxPooled))
	defer putBuffer(p)
	n, err := readAt(f, p.b[:min(room, maxPooled)], off)
	for b := p.b[:n]; len(b) > 0; bufs, skip = bufs[1:], 0 {
		b = b[copy(bufs[0][skip:], b):]
	}
	return n, err
}

// onlyPiece returns what is left of the one non-empty piece of bufs.
func onlyPiece(bufs [][]byte, skip int) []byte {
	for len(bufs[0]) == skip {
		bufs, skip = bufs[1:], 0
	}
	return bufs[0][skip:]
}
