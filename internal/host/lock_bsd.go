//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// TryLockByte takes a lock on f and reports whether it got it. These systems
// have no lock of single bytes that belongs to an open file description, so it
// is the whole file: off is ignored, and a file can carry one such lock only.
func TryLockByte(f *os.File, _ int64, exclusive bool) (ok bool, err error) {
	if exclusive {
		return tryFlock(f, unix.LOCK_EX|unix.LOCK_NB)
	}
	return tryFlock(f, unix.LOCK_SH|unix.LOCK_NB)
}

// LockByte is [TryLockByte] for an exclusive lock, but waits until it has it.
func LockByte(f *os.File, _ int64) error { return flock(f, unix.LOCK_EX) }

// UnlockByte releases what [TryLockByte] or [LockByte] took through f.
func UnlockByte(f *os.File, _ int64) error { return flock(f, unix.LOCK_UN) }
