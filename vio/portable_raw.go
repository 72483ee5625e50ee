//go:build (!(linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) || vio_portable) && !windows && !plan9

package vio

import (
	"os"
	"syscall"
)

// write is one write(2) or pwrite(2). os.File.Write would not do: it completes
// a short write with a second one.
func write(f *os.File, b []byte, p place) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cause error
	if p.off == Current {
		err = rc.Write(func(fd uintptr) bool {
			for n, cause = syscall.Write(int(fd), b); cause == syscall.EINTR; {
				n, cause = syscall.Write(int(fd), b)
			}
			return cause != syscall.EAGAIN
		})
	} else {
		err = rc.Control(func(fd uintptr) {
			for n, cause = syscall.Pwrite(int(fd), b, p.off); cause == syscall.EINTR; {
				n, cause = syscall.Pwrite(int(fd), b, p.off)
			}
		})
	}
	return result(f, n, err, cause)
}

// read is one read(2) or pread(2).
func read(f *os.File, b []byte, p place) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cause error
	if p.off == Current {
		err = rc.Read(func(fd uintptr) bool {
			for n, cause = syscall.Read(int(fd), b); cause == syscall.EINTR; {
				n, cause = syscall.Read(int(fd), b)
			}
			return cause != syscall.EAGAIN
		})
	} else {
		err = rc.Control(func(fd uintptr) {
			for n, cause = syscall.Pread(int(fd), b, p.off); cause == syscall.EINTR; {
				n, cause = syscall.Pread(int(fd), b, p.off)
			}
		})
	}
	return result(f, n, err, cause)
}

// result makes one answer of the RawConn's and the system call's.
func result(f *os.File, n int, connErr, cause error) (int, error) {
	errno, _ := cause.(syscall.Errno)
	switch {
	case connErr != nil:
		return 0, connError(f, connErr, errno)
	case cause != nil:
		return 0, cause // n is -1 then
	}
	return n, nil
}
