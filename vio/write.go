package vio

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// MaxIovs is the largest number of pieces that one system call takes: IOV_MAX,
// which is UIO_MAXIOV in Linux's uapi/linux/uio.h. It is a constant and not
// asked of sysconf, which glibc 2.26 answered with -1. It does not limit what
// the functions here accept: the table of the package documentation says what
// each does with more. Empty pieces never count.
const MaxIovs = 1024

// ErrAppendMode reports a write to an offset of a file that is open with
// [os.O_APPEND], where Linux ignores the offset and appends (pwrite(2), BUGS).
// Nothing has been written. Open the file a second time without the flag, or
// use [Appendv]. On Linux 6.9 and later [WritevAt] and [WritevAllAt] write where
// they should, and have no such error.
var ErrAppendMode = errors.New("the file is open with os.O_APPEND, which ignores offsets; open it without")

// Writev writes bufs, in order, at the file position of f with one system call,
// and returns the number of bytes written.
//
// A nil error means that n is [Len](bufs). Writev takes no more than one call
// does, which is the first [MaxIovs] non-empty pieces at least and [MaxBytes]
// bytes at most, and the system may take less: then n tells how much, and the error is an [*Error]
// wrapping [io.ErrShortWrite]. Any other error comes with n == 0. Use [Appendv]
// if one call must do, and [WritevAll] if all must be written.
//
// On a file that is open with [os.O_APPEND] the position is the end. What
// Appendv says of an empty bufs, of memory, of concurrent use and of Close
// holds here too.
func Writev(f *os.File, bufs [][]byte) (n int64, err error) {
	return writeCall("writev", f, bufs, place{off: Current}, once)
}

// WritevAt is [Writev] at the byte offset off. The file position is neither
// used nor moved, and concurrent calls do not wait for each other.
//
// A negative off is refused with EINVAL, and a pipe or socket gives ESPIPE. On
// a file that is open with [os.O_APPEND] it needs Linux 6.9 or later and gives
// [ErrAppendMode] elsewhere.
func WritevAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	if off < 0 {
		return 0, badOffset("writevat", f, bufs)
	}
	return writeCall("writevat", f, bufs, writePlace(off, 0), once)
}

// WritevAll writes all of bufs, in order, at the file position of f with as
// many system calls as that takes, and returns the number of bytes written,
// which is [Len](bufs) if and only if the error is nil. Another writer's bytes
// can come between two of the calls.
//
// After an error the first n bytes of bufs are written: go on with [Advance],
// or use a [Cursor]. A call that writes nothing and reports nothing ends the
// loop with [io.ErrShortWrite]. Where the sum of the lengths overflows int64,
// which only pieces sharing memory can reach, nothing is written and the error
// wraps [ErrTooLarge].
//
// What [Appendv] says of an empty bufs, of memory and of Close holds here too.
func WritevAll(f *os.File, bufs [][]byte) (n int64, err error) {
	return writeAll("writevall", f, bufs, place{off: Current})
}

// WritevAllAt is [WritevAll] at the byte offset off, with what [WritevAt] says
// of it.
func WritevAllAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	if off < 0 {
		return 0, badOffset("writevallat", f, bufs)
	}
	return writeAll("writevallat", f, bufs, writePlace(off, 0))
}

// Appendv writes all of bufs, in order, at the end of f with exactly one
// system call, and returns the number of bytes written.
//
// f must be open for writing with [os.O_APPEND]. Without it the bytes go to
// the file position instead, and another writer's bytes may be overwritten. A
// pipe or another stream has no position and needs no flag.
//
// A nil error means that n is [Len](bufs). If the system wrote fewer bytes and
// named no reason, Appendv returns their number and an [*Error] wrapping
// [io.ErrShortWrite]: the n bytes are in the file, the rest is not, and Appendv
// has not tried to add it, because another writer may have appended in between.
// On Unix any other error comes with n == 0 and means that nothing was written,
// except for the errors of O_SYNC and O_DSYNC files (see the package
// documentation).
//
// More than [MaxBytes] in total is refused with [ErrTooLarge] before the first
// byte. More than [MaxIovs] non-empty pieces are written with one call still;
// neighbours are copied together for it. A bufs without any byte makes no
// system call and returns 0, nil; a nil or closed f is an error even then.
//
// Appendv keeps no reference to bufs or its pieces and modifies neither. The
// pieces must not change until it returns. It is safe to call it concurrently
// with any method of f and from several goroutines; their calls do not mix
// where the table of the package documentation says "one piece". If f is
// closed meanwhile, a call that has started is finished first, and one that
// has not gets [os.ErrClosed]; so does one that waits for a pipe.
func Appendv(f *os.File, bufs [][]byte) (n int64, err error) {
	return writeCall("appendv", f, bufs, place{off: Current}, whole)
}

// writeSlow is writeCall for every vector, file and place.
func writeSlow(op string, f *os.File, bufs [][]byte, p place, m mode) (int64, error) {
	v := vectorOf(bufs)
	switch {
	case m == whole && (!v.ok || v.left > maxCall):
		return 0, newError(op, f, 0, v.left, ErrTooLarge)
	case f == nil:
		return 0, newError(op, f, 0, v.left, os.ErrInvalid)
	case v.left == 0:
		return 0, openError(op, f)
	}
	n, err := writeFlagged(f, &v, p, m)
	if err == nil && int64(n) != v.left {
		err = io.ErrShortWrite
	}
	if err != nil {
		return int64(n), newError(op, f, int64(n), v.left, err)
	}
	return int64(n), nil
}

func writeAll(op string, f *os.File, bufs [][]byte, p place) (int64, error) {
	v := vectorOf(bufs)
	if done, err := v.begin(op, f); done {
		return 0, err
	}
	want := v.left
	n, err := v.transfer(func(done int64) (int, error) {
		return writeFlagged(f, &v, p.behind(done), all)
	})
	if err == nil && n != want {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, newError(op, f, n, want, err)
	}
	return n, nil
}

// begin reports whether a transfer of all of v is over before it begins.
func (v *vector) begin(op string, f *os.File) (done bool, err error) {
	switch {
	case !v.ok && v.bufs != nil: // not so the zero Cursor
		return true, newError(op, f, 0, v.left, ErrTooLarge)
	case f == nil:
		return true, newError(op, f, 0, v.left, os.ErrInvalid)
	case v.left == 0:
		return true, openError(op, f)
	}
	return false, nil
}

// transfer calls step until nothing is left of v, and adds up what step moved. It stops at an error, and where step moves nothing: to go on
// then would be an endless loop.
func (v *vector) transfer(step func(done int64) (int, error)) (done int64, err error) {
	for v.left > 0 {
		n, err := step(done)
		v.advance(int64(n))
		done += int64(n)
		if err != nil || n == 0 {
			return done, err
		}
	}
	return done, nil
}

func badOffset(op string, f *os.File, bufs [][]byte) error {
	want, _ := Len(bufs)
	return newError(op, f, 0, want, syscall.EINVAL)
}

// openError tells of an f that is nil or closed, and makes no system call. It is
// all that happens for an empty vector: the kernel would return 0 without a look
// at the file (no EPIPE, no ENOSPC), but a closed f is a mistake worth telling.
func openError(op string, f *os.File) error {
	if f == nil {
		return newError(op, f, 0, 0, os.ErrInvalid)
	}
	if err := checkOpen(f); err != nil {
		return newError(op, f, 0, 0, err)
	}
	return nil
}
