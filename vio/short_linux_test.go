package vio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	children["short"] = shortChild
	children["full"] = fullChild
}

// A write cut short at every byte of a vector. RLIMIT_FSIZE makes the kernel do
// it, deterministically, but it is for the whole process and cannot be taken
// back, so the test is a process of its own.
func TestShortWrite(t *testing.T) {
	runChild(t, "short", t.TempDir())
}

// shortWrites are the writes to cut. A loop learns the
// reason of a short write by going on.
var shortWrites = []struct {
	op    string
	write func(f *os.File, bufs [][]byte, off int64) (int64, error)
	loop  bool
}{
	{"appendv", func(f *os.File, bufs [][]byte, _ int64) (int64, error) { return Appendv(f, bufs) }, false},
	{"append", func(f *os.File, bufs [][]byte, _ int64) (int64, error) {
		a, err := NewAppender(f)
		if err != nil {
			return 0, err
		}
		n, end, err := a.Append(bufs)
		if st, serr := f.Stat(); serr != nil || n > 0 && end != st.Size() || n == 0 && end != -1 {
			return n, fmt.Errorf("%d bytes end at %d of %d, %v", n, end, st.Size(), serr)
		}
		return n, err
	}, false},
	{"writev", func(f *os.File, bufs [][]byte, _ int64) (int64, error) { return Writev(f, bufs) }, false},
	{"writevall", func(f *os.File, bufs [][]byte, _ int64) (int64, error) { return WritevAll(f, bufs) }, true},
	{"writevat", WritevAt, false},
	{"writevallat", WritevAllAt, true},
	{"writevflags", func(f *os.File, bufs [][]byte, off int64) (int64, error) {
		return WritevFlags(f, bufs, off, DSync)
	}, false},
}

func shortChild(args []string) error {
	signal.Ignore(syscall.SIGXFSZ) // its default action is to kill
	const limit = 64 << 10
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	small := cut(pattern(100, 7), 28, 16, 48)
	for _, test := range []struct {
		bufs [][]byte
		step int
	}{
		{small, 1},
		{cut(pattern(4200, 8), 28, 16, 4148), 13}, // not copied together
		{append(make([][]byte, 9), cut(pattern(100, 8), 28, 0, 16, 48)...), 1},
		{even(pattern(90, 9), 9), 1},
		{uncut(pattern(200, 10), 10), 1}, // one iovec
		{even(pattern(20<<10, 9), 9), 97},
		{even(pattern(150_000, 10), 1500), 1021},   // copied together
		{even(pattern(1_500_000, 10), 1200), 4021}, // merged, or several calls
	} {
		total, _ := Len(test.bufs)
		for k := 0; k < min(int(total), limit); k += test.step {
			for i, w := range shortWrites {
				if w.op == "writevflags" && k%16 != 0 {
					continue // it waits for the disk
				}
				if err := shortAt(filepath.Join(args[0], "file"), test.bufs, limit, k, i); err != nil {
					return fmt.Errorf("%s, room for %d of %d bytes: %w", w.op, k, total, err)
				}
			}
		}
	}
	return nil
}

// shortAt writes bufs to a file that has room for k bytes below the limit.
func shortAt(path string, bufs [][]byte, limit, k, which int) error {
	w := shortWrites[which]
	flags := os.O_RDWR | os.O_CREATE
	if w.op == "appendv" {
		flags |= os.O_APPEND
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(limit - k)); err != nil {
		return err
	}
	if _, err := f.Seek(int64(limit-k), io.SeekStart); err != nil {
		return err
	}
	n, calls, err := counted(func() (int64, error) { return w.write(f, bufs, int64(limit-k)) })
	if err := checkShort(w.op, w.loop, n, k, err); err != nil {
		return err
	}
	if calls > 1 && !w.loop {
		return fmt.Errorf("%d system calls, want 1", calls)
	}
	got := make([]byte, k)
	if _, err := f.ReadAt(got, int64(limit-k)); err != nil {
		return err
	}
	if !bytes.Equal(got, concat(bufs)[:k]) {
		return errors.New("what was written is not the start of the vector")
	}
	return nil
}

func checkShort(op string, loop bool, n int64, k int, err error) error {
	e, ok := errors.AsType[*Error](err)
	want := error(io.ErrShortWrite)
	if k == 0 || loop {
		want = syscall.EFBIG
	}
	switch {
	case n != int64(k):
		return fmt.Errorf("n = %d (%v)", n, err)
	case !ok || e.N != n || e.Op != op:
		return fmt.Errorf("error is %#v", err)
	case !errors.Is(err, want):
		return fmt.Errorf("error is %v, want %v", err, want)
	}
	return nil
}

// counted makes a call with a count of the writes that the thread made in it, or
// -1 if the kernel keeps no such count.
func counted(call func() (int64, error)) (n int64, calls int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := writeCalls()
	n, err = call()
	if before < 0 {
		return n, -1, err
	}
	return n, writeCalls() - before, err
}

// writeCalls reads syscw of proc_pid_io(5), for this thread alone.
func writeCalls() int {
	b, err := os.ReadFile("/proc/thread-self/io")
	if err != nil {
		return -1
	}
	_, rest, ok := strings.Cut(string(b), "syscw: ")
	var n int
	if _, err := fmt.Sscan(rest, &n); err != nil || !ok {
		return -1
	}
	return n
}

func TestOneCall(t *testing.T) {
	f := tempFile(t, nil)
	for _, test := range []struct{ pieces, size, calls int }{
		{0, 0, 0}, {10, 0, 0}, {1, 5, 1}, {4, 16, 1}, {64, 1 << 10, 1},
		{1024, 16, 1}, {1025, 16, 1}, {1500, 16, 1}, {1500, 8 << 10, 1}, {20000, 100, 1},
	} {
		bufs := make([][]byte, test.pieces)
		for i := range bufs {
			bufs[i] = make([]byte, test.size)
		}
		// The runtime writes too at times, to wake a poller: the fewest count.
		n, calls, err := counted(func() (int64, error) { return Appendv(f, bufs) })
		for range 5 {
			_, again, err := counted(func() (int64, error) { return Appendv(f, bufs) })
			if calls = min(calls, again); err != nil {
				t.Error(err)
			}
		}
		if calls < 0 {
			t.Skip("no /proc/thread-self/io")
		}
		if n != int64(test.pieces*test.size) || err != nil || calls != test.calls {
			t.Errorf("%d pieces of %d: n = %d, %v, %d system calls, want %d",
				test.pieces, test.size, n, err, calls, test.calls)
		}
	}
}

// /dev/full answers every write with ENOSPC, and an empty one is none.
func TestNoSpace(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	n, err := Appendv(f, [][]byte{{1}, {2}})
	if n != 0 {
		t.Errorf("n = %d, want 0", n)
	}
	wantError(t, err, "appendv", f, 0, 2, syscall.ENOSPC)
	if n, err := Appendv(f, [][]byte{{}}); n != 0 || err != nil {
		t.Errorf("empty vector: %d, %v, want 0, nil", n, err)
	}
}

// Exactly the largest call, into /dev/null, which looks at no memory. In a
// child because the portable implementation would take 2 GiB here.
func TestLargestCall(t *testing.T) {
	if portable || testing.Short() {
		t.Skip("takes 2 GiB of memory")
	}
	runChild(t, "full")
}

func fullChild([]string) error {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 4<<20)
	var bufs [][]byte
	for left := maxCall; left > 0; left -= int64(len(block)) {
		bufs = append(bufs, block[:min(left, int64(len(block)))])
	}
	if n, err := Appendv(f, bufs); n != maxCall || err != nil {
		return fmt.Errorf("Appendv = %d, %v, want %d, nil", n, err, maxCall)
	}
	return nil
}
