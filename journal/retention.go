package journal

import (
	"errors"
	"io/fs"
	"math"
	"sync/atomic"
	"time"
)

// Retention says what a journal keeps. Whole segments are removed, oldest first and
// never the newest, as soon as any of the limits gives them up. The zero Retention
// keeps everything.
type Retention struct {
	// MaxAge is how old a record may become. A segment goes when the newest record
	// in it is older, which is told by when its successor was begun. One that seems
	// to have been begun in the future, or behind a segment with a later time, says
	// nothing: where a clock has jumped, records are kept longer, not shorter.
	MaxAge time.Duration
	// MaxBytes is how much all segments may take up together, and MaxSegments how
	// many there may be. The newest counts.
	MaxBytes    int64
	MaxSegments int
	// Needed returns the oldest position that is still needed, by a consumer that
	// keeps its place for instance. Nothing at it or behind it is removed, whatever
	// the limits say; if it is the only limit, everything in front of it is. The
	// zero position keeps everything. It is called before each removal.
	Needed func() Position
}

// limits reports whether anything may be removed at all.
func (r *Retention) limits() bool {
	return r.MaxAge > 0 || r.MaxBytes > 0 || r.MaxSegments > 0 || r.Needed != nil
}

// Retain applies r now, and returns the numbers of the segments that were removed.
// What was not synced is synced before. It may run in several processes at once.
func (j *Journal) Retain(r Retention) (removed []uint64, err error) {
	if err := j.writable(); err != nil {
		return nil, err
	}
	return j.retain(r)
}

func (j *Journal) retain(r Retention) ([]uint64, error) {
	if !r.limits() {
		return nil, nil
	}
	numbers, err := j.dir.List()
	if err != nil {
		return nil, j.closing(err)
	}
	kept := keeper{retention: r, numbers: numbers, now: time.Now(), size: j.dir.SizeOf, begun: j.begun}
	if r.Needed != nil {
		kept.needed = r.Needed()
	}
	first, err := kept.first()
	if err != nil || len(numbers) == 0 || first <= numbers[0] {
		return nil, j.closing(err)
	}
	removed, err := j.prune(first)
	return removed, j.closing(err)
}

// begun is when segment n was made, the zero time if that cannot be told.
func (j *Journal) begun(n uint64) (time.Time, error) {
	info, err := j.segmentInfo(n)
	if errors.Is(err, ErrForeign) || errors.Is(err, fs.ErrNotExist) || err == nil && info.Created.UnixNano() == 0 {
		return time.Time{}, nil
	}
	return info.Created, err
}

// keeper finds out what a Retention keeps of the segments numbers.
type keeper struct {
	retention Retention
	needed    Position
	numbers   []uint64
	now       time.Time
	size      func(n uint64) (int64, error)
	begun     func(n uint64) (time.Time, error)
}

// first returns the lowest number that is kept.
func (k *keeper) first() (uint64, error) {
	var sizes []int64
	total := int64(0)
	if k.retention.MaxBytes > 0 {
		for _, n := range k.numbers {
			size, err := k.size(n)
			if err != nil {
				return 0, err
			}
			sizes = append(sizes, size)
			total += size
		}
	}
	for i, n := range k.numbers {
		if i == len(k.numbers)-1 || k.retention.Needed != nil && n >= k.needed.Segment {
			return n, nil
		}
		r := &k.retention
		goes := r.MaxSegments > 0 && len(k.numbers)-i > r.MaxSegments || r.MaxBytes > 0 && total > r.MaxBytes
		goes = goes || r.Needed != nil && r.MaxAge <= 0 && r.MaxBytes <= 0 && r.MaxSegments <= 0
		if !goes && r.MaxAge > 0 {
			var err error
			if goes, err = k.old(i); err != nil {
				return 0, err
			}
		}
		if !goes {
			return n, nil
		}
		if sizes != nil {
			total -= sizes[i]
		}
	}
	return math.MaxUint64, nil // there are none
}

// old reports whether everything in the i-th segment is older than MaxAge. The next
// segment whose time can be told was begun after its last record.
func (k *keeper) old(i int) (bool, error) {
	own, err := k.begun(k.numbers[i])
	if err != nil {
		return false, err
	}
	for _, n := range k.numbers[i+1:] {
		next, err := k.begun(n)
		if err != nil {
			return false, err
		}
		if next.IsZero() {
			continue
		}
		return !next.Before(own) && k.now.Sub(next) > k.retention.MaxAge, nil
	}
	return false, nil
}

// retainer applies a handle's Retention in the background: an append must not wait
// for the removal of files.
type retainer struct {
	j       *Journal
	segment atomic.Uint64 // that was appended to last
	wake    chan struct{}
	done    chan struct{}
	err     error // to be told by Close
}

func newRetainer(j *Journal) *retainer {
	r := &retainer{j: j, wake: make(chan struct{}, 1), done: make(chan struct{})}
	r.wake <- struct{}{}
	go r.run()
	return r
}

// appendedTo is called with the segment of each record.
func (r *retainer) appendedTo(n uint64) {
	if r.segment.Load() == n {
		return
	}
	r.segment.Store(n)
	select {
	case r.wake <- struct{}{}:
	default: // it is about to look
	}
}

func (r *retainer) run() {
	defer close(r.done)
	for {
		select {
		case <-r.j.closed:
			return
		case <-r.wake:
		}
		removed, err := r.j.retain(r.j.opt.Retention)
		switch f := r.j.opt.OnRetention; {
		case f != nil && (err != nil || len(removed) > 0):
			f(removed, err)
		case f == nil && err != nil:
			r.err = err
		}
	}
}

// close waits for the goroutine, and returns what nobody was told.
func (r *retainer) close() error {
	if r == nil {
		return nil
	}
	<-r.done
	return r.err
}
