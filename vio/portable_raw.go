//go:build (!linux || vio_portable) && !windows && !plan9

package vio

import (
	"os"
	"syscall"
)

// write is one write(2). os.File.Write would not do: it completes a short
// write with a second one.
func write(f *os.File, b []byte) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cause error
	err = rc.Write(func(fd uintptr) bool {
		for {
			n, cause = syscall.Write(int(fd), b)
			if cause != syscall.EINTR {
				return cause != syscall.EAGAIN
			}
		}
	})
	return result(f, n, err, cause)
}

// readAt is one pread(2).
func readAt(f *os.File, b []byte, off int64) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cause error
	err = rc.Control(func(fd uintptr) {
		for {
			n, cause = syscall.Pread(int(fd), b, off)
			if cause != syscall.EINTR {
				return
			}
		}
	})
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
