package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/segment"
)

// Retention says what a journal keeps. The zero value keeps everything. Of several
// limits each one counts: what any of them gives up may go.
//
// Whole segments are removed, oldest first and never the newest, so what is left has
// no gaps and may be a segment more than a limit allows. Nothing is removed that is
// not on disk: what is to go is synced first. Readers, slow writers and other
// processes that retain may be at work at any time; see [Journal.Prune].
type Retention struct {
	// MaxAge is how old a record may become at least; 0 is no limit. A segment goes
	// when its newest record is older. As that was appended before the next segment
	// was begun, the time in that one's header decides and no record is read.
	//
	// The clock of a machine may have been wrong, and then a segment is kept rather
	// than removed: a time that lies in the future, or before that of an earlier
	// segment, does not count, and neither does one that cannot be read because the
	// header is damaged or another journal's. Then that of the next segment that has
	// a credible one counts, so such a segment goes later than it might, in its turn.
	// Against a clock that runs ahead when retention is applied nothing helps.
	MaxAge time.Duration
	// MaxBytes is the size of all segment files together, as they are listed, in
	// bytes; 0 is no limit. The newest counts, and grows until the next is begun. One
	// that recovery has closed counts up to its limit, though most of it may be a hole.
	MaxBytes int64
	// MaxSegments is their number; 0 is no limit.
	MaxSegments int
	// Before is a position in front of which nothing is kept; the zero position is
	// no limit.
	Before Position

	// Keep, if set, is asked each time for a position at and behind which nothing is
	// removed, whatever the limits say: where a consumer has saved that it will go
	// on. The zero position keeps everything. After an error nothing is removed, and
	// the error is returned. With MaxSegments: 1 all goes that the consumer is done
	// with. Keep binds this retention only: other processes must have the same.
	//
	// It is called with no lock held. It must neither close the journal nor wait for
	// somebody who does; while Close waits for it the journal's methods return
	// ErrClosed.
	Keep func() (Position, error)
}

// check returns what is wrong with r.
func (r Retention) check() error {
	switch {
	case r.MaxAge < 0:
		return fmt.Errorf("journal: Retention.MaxAge is %v; want a positive duration, or 0 for no limit", r.MaxAge)
	case r.MaxBytes < 0:
		return fmt.Errorf("journal: Retention.MaxBytes is %d bytes; want a positive number, or 0 for no limit", r.MaxBytes)
	case r.MaxSegments < 0:
		return fmt.Errorf("journal: Retention.MaxSegments is %d; want a positive number, or 0 for no limit", r.MaxSegments)
	}
	return nil
}

// limits reports whether there is any limit.
func (r Retention) limits() bool {
	return r.MaxAge > 0 || r.MaxBytes > 0 || r.MaxSegments > 0 || !r.Before.IsZero()
}

// held is the segments of a journal, oldest first, as far as retention looks at them.
type held struct {
	numbers []uint64
	size    func(i int) int64 // bytes
	created func(i int) int64 // Unix nanoseconds, 0 if that is not known
}

// goes returns how many of the segments may go: never the newest, nor what keep
// holds. It asks for as few sizes and times as it needs.
func (r Retention) goes(s held, keep *Position, now int64) int {
	last := len(s.numbers) - 1
	if last < 1 {
		return 0
	}
	n := 0
	if r.MaxSegments > 0 {
		n = max(n, len(s.numbers)-r.MaxSegments)
	}
	if !r.Before.IsZero() {
		n = max(n, s.before(r.Before))
	}
	if r.MaxBytes > 0 {
		n = max(n, s.beyond(r.MaxBytes))
	}
	if r.MaxAge > 0 {
		n = max(n, s.expired(now, int64(r.MaxAge)))
	}
	if keep != nil {
		n = min(n, s.before(*keep))
	}
	return min(n, last)
}

// before counts the segments that lie in front of p.
func (s held) before(p Position) int {
	for i, n := range s.numbers {
		if n >= p.Segment {
			return i
		}
	}
	return len(s.numbers)
}

// beyond counts the segments that have to go so that the others fit into limit bytes.
// Counted from the newest, it does not matter how many others have removed meanwhile.
func (s held) beyond(limit int64) int {
	for i := len(s.numbers) - 1; i >= 0; i-- {
		if limit -= s.size(i); limit < 0 {
			return i + 1
		}
	}
	return 0
}

// expired counts the segments that ended longer than age ago. A segment had ended when
// any later one was begun; times are believed as far as they do not lie in the future
// and do not go backwards.
func (s held) expired(now, age int64) int {
	n, latest := 0, int64(1)
	for i := range s.numbers {
		at := s.created(i)
		if at < latest || at > now {
			continue
		}
		if latest = at; i == 0 {
			continue // what it says is when it began
		}
		if at >= now-age {
			break // and so are those behind it
		}
		n = i
	}
	return n
}

// Retain removes the segments that r gives up, now, and returns which these were. With
// an error it may have removed some. Any number of handles and processes may do so at
// the same time: each segment is among what one of them returns.
//
// A handle does so by itself if Options.Retention is set. By hand it is for what
// nobody appends to any more, and for another moment than the beginning of a segment.
func (j *Journal) Retain(r Retention) (removed []SegmentInfo, err error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if err := j.writable(); err != nil {
		return nil, err
	}
	removed, err = j.retain(r)
	return removed, j.closing(err)
}

// Removable returns the segments that Retain would remove now. It changes nothing and
// works for a read-only handle too.
func (j *Journal) Removable(r Retention) ([]SegmentInfo, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	if j.isClosed() {
		return nil, ErrClosed
	}
	infos, err := j.removable(r)
	return infos, j.closing(err)
}

// retain is Retain, also while Close waits.
func (j *Journal) retain(r Retention) (removed []SegmentInfo, err error) {
	infos, err := j.removable(r)
	if len(infos) == 0 {
		return nil, err
	}
	j.durable.RLock() // Close waits
	defer j.durable.RUnlock()
	numbers, perr := j.w.Prune(infos[len(infos)-1].Number + 1)
	gone := make(map[uint64]bool)
	for _, n := range numbers {
		gone[n] = true
		j.files.drop(n)
	}
	for _, info := range infos {
		if gone[info.Number] {
			removed = append(removed, info)
		}
	}
	return removed, errors.Join(err, perr)
}

// removable may return segments and an error: that some header could not be read,
// which keeps no other segment from going.
func (j *Journal) removable(r Retention) ([]SegmentInfo, error) {
	if !r.limits() {
		return nil, nil
	}
	var keep *Position
	if r.Keep != nil {
		p, err := r.Keep()
		if err != nil {
			return nil, err
		}
		keep = &p
	}
	numbers, err := j.dir.List()
	if err != nil {
		return nil, err
	}
	var failed error
	n := r.goes(held{
		numbers: numbers,
		size: func(i int) int64 {
			size, err := j.dir.SizeOf(numbers[i])
			failed = errors.Join(failed, err)
			return size
		},
		created: func(i int) int64 {
			at, err := j.createdAt(numbers[i])
			failed = errors.Join(failed, err)
			return at
		},
	}, keep, time.Now().UnixNano())
	infos := make([]SegmentInfo, 0, n)
	for _, k := range numbers[:n] {
		info, err := j.segmentInfo(k)
		if errors.Is(err, os.ErrNotExist) {
			continue // another process has removed it
		}
		if err != nil { // it goes in its turn, whatever its header is
			size, err := j.dir.SizeOf(k)
			failed = errors.Join(failed, err)
			info = SegmentInfo{Number: k, Name: segment.Name(k), Size: size}
		}
		info.Sealed = true
		infos = append(infos, info)
	}
	return infos, failed
}

// createdAt is when segment n was begun, 0 if its header does not say that.
func (j *Journal) createdAt(n uint64) (int64, error) {
	f, err := j.dir.Open(n, os.O_RDONLY)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, ErrForeign), errors.Is(err, ErrVersion):
		return 0, nil
	case err != nil:
		return 0, err
	}
	defer f.Close() // only read from
	return f.Created, nil
}

// retainer applies Options.Retention in a goroutine of its own, so that an append that
// begins a segment does not pay for what is removed.
type retainer struct {
	wake     chan struct{} // has room for one: what is due is due once
	done     sync.WaitGroup
	failures atomic.Uint64
	last     error // of the last time, if no callback was told. For the goroutine, and then for Close
}

// due has retention applied soon. It never waits.
func (r *retainer) due() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// retainAlways is the goroutine. What is due when the handle is closed is done before
// Close returns: a program that ends right after it has begun a segment, again and
// again, would retain for ever otherwise.
func (j *Journal) retainAlways() {
	defer j.retainer.done.Done()
	for open := true; open; {
		select {
		case <-j.closed:
			open = false
			select {
			case <-j.retainer.wake:
			default:
				return
			}
		case <-j.retainer.wake:
		}
		removed, err := j.retain(j.opt.Retention)
		if err != nil {
			j.retainer.failures.Add(1)
		}
		if j.opt.OnRetention == nil {
			j.retainer.last = err
		} else if len(removed) > 0 || err != nil {
			j.opt.OnRetention(removed, err)
		}
	}
}

// retainAfter has retention applied when an append has failed for a reason that more
// space may remove: the next segment, which would bring it about, may not be begun.
func (j *Journal) retainAfter(err error) {
	var place *Error
	if j.retainer.wake != nil && errors.As(err, &place) {
		j.retainer.due()
	}
}
