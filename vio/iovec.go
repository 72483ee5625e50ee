//go:build (linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) && !vio_portable

package vio

import (
	"os"
	"sync"
	"unsafe"
)

// Eight iovecs stand on the stack (fewIovs); a longer vector takes them from the
// pool. Eight is also what the kernel keeps on its own stack (UIO_FASTIOV), and
// it covers a record of header, key, value and checksum.

// scratch holds what a long vector needs during one call.
type scratch struct {
	iovs   [MaxIovs]iov
	n      int     // iovecs in use
	copies *buffer // merged pieces; nil if there are none
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func getScratch() *scratch { return scratches.Get().(*scratch) }

// release gives s back. The iovecs are cleared first: a pool would keep the
// caller's memory alive through them.
func (s *scratch) release() {
	clear(s.iovs[:s.n])
	s.n = 0
	if s.copies != nil {
		putBuffer(s.copies)
		s.copies = nil
	}
	scratches.Put(s)
}

// writeOnce writes the next bytes of v with one system call.
func writeOnce(f *os.File, v *vector, p place, m mode) (int, error) {
	if v.pieces <= fewIovs {
		var few [fewIovs]iov
		return sysWrite(f, few[:fill(few[:], v)], p)
	}
	s := getScratch()
	// Deferred, for a piece that is a file mapping may fault while it is copied.
	defer s.release()
	switch n := s.set(v, m); {
	case n > 0:
		b := s.room(n)
		setIov(&s.iovs[0], v.gather(b[:0], n))
	case m == whole && v.pieces > MaxIovs && s.n == MaxIovs:
		s.coalesce(v)
	}
	return sysWrite(f, s.iovs[:s.n], p)
}

// readOnce reads into the next bytes of v with one system call.
func readOnce(f *os.File, v *vector, p place, m mode) (int, error) {
	if v.pieces <= fewIovs {
		var few [fewIovs]iov
		return sysRead(f, few[:fillMerged(few[:], v)], p)
	}
	s := getScratch()
	defer s.release()
	n := s.set(v, m)
	if n == 0 {
		return sysRead(f, s.iovs[:s.n], p)
	}
	b := s.room(n)
	setIov(&s.iovs[0], b)
	n, err := sysRead(f, s.iovs[:1], p)
	v.scatter(b[:n])
	return n, err
}

// set points s at the next pieces of v. If they are better copied together it
// returns how many bytes of them, and has set nothing. Best of all is a vector
// that was cut from a block and needs few iovecs; the first two pieces tell
// whether it is worth a look.
func (s *scratch) set(v *vector, m mode) (copied int) {
	n := v.copySize(m)
	if n > 0 && !v.joined() {
		return n
	}
	if s.n = fillMerged(s.iovs[:], v); n > 0 && s.n > fewIovs {
		return n
	}
	return 0
}

// copySize returns how many of the next bytes are better copied together, or
// 0. If the mode wants one call for all, it is all or nothing.
func (v *vector) copySize(m mode) int {
	if v.pieces <= fewIovs {
		return 0
	}
	bytes, pieces := int(min(v.left, copyTotal)), v.pieces
	if v.left > copyTotal {
		if m != all {
			return 0
		}
		bytes, pieces = v.prefix(copyTotal)
	}
	if bytes > pieces*copyMean {
		return 0
	}
	return bytes
}

// room takes n bytes of memory for a copy, which the first iovec will stand for.
func (s *scratch) room(n int) []byte {
	clear(s.iovs[:s.n])
	s.n = 1
	s.copies = getBuffer(n)
	return s.copies.b[:n]
}

// joined reports whether the second of the next pieces follows the first in one
// array.
func (v *vector) joined() bool {
	skip := v.skip
	var first []byte
	for _, b := range v.bufs {
		b = b[skip:]
		skip = 0
		if len(b) > 0 && first != nil {
			return follows(first, b)
		}
		if len(b) > 0 {
			first = b
		}
	}
	return false
}

// fill points iovs at the next pieces of v and returns how many it set. It
// stops where iovs or a call's bytes are used up.
//
// Empty pieces take no iovec. They cost slots in the kernel, and code that
// passes the first 1024 of a vector on as they are sees 0 bytes moved, and an
// end of file that is none, if all of these are empty.
func fill(iovs []iov, v *vector) int {
	k, skip, room := 0, v.skip, maxCall
	for _, b := range v.bufs {
		b = b[skip:]
		skip = 0
		if len(b) == 0 {
			continue
		}
		if k == len(iovs) || room == 0 {
			break
		}
		b = b[:min(int64(len(b)), room)]
		setIov(&iovs[k], b)
		room -= int64(len(b))
		k++
	}
	return k
}

// fillMerged is fill with one iovec for neighbours that also are neighbours in
// one array, as the pieces are that a program cuts from a block. The capacity
// tells: memory that merely happens to be adjacent may belong to two objects,
// and an iovec that begins in one would not keep the other alive.
func fillMerged(iovs []iov, v *vector) int {
	k, skip, room := 0, v.skip, maxCall
	var last []byte
	for _, b := range v.bufs {
		b = b[skip:]
		skip = 0
		if len(b) == 0 {
			continue
		}
		if room == 0 {
			break
		}
		b = b[:min(int64(len(b)), room)]
		if follows(last, b) {
			last = last[:len(last)+len(b)]
			setIov(&iovs[k-1], last)
		} else {
			if k == len(iovs) {
				break
			}
			last = b
			setIov(&iovs[k], b)
			k++
		}
		room -= int64(len(b))
	}
	return k
}

// follows reports whether b begins where a ends, in the array of a.
func follows(a, b []byte) bool {
	return len(b) <= cap(a)-len(a) && unsafe.SliceData(a[len(a):]) == unsafe.SliceData(b)
}
