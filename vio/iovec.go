//go:build linux && !vio_portable

package vio

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fewIovs is how many iovecs stand on the stack; a longer vector takes them
// from the pool. Eight is also what the kernel keeps on its own stack
// (UIO_FASTIOV), and it covers a record of header, key, value and checksum.
const fewIovs = 8

// scratch holds what a long vector needs during one call.
type scratch struct {
	iovs   [MaxIovs]unix.Iovec
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

// fill points iovs at the pieces of bufs, beginning at bufs[0][skip], and
// returns how many it set. It stops where iovs or a call's bytes are used up,
// which only a read reaches: a write has been measured before.
//
// Empty pieces take no iovec. They cost slots in the kernel, and code that
// passes the first 1024 of a vector on as they are sees 0 bytes moved, and an
// end of file that is none, if all of these are empty.
func fill(iovs []unix.Iovec, bufs [][]byte, skip int) int {
	k := 0
	for room := maxCall; len(bufs) > 0 && k < len(iovs) && room > 0; bufs = bufs[1:] {
		b := bufs[0][skip:]
		skip = 0
		if len(b) == 0 {
			continue
		}
		if int64(len(b)) > room {
			b = b[:room]
		}
		setIovec(&iovs[k], b)
		room -= int64(len(b))
		k++
	}
	return k
}

func setIovec(v *unix.Iovec, b []byte) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}
