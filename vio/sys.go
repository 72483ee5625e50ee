//go:build (linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) && !vio_portable

package vio

import (
	"os"
	"syscall"
)

// call is one system call on a file's descriptor.
type call struct {
	iovs  []iov
	place place
	n     int
	errno syscall.Errno
}

func (c *call) set(n int, errno syscall.Errno) {
	if c.n, c.errno = n, errno; errno != 0 {
		c.n = 0
	}
}

// result makes one answer of the RawConn's and the system call's.
func (c *call) result(f *os.File, err error) (int, error) {
	if err != nil {
		return 0, connError(f, err, c.errno)
	}
	if c.errno != 0 {
		return 0, c.errno
	}
	return c.n, nil
}

// ready reports whether the call is over: it is not if a pollable descriptor
// has to be waited for, which the RawConn does without holding a thread.
func (c *call) ready() bool {
	return c.errno != syscall.EAGAIN || c.place.flags&NoWait != 0
}

// sysWrite goes through a RawConn: it holds the descriptor, so that a Close in
// another goroutine cannot hand the number to another file meanwhile. Writers at
// the file position take turns, as in os.File.Write; the others need not, as in
// os.File.WriteAt.
//
// A call that a signal interrupted is repeated: nothing was moved, for then it
// would be a count.
//
// Neither the closures nor the RawConn reach the heap, since the compiler sees
// through SyscallConn; TestAllocs watches over that.
func sysWrite(f *os.File, iovs []iov, p place) (int, error) {
	raceWrite(iovs)
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	c := call{iovs: iovs, place: p}
	if p.off == Current {
		err = rc.Write(func(fd uintptr) bool {
			for c.write(fd); c.errno == syscall.EINTR; {
				c.write(fd)
			}
			return c.ready()
		})
	} else {
		err = rc.Control(func(fd uintptr) {
			for c.write(fd); c.errno == syscall.EINTR; {
				c.write(fd)
			}
		})
	}
	return c.result(f, err)
}

// sysRead is to reading what sysWrite is to writing.
func sysRead(f *os.File, iovs []iov, p place) (int, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	c := call{iovs: iovs, place: p}
	if p.off == Current {
		err = rc.Read(func(fd uintptr) bool {
			for c.read(fd); c.errno == syscall.EINTR; {
				c.read(fd)
			}
			return c.ready()
		})
	} else {
		err = rc.Control(func(fd uintptr) {
			for c.read(fd); c.errno == syscall.EINTR; {
				c.read(fd)
			}
		})
	}
	n, err := c.result(f, err)
	raceRead(iovs, n)
	return n, err
}
