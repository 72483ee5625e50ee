package faults

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
)

// canTrace says why faults cannot be injected here.
func canTrace() error { return nil }

// tracer stops the system calls of one process and changes those that the plan says.
type tracer struct {
	plan    plan
	out     outcome
	pid     int
	seen    map[int]bool    // threads
	leaving map[int]leaving // threads in a call that was changed
	told    int             // steps that the process has told of
}

// leaving is what there is to do when a call returns.
type leaving struct {
	regs   unix.PtraceRegs // to be restored, but for the result
	result *int64          // in place of the one that it has
	iov    uintptr         // of the iovec that was shortened, 0 if none was
	length [8]byte         // that it had
	time   uintptr         // of the timespec that the call fills in, 0 if it does not
}

// supervise runs a child of this program and makes its calls fail as p says. It
// returns when all threads of the child are gone, and closes the files of the job. An
// error says that the fault could not be brought about.
func supervise(ctx context.Context, p plan, jb job) (outcome, error) {
	// Who starts the process is its tracer, and that is a thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	proc, err := jb.start(ctx)
	if err != nil {
		return outcome{}, err
	}
	t := &tracer{plan: p, pid: proc.Pid, seen: make(map[int]bool), leaving: make(map[int]leaving)}
	stop := context.AfterFunc(ctx, func() { _ = proc.Kill() }) // it may have ended meanwhile
	err = t.run()
	if err != nil {
		_ = proc.Kill() // likewise
	}
	if !stop() {
		err = errors.Join(err, fmt.Errorf("it hangs: %w", ctx.Err()))
	}
	return t.out, errors.Join(err, proc.Release())
}

// start starts the process, which stops before its first instruction. Not by
// exec.Cmd, which wants to wait for it itself.
func (jb *job) start(ctx context.Context) (*os.Process, error) {
	cmd, err := board.Child(ctx, jb.role, jb.args...)
	if err != nil {
		return nil, errors.Join(err, jb.close())
	}
	proc, err := os.StartProcess(cmd.Path, cmd.Args, &os.ProcAttr{
		// One processor and no collection: the calls come in one order then.
		Env:   append(cmd.Env, "GOMAXPROCS=1", "GOGC=off", "GORACE=atexit_sleep_ms=0"),
		Files: []*os.File{jb.in, jb.out, jb.errs},
		Sys:   &unix.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err = errors.Join(err, jb.close()); err != nil && proc != nil {
		err = errors.Join(err, proc.Kill())
	}
	return proc, err
}

const options = unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL

func (t *tracer) run() error {
	for first := true; ; first = false {
		var ws unix.WaitStatus
		// The threads of the child are a process group. Other children that this thread
		// has started, maybe for another goroutine, are waited for by others.
		tid, err := unix.Wait4(-t.pid, &ws, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil // all of them are gone
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case !ws.Stopped():
			if tid == t.pid {
				t.out.status = ws
			}
			continue
		}
		if first {
			if err := unix.PtraceSetOptions(tid, options); err != nil {
				return fmt.Errorf("ptrace: %w", err)
			}
		}
		// A thread that was killed while it stood is reported by the next wait.
		if err := t.stopped(tid, ws, first); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("ptrace: %w", err)
		}
	}
}

// stopped looks why a thread stands, and lets it go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus, first bool) error {
	known := t.seen[tid]
	t.seen[tid] = true
	sig := ws.StopSignal()
	switch {
	case sig == unix.SIGTRAP|0x80:
		return t.leave(tid)
	case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
		return t.call(tid)
	case first && t.plan.clock != nil:
		return errors.Join(blind(tid), unix.PtraceCont(tid, 0))
	case first || sig == unix.SIGTRAP && ws.TrapCause() > 0 || sig == unix.SIGSTOP && !known:
		return unix.PtraceCont(tid, 0) // exec, a new thread, and its beginning
	}
	return unix.PtraceCont(tid, int(sig)) // a signal of its own
}

// call is what a thread wants of the system.
func (t *tracer) call(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if t.plan.killBehind != 0 {
		if regs.Orig_rax != t.plan.killBehind {
			return unix.PtraceCont(tid, 0)
		}
		t.leaving[tid] = leaving{}
		return unix.PtraceSyscall(tid, 0)
	}
	if t.plan.clock != nil {
		return t.look(tid, &regs)
	}
	if !counts(&regs) {
		return unix.PtraceCont(tid, 0)
	}
	if t.plan.pause != nil {
		if t.hit(callName(regs.Orig_rax)) {
			if err := t.plan.pause(); err != nil {
				return err
			}
		}
		return unix.PtraceCont(tid, 0)
	}
	if t.plan.fault.cut != whole {
		return t.shorten(tid, &regs)
	}
	if !t.hit(callName(regs.Orig_rax)) {
		return unix.PtraceCont(tid, 0)
	}
	result := -int64(t.plan.fault.errno)
	if regs.Orig_rax == unix.SYS_CLOSE {
		// Linux frees the descriptor, whatever close returns.
		t.leaving[tid] = leaving{regs: regs, result: &result}
		return unix.PtraceSyscall(tid, 0)
	}
	regs.Orig_rax, regs.Rax = ^uint64(0), uint64(result) // no call has this number
	if err := unix.PtraceSetRegs(tid, &regs); err != nil {
		return err
	}
	return unix.PtraceCont(tid, 0)
}

// hit counts a call and reports whether it is to fail.
func (t *tracer) hit(name string) bool {
	t.out.calls++
	t.out.order = append(t.out.order, name)
	if !t.plan.hits(t.out.calls) {
		return false
	}
	t.out.hits = append(t.out.hits, name)
	return true
}

// counts reports whether a call is one of the library: not the child telling what it
// does, not memory for the runtime, and not the time where there is no vDSO.
func counts(regs *unix.PtraceRegs) bool {
	switch regs.Orig_rax {
	case unix.SYS_WRITE:
		return regs.Rdi > 2
	case unix.SYS_MMAP:
		return int32(regs.R8) >= 0
	case unix.SYS_CLOCK_GETTIME:
		return false
	}
	return true
}

// shorten makes a write do less than it was asked to.
func (t *tracer) shorten(tid int, regs *unix.PtraceRegs) error {
	pieces := []int64{int64(regs.Rdx)}
	switch regs.Orig_rax {
	case unix.SYS_WRITE, unix.SYS_PWRITE64:
	case unix.SYS_WRITEV:
		vec := make([]byte, 16*regs.Rdx)
		if n, err := unix.PtracePeekData(tid, uintptr(regs.Rsi), vec); err != nil || n != len(vec) {
			return errors.Join(err, fmt.Errorf("%d bytes of %d iovecs", n, regs.Rdx))
		}
		pieces = pieces[:0]
		for i := 0; i < len(vec); i += 16 {
			pieces = append(pieces, int64(binary.LittleEndian.Uint64(vec[i+8:])))
		}
	default:
		return unix.PtraceCont(tid, 0)
	}
	n, ok := t.plan.fault.cut.length(pieces)
	if !ok {
		return unix.PtraceCont(tid, 0)
	}
	if !t.hit(callName(regs.Orig_rax)) {
		return unix.PtraceCont(tid, 0)
	}
	// More pieces than a record has begin with a mark, which can be there as a whole.
	t.out.torn = t.out.torn || regs.Orig_rax == unix.SYS_WRITEV && len(pieces) <= 4
	l := leaving{regs: *regs}
	if regs.Orig_rax != unix.SYS_WRITEV {
		regs.Rdx = uint64(n)
	} else {
		last := 0
		for ; n > pieces[last]; last++ {
			n -= pieces[last]
		}
		regs.Rdx = uint64(last + 1)
		l.iov = uintptr(regs.Rsi) + uintptr(16*last+8)
		binary.LittleEndian.PutUint64(l.length[:], uint64(pieces[last]))
		var short [8]byte
		binary.LittleEndian.PutUint64(short[:], uint64(n))
		if _, err := unix.PtracePokeData(tid, l.iov, short[:]); err != nil {
			return err
		}
	}
	t.leaving[tid] = l
	if err := unix.PtraceSetRegs(tid, regs); err != nil {
		return err
	}
	return unix.PtraceSyscall(tid, 0)
}

// leave is a call that was changed on its way back. The process finds its memory and
// its registers as they would be.
func (t *tracer) leave(tid int) error {
	l, ok := t.leaving[tid]
	if !ok {
		return fmt.Errorf("thread %d leaves a call that it was not stopped in", tid)
	}
	delete(t.leaving, tid)
	if l.time != 0 {
		return errors.Join(t.shift(tid, l.time), unix.PtraceCont(tid, 0))
	}
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if t.plan.killBehind != 0 {
		if result := int64(regs.Rax); result < 0 {
			t.out.killed = unix.Errno(-result).Error()
			return unix.Kill(t.pid, unix.SIGKILL)
		}
		return unix.PtraceCont(tid, 0)
	}
	if l.iov != 0 {
		if _, err := unix.PtracePokeData(tid, l.iov, l.length[:]); err != nil {
			return err
		}
	}
	l.regs.Rax = regs.Rax
	if l.result != nil {
		l.regs.Rax = uint64(*l.result)
	}
	// Rip, Rcx and R11 are those of the way back.
	l.regs.Rip, l.regs.Rcx, l.regs.R11, l.regs.Eflags = regs.Rip, regs.Rcx, regs.R11, regs.Eflags
	if err := unix.PtraceSetRegs(tid, &l.regs); err != nil {
		return err
	}
	return unix.PtraceCont(tid, 0)
}

// callName names a call for messages and rules.
func callName(nr uint64) string {
	if name, ok := callNames[nr]; ok {
		return name
	}
	return fmt.Sprintf("call %d", nr)
}

var callNames = map[uint64]string{
	unix.SYS_READ: "read", unix.SYS_WRITE: "write", unix.SYS_CLOSE: "close", unix.SYS_FSTAT: "fstat", unix.SYS_LSEEK: "lseek",
	unix.SYS_MMAP: "mmap", unix.SYS_PREAD64: "pread64", unix.SYS_PWRITE64: "pwrite64", unix.SYS_WRITEV: "writev",
	unix.SYS_FCNTL: "fcntl", unix.SYS_FLOCK: "flock", unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync",
	unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FSTATFS: "fstatfs", unix.SYS_GETDENTS64: "getdents64", unix.SYS_OPENAT: "openat",
	unix.SYS_MKDIRAT: "mkdirat", unix.SYS_NEWFSTATAT: "newfstatat", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_RENAMEAT: "renameat",
	unix.SYS_RENAMEAT2: "renameat2", unix.SYS_LINKAT: "linkat", unix.SYS_FALLOCATE: "fallocate", unix.SYS_FCHMOD: "fchmod",
	unix.SYS_COPY_FILE_RANGE: "copy_file_range", unix.SYS_IOCTL: "ioctl", unix.SYS_EPOLL_CREATE1: "epoll_create1",
	unix.SYS_EPOLL_CTL: "epoll_ctl", unix.SYS_EVENTFD2: "eventfd2", unix.SYS_PREADV: "preadv",
	unix.SYS_SYNC_FILE_RANGE: "sync_file_range", unix.SYS_FADVISE64: "fadvise64", unix.SYS_READLINKAT: "readlinkat",
	unix.SYS_UNAME: "uname", unix.SYS_GETUID: "getuid", unix.SYS_STATX: "statx", unix.SYS_STATFS: "statfs", unix.SYS_DUP3: "dup3",
}
