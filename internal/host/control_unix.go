//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// control runs one system call on f's descriptor, again and again while a
// signal interrupts it. The descriptor cannot be closed and its number be given
// to another file in between, which plain [os.File.Fd] does not promise.
func control(op string, f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return pathError(op, "", err) // f is nil
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			failed = call(int(fd))
			if !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		// The only reason is a closed file, but the error that says so is
		// internal/poll's and does not match os.ErrClosed.
		failed = os.ErrClosed
	}
	if failed != nil {
		return pathError(op, f.Name(), failed)
	}
	return nil
}

// controlIn is control for a call that acts on the entry name of dir.
func controlIn(op string, dir *os.File, name string, call func(dirfd int) error) error {
	var failed error
	err := control(op, dir, func(dirfd int) error {
		failed = call(dirfd)
		if errors.Is(failed, unix.EINTR) {
			return failed
		}
		return nil
	})
	if err != nil {
		return err
	}
	return pathError(op, join(dir, name), failed)
}
