package vio

import (
	"io"
	"os"
)

// Readv reads from the file position of f into the pieces of bufs, in order,
// with one system call, and returns the number of bytes read. Every piece
// before the last one reached is full; [Trim] gives the views that were filled.
//
// Readv may return fewer bytes than [Len](bufs) with a nil error. It does so
// near the end of the file, on a pipe, and wherever the system does, and it
// fills no more in one call than the first [MaxIovs] non-empty pieces, or more
// where these are small or lie in one block, and [MaxBytes] bytes (where the
// system has no vectored call: 1 MiB or one piece). It returns 0,
// io.EOF only if bufs has room and f has no byte left. Use [ReadvFull] to have
// everything.
//
// A bufs without any room makes no system call and returns 0, nil; a nil or
// closed f is an error even then. Errors other than io.EOF are of type [*Error].
//
// Concurrent calls on one f are safe if their pieces do not overlap; they take
// turns. Close waits for a call that has started, unless f is a pipe or another
// file that can be waited for: then it ends the call with [os.ErrClosed].
func Readv(f *os.File, bufs [][]byte) (n int64, err error) {
	return readCall("readv", f, bufs, place{off: Current})
}

// ReadvAt is [Readv] at the byte offset off; unlike [io.ReaderAt] it may return
// fewer bytes than there is room for with a nil error. The file position is
// neither used nor moved, and concurrent calls do not wait for each other. A
// negative off is refused with EINVAL; a pipe or socket gives ESPIPE.
func ReadvAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	if off < 0 {
		return 0, badOffset("readvat", f, bufs)
	}
	return readCall("readvat", f, bufs, place{off: off})
}

// ReadvFull reads from the file position of f until every piece of bufs is
// full, with as many system calls as that takes, and returns the number of
// bytes read.
//
// A nil error means that n is [Len](bufs). If f ends first, the error is io.EOF
// itself if n == 0, and otherwise an [*Error] wrapping [io.ErrUnexpectedEOF].
// After any error the first n bytes of bufs have been read and the rest is as
// it was. Where the sum of the lengths overflows int64, which only pieces
// sharing memory can reach, nothing is read and the error wraps [ErrTooLarge].
//
// What [Readv] says of an empty bufs and of a bad f holds here too. The read is
// not a snapshot: a concurrent writer may be seen between any two of the calls.
func ReadvFull(f *os.File, bufs [][]byte) (n int64, err error) {
	return readAll("readvfull", f, bufs, place{off: Current})
}

// ReadvFullAt is [ReadvFull] at the byte offset off, with what [ReadvAt] says
// of it.
func ReadvFullAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	if off < 0 {
		return 0, badOffset("readvfullat", f, bufs)
	}
	return readAll("readvfullat", f, bufs, place{off: off})
}

// readCall is every read that makes one system call.
func readCall(op string, f *os.File, bufs [][]byte, p place) (int64, error) {
	v := vectorOf(bufs)
	switch {
	case f == nil:
		return 0, newError(op, f, 0, v.left, os.ErrInvalid)
	case v.left == 0:
		return 0, openError(op, f)
	}
	n, err := readFlagged(f, &v, p, once)
	if err != nil {
		return 0, newError(op, f, 0, v.left, err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return int64(n), nil
}

func readAll(op string, f *os.File, bufs [][]byte, p place) (int64, error) {
	v := vectorOf(bufs)
	if done, err := v.begin(op, f); done {
		return 0, err
	}
	want := v.left
	n, err := v.transfer(func(done int64) (int, error) {
		return readFlagged(f, &v, p.behind(done), all)
	})
	switch {
	case err != nil:
		return n, newError(op, f, n, want, err)
	case n == 0:
		return 0, io.EOF
	case n != want:
		return n, newError(op, f, n, want, io.ErrUnexpectedEOF)
	}
	return n, nil
}
