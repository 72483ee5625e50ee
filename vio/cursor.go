package vio

import (
	"errors"
	"io"
	"os"
	"sync"
)

// VectorWriter is a writer that takes several pieces at once. Writev writes
// them in order and returns the number of bytes written, which is less than
// [Len](bufs) only with an error; it neither changes nor keeps bufs.
type VectorWriter interface {
	Writev(bufs [][]byte) (n int64, err error)
}

// VectorReader is a reader that fills several pieces at once. Readv fills them
// in order and returns the number of bytes read, which may be less than
// [Len](bufs), and 0 with a nil error only if that is 0; at the end it returns
// 0, io.EOF. It neither changes nor keeps bufs.
type VectorReader interface {
	Readv(bufs [][]byte) (n int64, err error)
}

// errCount reports a VectorWriter or io.Writer, or a reader, that claims to have
// moved a number of bytes that cannot be.
var errCount = errors.New("vio: impossible count from Write or Read")

// WriteAll writes all of bufs to w, and returns the number of bytes written,
// which is [Len](bufs) if and only if the error is nil. An [*os.File] is
// written with [WritevAll], a [VectorWriter] with up to [MaxIovs] pieces at
// once. To any other writer pieces go one by one, as io.Writer has it, small
// ones copied together. To a network connection use [net.Buffers], which gathers
// there and nowhere else.
//
// Errors of w are returned as they are. bufs is not changed.
//
// [net.Buffers]: https://pkg.go.dev/net#Buffers
func WriteAll(w io.Writer, bufs [][]byte) (n int64, err error) {
	c := Cursor{v: vectorOf(bufs)}
	return c.WriteTo(w)
}

// Cursor goes through the bytes of a vector, and keeps its place when a
// transfer ends early, so that it can be resumed. The zero value is at the end
// of an empty vector. It is used by one goroutine at a time.
//
// A Cursor reads a vector out ([io.Reader], [io.WriterTo]) or fills it
// ([io.ReaderFrom]); it keeps the slice of pieces and never changes it.
type Cursor struct{ v vector }

// NewCursor returns a Cursor at the first byte of bufs.
func NewCursor(bufs [][]byte) *Cursor { return &Cursor{v: vectorOf(bufs)} }

// Reset puts c at the first byte of bufs.
func (c *Cursor) Reset(bufs [][]byte) { c.v = vectorOf(bufs) }

// Len returns the number of bytes between c's place and the end of the vector;
// [math.MaxInt64] if it does not fit.
func (c *Cursor) Len() int64 { return c.v.left }

// Rest appends the pieces between c's place and the end to dst, without empty
// ones, and returns the result.
func (c *Cursor) Rest(dst [][]byte) [][]byte { return appendPieces(dst, c.v.bufs, c.v.skip) }

// Advance moves c's place by n bytes. If n is negative or more than c.Len, or
// if the lengths overflow int64, it returns false and does nothing.
func (c *Cursor) Advance(n int64) bool {
	if n < 0 || n > c.v.left || !c.v.ok && c.v.bufs != nil {
		return false
	}
	c.v.advance(n)
	return true
}

// Read copies the next bytes of the vector to p and moves c behind them. It
// returns 0, io.EOF at the end.
func (c *Cursor) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.v.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.v.left))
	c.v.gather(p[:0], n)
	c.v.advance(int64(n))
	return n, nil
}

// WriteTo writes the bytes between c's place and the end to w as [WriteAll]
// does, moves c behind what was written, and returns its number. After an error
// another WriteTo, to w or to another writer, goes on at that place.
func (c *Cursor) WriteTo(w io.Writer) (int64, error) {
	if f, ok := w.(*os.File); ok {
		return c.writeFile(f)
	}
	if err := c.usable(); err != nil || c.v.left == 0 {
		return 0, err
	}
	if w, ok := w.(VectorWriter); ok {
		views := getViews()
		defer putViews(views)
		return c.v.transfer(func(int64) (int, error) {
			bufs, want := c.v.views(views)
			n, err := w.Writev(bufs)
			return wrote(n, want, err)
		})
	}
	return c.v.transfer(func(int64) (int, error) {
		n, pieces := c.v.prefix(copyTotal)
		if pieces == 1 || n > pieces*copyMean {
			b := c.v.next()
			n, err := w.Write(b)
			return wrote(int64(n), len(b), err)
		}
		b := getBuffer(n)
		defer putBuffer(b)
		b.b = c.v.gather(b.b, n)
		k, err := w.Write(b.b)
		return wrote(int64(k), n, err)
	})
}

// wrote holds a writer to its contract.
func wrote(n int64, want int, err error) (int, error) {
	switch {
	case n < 0 || n > int64(want):
		return 0, errCount
	case n < int64(want) && err == nil:
		err = io.ErrShortWrite
	}
	return int(n), err
}

// ReadFrom fills the vector from c's place on with what it reads from r, moves c
// behind that, and returns its number. It reads until the vector is full or r
// ends, and neither is an error: c.Len tells what is missing. An [*os.File] is
// read with the calls of [ReadvFull], a [VectorReader] with up to [MaxIovs]
// pieces at once, other readers piece by piece. After an error another ReadFrom
// goes on at the place reached.
func (c *Cursor) ReadFrom(r io.Reader) (int64, error) {
	if f, ok := r.(*os.File); ok {
		return c.readFile(f)
	}
	if err := c.usable(); err != nil || c.v.left == 0 {
		return 0, err
	}
	var read func() (n int64, room int, err error)
	switch r := r.(type) {
	case VectorReader:
		views := getViews()
		defer putViews(views)
		read = func() (int64, int, error) {
			bufs, room := c.v.views(views)
			n, err := r.Readv(bufs)
			return n, room, err
		}
	default:
		read = func() (int64, int, error) {
			b := c.v.next()
			n, err := r.Read(b)
			return int64(n), len(b), err
		}
	}
	n, err := c.v.transfer(func(int64) (int, error) { return readSome(read) })
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// maxEmptyReads is how often a Read may return nothing, as in bufio: an
// io.Reader may do it, and a loop must not go on for ever.
const maxEmptyReads = 100

// readSome calls read until it returns something, and holds it to its contract.
func readSome(read func() (n int64, room int, err error)) (int, error) {
	for range maxEmptyReads {
		n, room, err := read()
		switch {
		case n < 0 || n > int64(room):
			return 0, errCount
		case n > 0 || err != nil:
			return int(n), err
		}
	}
	return 0, io.ErrNoProgress
}

func (c *Cursor) writeFile(f *os.File) (int64, error) {
	if done, err := c.v.begin("writevall", f); done {
		return 0, err
	}
	want := c.v.left
	n, err := c.v.transfer(func(int64) (int, error) {
		return writeOnce(f, &c.v, place{off: Current}, all)
	})
	if err == nil && n != want {
		err = io.ErrShortWrite
	}
	if err != nil {
		return n, newError("writevall", f, n, want, err)
	}
	return n, nil
}

func (c *Cursor) readFile(f *os.File) (int64, error) {
	if done, err := c.v.begin("readvfull", f); done {
		return 0, err
	}
	want := c.v.left
	n, err := c.v.transfer(func(int64) (int, error) {
		return readOnce(f, &c.v, place{off: Current}, all)
	})
	if err != nil {
		return n, newError("readvfull", f, n, want, err)
	}
	return n, nil
}

func (c *Cursor) usable() error {
	if c.v.bufs != nil && !c.v.ok {
		return ErrTooLarge
	}
	return nil
}

// next returns what is left of the next piece that is not empty.
func (v *vector) next() []byte {
	skip := v.skip
	for _, b := range v.bufs {
		if b = b[skip:]; len(b) > 0 {
			return b
		}
		skip = 0
	}
	return nil
}

// views sets pieces to the next pieces of v, as many as there is room for, and
// returns them and the sum of their lengths, which fits an int.
func (v *vector) views(pieces *[MaxIovs][]byte) (bufs [][]byte, total int) {
	n, skip := 0, v.skip
	for _, b := range v.bufs {
		b = b[skip:]
		skip = 0
		if len(b) == 0 {
			continue
		}
		if n == len(pieces) || total == MaxBytes {
			break
		}
		pieces[n] = b[:min(len(b), MaxBytes-total)]
		total += len(pieces[n])
		n++
	}
	return pieces[:n], total
}

var viewPool = sync.Pool{New: func() any { return new([MaxIovs][]byte) }}

func getViews() *[MaxIovs][]byte { return viewPool.Get().(*[MaxIovs][]byte) }

// putViews gives views back, cleared: a pool would keep the caller's memory
// alive through them.
func putViews(views *[MaxIovs][]byte) {
	clear(views[:])
	viewPool.Put(views)
}
