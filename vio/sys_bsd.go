//go:build (freebsd || netbsd || dragonfly) && !vio_portable

package vio

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// x/sys has no wrappers of these four for FreeBSD, NetBSD and DragonFly. The
// numbers are those of the systems' syscalls.master; on DragonFly the last two
// are extpreadv and extpwritev, which take flags in front of the offset.
const (
	sysReadv   = 120
	sysWritev  = 121
	sysPreadv  = 289
	sysPwritev = 290
)

func (c *call) write(fd uintptr) {
	if c.place.off == Current {
		c.vector(sysWritev, fd)
		return
	}
	c.positional(sysPwritev, fd)
}

func (c *call) read(fd uintptr) {
	if c.place.off == Current {
		c.vector(sysReadv, fd)
		return
	}
	c.positional(sysPreadv, fd)
}

func (c *call) vector(trap, fd uintptr) {
	r, _, e := unix.Syscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.iovs))), uintptr(len(c.iovs)))
	c.set(int(r), syscall.Errno(e))
}

func (c *call) positional(trap, fd uintptr) {
	a := offsetArgs(runtime.GOOS, runtime.GOARCH, c.place.off)
	r, _, e := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(c.iovs))), uintptr(len(c.iovs)), a[0], a[1], a[2])
	c.set(int(r), syscall.Errno(e))
}
