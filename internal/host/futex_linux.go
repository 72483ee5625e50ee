package host

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of futex(2). Without FUTEX_PRIVATE_FLAG the kernel finds a waiter by
// the file and the offset that the word is mapped from, so that every process
// which maps them can wake it.
const (
	futexWait = 0
	futexWake = 1
)

// WaitWord sleeps until somebody calls [WakeWord] for the word that addr maps, in
// any process, but only if it holds val now, and for no longer than max. It may
// return for no reason; what the caller waits for must be looked at again. addr
// must lie in a [Mapping] that is not closed meanwhile.
func WaitWord(addr *uint32, val uint32, max time.Duration) error {
	ts := unix.NsecToTimespec(max.Nanoseconds())
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWait, uintptr(val),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch {
	case errno == 0 || errors.Is(errno, unix.EAGAIN) || errors.Is(errno, unix.ETIMEDOUT) || errors.Is(errno, unix.EINTR):
		return nil
	}
	return os.NewSyscallError("futex", errno)
}

// WakeWord wakes everybody who waits for the word that addr maps.
func WakeWord(addr *uint32) error {
	const all = 1<<31 - 1
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWake, all, 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("futex", errno)
	}
	return nil
}

// Yield lets other threads of the machine run that wait for a processor.
func Yield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) } // never fails
