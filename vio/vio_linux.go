//go:build linux && !vio_portable

package vio

import (
	"math/bits"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A vector of more than fewIovs pieces, gatherMean bytes or fewer on average,
// is copied together and written from one place if it has at most gatherTotal
// bytes. An iovec costs the kernel some 25 ns on ext4 and tmpfs, whatever its
// length; copying is less than that for pieces up to 1 or 2 KiB
// (BenchmarkAppend: 64 pieces of 16 bytes take half the time). A few pieces
// stay where they are: there is little to gain, and a record of header, key,
// value and checksum is one writev of four iovecs to everyone who traces it.
const (
	gatherMean  = 1 << 10
	gatherTotal = 64 << 10
)

// appendOnce writes bufs, which has the extent v and at most maxCall bytes,
// with one writev(2).
func appendOnce(f *os.File, bufs [][]byte, v extent) (int, error) {
	switch {
	case v.pieces <= fewIovs:
		var few [fewIovs]unix.Iovec
		return writev(f, few[:fill(few[:], bufs, 0)])
	case v.total <= min(gatherTotal, int64(v.pieces)*gatherMean):
		return appendCopy(f, bufs, v.total)
	}
	return appendMany(f, bufs, v.pieces)
}

func appendCopy(f *os.File, bufs [][]byte, total int64) (int, error) {
	p := gather(bufs, total)
	defer putBuffer(p)
	var one [1]unix.Iovec
	setIovec(&one[0], p.b)
	return writev(f, one[:])
}

func appendMany(f *os.File, bufs [][]byte, pieces int) (int, error) {
	s := getScratch()
	// Deferred, for a copied piece may be a file mapping that faults.
	defer s.release()
	if pieces > MaxIovs {
		s.coalesce(bufs, pieces)
	} else {
		s.n = fill(s.iovs[:], bufs, 0)
	}
	return writev(f, s.iovs[:s.n])
}

// readOnce reads at off into bufs, beginning at bufs[0][skip], with one
// preadv(2). pieces is at least the number of non-empty ones.
func readOnce(f *os.File, bufs [][]byte, skip, pieces int, off int64) (int, error) {
	if pieces <= fewIovs {
		var few [fewIovs]unix.Iovec
		return preadv(f, few[:fill(few[:], bufs, skip)], off)
	}
	s := getScratch()
	defer s.release()
	s.n = fill(s.iovs[:], bufs, skip)
	return preadv(f, s.iovs[:s.n], off)
}

// writev goes through RawConn.Write: it holds the descriptor's lock, so that a
// Close in another goroutine cannot hand the number to another file meanwhile,
// and it parks the goroutine, not a thread, while a pollable f is not ready.
//
// Neither the closure nor the RawConn reaches the heap, since the compiler sees
// through SyscallConn; TestAllocs watches over that.
func writev(f *os.File, iovs []unix.Iovec) (n int, err error) {
	raceWrite(iovs)
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var errno syscall.Errno
	err = rc.Write(func(fd uintptr) bool {
		for {
			r, e := writeIovs(fd, iovs)
			if e == unix.EINTR {
				continue // nothing was written, for then it would be a count
			}
			if errno = e; e == 0 {
				n = int(r)
			}
			return e != unix.EAGAIN
		}
	})
	if err != nil {
		return 0, connError(f, err, errno)
	}
	if errno != 0 {
		return 0, errno
	}
	return n, nil
}

func writeIovs(fd uintptr, iovs []unix.Iovec) (uintptr, syscall.Errno) {
	r, _, e := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(iovs))), uintptr(len(iovs)))
	return r, e
}

// preadv goes through RawConn.Control, which holds the descriptor as Write
// does, but does not make readers of one file wait for each other. So does
// os.File.ReadAt.
func preadv(f *os.File, iovs []unix.Iovec, off int64) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	lo, hi := splitOffset(off)
	var errno syscall.Errno
	err = rc.Control(func(fd uintptr) {
		for {
			r, _, e := unix.Syscall6(unix.SYS_PREADV, fd,
				uintptr(unsafe.Pointer(unsafe.SliceData(iovs))), uintptr(len(iovs)), lo, hi, 0)
			if e == unix.EINTR {
				continue
			}
			if errno = e; e == 0 {
				n = int(r)
			}
			return
		}
	})
	if err != nil {
		return 0, connError(f, err, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	raceRead(iovs, n)
	return n, nil
}

// splitOffset returns off as the two longs of preadv(2), low one first whatever
// the byte order (preadv(2), "C library/kernel differences"). The kernel puts
// them together again by shifting the second up by the bits of a long; with 64
// bits that leaves nothing of it, and it must be 0 here. The shift is in two
// steps because on 64 bits it is by all the bits there are.
func splitOffset(off int64) (lo, hi uintptr) {
	return uintptr(off), uintptr(uint64(off) >> (bits.UintSize - 1) >> 1)
}
