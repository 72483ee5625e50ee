//go:build !vio_portable

package vio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"weak"

	"golang.org/x/sys/unix"
)

// forbidden returns a page that nobody can read or write.
func forbidden(t *testing.T) []byte {
	t.Helper()
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(page); err != nil {
			t.Error(err)
		}
	})
	return page
}

// A piece that faults in the middle of a vector ends the call there: what came
// before is moved and counted, and the loops get the reason with the next call.
// Kernels differ in whether they move all of it (LTP writev07).
func TestFault(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector is told that the pieces are read, and looks at them")
	}
	page := forbidden(t)
	good := pattern(64, 41)
	bufs := [][]byte{good, page[:64], good}
	for name, write := range map[string]func(f *os.File) (int64, error){
		"Appendv":     func(f *os.File) (int64, error) { return Appendv(f, bufs) },
		"WritevAt":    func(f *os.File) (int64, error) { return WritevAt(f, bufs, 0) },
		"WritevAll":   func(f *os.File) (int64, error) { return WritevAll(f, bufs) },
		"WritevAllAt": func(f *os.File) (int64, error) { return WritevAllAt(f, bufs, 0) },
	} {
		f := plainFile(t, nil)
		n, err := write(f)
		if n > 64 || !errors.Is(err, syscall.EFAULT) && !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: %d, %v, want at most 64, EFAULT or a short write", name, n, err)
		}
		if got := contents(t, f); !bytes.Equal(got, good[:n]) {
			t.Errorf("%s: n = %d, the file has %d bytes", name, n, len(got))
		}
	}
	f := plainFile(t, bytes.Repeat(good, 3))
	for name, read := range map[string]func([][]byte) (int64, error){
		"ReadvAt":     func(bufs [][]byte) (int64, error) { return ReadvAt(f, bufs, 0) },
		"ReadvFullAt": func(bufs [][]byte) (int64, error) { return ReadvFullAt(f, bufs, 0) },
	} {
		got := make([]byte, 64)
		n, err := read([][]byte{got, page[:64], make([]byte, 64)})
		if n > 64 || n < 64 && err == nil || name == "ReadvFullAt" && !errors.Is(err, syscall.EFAULT) {
			t.Errorf("%s: %d, %v, want at most 64, EFAULT", name, n, err)
		}
		if !bytes.Equal(got[:n], good[:n]) {
			t.Errorf("%s: bytes differ", name)
		}
	}
}

// The answers to a probe agree with what a transfer with the flag does, and the
// probe changes no byte.
func TestSupported(t *testing.T) {
	for _, mode := range []int{os.O_RDWR, os.O_RDWR | os.O_APPEND, os.O_RDONLY, os.O_WRONLY} {
		name := plainFile(t, []byte("0123456789")).Name()
		f, err := os.OpenFile(name, mode, 0)
		if err != nil {
			t.Fatal(err)
		}
		read, write, err := Supported(f)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := answersFor(f)
		if again.read != read || again.write != write {
			t.Errorf("second answer %v, %v, first %v, %v", again.read, again.write, read, write)
		}
		if got := string(contents(t, f)); got != "0123456789" {
			t.Errorf("mode %#x: a probe wrote: %q", mode, got)
		}
		if mode == os.O_RDONLY && write != 0 || mode == os.O_WRONLY && read != 0 {
			t.Errorf("mode %#x: %v, %v", mode, read, write)
		}
		for flag := HiPri; flag <= DontCache; flag <<= 1 {
			if flag == Atomic {
				continue // it wants more than the flag
			}
			iovs := make([]iov, 1)
			setIov(&iovs[0], []byte("0"))
			_, err := sysWrite(f, iovs, place{0, flag})
			if (err == nil) != (write&flag != 0) {
				t.Errorf("mode %#x, %v: write gives %v, Supported says %v", mode, flag, err, write)
			}
			if err := f.Truncate(10); err != nil && mode != os.O_RDONLY {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, err = Supported(f)
		wantError(t, err, "supported", f, 0, 0, os.ErrClosed)
	}
}

// A refused flag is replaced as the table says, and the second call knows.
func TestRefusedFlags(t *testing.T) {
	f := plainFile(t, []byte("0123456789"))
	_, write, err := Supported(f)
	if err != nil {
		t.Fatal(err)
	}
	bufs := cut([]byte("ab"), 1)
	for range 2 {
		n, err := WritevFlags(f, bufs, 0, NoWait)
		if write&NoWait == 0 && (n != 0 || !errors.Is(err, errors.ErrUnsupported)) {
			t.Errorf("NoWait, refused: %d, %v", n, err)
		}
		n, err = WritevFlags(f, bufs, 0, Atomic)
		if write&Atomic == 0 && (n != 0 || !errors.Is(err, errors.ErrUnsupported)) {
			t.Errorf("Atomic, refused: %d, %v", n, err)
		}
	}
	// A kernel that knows no flag at all.
	none := plainFile(t, []byte("0123456789"))
	log := tempFile(t, []byte("log"))
	setAnswers(t, none, answers{})
	setAnswers(t, log, answers{})
	for _, flags := range []Flags{DSync, Sync, HiPri, DontCache, NoAppend} {
		if n, err := WritevFlags(none, bufs, 3, flags); n != 2 || err != nil {
			t.Errorf("%v: %d, %v", flags, n, err)
		}
	}
	_, err = AppendvFlags(none, bufs, Append)
	wantError(t, err, "appendvflags", none, 0, 2, errors.ErrUnsupported)
	_, err = ReadvFlags(none, bufs, 0, NoWait)
	wantError(t, err, "readvflags", none, 0, 2, errors.ErrUnsupported)
	_, err = WritevAt(log, bufs, 1)
	wantError(t, err, "writevat", log, 0, 2, ErrAppendMode)
	if n, err := WritevAt(none, bufs, 0); n != 2 || err != nil {
		t.Errorf("WritevAt: %d, %v", n, err)
	}
	if n, err := AppendvFlags(log, bufs, Append|DSync); n != 2 || err != nil {
		t.Errorf("Append on an O_APPEND file: %d, %v", n, err)
	}
	if a, b := string(contents(t, none)), string(contents(t, log)); a != "ab2ab56789" || b != "logab" {
		t.Errorf("files have %q and %q", a, b)
	}
}

func setAnswers(t *testing.T, f *os.File, a answers) {
	t.Helper()
	answersFor(f) // makes the entry that goes away with f
	probed.Store(weak.Make(f), a)
}

// A pipe with nothing in it, or no room, answers NoWait with EAGAIN.
func TestNoWaitPipe(t *testing.T) {
	r, w, _ := pageSizePipe(t)
	n, err := ReadvFlags(r, [][]byte{make([]byte, 1)}, Current, NoWait)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the kernel has no such flag")
	}
	if n != 0 || !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("empty pipe: %d, %v, want 0, EAGAIN", n, err)
	}
	if n, err := WritevFlags(w, [][]byte{{1}, {2}}, Current, NoWait); n != 2 || err != nil {
		t.Errorf("pipe with room: %d, %v", n, err)
	}
}

// What a file is not asked, or cannot answer, must not be held against it: the
// flags work as before the question.
func TestSupportedHarmless(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	calls := map[string]func() (int64, error){
		"DSync":           func() (int64, error) { return WritevFlags(w, cut([]byte("ab"), 1), Current, DSync) },
		"Sync, DontCache": func() (int64, error) { return WritevFlags(w, cut([]byte("ab"), 1), Current, Sync|DontCache) },
		"Append":          func() (int64, error) { return AppendvFlags(w, cut([]byte("ab"), 1), Append) },
		"NoWait":          func() (int64, error) { return WritevFlags(w, cut([]byte("ab"), 1), Current, NoWait) },
	}
	before := map[string]error{}
	for round := range 2 {
		for name, call := range calls {
			n, err := call()
			if round == 0 {
				before[name] = err
			}
			if (err == nil) != (before[name] == nil) || n != 2 && err == nil || n != 0 && err != nil {
				t.Errorf("round %d, %s: %d, %v, before %v", round, name, n, err, before[name])
			}
		}
		if read, write, err := Supported(w); read != 0 || write != 0 || err != nil {
			t.Errorf("Supported: %v, %v, %v", read, write, err)
		}
	}
	if before["DSync"] != nil {
		t.Errorf("DSync to a pipe: %v", before["DSync"])
	}
}

// With O_DIRECT a transfer of one byte fails for its size, not for its flags.
func TestSupportedDirect(t *testing.T) {
	plain := plainFile(t, make([]byte, 8192))
	f, err := os.OpenFile(plain.Name(), os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil {
		t.Skip("no O_DIRECT here:", err)
	}
	defer f.Close()
	_, wantWrite, err := Supported(plain)
	if err != nil {
		t.Fatal(err)
	}
	_, write, err := Supported(f)
	if err != nil || write&(DSync|Append|NoAppend) != wantWrite&(DSync|Append|NoAppend) {
		t.Errorf("Supported = %v, %v, without O_DIRECT %v", write, err, wantWrite)
	}
}

// With Append and an offset the position stays, unless the flag is refused.
func TestAppendFlagPosition(t *testing.T) {
	f := plainFile(t, []byte("0123456789"))
	if _, write, err := Supported(f); err != nil || write&Append == 0 {
		t.Skip("no such flag here")
	}
	if n, err := WritevFlags(f, cut([]byte("ab"), 1), 0, Append); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if pos := position(t, f); pos != 0 {
		t.Errorf("position %d, want 0", pos)
	}
	if got := string(contents(t, f)); got != "0123456789ab" {
		t.Errorf("file has %q", got)
	}
}
