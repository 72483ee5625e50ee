package vio

import (
	"errors"
	"fmt"
	"os"
)

// ErrTooLarge reports a vector of more bytes than one system call moves: more
// than [MaxBytes], or than the smaller limit of a Linux kernel with pages over
// 4 KiB. It is wrapped in an [*Error]; nothing has been read or written.
var ErrTooLarge = errors.New("too many bytes for one system call")

// Error is the error type of this package. It says how far the operation came,
// for a count is never lost to an error.
//
// [errors.Is] sees through it: to [io.ErrShortWrite], [io.ErrUnexpectedEOF],
// [ErrTooLarge], [os.ErrClosed], [os.ErrDeadlineExceeded], [os.ErrInvalid] (for
// a nil file), or the error number of the system, such as [syscall.ENOSPC],
// [syscall.EFBIG], [syscall.EBADF] (not open in this direction) or
// [syscall.EPIPE].
type Error struct {
	Op   string // the function of this package, in lower case
	Path string // the name that the file was opened with; empty for a nil file
	N    int64  // bytes done
	Want int64  // bytes asked for; math.MaxInt64 if their sum overflows
	Err  error  // the cause
}

// Error returns one line with all fields.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %v (%d of %d bytes)", e.Op, e.Path, e.Err, e.N, e.Want)
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

func newError(op string, f *os.File, n, want int64, err error) error {
	e := &Error{Op: op, N: n, Want: want, Err: err}
	if f != nil { // os.File.Name does not allow nil
		e.Path = f.Name()
	}
	return e
}
