//go:build race && (linux || freebsd || netbsd || dragonfly) && !vio_portable

package vio

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what a raw system call touches, nor that who
// reads a record comes after who wrote it. These tell it, as the syscall
// package does for its own calls.

var ioSync byte

// raceWrite is called before the pieces are written: they are read now, and
// whoever reads any file later is ordered behind.
func raceWrite(iovs []iov) {
	runtime.RaceReleaseMerge(unsafe.Pointer(&ioSync))
	for i := range iovs {
		runtime.RaceReadRange(unsafe.Pointer(iovs[i].Base), int(iovs[i].Len))
	}
}

// raceRead is called after n bytes have been read.
func raceRead(iovs []iov, n int) {
	for i := 0; n > 0; i++ {
		m := min(n, int(iovs[i].Len))
		runtime.RaceWriteRange(unsafe.Pointer(iovs[i].Base), m)
		n -= m
	}
	runtime.RaceAcquire(unsafe.Pointer(&ioSync))
}
