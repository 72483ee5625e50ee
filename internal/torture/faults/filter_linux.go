package faults

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uncounted are calls of the Go runtime that have nothing to do with files: they
// schedule, wait, handle signals, start threads and end the program. What happens
// when they fail is not up to the library. All others are made to fail, those that
// the runtime makes on behalf of the library included. Only getrandom is here for
// another reason: most random numbers come from the vDSO, which makes the call when
// its state, one for each thread, is new or old. A call that now is made and now is
// not would give those behind it other numbers in each run.
var uncounted = []uint32{
	unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_SCHED_YIELD,
	unix.SYS_SCHED_GETAFFINITY, unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK,
	unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL, unix.SYS_GETTID, unix.SYS_GETPID,
	unix.SYS_CLONE, unix.SYS_CLONE3, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_EPOLL_PWAIT,
	unix.SYS_RESTART_SYSCALL, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_PRCTL, unix.SYS_MINCORE,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER, unix.SYS_GETRANDOM,
}

// arm makes all system calls of this process from now on stop for who traces it, but
// for those of uncounted. Without a tracer they fail with ENOSYS.
func arm() error {
	const load, equal, ret = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	prog := []unix.SockFilter{{Code: load}} // the number of the call, at offset 0
	for i, nr := range uncounted {
		prog = append(prog, unix.SockFilter{Code: equal, Jt: uint8(len(uncounted) - i), K: nr})
	}
	prog = append(prog, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_TRACE}, unix.SockFilter{Code: ret, K: unix.SECCOMP_RET_ALLOW})
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	// The flag NO_NEW_PRIVS belongs to a thread, and lets it install a filter.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	return nil
}
