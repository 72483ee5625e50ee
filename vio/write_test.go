package vio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainFile returns a new file without O_APPEND that has content.
func plainFile(tb testing.TB, content []byte) *os.File {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(tb.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() }) // tests that close it have checked that
	if _, err := f.WriteAt(content, 0); err != nil {
		tb.Fatal(err)
	}
	return f
}

func position(tb testing.TB, f *os.File) int64 {
	tb.Helper()
	pos, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		tb.Fatal(err)
	}
	return pos
}

// Every write, with every shape of vector, puts the same bytes where it says,
// moves the position or not, and touches nothing else.
func TestWrites(t *testing.T) {
	b := pattern(2<<20, 21)
	shapes := map[string][][]byte{
		"one":               cut(b[:9]),
		"record":            cut(b[:1<<10], 28, 16, 972, 8),
		"record in a block": {b[0:28], b[28:44], b[44:900], b[900:908]},
		"block":             uncut(b[:64*100], 64),
		"block, odd one":    append(uncut(b[:64*100], 64), b[1<<20:1<<20+3]),
		"small":             even(b[:64*16], 64),
		"small, many":       even(b[:1024*700], 1024),
		"large":             even(b, 300),
		"empties":           append(make([][]byte, 2000), b[:10], nil, b[5:70], []byte{}),
		"aliased":           {b[:50], b[20:90], b[:50], b[49:51]},
	}
	writes := map[string]struct {
		write func(f *os.File, bufs [][]byte) (int64, error)
		at    int64
		moves bool
	}{
		"Writev":      {Writev, 5, true},
		"WritevAll":   {WritevAll, 5, true},
		"WriteAll":    {func(f *os.File, bufs [][]byte) (int64, error) { return WriteAll(f, bufs) }, 5, true},
		"WritevAt":    {func(f *os.File, bufs [][]byte) (int64, error) { return WritevAt(f, bufs, 77) }, 77, false},
		"WritevAllAt": {func(f *os.File, bufs [][]byte) (int64, error) { return WritevAllAt(f, bufs, 77) }, 77, false},
	}
	for name, w := range writes {
		for shape, bufs := range shapes {
			t.Run(name+"/"+shape, func(t *testing.T) {
				old := bytes.Repeat([]byte{'.'}, 100)
				f := plainFile(t, old)
				if _, err := f.Seek(5, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				data := concat(bufs)
				want := append(append(bytes.Clone(old[:w.at]), data...), old[min(w.at+int64(len(data)), 100):]...)
				if n, err := w.write(f, bufs); n != int64(len(data)) || err != nil {
					t.Fatalf("%d, %v, want %d, nil", n, err, len(data))
				}
				if !bytes.Equal(contents(t, f), want) {
					t.Error("file differs")
				}
				pos := int64(5)
				if w.moves {
					pos += int64(len(data))
				}
				if got := position(t, f); got != pos {
					t.Errorf("position %d, want %d", got, pos)
				}
			})
		}
	}
}

// uncut cuts b into count pieces whose capacity reaches to the end of b, as
// programs do that cut records from a block.
func uncut(b []byte, count int) (bufs [][]byte) {
	for i := range count {
		bufs = append(bufs, b[i*len(b)/count:(i+1)*len(b)/count])
	}
	return bufs
}

// More pieces than one call takes: Writev says that it is short, the loops go
// on, Appendv copies.
func TestTooManyPieces(t *testing.T) {
	data := pattern(1500*1200, 22) // too large to be copied together
	bufs := even(data, 1500)
	first := int64(MaxIovs * 1200)
	if portable {
		first = int64(len(data)) // it copies all there is
	}
	f := plainFile(t, nil)
	for _, write := range []func() (int64, error){
		func() (int64, error) { return Writev(f, bufs) },
		func() (int64, error) { return WritevAt(f, bufs, 0) },
	} {
		n, err := write()
		if n != first || errors.Is(err, io.ErrShortWrite) != (first < int64(len(data))) {
			t.Errorf("n = %d, %v, want %d", n, err, first)
		}
	}
	if n, err := WritevAllAt(f, bufs, 0); n != int64(len(data)) || err != nil {
		t.Errorf("WritevAllAt = %d, %v", n, err)
	}
	got := make([]byte, len(data))
	if n, err := ReadvAt(f, even(got, 1500), 0); n > first || n == 0 || err != nil {
		t.Errorf("ReadvAt = %d, %v, want 1 to %d, nil", n, err, first)
	}
	if n, err := ReadvFullAt(f, even(got, 1500), 0); n != int64(len(data)) || err != nil || !bytes.Equal(got, data) {
		t.Errorf("ReadvFullAt = %d, %v", n, err)
	}
}

// On a file with O_APPEND the offset must count or the write must be refused:
// by itself Linux appends.
func TestWriteAtAppendMode(t *testing.T) {
	for name, write := range map[string]func(*os.File, [][]byte, int64) (int64, error){
		"writevat": WritevAt, "writevallat": WritevAllAt,
		"writevflags": func(f *os.File, bufs [][]byte, off int64) (int64, error) {
			return WritevFlags(f, bufs, off, DontCache)
		},
	} {
		f := tempFile(t, []byte("0123456789"))
		n, err := write(f, [][]byte{[]byte("ab"), []byte("c")}, 4)
		want := "0123abc789"
		if err != nil {
			wantError(t, err, name, f, 0, 3, ErrAppendMode)
			want = "0123456789"
		} else if n != 3 {
			t.Errorf("%s: n = %d, want 3", name, n)
		}
		if got := string(contents(t, f)); got != want {
			t.Errorf("%s: file has %q, want %q", name, got, want)
		}
	}
}

func TestReads(t *testing.T) {
	data := pattern(300_000, 23)
	for name, read := range map[string]func(*os.File, [][]byte) (int64, error){
		"Readv": func(f *os.File, bufs [][]byte) (int64, error) {
			var total int64
			rest := bufs
			for len(rest) > 0 { // a short read is none of an error
				n, err := Readv(f, rest)
				if total += n; err != nil {
					return total, err
				}
				rest, _ = Advance(nil, rest, n)
			}
			return total, nil
		},
		"ReadvFull":   ReadvFull,
		"ReadvFullAt": func(f *os.File, bufs [][]byte) (int64, error) { return ReadvFullAt(f, bufs, 11) },
		"Cursor": func(f *os.File, bufs [][]byte) (int64, error) {
			c := NewCursor(bufs)
			n, err := c.ReadFrom(f)
			if err == nil && c.Len() > 0 {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		},
	} {
		for _, count := range []int{1, 4, 8, 9, 64, 1024, 2000} {
			for _, whole := range []bool{true, false} {
				f := plainFile(t, data)
				if _, err := f.Seek(11, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(data)+50) // for 61 bytes too many
				if whole {
					got = got[:200_000]
				}
				bufs := even(got, count)
				if count == 64 {
					bufs = uncut(got, count)
				}
				n, err := read(f, bufs)
				want := data[11:]
				if whole {
					want = want[:len(got)]
				} else if err == nil {
					t.Errorf("%s, %d pieces: no error at the end", name, count)
				}
				if whole && err != nil {
					t.Errorf("%s, %d pieces: %v", name, count, err)
				}
				if n != int64(len(want)) || !bytes.Equal(got[:n], want) {
					t.Errorf("%s, %d pieces: %d bytes, want %d", name, count, n, len(want))
				}
				if !bytes.Equal(got[n:], make([]byte, int64(len(got))-n)) {
					t.Errorf("%s, %d pieces: bytes behind n are touched", name, count)
				}
			}
		}
	}
}

func TestReadEnd(t *testing.T) {
	f := plainFile(t, []byte("abc"))
	bufs := cut(make([]byte, 4), 2)
	if n, err := ReadvFull(f, bufs); n != 3 {
		t.Errorf("n = %d, want 3", n)
	} else {
		wantError(t, err, "readvfull", f, 3, 4, io.ErrUnexpectedEOF)
	}
	for name, read := range map[string]func(*os.File, [][]byte) (int64, error){"Readv": Readv, "ReadvFull": ReadvFull} {
		if n, err := read(f, bufs); n != 0 || err != io.EOF {
			t.Errorf("%s at the end: %d, %v, want 0, EOF", name, n, err)
		}
		if n, err := read(f, [][]byte{nil, {}}); n != 0 || err != nil {
			t.Errorf("%s of nothing at the end: %d, %v, want 0, nil", name, n, err)
		}
	}
}

// Bad arguments of every function that takes a file.
func TestBadArguments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	f := plainFile(t, []byte("data"))
	positional := map[string]func(*os.File, [][]byte, int64) (int64, error){
		"readvat": ReadvAt, "readvfullat": ReadvFullAt, "writevat": WritevAt, "writevallat": WritevAllAt,
		"readvflags":  func(f *os.File, bufs [][]byte, off int64) (int64, error) { return ReadvFlags(f, bufs, off*2, 0) },
		"writevflags": func(f *os.File, bufs [][]byte, off int64) (int64, error) { return WritevFlags(f, bufs, off*2, 0) },
	}
	sequential := map[string]func(*os.File, [][]byte) (int64, error){
		"readv": Readv, "readvfull": ReadvFull, "writev": Writev, "writevall": WritevAll, "appendv": Appendv,
		"appendvflags": func(f *os.File, bufs [][]byte) (int64, error) { return AppendvFlags(f, bufs, 0) },
	}
	for op, call := range positional {
		_, err := call(f, [][]byte{make([]byte, 3)}, -1)
		wantError(t, err, op, f, 0, 3, syscall.EINVAL)
		sequential[op] = func(f *os.File, bufs [][]byte) (int64, error) { return call(f, bufs, 0) }
	}
	for op, call := range sequential {
		for _, count := range []int{0, 1, 4, 40, 1500} {
			bufs := even(make([]byte, count*3), max(1, count))
			_, err := call(nil, bufs)
			wantError(t, err, op, nil, 0, int64(count*3), os.ErrInvalid)
			_, err = call(closed, bufs)
			wantError(t, err, op, closed, 0, int64(count*3), os.ErrClosed)
		}
		if n, err := call(f, [][]byte{nil, {}}); n != 0 || err != nil {
			t.Errorf("%s of nothing: %d, %v", op, n, err)
		}
	}
	if got := string(contents(t, f)); got != "data" {
		t.Errorf("file has %q", got)
	}
}

func TestFlags(t *testing.T) {
	f := plainFile(t, []byte("data"))
	bufs := [][]byte{[]byte("a"), []byte("b")}
	for _, test := range []struct {
		name string
		call func() (int64, error)
	}{
		{"unknown", func() (int64, error) { return WritevFlags(f, bufs, 0, 1<<20) }},
		{"both", func() (int64, error) { return WritevFlags(f, bufs, 0, Append|NoAppend) }},
		{"append to an offset", func() (int64, error) { return AppendvFlags(f, bufs, NoAppend) }},
		{"reading with DSync", func() (int64, error) { return ReadvFlags(f, bufs, 0, DSync) }},
	} {
		if n, err := test.call(); n != 0 || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %d, %v, want 0, EINVAL", test.name, n, err)
		}
	}
	for _, flags := range []Flags{0, DSync, Sync, DSync | Sync, HiPri, DontCache, DSync | DontCache, NoAppend} {
		if n, err := WritevFlags(f, bufs, 1, flags); n != 2 || err != nil {
			t.Errorf("%v: %d, %v, want 2, nil", flags, n, err)
		}
		if got := string(contents(t, f)); got != "daba"[:1]+"ab"+"a" {
			t.Errorf("%v: file has %q", flags, got)
		}
	}
	got := cut(make([]byte, 4), 1)
	for _, flags := range []Flags{0, HiPri, DontCache} {
		if n, err := ReadvFlags(f, got, 0, flags); n != 4 || err != nil || string(concat(got)) != "daba" {
			t.Errorf("%v: %d, %v, %q", flags, n, err, concat(got))
		}
	}
	log := tempFile(t, []byte("log"))
	for _, flags := range []Flags{0, DSync, Sync, Append, Append | DSync} {
		if n, err := AppendvFlags(log, bufs, flags); n != 2 || err != nil {
			t.Errorf("append, %v: %d, %v, want 2, nil", flags, n, err)
		}
	}
	if got := string(contents(t, log)); got != "logababababab" {
		t.Errorf("log has %q", got)
	}
	if diff := cmp.Diff("DSync|Append|0x100", (DSync | Append | 0x100).String()); diff != "" {
		t.Error(diff)
	}
}

// Where the system has no such flag, a file without O_APPEND must not be
// appended to at its position, which is somewhere else.
func TestAppendFlag(t *testing.T) {
	f := plainFile(t, []byte("0123456789"))
	n, err := AppendvFlags(f, [][]byte{[]byte("ab"), []byte("c")}, Append)
	want := "0123456789abc"
	if errors.Is(err, errors.ErrUnsupported) {
		want = "0123456789"
	} else if n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := string(contents(t, f)); got != want {
		t.Errorf("file has %q, want %q", got, want)
	}
	_, write, err := Supported(f)
	if err != nil || (write&Append != 0) != (want != "0123456789") {
		t.Errorf("Supported = %v, %v", write, err)
	}
}
