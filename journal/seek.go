package journal

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// SeekSlack is how far records may be out of the order of their times, so that
// [Journal.Seek] still finds the first one. A record carries the time at which its
// append was called; another process may come in between.
const SeekSlack = 100 * time.Millisecond

// Seek returns the position of the first record with the time t or a later one,
// or the end of the journal if there is none: reading from there gives what is
// appended from now on. It looks at some records of O(log n) segments, and reads
// through the records of the last SeekSlack before t.
//
// It relies on times that do not decrease along the journal by more than SeekSlack.
// Where a clock was set back or ran ahead, more than one place may have an earlier
// record in front of it and a later one behind it, and the one that is found is any
// of them.
func (j *Journal) Seek(t time.Time) (Position, error) {
	if j.isClosed() {
		return Position{}, ErrClosed
	}
	end, err := j.dir.End()
	if err != nil {
		return Position{}, j.closing(err)
	}
	late := unixNano(t)
	s := seeker{j: j, end: end, before: unixNano(t.Add(-SeekSlack))}
	from, err := s.find()
	if err != nil {
		return Position{}, j.closing(err)
	}
	r := j.dir.NewReader(segment.ReaderOptions{From: from, End: &end, Reuse: true})
	defer r.Close() // only read from
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		switch {
		case err == io.EOF:
			return r.Position(), nil
		case err != nil && !passable(err):
			return Position{}, j.closing(err)
		case j.isClosed():
			return Position{}, ErrClosed
		case err != nil || ev.Class != record.Whole || ev.Header.Time < late:
			continue // of damage and gaps those are told who read the records
		}
		var found Position
		each(r.Segment(), &ev, from, func(rec Record) bool {
			found = rec.Position
			return false
		})
		if !found.IsZero() {
			return found, nil
		}
	}
}

// unixNano is the time as records have it, or the nearest one that they can have.
func unixNano(t time.Time) int64 {
	switch s := t.Unix(); {
	case s < math.MinInt64/int64(time.Second):
		return math.MinInt64
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// seeker bisects a journal: first its segments, then the bytes of one.
type seeker struct {
	j      *Journal
	end    segment.End
	before int64 // records earlier than that are passed over
}

// find returns the position of a record that is early enough and, as far as times
// are in order, has no late one in front of it.
func (s *seeker) find() (Position, error) {
	numbers, err := s.j.dir.List()
	if err != nil {
		return Position{}, err
	}
	var from Position
	for lo, hi := 0, len(numbers); lo < hi; {
		mid := lo + (hi-lo)/2
		// A segment without a record, or one that cannot be read, says nothing: ask
		// the next one.
		k, at, early := mid, Position{}, false
		for ; k < hi; k++ {
			if at, early, err = s.first(numbers[k]); err != nil {
				return Position{}, err
			}
			if !at.IsZero() {
				break
			}
		}
		if early {
			from, lo = at, k+1
		} else {
			hi = mid
		}
	}
	if from.IsZero() {
		return from, nil // the oldest record is late enough
	}
	return s.within(from)
}

// first returns where the first record of segment n stands, the zero position if
// there is none that can be read, and whether it is an early one.
func (s *seeker) first(n uint64) (at Position, early bool, err error) {
	f, size, err := s.open(n)
	if f == nil || err != nil {
		return at, false, err
	}
	defer f.Close() // only read from
	off, h, err := f.Find(segment.HeaderSize, size, size)
	if off < 0 || err != nil {
		return at, false, err
	}
	return Position{Segment: n, Offset: off}, h.Time < s.before, nil
}

// open opens segment n, unless it cannot be read: that is told to who reads.
func (s *seeker) open(n uint64) (*segment.File, int64, error) {
	if n > s.end.Segment {
		return nil, 0, nil
	}
	f, err := s.j.dir.OpenToRead(n)
	if errors.Is(err, ErrForeign) || errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if n == s.end.Segment {
		return f, s.end.Size, nil
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, errors.Join(f.ErrorAt("read", 0, err), f.Close())
	}
	return f, size, nil
}

// within bisects the bytes of a segment behind from, which is early.
func (s *seeker) within(from Position) (Position, error) {
	f, size, err := s.open(from.Segment)
	if f == nil || err != nil {
		return from, err
	}
	defer f.Close() // only read from
	for lo, hi := from.Offset+1, min(size, f.Limit); hi-lo > segment.Probe; {
		mid := lo + (hi-lo)/2
		off, h, err := f.Find(mid, hi, size)
		if err != nil {
			return from, err
		}
		if off < 0 || h.Time >= s.before {
			hi = mid
			continue
		}
		from.Offset, lo = off, off+1
	}
	return from, nil
}
