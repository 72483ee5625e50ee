//go:build (linux || freebsd || netbsd || dragonfly) && !vio_portable

package vio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// iov is one piece as the system call takes it.
type iov = unix.Iovec

func setIov(v *iov, b []byte) {
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}
