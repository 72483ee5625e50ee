package vio

import (
	"bytes"
	"io"
	"runtime"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadvAt(t *testing.T) {
	b := pattern(1000, 2)
	f := tempFile(t, b)
	empties := make([]int, 1024)
	tests := []struct {
		name  string
		sizes []int
		off   int64
		n     int64
		err   error
	}{
		{"nothing", nil, 0, 0, nil},
		{"nothing beyond the end", []int{0, 0}, 5000, 0, nil},
		{"all", []int{1, 99, 900}, 0, 1000, nil},
		{"middle", []int{10, 0, 10, 10, 10}, 500, 40, nil},
		{"short in a piece", []int{10, 30}, 980, 20, nil},
		{"short at a piece's end", []int{10, 30}, 990, 10, nil},
		{"short with more than eight", []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 100}, 950, 50, nil},
		{"at the end", []int{1}, 1000, 0, io.EOF},
		{"beyond the end", []int{10, 10}, 1 << 40, 0, io.EOF},
		{"1024 empties first", append(empties, 7, 3), 0, 10, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			total := 0
			for _, n := range test.sizes {
				total += n
			}
			got := bytes.Repeat([]byte{0xee}, total)
			n, err := ReadvAt(f, cut(got, test.sizes...), test.off)
			if n != test.n || err != test.err {
				t.Fatalf("ReadvAt = %d, %v, want %d, %v", n, err, test.n, test.err)
			}
			want := bytes.Repeat([]byte{0xee}, total)
			if n > 0 {
				copy(want, b[test.off:test.off+n])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
	if pos, err := f.Seek(0, io.SeekCurrent); pos != 1000 || err != nil {
		t.Errorf("position is %d, %v, want 1000 still", pos, err)
	}
}

func TestReadvFullAt(t *testing.T) {
	b := pattern(4<<20, 3)
	f := tempFile(t, b)
	readBack(t, f, b, 0)
	readBack(t, f, b[77:], 77, 1, 0, 2, 3<<20, 4)
	// More than one call takes on any implementation: 3000 pieces, 4 MiB.
	sizes := make([]int, 3000)
	for i := range sizes {
		sizes[i] = i % 2000
	}
	readBack(t, f, b, 0, sizes...)

	got := make([]byte, 3000)
	for _, count := range []int{1, 3, 1500} {
		n, err := ReadvFullAt(f, even(got, count), int64(len(b)-1234))
		if n != 1234 || !bytes.Equal(got[:n], b[len(b)-1234:]) {
			t.Errorf("%d pieces: n = %d, want 1234 and its bytes", count, n)
		}
		wantError(t, err, "readvfullat", f, 1234, 3000, io.ErrUnexpectedEOF)
		if n, err := ReadvFullAt(f, even(got, count), int64(len(b))); n != 0 || err != io.EOF {
			t.Errorf("%d pieces at the end: %d, %v, want 0, EOF", count, n, err)
		}
	}
	if n, err := ReadvFullAt(f, [][]byte{nil, {}}, int64(len(b))); n != 0 || err != nil {
		t.Errorf("empty vector at the end: %d, %v, want 0, nil", n, err)
	}
}

// Pieces may share memory: the later one is filled later.
func TestReadvFullAtShared(t *testing.T) {
	b := pattern(100, 4)
	f := tempFile(t, b)
	got := make([]byte, 50)
	n, err := ReadvFullAt(f, [][]byte{got, got}, 0)
	if n != 100 || err != nil || !bytes.Equal(got, b[50:]) {
		t.Errorf("ReadvFullAt = %d, %v into shared memory; want the later bytes to stay", n, err)
	}
}

func TestNegativeOffset(t *testing.T) {
	f := tempFile(t, []byte("data"))
	for _, bufs := range [][][]byte{nil, {make([]byte, 4)}} {
		want, _ := Len(bufs)
		_, err := ReadvAt(f, bufs, -1)
		wantError(t, err, "readvat", f, 0, want, syscall.EINVAL)
		_, err = ReadvFullAt(f, bufs, -1<<40)
		wantError(t, err, "readvfullat", f, 0, want, syscall.EINVAL)
	}
}

// Beyond 4 GiB the offset takes both halves of what a 32-bit system passes;
// with the halves swapped or one lost the marks would not be found.
func TestFarOffset(t *testing.T) {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" || runtime.GOOS == "plan9" {
		t.Skip("no sparse files")
	}
	f := tempFile(t, []byte("near"))
	for _, off := range []int64{1<<31 - 2, 1<<32 - 2, 5<<30 + 3} {
		if err := f.Truncate(off); err != nil {
			t.Skip("no sparse files:", err)
		}
		mark := pattern(64, uint64(off>>28))
		appendAll(t, f, even(mark, 4))
		readBack(t, f, mark, off, 10, 20)
		got := bytes.Repeat([]byte{0xee}, 48)
		n, err := ReadvAt(f, even(got, 3), off-48) // a hole
		if n != 48 || err != nil || !bytes.Equal(got, make([]byte, 48)) {
			t.Errorf("hole at %d: %d, %v, %x, want zeros", off-48, n, err, got)
		}
	}
	readBack(t, f, []byte("near"), 0, 1, 2)
}
