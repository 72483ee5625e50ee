//go:build (darwin || openbsd || illumos) && !vio_portable

package vio

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// The wrappers make iovecs of the pieces once more: they allocate for more than
// eight (x/sys, readv_unix.go), on illumos always.

func (c *call) write(fd uintptr) {
	if c.place.off == Current {
		c.report(unix.Writev(int(fd), c.iovs))
		return
	}
	c.report(unix.Pwritev(int(fd), c.iovs, c.place.off))
}

func (c *call) read(fd uintptr) {
	if c.place.off == Current {
		c.report(unix.Readv(int(fd), c.iovs))
		return
	}
	c.report(unix.Preadv(int(fd), c.iovs, c.place.off))
}

func (c *call) report(n int, err error) {
	errno, ok := errors.AsType[syscall.Errno](err)
	if err != nil && !ok {
		errno = syscall.EINVAL // x/sys returns nothing but error numbers
	}
	c.set(n, errno)
}
