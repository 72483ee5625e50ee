package host

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// TryLockDir always succeeds: Windows locks no directories. Whoever could be in
// the way is kept out by the lock of a byte, which one process at a time holds.
func TryLockDir(dir *os.File, _ bool) (ok bool, err error) {
	_, err = dir.Stat()
	return err == nil, err
}

// UnlockDir does nothing.
func UnlockDir(dir *os.File) error {
	_, err := dir.Stat()
	return err
}

// lockBase lies behind every byte of a file. A lock on Windows hinders others
// from reading and writing what it covers, so it must not cover any content.
const lockBase = 1 << 62

// TryLockByte takes a lock on one byte of f, which need not exist, and reports
// whether it got it. It belongs to this handle of the file.
func TryLockByte(f *os.File, off int64, exclusive bool) (ok bool, err error) {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err = lockByte(f, flags, off)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return false, nil
	}
	return err == nil, err
}

// LockByte is [TryLockByte] for an exclusive lock, but waits until it has it.
func LockByte(f *os.File, off int64) error {
	return lockByte(f, windows.LOCKFILE_EXCLUSIVE_LOCK, off)
}

// UnlockByte releases what [TryLockByte] or [LockByte] took through f.
func UnlockByte(f *os.File, off int64) error {
	return control("unlock", f, func(h windows.Handle) error {
		return windows.UnlockFileEx(h, 0, 1, 0, byteAt(off))
	})
}

func lockByte(f *os.File, flags uint32, off int64) error {
	return control("lock", f, func(h windows.Handle) error {
		return windows.LockFileEx(h, flags, 0, 1, 0, byteAt(off))
	})
}

func byteAt(off int64) *windows.Overlapped {
	at := uint64(off) + lockBase
	return &windows.Overlapped{Offset: uint32(at), OffsetHigh: uint32(at >> 32)}
}

// control runs one system call on f's handle, which cannot be closed meanwhile.
func control(op string, f *os.File, call func(windows.Handle) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return pathError(op, nameOf(f), err)
	}
	var failed error
	if conn.Control(func(h uintptr) { failed = call(windows.Handle(h)) }) != nil {
		failed = os.ErrClosed // the only reason, but internal/poll's error does not match it
	}
	return pathError(op, f.Name(), failed)
}
