package vio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// pageFlags opens a file as gatherAt and scatterAt want it.
const pageFlags = windows.O_FILE_FLAG_OVERLAPPED | windows.O_FILE_FLAG_NO_BUFFERING

// The system's array has elements of eight bytes everywhere.
var _ [8]byte = [unsafe.Sizeof(segment{})]byte{}

func openPages(tb testing.TB, flags int) *os.File {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(tb.TempDir(), "pages"), os.O_CREATE|flags, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() }) // tests that close it have checked that
	return f
}

// newPages returns aligned memory of count pages. Page i is full of first+i, so
// that each of up to 256 pages tells its place.
func newPages(count int, first byte) []byte {
	b := make([]byte, (count+1)*pageBytes)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (pageBytes - 1)
	b = b[skip:][: count*pageBytes : count*pageBytes]
	for i := range b {
		b[i] = first + byte(i/pageBytes)
	}
	return b
}

// pagesIn returns the pages of b with these numbers, in this order; a negative
// one stands for an empty piece.
func pagesIn(b []byte, numbers ...int) [][]byte {
	var v [][]byte
	for _, i := range numbers {
		var piece []byte
		if i >= 0 {
			piece = b[i*pageBytes:][:pageBytes:pageBytes]
		}
		v = append(v, piece)
	}
	return v
}

func allPages(b []byte) [][]byte {
	return slices.Collect(slices.Chunk(b, pageBytes))
}

// wantPages checks what a call returned that must have moved n bytes.
func wantPages(tb testing.TB, n int) func(n int, ok bool, err error) {
	return wantResult(tb, "no error", n, true, nil)
}

func wantResult(tb testing.TB, what string, n int, ok bool, cause error) func(n int, ok bool, err error) {
	return func(gotN int, gotOK bool, err error) {
		tb.Helper()
		if gotN != n || gotOK != ok || !errors.Is(err, cause) {
			tb.Fatalf("%s: got %d, %v, %v, want %d, %v, %v", what, gotN, gotOK, err, n, ok, cause)
		}
	}
}

// Pieces in no order of memory arrive in their order in the vector, there and
// back, and nothing but the pieces changes.
func TestPagesRoundTrip(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	src := newPages(8, 'a')
	for _, at := range []int{0, 3, 1} {
		off := int64(at * pageBytes)
		wantPages(t, 4*pageBytes)(gatherAt(f, pagesIn(src, -1, 7, 2, -1, -1, 0, 5, -1), off))

		dst := newPages(6, '0')
		wantPages(t, 4*pageBytes)(scatterAt(f, pagesIn(dst, 4, -1, 1, 5, -1, 2), off))
		want := newPages(6, '0')
		for i, page := range map[int]int{4: 7, 1: 2, 5: 0, 2: 5} {
			copy(pagesIn(want, i)[0], pagesIn(src, page)[0])
		}
		if !bytes.Equal(dst, want) {
			t.Errorf("at page %d: wrong bytes", at)
		}
	}
	// 7 2 0 5 at page 0, then at page 3, and then over the middle at page 1.
	got, err := os.ReadFile(f.Name())
	if want := bytes.Join(pagesIn(src, 7, 7, 2, 0, 5, 0, 5), nil); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file is wrong: %d bytes, %v, want %d", len(got), err, len(want))
	}
}

// More pieces than the pool keeps, and an offset beyond 32 bits.
func TestPagesMany(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	count, off := 300, int64(pageBytes)
	if !testing.Short() {
		count = keptSegments + 2
		if err := makeSparse(f.Name()); err != nil {
			t.Log("no far offset, for the file cannot be sparse:", err)
		} else {
			off += 5 << 30
		}
	}
	src, dst := newPages(count, 1), newPages(count, 0)
	wantPages(t, len(src))(gatherAt(f, allPages(src), off))
	if st, err := f.Stat(); err != nil || st.Size() != off+int64(len(src)) {
		t.Errorf("the file has %d bytes, %v", st.Size(), err)
	}
	f.Fd() // takes the file from the completion port, which the call does not need
	wantPages(t, len(src))(scatterAt(f, allPages(dst), off))
	if !bytes.Equal(src, dst) {
		t.Error("wrong bytes")
	}
}

// makeSparse saves the system from writing zeros up to the first byte.
func makeSparse(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var n uint32
	err = windows.DeviceIoControl(windows.Handle(f.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &n, nil)
	return errors.Join(err, f.Close())
}

// Without the shape nothing happens, whatever the file.
func TestPagesWrongPieces(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	closed := openPages(t, os.O_RDWR|pageFlags)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	b := newPages(4, 'a')
	good := pagesIn(b, 0, 1)
	for name, c := range map[string]struct {
		bufs [][]byte
		off  int64
	}{
		"no piece":         {nil, 0},
		"empty pieces":     {pagesIn(b, -1, -1), 0},
		"one piece":        {pagesIn(b, 0), 0},
		"one and empty":    {pagesIn(b, -1, 0, -1), 0},
		"half a page":      {[][]byte{good[0], good[1][:pageBytes/2]}, 0},
		"two pages":        {[][]byte{good[0], b[2*pageBytes:]}, 0},
		"misaligned":       {[][]byte{good[0], b[pageBytes+512:][:pageBytes]}, 0},
		"misaligned first": {[][]byte{b[1:][:pageBytes], good[1]}, 0},
		"odd offset":       {good, 1},
		"half an offset":   {good, int64(pageBytes / 2)},
		"negative offset":  {good, int64(-pageBytes)},
		"current position": {good, -1},
	} {
		for _, f := range []*os.File{f, closed, nil} {
			notTaken(t, name, f, c.bufs, c.off)
		}
	}
	notTaken(t, "nil file", nil, good, 0)
	if st, err := f.Stat(); err != nil || st.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", st.Size(), err)
	}
}

func notTaken(t *testing.T, name string, f *os.File, bufs [][]byte, off int64) {
	t.Helper()
	wantResult(t, name, 0, false, nil)(gatherAt(f, bufs, off))
	wantResult(t, name, 0, false, nil)(scatterAt(f, bufs, off))
}

func TestPagesWrongHandle(t *testing.T) {
	b := newPages(2, 'a')
	for name, flags := range map[string]int{
		"ordinary":   0,
		"buffered":   windows.O_FILE_FLAG_OVERLAPPED,
		"one by one": windows.O_FILE_FLAG_NO_BUFFERING,
	} {
		f := openPages(t, os.O_RDWR|flags)
		notTaken(t, name, f, allPages(b), 0)
		if pageHandle(windows.Handle(f.Fd())) { // not only refused by the system
			t.Errorf("%s: the handle has the shape", name)
		}
	}
	for _, flags := range []int{os.O_APPEND, os.O_APPEND | os.O_TRUNC} {
		f := openPages(t, os.O_RDWR|flags|pageFlags)
		wantResult(t, "O_APPEND", 0, false, nil)(gatherAt(f, allPages(b), 0))
	}
}

// A handle that is not open in this direction is an error of the system.
func TestPagesDirection(t *testing.T) {
	b := allPages(newPages(2, 'a'))
	created := openPages(t, os.O_WRONLY|pageFlags)
	f, err := os.OpenFile(created.Name(), os.O_RDONLY|pageFlags, 0) // O_CREATE would allow writing
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantResult(t, "gatherAt", 0, true, os.ErrPermission)(gatherAt(f, b, 0))
	wantResult(t, "scatterAt", 0, true, os.ErrPermission)(scatterAt(created, b, 0))
}

func TestPagesEnd(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	wantPages(t, 0)(scatterAt(f, allPages(newPages(2, 0)), 0)) // an empty file
	src := newPages(3, 'a')
	wantPages(t, len(src))(gatherAt(f, allPages(src), 0))
	size := 2*pageBytes + 100
	if err := os.Truncate(f.Name(), int64(size)); err != nil { // f itself may be held to whole sectors
		t.Fatal(err)
	}
	for _, at := range []int{0, 1, 2, 3, 1000} {
		dst, off := newPages(4, '0'), at*pageBytes
		want := src[min(off, size):size]
		wantPages(t, len(want))(scatterAt(f, allPages(dst), int64(off)))
		if !bytes.Equal(dst[:len(want)], want) {
			t.Errorf("at page %d: wrong bytes", at)
		}
	}
}

func TestPagesClosed(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b := allPages(newPages(2, 'a'))
	wantResult(t, "gatherAt", 0, true, os.ErrClosed)(gatherAt(f, b, 0))
	wantResult(t, "scatterAt", 0, true, os.ErrClosed)(scatterAt(f, b, 0))
}

// Close during transfers: each is done whole, or has not begun.
func TestPagesCloseMeanwhile(t *testing.T) {
	for range 10 {
		f := openPages(t, os.O_RDWR|pageFlags)
		src := newPages(4, 'a')
		wantPages(t, len(src))(gatherAt(f, allPages(src), 0))
		var started, done sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			started.Add(1)
			done.Go(func() { errs[i] = readUntilClosed(f, src, started.Done) })
		}
		started.Wait()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
}

func readUntilClosed(f *os.File, want []byte, started func()) error {
	read := func() (closed bool, err error) {
		dst := newPages(len(want)/pageBytes, 0)
		n, ok, err := scatterAt(f, allPages(dst), 0)
		if n == 0 && ok && errors.Is(err, os.ErrClosed) {
			return true, nil
		}
		if n != len(want) || !ok || err != nil || !bytes.Equal(dst, want) {
			return false, fmt.Errorf("scatterAt = %d, %v, %v; the bytes are as expected: %v", n, ok, err, bytes.Equal(dst, want))
		}
		return false, nil
	}
	closed, err := read()
	started()
	for !closed && err == nil {
		closed, err = read()
	}
	return err
}

// The runtime waits at a completion port for what os.File does with the same
// handle at the same time. Neither may take the end of the other's transfer for
// its own, and the collector must leave pieces that only the system knows of.
func TestPagesBesideOrdinary(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	var workers sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		workers.Go(func() {
			off := int64(i * 8 * pageBytes)
			for round := 0; round < rounds && errs[i] == nil; round++ {
				errs[i] = exchangePages(f, byte(i+round), off)
				if i == 0 && round%10 == 0 {
					runtime.GC()
				}
			}
		})
	}
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// exchangePages writes with gatherAt what ReadAt then finds, and with WriteAt
// what scatterAt then finds.
func exchangePages(f *os.File, first byte, off int64) error {
	const count = 8
	src, dst := newPages(count, first), newPages(count, 0)
	if n, ok, err := gatherAt(f, allPages(src), off); n != len(src) || !ok || err != nil {
		return fmt.Errorf("gatherAt = %d, %v, %v", n, ok, err)
	}
	if n, err := f.ReadAt(dst, off); n != len(dst) || err != nil || !bytes.Equal(src, dst) {
		return fmt.Errorf("ReadAt after gatherAt = %d, %v; the bytes are as expected: %v", n, err, bytes.Equal(src, dst))
	}
	src = newPages(count, first+100)
	if n, err := f.WriteAt(src, off); n != len(src) || err != nil {
		return fmt.Errorf("WriteAt = %d, %v", n, err)
	}
	if n, ok, err := scatterAt(f, allPages(dst), off); n != len(dst) || !ok || err != nil || !bytes.Equal(src, dst) {
		return fmt.Errorf("scatterAt after WriteAt = %d, %v, %v; the bytes are as expected: %v", n, ok, err, bytes.Equal(src, dst))
	}
	return nil
}

// The runtime ignores most packets that it has not asked for, so only a port of
// our own shows that there are none.
func TestPagesNoPacket(t *testing.T) {
	name, err := windows.UTF16PtrFromString(filepath.Join(t.TempDir(), "pages"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil,
		windows.CREATE_ALWAYS, windows.FILE_FLAG_OVERLAPPED|windows.FILE_FLAG_NO_BUFFERING, 0)
	if err != nil {
		t.Fatal(err)
	}
	port, err := windows.CreateIoCompletionPort(h, 0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(port)
	f := os.NewFile(uintptr(h), "pages") // finds the handle taken, and does without a port
	defer f.Close()

	b := newPages(2, 'a')
	wantPages(t, len(b))(gatherAt(f, allPages(b), 0))
	wantPages(t, len(b))(scatterAt(f, allPages(b), 0))
	wantPages(t, 0)(scatterAt(f, allPages(b), int64(len(b))))
	// The same without the bit does leave a packet, and it is the first.
	c := pageCalls.New().(*pageCall)
	c.prepare(allPages(b), 0)
	c.overlapped.HEvent = c.event
	wantPages(t, len(b))(c.run(writeFileGather, h, uint32(len(b))))
	var moved uint32
	var key uintptr
	var first *windows.Overlapped
	if err = windows.GetQueuedCompletionStatus(port, &moved, &key, &first, 10_000); first != &c.overlapped {
		t.Errorf("the first packet is of %p, %v, want %p", first, err, &c.overlapped)
	}
	c.release()
}

func TestPagesAllocs(t *testing.T) {
	f := openPages(t, os.O_RDWR|pageFlags)
	b := allPages(newPages(16, 'a'))
	// Under the race detector, or when the collector comes by, the pool is empty
	// at times; a call that allocates by itself never shows a zero.
	least, taken := 1.0, true
	for range 20 {
		least = min(least, testing.AllocsPerRun(1, func() {
			_, wrote, _ := gatherAt(f, b, 0)
			_, read, _ := scatterAt(f, b, 0)
			taken = taken && wrote && read
		}))
	}
	if least != 0 || !taken {
		t.Errorf("%v allocations at best; the calls are made: %v", least, taken)
	}
}

// A refusal before anything happened is left to the plain call; other errors are
// not.
func TestPagesRefused(t *testing.T) {
	b := newPages(2, 'a')
	f := openPages(t, os.O_RDWR) // for which the system refuses the call
	c := pageCalls.Get().(*pageCall)
	defer c.release()
	c.prepare(allPages(b), 0)
	wantResult(t, "an ordinary handle", 0, false, nil)(c.run(writeFileGather, windows.Handle(f.Fd()), uint32(len(b))))
	wantResult(t, "no handle", 0, true, windows.ERROR_INVALID_HANDLE)(c.run(readFileScatter, windows.InvalidHandle, uint32(len(b))))
}
