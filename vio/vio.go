package vio

import (
	"io"
	"math"
	"os"
	"syscall"
)

// MaxIovs is the largest number of pieces that one system call takes: IOV_MAX,
// which is UIO_MAXIOV in Linux's uapi/linux/uio.h. It does not limit what the
// functions here accept: [Appendv] merges pieces that are too many, [ReadvAt]
// fills the first MaxIovs of them, and empty pieces never count.
const MaxIovs = 1024

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
// has not gets [os.ErrClosed].
func Appendv(f *os.File, bufs [][]byte) (n int64, err error) {
	const op = "appendv"
	v := measure(bufs)
	if !v.ok || v.total > maxCall {
		return 0, newError(op, f, 0, v.total, ErrTooLarge)
	}
	if v.total == 0 {
		return 0, openError(op, f)
	}
	if f == nil {
		return 0, newError(op, f, 0, v.total, os.ErrInvalid)
	}
	w, err := appendOnce(f, bufs, v)
	n = int64(w)
	if err == nil && n != v.total {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, newError(op, f, n, v.total, err)
	}
	return n, nil
}

// ReadvAt reads from f at the byte offset off into the pieces of bufs, in
// order, with one system call, and returns the number of bytes read. Every
// piece before the last one reached is full.
//
// ReadvAt may return fewer bytes than [Len](bufs) with a nil error; this is
// unlike [io.ReaderAt]. It does so near the end of the file, and wherever the
// system does, and it fills at most [MaxIovs] non-empty pieces and [MaxBytes]
// bytes in one call (the portable implementation: 1 MiB or one piece). It
// returns 0, io.EOF only if bufs has room and f has no byte at off. Use
// [ReadFullAt] to have everything.
//
// A bufs without any room makes no system call and returns 0, nil; a nil or
// closed f is an error even then. A negative off is refused with EINVAL; a
// pipe or socket gives ESPIPE. Errors other than io.EOF are of type [*Error].
//
// The file position is neither used nor moved. Concurrent calls on one f are
// safe and do not wait for each other, if their pieces do not overlap; Close
// waits for calls that have started.
func ReadvAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	const op = "readvat"
	v := measure(bufs)
	if err := checkRead(op, f, off, v); err != nil || v.total == 0 {
		return 0, err
	}
	r, err := readOnce(f, bufs, 0, v.pieces, off)
	if err != nil {
		return 0, newError(op, f, 0, v.total, err)
	}
	if r == 0 {
		return 0, io.EOF
	}
	return int64(r), nil
}

// ReadFullAt reads from f at the byte offset off until every piece of bufs is
// full, with as many system calls as that takes, and returns the number of
// bytes read.
//
// A nil error means that n is [Len](bufs). If f ends first, the error is io.EOF
// itself if n == 0, and otherwise an [*Error] wrapping [io.ErrUnexpectedEOF].
// After any error the first n bytes of bufs have been read and the rest is as
// it was. Where the sum of the lengths overflows int64, which only pieces
// sharing memory can reach, nothing is read and the error wraps [ErrTooLarge].
//
// What [ReadvAt] says of an empty bufs, of a bad f or off, and of concurrent
// use holds here too. The read is not a snapshot: a concurrent writer may be
// seen between any two of the calls.
func ReadFullAt(f *os.File, bufs [][]byte, off int64) (n int64, err error) {
	const op = "readfullat"
	v := measure(bufs)
	if !v.ok {
		return 0, newError(op, f, 0, v.total, ErrTooLarge)
	}
	if err := checkRead(op, f, off, v); err != nil || v.total == 0 {
		return 0, err
	}
	// The caller's slice is never cut: the place reached is bufs[0][skip:].
	for skip := 0; n < v.total; {
		r, err := readOnce(f, bufs, skip, v.pieces, off+n)
		if err != nil {
			return n, newError(op, f, n, v.total, err)
		}
		if r == 0 {
			if n == 0 {
				return 0, io.EOF
			}
			return n, newError(op, f, n, v.total, io.ErrUnexpectedEOF)
		}
		n += int64(r)
		bufs, skip = advance(bufs, skip, r)
	}
	return n, nil
}

// Len returns the sum of the lengths of the pieces of bufs, in bytes. Pieces
// that share memory count each time, so the sum can exceed what memory can
// hold: if it does not fit an int64, Len returns [math.MaxInt64] and false.
func Len(bufs [][]byte) (n int64, ok bool) {
	v := measure(bufs)
	return v.total, v.ok
}

// extent is what one pass over a vector learns about it.
type extent struct {
	total  int64 // bytes; math.MaxInt64 if !ok
	pieces int   // pieces that are not empty
	ok     bool  // total did not overflow
}

func measure(bufs [][]byte) extent {
	v := extent{ok: true}
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		v.pieces++
		if int64(len(b)) > math.MaxInt64-v.total {
			return extent{total: math.MaxInt64, pieces: v.pieces}
		}
		v.total += int64(len(b))
	}
	return v
}

// advance steps n bytes further from bufs[0][skip]. It counts n down instead
// of adding lengths up, so that shared memory cannot overflow it, and it steps
// over empty pieces. n is at most what is left.
func advance(bufs [][]byte, skip, n int) ([][]byte, int) {
	for n > 0 {
		left := len(bufs[0]) - skip
		if n < left {
			return bufs, skip + n
		}
		n -= left
		bufs, skip = bufs[1:], 0
	}
	return bufs, skip
}

// checkRead refuses what no read may begin with. For an empty vector it is
// all that happens: the kernel would not look at the file either (it returns 0
// for any descriptor open for reading), but a closed f is a mistake worth
// telling.
func checkRead(op string, f *os.File, off int64, v extent) error {
	switch {
	case f == nil:
		return newError(op, f, 0, v.total, os.ErrInvalid)
	case off < 0:
		return newError(op, f, 0, v.total, syscall.EINVAL)
	case v.total == 0:
		return openError(op, f)
	}
	return nil
}

// openError tells of an f that is nil or closed, and makes no system call.
func openError(op string, f *os.File) error {
	if f == nil {
		return newError(op, f, 0, 0, os.ErrInvalid)
	}
	if err := checkOpen(f); err != nil {
		return newError(op, f, 0, 0, err)
	}
	return nil
}
