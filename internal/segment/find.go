package segment

import (
	"io"
	"os"

	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// align moves a reader that was told to begin inside a record to that record's
// end, and inside damage to its beginning: the rest of a torn record would be
// taken for corruption. A position that was handed out needs nothing of this: a
// record begins there, or what is there is damaged.
func (r *Reader) align() error {
	from := r.scan.Offset()
	if from == HeaderSize || from >= r.scan.Size() {
		return nil
	}
	var b [record.HeaderSize]byte
	if _, err := r.file.F.ReadAt(b[:], from); err == nil {
		if _, ok := r.file.Frame.ParseHeader(b[:]); ok {
			return nil
		}
	}
	s := record.NewScanner(r.file.F, record.ScannerOptions{
		Frame: r.file.Frame, Limit: r.file.Limit, From: HeaderSize, Reuse: true,
	})
	s.See(r.scan.Size(), r.final)
	for ev := (record.Event{}); s.Offset() < from; {
		err := s.Next(&ev)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return r.file.ErrorAt("read", s.Offset(), err)
		}
		switch {
		case ev.To <= from:
		case ev.Class == record.Whole:
			r.scan.Skip(ev.To)
		default:
			r.scan.Skip(ev.From)
		}
	}
	return nil
}

// Probe is how much one step of [File.Find] reads: more than most records take.
const Probe = 16 << 10

// Find returns the first valid header in [lo, hi) of the segment's first size
// bytes, and its offset, or -1. It is where a reader that began in front of lo goes
// on as well, so a segment can be entered anywhere.
func (s *File) Find(lo, hi, size int64) (int64, record.Header, error) {
	scan := s.Scanner(record.ScannerOptions{From: HeaderSize, BlockSize: Probe})
	scan.See(size, false)
	off, err := scan.Find(max(lo, HeaderSize), min(hi, s.Limit))
	if off < 0 || err != nil {
		return -1, record.Header{}, s.ErrorAt("read", lo, err)
	}
	var b [record.HeaderSize]byte
	if _, err := s.F.ReadAt(b[:], off); err != nil {
		return -1, record.Header{}, s.ErrorAt("read", off, err)
	}
	h, ok := s.Frame.ParseHeader(b[:])
	if !ok { // the file has changed under us: bytes that were read are not there any more
		return -1, h, s.ErrorAt("read", off, ErrCorrupt)
	}
	return off, h, nil
}

// Scanner returns a scanner of this segment; opt has everything but what follows
// from the segment.
func (s *File) Scanner(opt record.ScannerOptions) *record.Scanner {
	opt.Frame, opt.Limit = s.Frame, s.Limit
	return record.NewScanner(scatterer{s.F}, opt)
}

// scatterer reads a file into several pieces of memory by one call.
type scatterer struct{ *os.File }

func (s scatterer) ReadvAt(pieces [][]byte, off int64) (int64, error) {
	return vio.ReadvFullAt(s.File, pieces, off)
}

// Between reports where the reader stands if it is between two records of an open
// segment, as far as it knows, and has nothing else to tell first.
func (r *Reader) Between() (n uint64, off int64, ok bool) {
	if r.file == nil || r.header != 0 || r.tail != nil {
		return 0, 0, false
	}
	return r.n, r.scan.Offset(), true
}

// Jump goes on at offset off: whoever calls it knows that there are nothing but
// whole records up to there, and that they belong to the journal.
func (r *Reader) Jump(off int64) { r.scan.Skip(off) }

// Quiet reports whether there is nothing new, with one system call: the segment
// has the size at which the reader came to its end, and could still take a record.
// While it can, there is none in a later one (I3'). False means that Next has to
// look. It may be called by several goroutines, but not together with Next.
func (r *Reader) Quiet() bool {
	if r.file == nil || r.final || r.header != 0 || r.tail != nil {
		return false
	}
	size, err := r.file.F.Seek(0, io.SeekEnd) // nobody uses the offset
	return err == nil && size == r.scan.Size() && size < r.file.Limit
}
