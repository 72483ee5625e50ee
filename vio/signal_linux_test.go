//go:build amd64 || arm64 || 386

package vio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { children["eintr"] = eintrChild }

// EINTR is retried. Go installs all signal handlers with SA_RESTART, so that
// the kernel itself restarts a blocked write and no EINTR is ever seen; C code
// in the same process need not. The child takes the flag away from its handler,
// proves with x/sys that a blocked write then fails with EINTR, and shows that
// an Appendv in the same place does not.
func TestInterrupted(t *testing.T) {
	runChild(t, "eintr")
}

// kernelSigaction is struct sigaction of the kernel, alike on the three
// architectures of this file.
type kernelSigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

func eintrChild([]string) error {
	caught := make(chan os.Signal, 1) // one is enough: signal drops the rest
	signal.Notify(caught, syscall.SIGUSR1)
	if err := clearRestart(syscall.SIGUSR1); err != nil {
		return err
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil { // blocking
		return err
	}
	r, w := os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	room, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, os.Getpagesize())
	if err != nil {
		return err
	}
	appendAllChild := func() error { _, err := Appendv(w, [][]byte{make([]byte, room)}); return err }
	if err := appendAllChild(); err != nil {
		return err
	}
	piece := []byte("0123456789")

	err = inStorm(func() error {
		if _, err := unix.Writev(p[1], [][]byte{piece}); !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("control: Writev on a full pipe returns %v, want EINTR", err)
		}
		return nil
	}, func() error { return nil })
	if err != nil {
		return err
	}
	err = inStorm(func() error {
		return wantAll("Appendv", 40)(Appendv(w, [][]byte{piece, piece, piece, piece}))
	}, func() error {
		_, err := io.ReadFull(r, make([]byte, room))
		return err
	})
	if err != nil {
		return err
	}
	if err := appenderInStorm(r, w, room); err != nil {
		return err
	}
	return loopsInStorm(r, w, room)
}

// appenderInStorm does what eintrChild does with Appendv: 40 bytes are in the pipe at
// the beginning and at the end.
func appenderInStorm(r, w *os.File, room int) error {
	a, err := NewAppender(w)
	if err != nil {
		return err
	}
	if _, err := Appendv(w, [][]byte{make([]byte, room-40)}); err != nil {
		return err
	}
	return inStorm(func() error {
		n, _, err := a.Append(even([]byte("0123456789012345678901234567890123456789"), 4))
		if n != 40 || !errors.Is(err, unix.ESPIPE) { // a pipe has no position
			return fmt.Errorf("Append = %d, %v, want 40", n, err)
		}
		return nil
	}, func() error {
		_, err := io.ReadFull(r, make([]byte, room))
		return err
	})
}

// loopsInStorm writes and reads three times what the pipe holds; 40 bytes are in
// it at the beginning.
func loopsInStorm(r, w *os.File, room int) error {
	data := pattern(3*room, 31)
	got := make([]byte, 40+len(data))
	err := inStorm(func() error {
		return wantAll("WritevAll", int64(len(data)))(WritevAll(w, even(data, 40)))
	}, func() error {
		_, err := io.ReadFull(r, got)
		return err
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(got[40:], data) {
		return errors.New("WritevAll: other bytes arrive")
	}
	clear(got)
	err = inStorm(func() error {
		return wantAll("ReadvFull", int64(len(data)))(ReadvFull(r, even(got[:len(data)], 40)))
	}, func() error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(got[:len(data)], data) {
		return errors.New("ReadvFull: other bytes arrive")
	}
	return nil
}

func wantAll(name string, want int64) func(n int64, err error) error {
	return func(n int64, err error) error {
		if n != want || err != nil {
			return fmt.Errorf("%s = %d, %v, want %d, nil", name, n, err, want)
		}
		return nil
	}
}

// inStorm runs block on a thread of its own and sends that thread signal after
// signal until block returns, calling release after some of them.
func inStorm(block, release func() error) error {
	const most, before = 100_000, 200
	var tid atomic.Int64
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tid.Store(int64(unix.Gettid()))
		done <- block()
	}()
	for tid.Load() == 0 {
		runtime.Gosched()
	}
	for i := range most {
		if i == before {
			if err := release(); err != nil {
				return err
			}
		}
		select {
		case err := <-done:
			return err
		case <-time.After(50 * time.Microsecond): // pace only
		}
		if err := unix.Tgkill(unix.Getpid(), int(tid.Load()), unix.SIGUSR1); err != nil {
			return err
		}
	}
	return fmt.Errorf("still blocked after %d signals", most)
}

func clearRestart(sig syscall.Signal) error {
	const saRestart = 0x10000000 // asm-generic/signal-defs.h
	var sa kernelSigaction
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		0, uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa.mask), 0, 0)
	if errno != 0 {
		return errno
	}
	if sa.flags&saRestart == 0 {
		return errors.New("the handler has no SA_RESTART to take away")
	}
	sa.flags &^= saRestart
	_, _, errno = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(&sa)), 0, unsafe.Sizeof(sa.mask), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
