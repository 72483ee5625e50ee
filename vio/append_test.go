package vio

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func TestAppendv(t *testing.T) {
	b := pattern(4<<20, 1)
	empties := make([][]byte, MaxIovs)
	shared := b[:100]
	tests := []struct {
		name string
		bufs [][]byte
	}{
		{"nothing", nil},
		{"no bytes", [][]byte{{}, nil, b[:0]}},
		{"one", [][]byte{b}},
		{"one between empties", [][]byte{nil, b[:5], {}}},
		{"small record", cut(b[:1<<10], 28, 16, 972, 8)},
		{"record", cut(b[:9<<10], 28, 16, 9<<10-52, 8)},
		{"eight", even(b[:8*7], 8)},
		{"eight large", even(b, 8)},
		{"nine", even(b[:9*7], 9)},
		{"nine large", even(b[:9*4000], 9)},
		{"64", even(b[:64*16], 64)},
		{"64 large", even(b, 64)},
		{"aliased", [][]byte{shared, shared, shared[50:], shared[:0], shared}},
		{"first 1024 empty", append(empties[:MaxIovs:MaxIovs], b[:3], b[3:9])},
		{"first 1024 empty, large", append(empties[:MaxIovs:MaxIovs], b[:9000], b[3:9])},
		{"1024", even(b, MaxIovs)},
		{"1024 and empties", append(append(empties[:0:0], even(b, MaxIovs)...), empties...)},
		{"1025", even(b[:1025*16], 1025)},
		{"1025 large", even(b[:1025*2000], 1025)},
		{"1500", even(b[:1500*40], 1500)},
		{"1500 large", even(b[:1500*2000], 1500)},
		{"65536", even(b[:64<<10], 64<<10)},
		{"65536 of 64", even(b, 64<<10)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := tempFile(t, []byte("before"))
			appendAll(t, f, test.bufs)
			appendAll(t, f, [][]byte{[]byte("after")})
			want := "before" + string(concat(test.bufs)) + "after"
			if string(contents(t, f)) != want {
				t.Error("file differs from the concatenation")
			}
		})
	}
}

// Neither the vector nor its bytes may change: net.Buffers consumes what it
// writes, and programs that used a vector twice wrote nothing the second time.
func TestVectorUntouched(t *testing.T) {
	for _, count := range []int{4, 64, 1024, 1500} {
		b := pattern(count*2000, uint64(count))
		bytesBefore := bytes.Clone(b)
		bufs := even(b, count)
		before := append([][]byte(nil), bufs...)
		f := tempFile(t, nil)
		appendAll(t, f, bufs)
		appendAll(t, f, bufs)
		if got := contents(t, f); string(got) != strings.Repeat(string(bytesBefore), 2) {
			t.Errorf("%d pieces: file differs", count)
		}
		if _, err := ReadvFullAt(f, bufs, 0); err != nil {
			t.Error(err)
		}
		for i := range bufs {
			if unsafe.SliceData(bufs[i]) != unsafe.SliceData(before[i]) || cap(bufs[i]) != cap(before[i]) {
				t.Fatalf("%d pieces: piece %d is another", count, i)
			}
		}
		if !bytes.Equal(bytesBefore, b) {
			t.Errorf("%d pieces: bytes changed", count)
		}
	}
}

func TestLen(t *testing.T) {
	a := make([]byte, 7)
	tests := []struct {
		name string
		bufs [][]byte
		n    int64
		ok   bool
	}{
		{"nil", nil, 0, true},
		{"empties", [][]byte{nil, {}}, 0, true},
		{"aliased", [][]byte{a, nil, a, a[:3]}, 17, true},
	}
	if math.MaxInt == math.MaxInt64 {
		big := hugeSlice(a, math.MaxInt/2)
		tests = append(tests, []struct {
			name string
			bufs [][]byte
			n    int64
			ok   bool
		}{
			{"fits just", [][]byte{big, big, a[:1]}, math.MaxInt64, true},
			{"one over", [][]byte{big, big, a[:1], a[:1]}, math.MaxInt64, false},
			{"over by far", [][]byte{big, big, big, big, big}, math.MaxInt64, false},
		}...)
	}
	for _, test := range tests {
		if n, ok := Len(test.bufs); n != test.n || ok != test.ok {
			t.Errorf("%s: Len = %d, %t, want %d, %t", test.name, n, ok, test.n, test.ok)
		}
	}
}

// hugeSlice returns a slice that claims n bytes. They must never be touched:
// it stands for many pieces sharing memory, which no test can hold.
func hugeSlice(b []byte, n int) []byte {
	header := struct {
		base     *byte
		len, cap int
	}{unsafe.SliceData(b), n, n}
	return *(*[]byte)(unsafe.Pointer(&header))
}

func TestTooLarge(t *testing.T) {
	f := tempFile(t, []byte("old"))
	mib := make([]byte, 1<<20)
	bufs := make([][]byte, 0, 2049)
	for left := maxCall + 1; left > 0; left -= int64(len(mib)) {
		bufs = append(bufs, mib[:min(left, int64(len(mib)))])
	}
	n, err := Appendv(f, bufs)
	if n != 0 {
		t.Errorf("n = %d, want 0", n)
	}
	wantError(t, err, "appendv", f, 0, maxCall+1, ErrTooLarge)

	if math.MaxInt == math.MaxInt64 {
		big := hugeSlice(mib, math.MaxInt)
		_, err = Appendv(f, [][]byte{big, big})
		wantError(t, err, "appendv", f, 0, math.MaxInt64, ErrTooLarge)
		_, err = ReadvFullAt(f, [][]byte{big, big}, 0)
		wantError(t, err, "readvfullat", f, 0, math.MaxInt64, ErrTooLarge)
	}
	if got := string(contents(t, f)); got != "old" {
		t.Errorf("file has %d bytes, want 3", len(got))
	}
}

func TestCallLimit(t *testing.T) {
	if MaxBytes > math.MaxInt32 {
		t.Errorf("MaxBytes = %#x does not fit an int of 32 bits", int64(MaxBytes))
	}
	if runtime.GOOS != "linux" {
		t.Skip("the table is for Linux")
	}
	for pageSize, want := range map[int]int64{4 << 10: 0x7ffff000, 16 << 10: 0x7fffc000, 64 << 10: 0x7fff0000} {
		if got := callLimit("linux", pageSize); got != want {
			t.Errorf("pages of %d: %#x, want %#x", pageSize, got, want)
		}
	}
}

func TestUnusableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 4, 40 * 4, 1500 * 4} {
		bufs := even(make([]byte, size), max(1, size/4))
		for _, test := range []struct {
			f     *os.File
			cause error
		}{{nil, os.ErrInvalid}, {closed, os.ErrClosed}} {
			_, err := Appendv(test.f, bufs)
			wantError(t, err, "appendv", test.f, 0, int64(size), test.cause)
			_, err = ReadvAt(test.f, bufs, 0)
			wantError(t, err, "readvat", test.f, 0, int64(size), test.cause)
			_, err = ReadvFullAt(test.f, bufs, 0)
			wantError(t, err, "readvfullat", test.f, 0, int64(size), test.cause)
		}
	}
}

func TestErrorText(t *testing.T) {
	err := &Error{Op: "appendv", Path: "a.log", N: 100, Want: 300, Err: os.ErrDeadlineExceeded}
	want := "appendv a.log: " + os.ErrDeadlineExceeded.Error() + " (100 of 300 bytes)"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
