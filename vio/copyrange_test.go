package vio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// rangeFile returns a new file in dir, open for reading and writing, that has
// content and its position at 3.
func rangeFile(tb testing.TB, dir string, content []byte) *os.File {
	tb.Helper()
	f, err := os.CreateTemp(dir, "viorange")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		f.Close() // some tests close it before
		if err := os.Remove(f.Name()); err != nil {
			tb.Error(err)
		}
	})
	if _, err := f.Write(content); err != nil {
		tb.Fatal(err)
	}
	if _, err := f.Seek(3, io.SeekStart); err != nil {
		tb.Fatal(err)
	}
	return f
}

func rangeBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 1}).Read(b) // never fails
	return b
}

// wantContent checks the bytes and the position of a rangeFile.
func wantContent(t *testing.T, f *os.File, want []byte) {
	t.Helper()
	got, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s has %d bytes, %v, want %d; equal %t", f.Name(), len(got), err, len(want), bytes.Equal(got, want))
	}
	if pos, err := f.Seek(0, io.SeekCurrent); pos != 3 || err != nil {
		t.Errorf("position of %s is %d, %v, want 3", f.Name(), pos, err)
	}
}

// checkRange checks an error of CopyRange: its fields and its cause.
func checkRange(t *testing.T, copied int64, err error, at *os.File, n, want int64, cause error) {
	t.Helper()
	if copied != n {
		t.Errorf("copied %d, want %d", copied, n)
	}
	wantError(t, err, "copyrange", at, n, want, cause)
}

// overlay is the model: dst with the bytes of src behind off.
func overlay(dst, src []byte, off int) []byte {
	out := bytes.Clone(dst)
	if need := off + len(src) - len(out); need > 0 && len(src) > 0 {
		out = append(out, make([]byte, need)...)
	}
	copy(out[min(off, len(out)):], src)
	return out
}

// wantRange checks the result of a CopyRange that had have bytes to find.
func wantRange(copied int64, err error, have, n int) error {
	want := error(nil)
	switch {
	case have == 0 && n > 0:
		want = io.EOF
	case have < n:
		want = io.ErrUnexpectedEOF
	}
	if copied != int64(have) || !errors.Is(err, want) || want == io.EOF && err != io.EOF {
		return fmt.Errorf("copied %d, %v, want %d, %v", copied, err, have, want)
	}
	return nil
}

// rangeSizes are lengths and offsets around what may matter: pages, the chunk
// of the copy by hand, and the end of the source.
var rangeSizes = []int{0, 1, 511, 4095, 4096, 4097, copyChunk - 1, copyChunk, copyChunk + 1, 700_000}

// All offsets and lengths, and after each the whole file.
func TestCopyRange(t *testing.T) {
	const size = 600_001
	content, old := rangeBytes(size), rangeBytes(5000)
	src := rangeFile(t, t.TempDir(), content)
	for _, srcOff := range append([]int{size - 1, size, size + 1}, rangeSizes...) {
		for _, dstOff := range []int{0, 1, 4096, 5000, 9000} {
			for _, n := range rangeSizes {
				if testing.Short() && (srcOff+dstOff+n)%3 == 0 {
					continue
				}
				dst := rangeFile(t, t.TempDir(), old)
				copied, err := CopyRange(dst, int64(dstOff), src, int64(srcOff), int64(n))
				have := max(0, min(n, size-srcOff))
				if err := wantRange(copied, err, have, n); err != nil {
					t.Fatalf("%d from %d to %d: %v", n, srcOff, dstOff, err)
				}
				wantContent(t, dst, overlay(old, content[min(srcOff, size):min(srcOff, size)+have], dstOff))
			}
		}
	}
	wantContent(t, src, content)
}

// Where one call moves little, as many as it takes do the same.
func TestCopyRangeSmallCalls(t *testing.T) {
	defer func(was int64) { maxCall = was }(maxCall)
	maxCall = 1000
	content := rangeBytes(20_500)
	src := rangeFile(t, t.TempDir(), content)
	for _, n := range []int{999, 1000, 1001, 20_000, 30_000} {
		dst := rangeFile(t, t.TempDir(), nil)
		copied, err := CopyRange(dst, 5, src, 500, int64(n))
		have := min(n, 20_000)
		if err := wantRange(copied, err, have, n); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		wantContent(t, dst, overlay(nil, content[500:500+have], 5))
	}
}

// A random sequence of copies between two files and within each.
func TestCopyRangeWalk(t *testing.T) {
	models := [][]byte{rangeBytes(100_000), rangeBytes(70_000)}
	files := []*os.File{rangeFile(t, t.TempDir(), models[0]), rangeFile(t, t.TempDir(), models[1])}
	r := rand.New(rand.NewPCG(3, 4))
	overlaps := 0
	for i := range 300 {
		d, s := r.IntN(2), r.IntN(2)
		n, dstOff, srcOff := r.IntN(60_000), r.IntN(150_000), r.IntN(150_000)
		copied, err := CopyRange(files[d], int64(dstOff), files[s], int64(srcOff), int64(n))
		if d == s && srcOff < dstOff+n && dstOff < srcOff+n {
			overlaps++
			checkRange(t, copied, err, files[d], 0, int64(n), errOverlap)
			continue
		}
		from := models[s][min(srcOff, len(models[s])):]
		from = from[:min(n, len(from))]
		if err := wantRange(copied, err, len(from), n); err != nil {
			t.Fatalf("copy %d, %d bytes: %v", i, n, err)
		}
		models[d] = overlay(models[d], from, dstOff)
		wantContent(t, files[d], models[d])
	}
	if overlaps == 0 {
		t.Error("no ranges overlapped")
	}
}

func TestCopyRangeArguments(t *testing.T) {
	dir := t.TempDir()
	a, b, closed := rangeFile(t, dir, rangeBytes(100)), rangeFile(t, dir, rangeBytes(100)), rangeFile(t, dir, nil)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name              string
		dst, src          *os.File
		dstOff, srcOff, n int64
		at                *os.File
		cause             error
	}{
		{"negative n", a, b, 0, 0, -1, a, syscall.EINVAL},
		{"negative n", a, b, 0, 0, math.MinInt64, a, syscall.EINVAL},
		{"negative destination", a, b, -1, 0, 1, a, syscall.EINVAL},
		{"negative source", a, b, 0, -1, 1, b, syscall.EINVAL},
		{"destination overflows", a, b, 1, 0, math.MaxInt64, a, syscall.EINVAL},
		{"source overflows", a, b, 0, math.MaxInt64, 1, b, syscall.EINVAL},
		{"no destination", nil, b, 0, 0, 1, nil, os.ErrInvalid},
		{"no source", a, nil, 0, 0, 0, nil, os.ErrInvalid},
		{"closed destination", closed, b, 0, 0, 1, closed, os.ErrClosed},
		{"closed source", a, closed, 0, 0, 1, closed, os.ErrClosed},
		{"closed, no bytes", a, closed, 0, 0, 0, closed, os.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			copied, err := CopyRange(test.dst, test.dstOff, test.src, test.srcOff, test.n)
			checkRange(t, copied, err, test.at, 0, test.n, test.cause)
		})
	}
	wantContent(t, a, rangeBytes(100))
}

// Ranges of one file, by whatever name and descriptor it was opened.
func TestCopyRangeOverlap(t *testing.T) {
	content := rangeBytes(10_000)
	f := rangeFile(t, t.TempDir(), content)
	names := []string{f.Name()}
	if link := filepath.Join(t.TempDir(), "link"); os.Link(f.Name(), link) == nil {
		names = append(names, link)
	}
	for _, name := range names {
		other, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		for _, r := range [][3]int64{ // to, from, bytes
			{0, 0, 1}, {0, 0, 10_000}, {0, 9_999, 10_000}, {5000, 0, 5001}, {0, 5000, 5001},
			{3 << 30, 0, 4 << 30}, {50_000, 0, math.MaxInt64 - 50_000}, // beyond what is there
		} {
			copied, err := CopyRange(other, r[0], f, r[1], r[2])
			checkRange(t, copied, err, other, 0, r[2], errOverlap)
			checkRange(t, copied, err, other, 0, r[2], syscall.EINVAL)
		}
		wantContent(t, f, content)
		for _, r := range [][3]int64{{0, 5000, 5000}, {5000, 0, 5000}, {0, 0, 0}, {9000, 9000, 0}} {
			if copied, err := CopyRange(other, r[0], f, r[1], r[2]); copied != r[2] || err != nil {
				t.Errorf("%v: copied %d, %v", r, copied, err)
			}
			content = overlay(content, content[r[1]:r[1]+r[2]], int(r[0]))
			wantContent(t, f, content)
		}
	}
}

// A destination with O_APPEND would get the bytes elsewhere. As a source it is
// as good as any.
func TestCopyRangeAppend(t *testing.T) {
	content := rangeBytes(1000)
	f := rangeFile(t, t.TempDir(), content)
	log, err := os.OpenFile(f.Name(), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	src := rangeFile(t, t.TempDir(), rangeBytes(50))
	for _, n := range []int64{0, 50, 5000} {
		copied, err := CopyRange(log, 0, src, 0, n)
		checkRange(t, copied, err, log, 0, n, ErrAppendMode)
	}
	wantContent(t, f, content)
	if copied, err := CopyRange(src, 10, log, 5, 900); copied != 900 || err != nil {
		t.Errorf("from O_APPEND: copied %d, %v, want 900, nil", copied, err)
	}
	wantContent(t, src, overlay(rangeBytes(50), content[5:905], 10))
}

// A Close meanwhile: each call does all of its work or says that a file was
// closed, and the files opened next, with the same descriptors, stay empty.
func TestCopyRangeClose(t *testing.T) {
	content := rangeBytes(100_000)
	for round := range 20 {
		dir := t.TempDir()
		src, dst := rangeFile(t, dir, content), rangeFile(t, dir, nil)
		var started, done sync.WaitGroup
		for g := range 3 {
			started.Add(1)
			done.Go(func() {
				for i := 0; ; i++ {
					copied, err := CopyRange(dst, int64(g)*1_000_000, src, 0, int64(len(content)))
					if i == 0 {
						started.Done()
					}
					if errors.Is(err, os.ErrClosed) {
						return
					}
					if err != nil || copied != int64(len(content)) {
						t.Errorf("copied %d, %v", copied, err)
						return
					}
				}
			})
		}
		started.Wait()
		closing := []*os.File{src, dst}
		if err := closing[round%2].Close(); err != nil {
			t.Fatal(err)
		}
		next := rangeFile(t, dir, nil)
		done.Wait()
		if fi, err := next.Stat(); err != nil || fi.Size() != 0 {
			t.Errorf("the next file has bytes: %v, %v", fi, err)
		}
	}
}

// Copies into ranges side by side, from several goroutines.
func TestCopyRangeTogether(t *testing.T) {
	const size, workers = 1 << 20, 8
	content := rangeBytes(size)
	src, dst := rangeFile(t, t.TempDir(), content), rangeFile(t, t.TempDir(), nil)
	var wg sync.WaitGroup
	for g := range int64(workers) {
		wg.Go(func() {
			const part = size / workers
			for off := g * part; off < (g+1)*part; off += part / 16 {
				if copied, err := CopyRange(dst, off, src, off, part/16); copied != part/16 || err != nil {
					t.Errorf("at %d: copied %d, %v", off, copied, err)
				}
			}
		})
	}
	wg.Wait()
	wantContent(t, dst, content)
}

// BenchmarkCopyRange compares with a loop of pread and pwrite.
func BenchmarkCopyRange(b *testing.B) {
	ways := []struct {
		name string
		copy func(dst, src *os.File, n int64) error
	}{
		{"vio", func(dst, src *os.File, n int64) error {
			_, err := CopyRange(dst, 0, src, 0, n)
			return err
		}},
		{"preadpwrite", func(dst, src *os.File, n int64) error {
			_, _, err := copyByHand(dst, 0, src, 0, n)
			return err
		}},
	}
	for _, n := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("%dK/%s", n>>10, way.name), func(b *testing.B) {
				src, dst := rangeFile(b, b.TempDir(), rangeBytes(n)), rangeFile(b, b.TempDir(), nil)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if err := way.copy(dst, src, int64(n)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
