//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// TryLockDir takes the lock of a directory and reports whether it got it; it
// never waits. Shared it is held by whoever links a new segment, from reading
// the highest number to the link; exclusive by whoever removes old ones or
// recovers (R4, T1, V1). Otherwise one who slept in between could link a number
// that has been used and removed meanwhile, and append where nobody reads (C11).
//
// The lock is on the directory itself, so there is no lock file that somebody
// could remove and make again while it is held (C26). It belongs to the open
// file description of dir: a handle of a journal opens a directory of its own.
// A handle that holds one kind of lock must release it before it asks for the
// other: flock lets go of the first one before it tries (C25), and a try that
// fails would leave nothing.
func TryLockDir(dir *os.File, exclusive bool) (ok bool, err error) {
	how := unix.LOCK_SH | unix.LOCK_NB
	if exclusive {
		how = unix.LOCK_EX | unix.LOCK_NB
	}
	return tryFlock(dir, how)
}

// UnlockDir releases what [TryLockDir] took through dir.
func UnlockDir(dir *os.File) error {
	return flock(dir, unix.LOCK_UN)
}

func tryFlock(f *os.File, how int) (ok bool, err error) {
	err = flock(f, how)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

func flock(f *os.File, how int) error {
	return control("flock", f, func(fd int) error { return unix.Flock(fd, how) })
}
