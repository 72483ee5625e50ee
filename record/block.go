package record

import (
	"errors"
	"io"
)

// errShrunk is internal: the file ended in front of the snapshot's size.
var errShrunk = errors.New("segment is shorter than it was")

// view returns n bytes at off, or as many as the snapshot has, as part of the
// current block. They stay what they are even if the scanner moves on, unless
// blocks are reused.
func (s *Scanner) view(off int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.size-off))
	if i := off - s.base; i >= 0 && i+int64(n) <= int64(len(s.block)) {
		return s.block[i : i+int64(n) : i+int64(n)], nil
	}
	if v, ok := s.r.(ScatterReaderAt); ok && !s.opt.Reuse && n >= s.opt.BlockSize/4 {
		return s.scatter(v, off, n)
	}
	want := int64(s.opt.BlockSize)
	if s.opt.Until > off {
		want = min(want, s.opt.Until-off)
	}
	want = min(max(want, int64(n)), s.size-off)
	var next []byte
	if s.opt.Reuse && int64(cap(s.block)) >= want {
		next = s.block[:want]
	} else {
		next = make([]byte, want)
	}
	have := 0
	if i := off - s.base; i >= 0 && i < int64(len(s.block)) {
		have = copy(next, s.block[i:]) // the part of a record that is here already
	}
	s.block, s.base = nil, 0
	if err := s.fill(next[have:], off+int64(have)); err != nil {
		return nil, err
	}
	s.block, s.base = next, off
	return next[:n:n], nil
}

// ScatterReaderAt is an [io.ReaderAt] that can fill several pieces of memory by
// one call, all of them unless it returns an error (io.EOF at the end of the
// file).
type ScatterReaderAt interface {
	ReadvAt(pieces [][]byte, off int64) (int64, error)
}

// aheadSize is what is read behind a large record together with it: the headers
// of what follows, and some small records, but no part of the next large one that
// would have to be copied.
const aheadSize = 4096

// scatter returns n bytes at off in memory of their own, and makes the block of
// what follows them. A large value is so read to where it stays: a block would be
// allocated for it all the same, and its beginning copied from the one before.
func (s *Scanner) scatter(r ScatterReaderAt, off int64, n int) ([]byte, error) {
	own := make([]byte, n)
	have := 0
	if i := off - s.base; i >= 0 && i < int64(len(s.block)) {
		have = copy(own, s.block[i:])
	}
	from, behind := off+int64(have), off+int64(n)
	ahead := make([]byte, min(aheadSize, s.size-behind))
	s.block, s.base = nil, 0
	got, err := r.ReadvAt([][]byte{own[have:], ahead}, from)
	if err := s.filled(got, int64(n-have+len(ahead)), from, err); err != nil {
		return nil, err
	}
	s.block, s.base = ahead, behind
	return own, nil
}

// read returns n bytes at off, or as many as the snapshot has, for looking at
// until the next call. It reads whole blocks at multiples of their size, so
// that many short looks at a damaged stretch cost no more than one pass.
func (s *Scanner) read(off int64, n int) ([]byte, error) {
	if n = int(min(int64(n), s.size-off)); n <= 0 {
		return nil, nil
	}
	if b := s.held(off); len(b) >= n {
		return b[:n], nil
	}
	size := int64(s.opt.BlockSize)
	from := off - off%size
	to := min((off+int64(n)+size-1)/size*size, s.size)
	if int64(cap(s.spare)) < to-from {
		s.spare = make([]byte, to-from, max(to-from, 2*size))
	}
	s.window = nil
	next := s.spare[:to-from]
	if err := s.fill(next, from); err != nil {
		return nil, err
	}
	s.window, s.wbase = next, from
	return next[off-from:][:n], nil
}

// held returns the bytes from off on that are in memory.
func (s *Scanner) held(off int64) (b []byte) {
	if i := off - s.base; i >= 0 && i < int64(len(s.block)) {
		b = s.block[i:]
	}
	if i := off - s.wbase; i >= 0 && i+int64(len(b)) < int64(len(s.window)) {
		b = s.window[i:]
	}
	return b[:max(0, min(int64(len(b)), s.size-off))]
}

// ahead returns the bytes from off on that are at hand, a header's worth at
// least unless the snapshot ends before.
func (s *Scanner) ahead(off int64) ([]byte, error) {
	if b := s.held(off); len(b) >= HeaderSize {
		return b, nil
	}
	b, err := s.read(off, HeaderSize)
	if err != nil || len(b) < HeaderSize {
		return b, err
	}
	return s.held(off), nil
}

// fill reads all of p. A file that has become shorter shortens the snapshot.
func (s *Scanner) fill(p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := s.r.ReadAt(p, off)
	return s.filled(int64(n), int64(len(p)), off, err)
}

// filled judges a read of want bytes at off, which got so many.
func (s *Scanner) filled(got, want, off int64, err error) error {
	switch {
	case got == want:
		return nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		s.size = off + got
		return errShrunk
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}
