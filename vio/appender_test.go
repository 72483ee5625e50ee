package vio

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// openAppender opens path for appending.
func openAppender(t *testing.T, path string) *Appender {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // only read from then
	a, err := NewAppender(f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Two descriptors of one file: each is told where its own bytes have ended, whatever
// the other one has appended since.
func TestAppender(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	a := openAppender(t, path)
	b := openAppender(t, path)
	data := pattern(300<<10, 3)
	var want []byte
	for i, bufs := range [][][]byte{
		{data[:1]}, cut(data[:1<<10], 28, 16, 972, 8), even(data[:56], 8), even(data[:63], 9), even(data, 64),
		even(data[:1500*40], 1500), cut(data[:200<<10], 44, 0, 200<<10-52, 8), {nil, data[:7], {}},
	} {
		for k, x := range []*Appender{a, b} {
			before := int64(len(want))
			want = append(want, concat(bufs)...)
			size, _ := Len(bufs)
			if n, end, err := x.Append(bufs); n != size || end != before+size || err != nil {
				t.Errorf("vector %d of %d: %d bytes up to %d, %v; want %d up to %d", i, k, n, end, err, size, before+size)
			}
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(want) {
		t.Errorf("the file has %d bytes, %v, and not the %d that were appended", len(got), err, len(want))
	}
}

// Nothing is nowhere, and so is what goes into a pipe, which has no position.
func TestAppenderNowhere(t *testing.T) {
	a := openAppender(t, filepath.Join(t.TempDir(), "file"))
	for _, bufs := range [][][]byte{nil, {}, {{}, nil}} {
		if n, end, err := a.Append(bufs); n != 0 || end != -1 || err != nil {
			t.Errorf("%d pieces without a byte: %d, %d, %v", len(bufs), n, end, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read from
	if a, err = NewAppender(w); err != nil {
		t.Fatal(err)
	}
	for _, bufs := range [][][]byte{{[]byte("four"), []byte("teen")}, even([]byte("in many pieces"), 14)} {
		size, _ := Len(bufs)
		n, end, err := a.Append(bufs)
		var call *Error
		if n != size || end != -1 || !errors.As(err, &call) || call.N != size || call.Want != size || !errors.Is(err, syscall.ESPIPE) {
			t.Errorf("%d, %d, %v; want %d bytes and no position", n, end, err, size)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := NewAppender(w); !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a closed file: %v", err)
	}
	if _, err := NewAppender(nil); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("of no file: %v", err)
	}
}

// A file that is not open for writing says so, with what was asked for.
func TestAppenderRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read from
	a, err := NewAppender(f)
	if err != nil {
		t.Fatal(err)
	}
	n, end, err := a.Append([][]byte{[]byte("abc")})
	var call *Error
	if n != 0 || end != -1 || !errors.As(err, &call) || call.Want != 3 || call.Path != path {
		t.Errorf("%d, %d, %v", n, end, err)
	}
}
