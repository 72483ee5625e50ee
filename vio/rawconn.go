//go:build !windows && !plan9

package vio

import (
	"errors"
	"os"
	"syscall"
)

// connError translates what a RawConn of f returned. Its "use of closed file"
// is an unexported value that errors.Is does not know, and comparing the text
// would trust a text; but Control fails for a closed file only. errno is that
// of the last system call, if there was one.
func connError(f *os.File, err error, errno syscall.Errno) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	case checkOpen(f) != nil:
		return os.ErrClosed
	case errno != 0:
		// EAGAIN from a non-blocking descriptor that cannot be polled: the
		// RawConn says only that it cannot wait.
		return errno
	}
	return err
}

// checkOpen returns os.ErrClosed if f is closed.
func checkOpen(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if rc.Control(func(uintptr) {}) != nil {
		return os.ErrClosed
	}
	return nil
}
