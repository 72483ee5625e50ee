package segment

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

// File is one open segment.
type File struct {
	F      *os.File
	Number uint64
	Header
	Frame record.Frame
	// Damaged tells which of the two header pages is not whole.
	Damaged [2]bool
	// Inode is what the file was when it was opened: after a repair the name
	// belongs to another one (V5).
	Inode host.Stat

	dir *Dir
}

// Open opens segment n with flag, one of the os.O_ constants without O_CREATE.
func (d *Dir) Open(n uint64, flag int) (*File, error) {
	f, err := host.OpenIn(d.F, Name(n), flag)
	if err != nil {
		// A directory or a link in place of a segment costs that segment, and not all
		// that stand behind it.
		if st, serr := host.StatIn(d.F, Name(n)); serr == nil && !st.Mode.IsRegular() {
			err = foreignf("it is no regular file (%v)", st.Mode.Type())
		}
		return nil, d.errorAt("open", n, 0, err)
	}
	s := &File{F: f, Number: n, dir: d}
	if err := s.load(flag&(os.O_WRONLY|os.O_RDWR) != 0); err != nil {
		return nil, errors.Join(d.errorAt("open", n, 0, err), f.Close())
	}
	return s, nil
}

func (s *File) load(writing bool) (err error) {
	if s.Inode, err = host.StatFile(s.F); err != nil {
		return err
	}
	s.Header, s.Damaged, err = readHeader(s.F, s.dir.own(s.Number))
	switch {
	case errors.Is(err, ErrHeaderLost):
		unknown := int64(MaxLimit)
		if writing {
			unknown = guessLimit(s.Inode.Size)
		}
		if s.Header, err = s.dir.guessHeader(s.Number, unknown); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if s.UUID != s.dir.UUID {
		return foreignf("it belongs to journal %x, the directory to %x", s.UUID, s.dir.UUID)
	}
	if s.Header.Number != s.Number {
		return foreignf("its header says it is segment %d", s.Header.Number)
	}
	s.Frame = record.NewFrame(s.UUID, s.Number)
	return nil
}

// guessHeader makes up for a header of which no page is left. The successor
// repeats the limits; marker and seed follow from UUID and number. The newest
// segment has no successor: the limits of its predecessor are most likely its
// own, and the one who starts the next segment fixes them there for everybody.
// If nobody knows the limit it is unknown.
func (d *Dir) guessHeader(n uint64, unknown int64) (Header, error) {
	h := Header{UUID: d.UUID, Number: n}
	next, err := d.peek(n + 1)
	if err == nil && next.UUID == d.UUID && next.Prev.valid() {
		h.Limits = next.Prev
		return h, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrHeaderLost) {
		return h, err
	}
	prev, err := d.peek(n - 1)
	if err == nil && prev.UUID == d.UUID {
		h.Limits = prev.Limits
		return h, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrHeaderLost) {
		return h, err
	}
	// The only segment there is. Nothing in it is void unless a writer died
	// between such a record and the next segment, and that record may be read.
	// Who reads it while it grows must not stop in front of its limit.
	h.Limits = Limits{unknown, record.MaxSize}
	return h, nil
}

// guessLimit is the limit to seal a segment at of which nobody knows the limit:
// above all that is in it, and not below that of most journals, so that who has
// it open and knows the true one appends void records from then on. It is no
// higher than needed: what lies up to the limit is copied now and read for ever.
func guessLimit(size int64) int64 {
	limit := int64(64 << 20) // the default of package journal
	for limit < size {
		limit *= 2
	}
	return min(limit, MaxLimit)
}

// errorAt gives err its place.
func (d *Dir) errorAt(op string, n uint64, off int64, err error) error {
	var located *Error
	if err == nil || errors.As(err, &located) {
		return err
	}
	path := d.Path + string(os.PathSeparator) + Name(n)
	// The path is said once. Only of an error that is nothing more: one that is
	// wrapped in something else would lose that, and the caller decides by it.
	if pe, ok := err.(*fs.PathError); ok {
		err = pe.Err
	}
	return &Error{Op: op, Path: path, Segment: n, Offset: off, Err: err}
}

// ErrorAt is err as an [Error] about segment n; nil stays nil.
func (d *Dir) ErrorAt(op string, n uint64, err error) error { return d.errorAt(op, n, 0, err) }

// ErrorAt is err as an [Error] at offset off of this segment; nil stays nil.
func (s *File) ErrorAt(op string, off int64, err error) error {
	return s.dir.errorAt(op, s.Number, off, err)
}

// Close closes the file.
func (s *File) Close() error { return s.F.Close() }

// Size is the length of the file in bytes now.
func (s *File) Size() (int64, error) {
	st, err := host.StatFile(s.F)
	return st.Size, err
}

// Seal makes every append that has not begun yet land at or beyond the limit,
// and waits for those that have (R2'). It is needed even if the file is long
// enough already: a write across the limit may be under way (C38).
func (s *File) Seal() error {
	return s.ErrorAt("seal", s.Limit, host.Seal(s.F, s.dir.F, Name(s.Number), s.Limit, s.Capacity()))
}

// Create makes segment h.Number appear, complete (R5). fs.ErrExist says that
// somebody else was faster, which is as good.
func (d *Dir) Create(h Header, perm os.FileMode, exact bool) error {
	err := host.Publish(d.F, Name(h.Number), perm, exact, func(f *os.File) error {
		_, err := f.Write(h.encode())
		return err
	})
	return d.errorAt("create", h.Number, 0, err)
}

// Copy replaces segment n by a copy of it in a new inode, on disk when it gets
// the name (V5). The segment must be sealed. Reading and writing the bytes is
// the point: after a write-back error pages are marked clean although the disk
// never got them, so neither syncing this inode again nor sharing its extents
// (copy_file_range, reflink) would put them there.
func (d *Dir) Copy(n uint64) error {
	s, err := d.Open(n, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer s.Close() // only read from
	size, err := s.Size()
	if err != nil {
		return s.ErrorAt("copy", 0, err)
	}
	err = host.Replace(d.F, Name(n), s.Inode.Mode.Perm(), true, func(to *os.File) error {
		return copyData(to, s.F, size)
	})
	return s.ErrorAt("copy", 0, err)
}

// copyData copies size bytes and leaves blocks of zeros out: a segment that
// was closed early is mostly a hole.
func copyData(to, from *os.File, size int64) error {
	b := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		n, err := from.ReadAt(b[:min(int64(len(b)), size-off)], off)
		if n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if !allZero(b[:n]) {
			if _, err := to.WriteAt(b[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
	}
	return to.Truncate(size)
}

// zeros is what allZero compares with; nobody writes to it.
var zeros [64 << 10]byte

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
