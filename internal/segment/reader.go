package segment

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

// End is where a journal ended when somebody looked: the newest segment and
// its size. The zero End means that there was no segment.
type End struct {
	Segment uint64
	Size    int64
}

// End returns where the journal ends now.
func (d *Dir) End() (End, error) {
	for {
		numbers, err := d.List()
		if err != nil || len(numbers) == 0 {
			return End{}, err
		}
		n := numbers[len(numbers)-1]
		st, err := host.StatIn(d.F, Name(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // there is a higher one now: the highest is never removed
		}
		return End{n, st.Size}, Placed("stat", d.Path, err)
	}
}

// ReaderOptions says what to read and how.
type ReaderOptions struct {
	// From is where to begin; the zero Position is the oldest record.
	From record.Position
	// End, if set, is where to stop; else the reader follows the journal.
	End *End
	// Reuse, Skim and BlockSize are as in record.ScannerOptions.
	Reuse, Skim bool
	BlockSize   int
	// Announce makes Next return ErrOpened before the first event of a segment.
	Announce bool
}

// ErrOpened is no error: see ReaderOptions.Announce.
var ErrOpened = errors.New("segment opened")

// Reader reads the records of a journal in order, over all its segments, while
// any number of processes write it. It needs no control file and no lock. It
// belongs to one goroutine at a time.
type Reader struct {
	dir  *Dir
	opt  ReaderOptions
	n    uint64 // the segment to read, 0 before the oldest is known
	from int64  // where to begin in it

	file    *File
	scan    *record.Scanner
	final   bool
	header  int       // damaged header pages that were not reported yet: a bit set
	idle    int       // looks without news
	listed  time.Time // when the directory had changed last as it was listed and had nothing above n
	started bool
	judged  bool            // the end of the snapshot was looked at
	tail    *record.Scanner // finds the damage there again, to report it
	tailEnd int64           // where that damage ends
}

// NewReader returns a reader. It must be closed.
func (d *Dir) NewReader(opt ReaderOptions) *Reader {
	return &Reader{dir: d, opt: opt, n: opt.From.Segment, from: opt.From.Offset}
}

// Close releases the segment that is open.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file, r.scan = nil, nil
	return err
}

// Segment is the number of the segment the last event came from.
func (r *Reader) Segment() uint64 { return r.n }

// Position is where the reader will go on.
func (r *Reader) Position() record.Position {
	off := r.from
	if r.scan != nil {
		off = r.scan.Offset()
	}
	return record.Position{Segment: r.n, Offset: off}
}

// Next sets ev to the next record, or to the next stretch without one, of
// segment r.Segment(). It returns io.EOF when there is nothing more to read
// now. After any other error reading can go on behind what the error is about.
func (r *Reader) Next(ev *record.Event) error {
	for {
		if r.file == nil {
			if err := r.open(); err != nil {
				return err
			}
			if r.opt.Announce && r.file != nil {
				return ErrOpened
			}
			continue // it may have come into being only now
		}
		if r.nextHeaderDamage(ev) {
			return nil
		}
		if r.tail != nil && r.tail.Offset() < r.tailEnd {
			err := r.tail.Next(ev)
			if err == io.EOF { // the file was cut off between the two passes
				return io.EOF
			}
			return r.file.ErrorAt("read", r.tail.Offset(), err)
		}
		err := r.scan.Next(ev)
		switch {
		case err == nil && ev.Class != record.Whole && r.final:
			again, err := r.repaired(ev)
			if again {
				continue
			}
			return err
		case err == nil:
			return nil
		case err != io.EOF:
			return r.file.ErrorAt("read", r.scan.Offset(), err)
		}
		if more, err := r.proceed(); !more {
			return err
		}
	}
}

// proceed is called at the end of a snapshot: it moves to the next segment
// (D4'), or takes a newer snapshot (D5). False means that there is nothing new.
func (r *Reader) proceed() (bool, error) {
	if r.final {
		r.n, r.from = r.n+1, 0
		return true, r.Close()
	}
	if r.opt.End != nil {
		return r.judgeEnd()
	}
	size, final := r.scan.Size(), r.final
	// Most often something was appended. That no record can be added any more need
	// not be known to read what was, and takes more system calls to find out.
	if now, err := r.file.F.Seek(0, io.SeekEnd); err == nil && now > size && now < r.file.Limit {
		r.scan.See(now, false)
		r.idle = 0
		return true, nil
	}
	if err := r.look(); err != nil {
		return false, err
	}
	if r.scan.Size() == size && r.final == final {
		r.idle++
		return false, io.EOF
	}
	r.idle = 0
	return true, nil
}

// open opens segment r.n, or finds out why it is not there.
func (r *Reader) open() error {
	if r.n == 0 {
		oldest, err := r.oldest(0)
		if err != nil {
			return err
		}
		r.n, r.from = oldest, 0 // an offset in segment 0 is none in this one
	}
	if r.opt.End != nil && r.n > r.opt.End.Segment {
		return io.EOF
	}
	f, err := r.dir.Open(r.n, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return r.missing()
	}
	if err != nil {
		if errors.Is(err, ErrForeign) {
			r.n, r.from = r.n+1, 0 // the damage is this file; go on behind it
		}
		return err
	}
	r.file, r.listed, r.idle, r.final = f, time.Time{}, 0, false
	r.scan = f.Scanner(record.ScannerOptions{
		From: max(r.from, HeaderSize), Reuse: r.opt.Reuse, Skim: r.opt.Skim, BlockSize: r.opt.BlockSize,
	})
	if err := r.look(); err != nil {
		return errors.Join(err, r.Close())
	}
	if r.from < HeaderSize {
		for i, damaged := range f.Damaged {
			if damaged {
				r.header |= 1 << i
			}
		}
	}
	if !r.started {
		r.started = true
		return r.align()
	}
	return nil
}

// nextHeaderDamage reports a header page that is not whole. Of a file that is
// shorter than its header, as a copied prefix may be, it reports what is there.
func (r *Reader) nextHeaderDamage(ev *record.Event) bool {
	for i := range 2 {
		if r.header&(1<<i) == 0 {
			continue
		}
		r.header &^= 1 << i
		from := int64(i * pageSize)
		*ev = record.Event{From: from, To: from + pageSize, Class: record.Corruption}
		if r.scan.Size() < ev.To {
			ev.Class = record.Hole
		}
		return true
	}
	return false
}

// oldest returns the lowest segment at or above n, or io.EOF.
func (r *Reader) oldest(n uint64) (uint64, error) {
	numbers, err := r.dir.List()
	if err != nil {
		return 0, err
	}
	for _, k := range numbers {
		if k >= n {
			return k, nil
		}
	}
	return 0, io.EOF
}

// missing is called when segment r.n has no name. Nothing above it: it does
// not exist yet. Something above it: the position was pruned, or the segment
// was taken away; the error says which, and the next call goes on behind it.
func (r *Reader) missing() error {
	numbers, err := r.dir.List()
	if err != nil {
		return err
	}
	for i, k := range numbers {
		if k < r.n {
			continue
		}
		if k == r.n {
			return nil // it came into being between the two looks: open it
		}
		if there, err := r.dir.Exists(r.n); there || err != nil {
			return err // the same, and the listing has seen only a later one
		}
		gone := record.Position{Segment: r.n, Offset: max(r.from, HeaderSize)}
		if at := r.opt.From; gone.Segment == at.Segment && gone.Offset == at.Offset {
			gone.Index = at.Index // nothing was read since: the entries in front are not missed
		}
		r.n, r.from, r.started = k, 0, true
		why := ErrMissing
		if i == 0 {
			why = ErrPruned
		}
		return &Error{Op: "read", Path: r.dir.Path, Segment: gone.Segment, Offset: gone.Offset,
			Err: &GoneError{From: gone, Oldest: record.Position{Segment: k, Offset: HeaderSize}, Err: why}}
	}
	return io.EOF
}

// look takes a snapshot (D1'): first whether the segment is finished, then its
// size, and both before any byte is read.
func (r *Reader) look() error {
	if end := r.opt.End; end != nil && r.n == end.Segment {
		r.final = false
		r.scan.See(end.Size, false)
		return nil
	}
	final := r.opt.End != nil // a higher segment existed when End was taken
	var err error
	if !final {
		if final, err = r.finished(); err != nil {
			return r.file.ErrorAt("read", r.scan.Offset(), err)
		}
	}
	st, err := host.StatFile(r.file.F)
	if err != nil {
		return r.file.ErrorAt("read", r.scan.Offset(), err)
	}
	if !final && st.Links == 0 {
		// Only a finished segment loses its name (T1, V5). Its size was taken
		// before that was known.
		final = true
		if st, err = host.StatFile(r.file.F); err != nil {
			return r.file.ErrorAt("read", r.scan.Offset(), err)
		}
	}
	if final && !r.final {
		// The headers behind a segment are made after it was closed, and never
		// changed; a cut is made before anybody appends behind it.
		r.scan.Ends(r.dir.ending(r.n))
	}
	r.final = final
	r.scan.See(st.Size, final)
	return nil
}

// lookFurther is how many looks without news pass at most between two listings
// of the directory.
const lookFurther = 256

// finished reports whether a higher segment exists (D1'). Looking for the next
// one alone would wait for ever after somebody removed it (C39). The directory
// is listed only if it has changed since, and once in a while because its time
// of change may be too coarse to tell.
func (r *Reader) finished() (bool, error) {
	more, err := r.dir.Exists(r.n + 1)
	if more || err != nil {
		return more, err
	}
	st, err := r.dir.F.Stat()
	if err != nil || st.ModTime().Equal(r.listed) && r.idle%lookFurther != lookFurther-1 {
		return false, err
	}
	_, err = r.oldest(r.n + 1)
	if err == io.EOF {
		r.listed = st.ModTime()
		return false, nil
	}
	return err == nil, err
}

// repaired is rule D6: before damage in a finished segment is believed, look
// whether recovery has put a copy in the segment's place. Then go on there.
func (r *Reader) repaired(ev *record.Event) (again bool, err error) {
	defer func() {
		if err != nil { // the damage was not told of: find it again next time
			r.scan.Skip(ev.From)
			err = r.file.ErrorAt("read", ev.From, err)
		}
	}()
	st, err := host.StatIn(r.dir.F, Name(r.n))
	if err == nil && st.SameFile(r.file.Inode) {
		return false, nil
	}
	var f *File
	if err == nil {
		f, err = r.dir.Open(r.n, os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrForeign) {
		return false, nil // pruned, or no copy of it: what is open is all there is
	}
	if err != nil {
		return false, err
	}
	old := r.file
	r.file = f
	r.scan.Reset(scatterer{f.F})
	r.scan.Skip(ev.From)
	return true, errors.Join(old.Close(), r.look())
}
