//go:build linux && !vio_portable

package vio

import (
	"io"
	"math/bits"
	"os"
	"syscall"

	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls go through package syscall: x/sys has its own Syscall in assembly,
// which hands on to that one and costs two more returns for two conventions of
// calling, some 10 ns (docs/BENCHMARKS.md, "Around the call").

func (c *call) write(fd uintptr) {
	switch {
	case c.place == (place{off: Current}):
		c.vector(unix.SYS_WRITEV, fd)
	case c.place.flags == 0:
		c.positional(unix.SYS_PWRITEV, fd)
	default:
		c.positional(unix.SYS_PWRITEV2, fd)
	}
}

func (c *call) read(fd uintptr) {
	switch {
	case c.place == (place{off: Current}):
		c.vector(unix.SYS_READV, fd)
	case c.place.flags == 0: // older than preadv2
		c.positional(unix.SYS_PREADV, fd)
	default:
		c.positional(unix.SYS_PREADV2, fd)
	}
}

func (c *call) vector(trap, fd uintptr) {
	r, _, e := syscall.Syscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.iovs))), uintptr(len(c.iovs)))
	c.set(int(r), e)
}

// positional makes a call of preadv's family. preadv and pwritev take no flags
// and do not look at the last argument.
func (c *call) positional(trap, fd uintptr) {
	lo, hi := splitOffset(c.place.off)
	r, _, e := syscall.Syscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.iovs))), uintptr(len(c.iovs)),
		lo, hi, uintptr(c.place.flags))
	c.set(int(r), e)
}

// splitOffset returns off as the two longs of preadv(2), low one first whatever
// the byte order (preadv(2), "C library/kernel differences"). The kernel puts
// them together again by shifting the second up by the bits of a long; with 64
// bits that leaves nothing of it, and it must be 0 here. The shift is in two
// steps because on 64 bits it is by all the bits there are. For Current the
// second must be all ones with 32 bits, and is looked at by nobody with 64.
func splitOffset(off int64) (lo, hi uintptr) {
	return uintptr(off), uintptr(uint64(off) >> (bits.UintSize - 1) >> 1)
}

// writeCall is every write that makes one system call. A vector of up to
// fewIovs pieces at the file position, the record of a log, takes the shortest
// way there is, all of it in this function: where the kernel clears the return
// predictions against speculation attacks, each return from a deep stack costs
// some 15 ns (docs/BENCHMARKS.md, "Around the call"). Otherwise it is sysWrite.
func writeCall(op string, f *os.File, bufs [][]byte, p place, m mode) (int64, error) {
	var few [fewIovs]iov
	var total uint64 // the sum of two ints, one of them small, cannot overflow
	k := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if total += uint64(len(b)); k == fewIovs || total > uint64(maxCall) {
			return writeSlow(op, f, bufs, p, m)
		}
		setIov(&few[k], b)
		k++
	}
	if f == nil || k == 0 || p != (place{off: Current}) {
		return writeSlow(op, f, bufs, p, m)
	}
	want, iovs := int64(total), few[:k]
	raceWrite(iovs)
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, newError(op, f, 0, want, err)
	}
	var n uintptr
	var errno syscall.Errno
	err = rc.Write(func(fd uintptr) bool {
		for {
			n, _, errno = syscall.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&few)), uintptr(len(iovs)))
			if errno != unix.EINTR {
				return errno != unix.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, newError(op, f, 0, want, connError(f, err, errno))
	case errno != 0:
		return 0, newError(op, f, 0, want, errno)
	case int64(n) != want:
		return int64(n), newError(op, f, int64(n), want, io.ErrShortWrite)
	}
	return int64(n), nil
}
