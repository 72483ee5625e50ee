package vio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"
)

var errBroken = errors.New("broken")

// breaking is a writer that takes a drawn number of bytes of each call, with or
// without an error, and keeps them.
type breaking struct {
	bytes.Buffer
	r *rand.Rand
}

func (w *breaking) Write(p []byte) (int, error) {
	n := len(p)
	var err error
	if w.r.IntN(4) == 0 {
		n, err = w.r.IntN(n+1), errBroken
	}
	w.Buffer.Write(p[:n]) // never fails
	return n, err
}

// breakingVector does the same to vectors.
type breakingVector struct{ breaking }

func (w *breakingVector) Writev(bufs [][]byte) (int64, error) {
	if len(bufs) > MaxIovs {
		return 0, errors.New("too many pieces")
	}
	n, err := w.Write(concat(bufs))
	return int64(n), err
}

// Whatever a writer does, a cursor goes on where it stopped, until every byte
// has arrived once.
func TestCursorResume(t *testing.T) {
	data := pattern(200_000, 61)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		sizes := make([]int, r.IntN(3000))
		for i := range sizes {
			sizes[i] = r.IntN(1 << r.IntN(7))
		}
		bufs := cut(data[:sum(sizes)], sizes...)
		plain := &breaking{r: r}
		vector := &breakingVector{breaking{r: r}}
		for name, w := range map[string]io.Writer{"plain": plain, "vector": vector} {
			c := NewCursor(bufs)
			var total int64
			for c.Len() > 0 {
				n, err := c.WriteTo(w)
				if err != nil && err != errBroken || err == nil && c.Len() > 0 {
					t.Fatalf("%s: %d, %v, %d left", name, n, err, c.Len())
				}
				total += n
			}
			if total != int64(sum(sizes)) {
				t.Errorf("%s: %d bytes counted, want %d", name, total, sum(sizes))
			}
		}
		for name, got := range map[string][]byte{"plain": plain.Bytes(), "vector": vector.Bytes()} {
			if !bytes.Equal(got, concat(bufs)) {
				t.Errorf("%s: other bytes arrived", name)
			}
		}
	}
}

// A cursor is an io.Reader that keeps to the rules of testing/iotest.
func TestCursorRead(t *testing.T) {
	data := pattern(5000, 62)
	bufs := cut(data, 0, 100, 1, 0, 2000, 7)
	if err := iotest.TestReader(NewCursor(bufs), data); err != nil {
		t.Error(err)
	}
	c := NewCursor(bufs)
	if !c.Advance(150) || c.Len() != 4850 || !bytes.Equal(concat(c.Rest(nil)), data[150:]) {
		t.Errorf("after 150 bytes: %d left", c.Len())
	}
	if c.Advance(-1) || c.Advance(4851) || c.Len() != 4850 {
		t.Error("Advance out of range has moved")
	}
	c.Reset(bufs[1:2])
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data[:100]) {
		t.Errorf("after Reset: %d bytes, %v", len(got), err)
	}
	var zero Cursor
	if n, err := zero.Read(make([]byte, 1)); n != 0 || err != io.EOF || zero.Advance(1) || !zero.Advance(0) {
		t.Errorf("zero Cursor: %d, %v", n, err)
	}
}

type vectorReader struct {
	io.Reader
	r *rand.Rand
}

func (r vectorReader) Readv(bufs [][]byte) (int64, error) {
	n, err := r.Read(bufs[0][:1+r.r.IntN(len(bufs[0]))])
	return int64(n), err
}

func TestCursorReadFrom(t *testing.T) {
	data := pattern(3000, 63)
	for _, room := range []int{3000, 2999, 3001, 1, 5000} {
		for name, r := range map[string]io.Reader{
			"plain":    bytes.NewReader(data),
			"one byte": iotest.OneByteReader(bytes.NewReader(data)),
			"half":     iotest.HalfReader(bytes.NewReader(data)),
			"data err": iotest.DataErrReader(bytes.NewReader(data)),
			"vector":   vectorReader{bytes.NewReader(data), rand.New(rand.NewPCG(1, 2))},
		} {
			got := make([]byte, room)
			c := NewCursor(cut(got, 0, 0, min(room, 13)))
			n, err := c.ReadFrom(r)
			want := min(room, len(data))
			if n != int64(want) || err != nil || c.Len() != int64(room-want) || !bytes.Equal(got[:n], data[:want]) {
				t.Errorf("%s into %d: %d, %v, %d left", name, room, n, err, c.Len())
			}
		}
	}
	// Resumed after an error.
	got := make([]byte, 3000)
	c := NewCursor(cut(got, 1000))
	n, err := c.ReadFrom(io.MultiReader(bytes.NewReader(data[:1500]), iotest.ErrReader(errBroken)))
	if n != 1500 || err != errBroken {
		t.Errorf("%d, %v, want 1500, broken", n, err)
	}
	if n, err := c.ReadFrom(bytes.NewReader(data[1500:])); n != 1500 || err != nil || !bytes.Equal(got, data) {
		t.Errorf("resumed: %d, %v", n, err)
	}
}

// lying claims to have moved n bytes.
type lying struct{ n int64 }

func (l lying) Write([]byte) (int, error)      { return int(l.n), nil }
func (l lying) Read([]byte) (int, error)       { return int(l.n), nil }
func (l lying) Writev([][]byte) (int64, error) { return l.n, nil }
func (l lying) Readv([][]byte) (int64, error)  { return l.n, nil }

// Neither a count that cannot be nor one that stays 0 may crash a cursor or keep
// it for ever.
func TestCursorLiars(t *testing.T) {
	for _, test := range []struct {
		n    int64
		w, r error
	}{{-1, errCount, errCount}, {11, errCount, errCount}, {0, io.ErrShortWrite, io.ErrNoProgress}} {
		for name, call := range map[string]func(c *Cursor) error{
			"Write":  func(c *Cursor) error { _, err := c.WriteTo(struct{ io.Writer }{lying{test.n}}); return err },
			"Writev": func(c *Cursor) error { _, err := c.WriteTo(lying{test.n}); return err },
			"Read":   func(c *Cursor) error { _, err := c.ReadFrom(struct{ io.Reader }{lying{test.n}}); return err },
			"Readv":  func(c *Cursor) error { _, err := c.ReadFrom(lying{test.n}); return err },
		} {
			want := test.w
			if name[0] == 'R' {
				want = test.r
			}
			c := NewCursor(cut(make([]byte, 10), 5, 5))
			if err := call(c); err != want {
				t.Errorf("%s of %d: %v, want %v", name, test.n, err, want)
			}
			if c.Len() != 10 {
				t.Errorf("%s of %d: %d left, want 10", name, test.n, c.Len())
			}
		}
	}
}

// WriteAll to a plain writer copies small pieces together and leaves large ones.
func TestWriteAllCalls(t *testing.T) {
	calls := 0
	count := writerFunc(func(p []byte) (int, error) { calls++; return len(p), nil })
	for _, test := range []struct{ pieces, size, most int }{{4, 16, 1}, {8, 1, 1}, {64, 16, 1}, {1024, 16, 1}, {4, 5000, 4}, {20, 5000, 20}} {
		calls = 0
		n, err := WriteAll(count, even(make([]byte, test.pieces*test.size), test.pieces))
		if n != int64(test.pieces*test.size) || err != nil || calls > test.most {
			t.Errorf("%d of %d: %d, %v, %d calls", test.pieces, test.size, n, err, calls)
		}
	}
}

// A file that is nil or closed is an error for an empty vector too, as it is for
// WritevAll.
func TestCursorBadFile(t *testing.T) {
	closed := plainFile(t, nil)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, bufs := range [][][]byte{nil, {[]byte("x")}} {
		want, _ := Len(bufs)
		_, err := WriteAll(closed, bufs)
		wantError(t, err, "writevall", closed, 0, want, os.ErrClosed)
		_, err = WriteAll((*os.File)(nil), bufs)
		wantError(t, err, "writevall", nil, 0, want, os.ErrInvalid)
		_, err = NewCursor(bufs).ReadFrom(closed)
		wantError(t, err, "readvfull", closed, 0, want, os.ErrClosed)
	}
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
