//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows)

package host

import "os"

// No lock of these systems fits (Plan 9 and WebAssembly have none; those of AIX
// and Solaris are released by closing any other descriptor of the file). All
// of them succeed, so nothing but their number keeps two writers apart: see
// [Shared].

// TryLockDir always succeeds.
func TryLockDir(dir *os.File, _ bool) (ok bool, err error) { return unlocked(dir) }

// UnlockDir does nothing.
func UnlockDir(dir *os.File) error { _, err := unlocked(dir); return err }

// TryLockByte always succeeds.
func TryLockByte(f *os.File, _ int64, _ bool) (ok bool, err error) { return unlocked(f) }

// LockByte does nothing.
func LockByte(f *os.File, _ int64) error { _, err := unlocked(f); return err }

// UnlockByte does nothing.
func UnlockByte(f *os.File, _ int64) error { _, err := unlocked(f); return err }

// unlocked reports an error for a closed file, as a real lock would.
func unlocked(f *os.File) (ok bool, err error) {
	_, err = f.Stat()
	return err == nil, err
}
