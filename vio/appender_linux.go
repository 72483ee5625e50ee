//go:build linux && !vio_portable

package vio

import (
	"io"
	"math/bits"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// look notes the descriptor.
func (a *Appender) look() error {
	rc, err := a.f.SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) { a.fd = fd })
	}
	if err != nil {
		return newError("newappender", a.f, 0, 0, connError(a.f, err, 0))
	}
	return nil
}

// Append is [Appendv], and returns the file position behind the call: for a file that is
// open with [os.O_APPEND] that is the end of its own last write, whatever other writers
// have appended since. end is -1 if n is 0, or if the position cannot be had: then err
// is why, and the n bytes are in the file nevertheless.
//
// It is one function for the sake of its returns (see writeCall).
func (a *Appender) Append(bufs [][]byte) (n, end int64, err error) {
	var few [fewIovs]iov
	var want uint64 // the sum of two ints, one of them small, cannot overflow
	k := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if want += uint64(len(b)); k == fewIovs || want > uint64(maxCall) {
			return a.slow(bufs)
		}
		setIov(&few[k], b)
		k++
	}
	if k == 0 || bits.UintSize < 64 { // lseek(2) has another number and other arguments there
		return a.slow(bufs)
	}
	raceWrite(few[:k])
	for {
		r, _, errno := syscall.Syscall(unix.SYS_WRITEV, a.fd, uintptr(unsafe.Pointer(&few)), uintptr(k))
		if errno == unix.EINTR {
			continue
		}
		if errno == unix.EAGAIN {
			return a.slow(bufs) // which can wait
		}
		if errno != 0 {
			return 0, nowhere, newError("append", a.f, 0, int64(want), errno)
		}
		n = int64(r)
		break
	}
	// It waits for nobody: the offset is used by this call alone, and to ask for it makes
	// no file system do anything. So the scheduler need not hear of it.
	pos, _, errno := syscall.RawSyscall(unix.SYS_LSEEK, a.fd, 0, io.SeekCurrent)
	runtime.KeepAlive(a.f) // which would be closed with the last reference to it
	switch {
	case errno != 0:
		return n, nowhere, newError("append", a.f, n, int64(want), errno)
	case n != int64(want):
		err = newError("append", a.f, n, int64(want), io.ErrShortWrite)
	}
	return n, int64(pos), err
}
