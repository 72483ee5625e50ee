//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) || vio_portable

package vio

import "os"

// This file stands in where the system has no vectored calls: the pieces are
// copied together, and the one system call is a plain write or read. What is one
// piece elsewhere stays one piece.

// writeOnce writes the next bytes of v with one write.
func writeOnce(f *os.File, v *vector, p place, m mode) (int, error) {
	if n, ok, err := writePages(f, v, p); ok {
		return n, err
	}
	limit := maxCall
	if m == all {
		limit = maxPooled // a loop need not take more memory than is kept
	}
	if b := v.large(limit); b != nil {
		return write(f, b, p)
	}
	n := int(min(v.left, limit))
	b := getBuffer(n)
	defer putBuffer(b)
	b.b = v.gather(b.b, n)
	return write(f, b.b, p)
}

// readOnce reads into the next bytes of v with one read. A read may be short,
// and this one is rather than to take more than maxPooled bytes of memory.
func readOnce(f *os.File, v *vector, p place, m mode) (int, error) {
	if n, ok, err := readPages(f, v, p); ok {
		return n, err
	}
	if b := v.large(maxPooled); b != nil {
		return read(f, b, p)
	}
	n, _ := v.prefix(maxPooled)
	b := getBuffer(n)
	defer putBuffer(b)
	n, err := read(f, b.b[:n], p)
	v.scatter(b.b[:n])
	return n, err
}

// large returns the rest of the next piece if it is the only one, or if it alone
// reaches the limit of a call: there is nothing to copy then.
func (v *vector) large(limit int64) []byte {
	i, skip := 0, v.skip
	for len(v.bufs[i]) == skip {
		i, skip = i+1, 0
	}
	b := v.bufs[i][skip:]
	if v.pieces > 1 && int64(len(b)) < limit {
		return nil
	}
	return b[:min(int64(len(b)), maxCall)]
}
