package vio

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"
)

// copyChunk is how many bytes are copied at a time where the kernel does not
// copy by itself.
const copyChunk = 256 << 10

var errOverlap = fmt.Errorf("the two ranges overlap in one file: %w", syscall.EINVAL)

// CopyRange copies n bytes of src from the byte offset srcOff to dst at the
// byte offset dstOff, and returns the number of bytes copied. The positions of
// the files are neither used nor moved. dst grows where the range ends behind
// its end; a gap before dstOff reads as zeros.
//
// A nil error means that copied is n. An n of 0 copies nothing, and the files
// are still checked. If src has nothing at srcOff, the error is io.EOF itself.
// Any other error is an [*Error] with Op "copyrange", the path of the file that
// it is about (dst, if of both), and copied in N, wrapping
//
//	syscall.EINVAL           n or an offset is negative, or an end overflows int64
//	syscall.EINVAL           the ranges overlap in one file: the text says so
//	ErrAppendMode            dst is open with os.O_APPEND
//	os.ErrInvalid            dst or src is nil
//	os.ErrClosed             dst or src is or was closed
//	io.ErrUnexpectedEOF      src ends before srcOff+n; copied is more than 0
//
// or the error number of the system, such as [syscall.ENOSPC], [syscall.EFBIG],
// [syscall.EBADF] (not open in this direction), [syscall.ESPIPE] or
// [syscall.EISDIR]. The first five come before any byte is copied, except for a
// file that is closed meanwhile. After the others the first copied bytes of the
// range are in dst. dst may have been changed behind them, if a file system
// reports an error after it has written, but not outside the range.
//
// With O_APPEND the bytes would not go to dstOff: copy_file_range(2) answers
// EBADF then, [os.File.WriteAt] refuses it too, and Linux's pwrite(2) appends
// (BUGS). Ranges of one file may not overlap by what is asked for, not only by
// what src turns out to have: a file that grows under its own copy would never
// end.
//
// # How
//
// Linux copies inside the kernel (copy_file_range(2)), at most [MaxBytes] a
// call; a file system that can lets both files share the blocks instead (btrfs,
// XFS), and NFS and SMB servers may copy on their side. What the kernel refuses
// or has nothing for is read and written through a buffer of at most 256 KiB:
// two file systems of different types, files of /proc, whose bytes the call
// does not see, devices, and every kernel before 5.3, in which the call has
// bugs. The error is that of the plain read or write. Other systems always take
// the buffer. O_DIRECT files may refuse it, for it is not aligned.
//
// Holes of src may be holes in dst, take up room as zeros, or be shared; what
// is read from dst is the same. Nothing is on the disk before dst.Sync.
//
// # Concurrency
//
// Calls with ranges that do not overlap are safe at the same time, on the same
// files too, and with all methods of the files. The copy is not a snapshot: what
// another program writes to src meanwhile may be in dst or not, byte by byte. A
// Close of either file cannot make the call touch another one that got the
// same descriptor.
func CopyRange(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (copied int64, err error) {
	const op = "copyrange"
	if at, err := checkRanges(dst, dstOff, src, srcOff, n); err != nil {
		return 0, newError(op, at, 0, n, err)
	}
	if n == 0 {
		return 0, nil
	}
	copied, at, err := copyRange(dst, dstOff, src, srcOff, n)
	switch {
	case err == nil:
		return copied, nil
	case !errors.Is(err, io.EOF):
		return copied, newError(op, at, copied, n, err)
	case copied == 0:
		return 0, io.EOF
	}
	return copied, newError(op, at, copied, n, io.ErrUnexpectedEOF)
}

// checkRanges refuses what no copy may begin with. at is the file that the
// error is about.
func checkRanges(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (at *os.File, err error) {
	switch {
	case dst == nil:
		return dst, os.ErrInvalid
	case src == nil:
		return src, os.ErrInvalid
	case n < 0 || dstOff < 0 || n > math.MaxInt64-dstOff:
		return dst, syscall.EINVAL
	case srcOff < 0 || n > math.MaxInt64-srcOff:
		return src, syscall.EINVAL
	}
	if err := checkOpen(src); err != nil {
		return src, err
	}
	if err := checkOpen(dst); err != nil {
		return dst, err
	}
	if ok, err := appends(dst); err != nil {
		return dst, err
	} else if ok {
		return dst, ErrAppendMode
	}
	// The kernel checks this for one call only, which may be less than n, and
	// copyByHand would copy what it has written before.
	if n > 0 && srcOff < dstOff+n && dstOff < srcOff+n {
		if same, err := sameFile(dst, src); err != nil {
			return dst, err
		} else if same {
			return dst, errOverlap
		}
	}
	return nil, nil
}

// copyByHand copies with plain reads and writes. err is io.EOF where src ends,
// and at the file that it is about.
func copyByHand(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (copied int64, at *os.File, err error) {
	p := getBuffer(int(min(n, copyChunk)))
	defer putBuffer(p)
	for copied < n {
		b := p.b[:min(n-copied, copyChunk)]
		r, rerr := src.ReadAt(b, srcOff+copied)
		for done := 0; done < r; {
			// os.File.WriteAt would not do: it forgets what a short write has done
			// if the next one fails.
			v := vectorOf([][]byte{b[done:r]})
			w, werr := writeOnce(dst, &v, place{off: dstOff + copied}, once)
			if w == 0 && werr == nil {
				werr = io.ErrShortWrite // no file does this, and it must not loop
			}
			done += w
			copied += int64(w)
			if werr != nil {
				return copied, dst, werr
			}
		}
		if rerr != nil && r < len(b) {
			return copied, src, fileCause(rerr)
		}
	}
	return copied, nil, nil
}
