package faults

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// blind takes the vDSO away from a program that is about to begin, so that it has to ask
// the kernel for the time. The kernel tells where the vDSO is in the last of the lists
// behind the stack pointer: the count of arguments, arguments, environment, and pairs of
// a key and a value (getauxval(3)).
func blind(tid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	at := uintptr(regs.Rsp)
	for lists := 0; lists < 2; {
		at += 8 // of the count, to begin with
		word, err := peek(tid, at)
		if err != nil {
			return err
		}
		if word == 0 {
			lists++
		}
	}
	const end, vdso = 0, 33 // AT_NULL and AT_SYSINFO_EHDR of linux/auxvec.h
	for at += 8; ; at += 16 {
		switch key, err := peek(tid, at); {
		case err != nil:
			return err
		case key == end:
			return nil // there is none
		case key == vdso:
			return poke(tid, at+8, 0)
		}
	}
}

// look changes the time of day that a call returns, and no other call.
func (t *tracer) look(tid int, regs *unix.PtraceRegs) error {
	switch {
	case regs.Orig_rax == unix.SYS_WRITE && regs.Rdi == 1:
		t.told++
	case regs.Orig_rax == unix.SYS_CLOCK_GETTIME && regs.Rdi == unix.CLOCK_REALTIME:
		t.leaving[tid] = leaving{time: uintptr(regs.Rsi)}
		return unix.PtraceSyscall(tid, 0)
	}
	return unix.PtraceCont(tid, 0)
}

// shift puts the time at an address off by what the plan says for the step that is under way.
func (t *tracer) shift(tid int, at uintptr) error {
	seconds, err := peek(tid, at)
	if err != nil {
		return err
	}
	step := min(t.told/2, len(t.plan.clock)-1) // each tells of its beginning and its end
	t.out.shifted++
	return poke(tid, at, seconds+uint64(t.plan.clock[step]/time.Second))
}

func peek(tid int, at uintptr) (uint64, error) {
	var b [8]byte
	n, err := unix.PtracePeekData(tid, at, b[:])
	if err == nil && n != len(b) {
		err = errors.New("a word cannot be read as a whole")
	}
	return binary.NativeEndian.Uint64(b[:]), err
}

func poke(tid int, at uintptr, word uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], word)
	n, err := unix.PtracePokeData(tid, at, b[:])
	if err == nil && n != len(b) {
		err = errors.New("a word cannot be written as a whole")
	}
	return err
}
