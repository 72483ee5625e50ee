package vio

import (
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// golang.org/x/sys has neither of the two calls.
var (
	kernel32        = windows.NewLazySystemDLL("kernel32.dll")
	writeFileGather = kernel32.NewProc("WriteFileGather")
	readFileScatter = kernel32.NewProc("ReadFileScatter")
)

var pageBytes = os.Getpagesize()

// gatherAt writes bufs at off with one WriteFileGather, if the handle and the
// pieces have the shape it needs; ok is false, and nothing has happened, if they
// have not. The shape is: a file opened with FILE_FLAG_OVERLAPPED and
// FILE_FLAG_NO_BUFFERING, an offset that is a multiple of the page, and two or
// more pieces of exactly one aligned page each. Empty pieces are skipped.
//
// Neither a deadline nor Close ends the call early; Close waits for it.
func gatherAt(f *os.File, bufs [][]byte, off int64) (n int, ok bool, err error) {
	// The os package refuses WriteAt to a file that it opened with O_APPEND; with
	// O_TRUNC too the system would let the handle write anywhere. Without bytes
	// this makes no system call.
	if _, err := f.WriteAt(nil, off); err != nil {
		return 0, false, nil
	}
	return pagesAt(writeFileGather, f, bufs, off)
}

// scatterAt is gatherAt for ReadFileScatter. At the end of the file n is 0 and
// err is nil. The pieces may change beyond n bytes too, for a disk moves whole
// sectors.
func scatterAt(f *os.File, bufs [][]byte, off int64) (n int, ok bool, err error) {
	return pagesAt(readFileScatter, f, bufs, off)
}

// pagesAt calls proc. It checks first what costs least: an ordinary vector ends
// at its first piece.
func pagesAt(proc *windows.LazyProc, f *os.File, bufs [][]byte, off int64) (n int, ok bool, err error) {
	total, ok := pageShape(bufs, off)
	if !ok || proc.Find() != nil {
		return 0, false, nil
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, false, nil // f is nil; let the plain call say so
	}
	// Close waits for the end of Control, so the handle stays that of f.
	closed := rc.Control(func(h uintptr) {
		handle := windows.Handle(h)
		if !pageHandle(handle) {
			ok = false
			return
		}
		c := pageCalls.Get().(*pageCall)
		if c == nil {
			ok = false
			return
		}
		c.prepare(bufs, off)
		n, ok, err = c.run(proc, handle, total)
		c.release()
	})
	if closed != nil { // Control fails for nothing else
		return 0, true, os.ErrClosed
	}
	return n, ok, err
}

// pageShape returns the number of bytes in bufs, and whether pieces and offset
// have the shape.
func pageShape(bufs [][]byte, off int64) (total uint32, ok bool) {
	page := pageBytes
	if off < 0 || off&int64(page-1) != 0 {
		return 0, false
	}
	pieces := 0
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		if len(b) != page || uintptr(unsafe.Pointer(&b[0]))&uintptr(page-1) != 0 {
			return 0, false
		}
		pieces++
	}
	// One piece needs no array, and the plain call does not copy it either.
	if pieces < 2 || pieces > math.MaxInt32/page {
		return 0, false
	}
	return uint32(pieces * page), true
}

// fileModeInformation is a class of NtQueryInformationFile: the flags that the
// handle was opened with.
const fileModeInformation = 16

// pageHandle reports whether h was opened for overlapped and unbuffered I/O.
func pageHandle(h windows.Handle) bool {
	var mode uint32
	var status windows.IO_STATUS_BLOCK
	err := windows.NtQueryInformationFile(h, &status, (*byte)(unsafe.Pointer(&mode)),
		uint32(unsafe.Sizeof(mode)), fileModeInformation)
	const synchronous = windows.FILE_SYNCHRONOUS_IO_ALERT | windows.FILE_SYNCHRONOUS_IO_NONALERT
	return err == nil && mode&synchronous == 0 && mode&windows.FILE_NO_INTERMEDIATE_BUFFERING != 0
}

// segment is a FILE_SEGMENT_ELEMENT, a union of eight bytes. Where a pointer has
// four, the second one is the upper half and stays nil.
type segment [8 / unsafe.Sizeof(uintptr(0))]unsafe.Pointer

// pageCall is what the system uses after the call that began a transfer has
// returned. So it is on the heap, where nothing moves, and never on a stack. The
// segments are pointers, not numbers: they keep the pieces alive, and make the
// compiler put every piece on the heap too. A runtime.Pinner would add a lock
// and a list per piece, and no safety as long as the heap does not move.
type pageCall struct {
	overlapped windows.Overlapped
	moved      uint32
	event      windows.Handle
	segments   []segment // nil at the end
}

// keptSegments is the longest array that returns to the pool: 32 KiB.
const keptSegments = 4096

// pageCalls holds *pageCall, and nil for want of an event. A pageCall that the
// pool drops closes its event.
var pageCalls = sync.Pool{New: func() any {
	// The wait wants a manual-reset event. Each call resets it as it begins.
	event, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return (*pageCall)(nil)
	}
	c := &pageCall{event: event}
	runtime.AddCleanup(c, func(event windows.Handle) {
		windows.CloseHandle(event) // it is ours and open: this cannot fail
	}, event)
	return c
}}

func (c *pageCall) prepare(bufs [][]byte, off int64) {
	c.overlapped = windows.Overlapped{
		Offset:     uint32(off),
		OffsetHigh: uint32(off >> 32),
		// The os package ties an overlapped handle to the completion port of the
		// runtime, which must not see the end of a transfer that it did not
		// begin. The lowest bit, which is not part of the handle, keeps it away
		// from the port (documented at GetQueuedCompletionStatus).
		HEvent: c.event | 1,
	}
	for _, b := range bufs {
		if len(b) > 0 {
			c.segments = append(c.segments, segment{unsafe.Pointer(&b[0])})
		}
	}
	c.segments = append(c.segments, segment{})
}

// run makes the call and waits for its end. ok is false if the system refused
// it without looking at the file: a network or a layered file system may.
func (c *pageCall) run(proc *windows.LazyProc, h windows.Handle, total uint32) (n int, ok bool, err error) {
	// The end of a thread cancels what it began, and if this goroutine went on in
	// another thread then the first one could end meanwhile.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begun, _, errno := syscall.SyscallN(proc.Addr(), uintptr(h),
		uintptr(unsafe.Pointer(&c.segments[0])), uintptr(total), 0, uintptr(unsafe.Pointer(&c.overlapped)))
	if begun == 0 && errno != windows.ERROR_IO_PENDING {
		switch errno {
		case windows.ERROR_INVALID_PARAMETER, windows.ERROR_NOT_SUPPORTED,
			windows.ERROR_CALL_NOT_IMPLEMENTED, windows.ERROR_INVALID_FUNCTION:
			return 0, false, nil
		case windows.ERROR_HANDLE_EOF:
			return 0, true, nil
		}
		return 0, true, errno
	}
	c.moved = 0 // not that of an earlier call, should the next one fail
	err = windows.GetOverlappedResult(h, &c.overlapped, &c.moved, true)
	runtime.KeepAlive(c) // and with it the pieces
	if err == windows.ERROR_HANDLE_EOF {
		err = nil
	}
	return int(c.moved), true, err
}

// release returns c to the pool, without the pieces.
func (c *pageCall) release() {
	clear(c.segments)
	c.segments = c.segments[:0]
	if cap(c.segments) > keptSegments {
		c.segments = nil
	}
	pageCalls.Put(c)
}
