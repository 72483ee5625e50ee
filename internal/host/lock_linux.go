package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// TryLockByte takes a lock on one byte of f, which need not exist, and reports
// whether it got it. f must be open for writing if the lock is exclusive, else
// for reading.
//
// The lock belongs to the open file description: two handles of one process
// exclude each other like two processes, closing another descriptor of the file
// releases nothing (as POSIX locks do, F2), and the kernel lets go at the
// holder's death, not before a system call it is in has ended. Turning a lock
// from exclusive to shared or back is one step. Reads and writes do not notice
// it. Who must not wait for a stopped holder polls with this function (S2).
func TryLockByte(f *os.File, off int64, exclusive bool) (ok bool, err error) {
	kind := int16(unix.F_RDLCK)
	if exclusive {
		kind = unix.F_WRLCK
	}
	err = lockByte(f, unix.F_OFD_SETLK, kind, off)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

// LockByte is [TryLockByte] for an exclusive lock, but waits until it has it.
// Holders of shared locks that overlap in time can keep it waiting for ever.
// f must not be closed meanwhile: that would not end the wait, and the lock
// would be lost as soon as it is got.
func LockByte(f *os.File, off int64) error {
	return lockByte(f, unix.F_OFD_SETLKW, unix.F_WRLCK, off)
}

// UnlockByte releases what [TryLockByte] or [LockByte] took through f.
func UnlockByte(f *os.File, off int64) error {
	return lockByte(f, unix.F_OFD_SETLK, unix.F_UNLCK, off)
}

// LockedByte reports whether anybody else, in any process, has a lock on the byte.
// It takes none, and f need not be open for writing.
func LockedByte(f *os.File, off int64) (locked bool, err error) {
	// An exclusive lock is what any other one would keep out.
	ask := unix.Flock_t{Type: unix.F_WRLCK, Start: off, Len: 1}
	err = control("lock", f, func(fd int) error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &ask) })
	return err == nil && ask.Type != unix.F_UNLCK, err
}

func lockByte(f *os.File, cmd int, kind int16, off int64) error {
	return control("lock", f, func(fd int) error {
		return unix.FcntlFlock(uintptr(fd), cmd, &unix.Flock_t{Type: kind, Start: off, Len: 1})
	})
}
