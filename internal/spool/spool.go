// Package spool collects values in memory and hands them on in batches, in the
// order in which they came. It knows neither journals nor formats: what a batch
// becomes is a function of its owner's.
//
// There are two buffers. While one of them is handed on, values go into the
// other; when that is full too, callers wait, or are told so. A Spool has no
// goroutine unless it is to flush by time.
package spool

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/manypen/manypen/record"
)

// ErrFull: both buffers are full, and the caller did not want to wait.
var ErrFull = errors.New("the buffer is full, and what is in front of it is still being written")

// entryCost is what a value takes up in a batch beside its own bytes. It counts,
// so that a buffer of empty values comes to its end too.
const entryCost = 8

// Error says how many buffered records a failed flush was about. They are not
// in the journal; if Err is an error of unknown outcome, they may be.
type Error struct {
	Records int
	Err     error
}

func (e *Error) Error() string { return fmt.Sprintf("%d buffered records: %v", e.Records, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Options configures a Spool.
type Options struct {
	// Size is the number of bytes from which on a buffer is full. One value more
	// than that may be in it.
	Size int
	// Interval is how long a value stays in a buffer at most; 0 is no limit, and
	// needs no goroutine.
	Interval time.Duration
	// Append appends values, all or none of them, and waits until they are on disk
	// if durable is set. It is called by one goroutine at a time and keeps nothing.
	// What is too large together is given to it again one by one.
	Append func(values [][]byte, durable bool) error
	// Count, if set, is called with the number of values that an Append was about
	// and its error, before anybody who waits for them goes on. It must not use the
	// Spool.
	Count func(n int, err error)
	// After, if set, is called behind each flush with its error, a *Error, by the
	// goroutine that has flushed. No lock is held.
	After func(err error)
	// Closed is the error of a Put after Close.
	Closed error
}

// Spool is a buffer of values. It may be used by any number of goroutines.
type Spool struct {
	opt Options

	mu   sync.Mutex
	idle sync.Cond // a flush has ended, or the Spool was closed
	// fill takes values, spare is nil while it is being flushed.
	fill, spare *chunk
	flushing    bool
	closed      bool
	// failures counts flushes that have failed, and told is how many of them a
	// Flush has returned; last is the error of the newest.
	failures, told uint64
	last           error

	once sync.Once
	stop chan struct{} // nil: there is no goroutine
	done chan struct{}
}

// chunk is one of the two buffers.
type chunk struct {
	data    []byte
	ends    []int    // of the values in data
	values  [][]byte // of data, made when it is handed on
	durable bool     // somebody waits for the disk
	result  *result  // nil: nobody waits
}

// result is what became of a chunk, for who waits.
type result struct {
	done bool
	err  error
}

// New returns an empty Spool. It must be closed if it has an interval.
func New(opt Options) *Spool {
	s := &Spool{opt: opt, fill: new(chunk), spare: new(chunk)}
	s.idle.L = &s.mu
	if opt.Interval > 0 {
		s.stop, s.done = make(chan struct{}), make(chan struct{})
		go s.flushEvery(opt.Interval)
	}
	return s
}

// Put copies a value into the buffer, and flushes it if it is full then. If the
// other one is still being flushed and there is no room, it waits, or returns
// ErrFull if drop is set. Any other error, but for that of a closed Spool, is
// that of the flush; the value was among those that it is about.
func (s *Spool) Put(value []byte, drop bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.full() && s.flushing && !s.closed {
		if drop {
			return ErrFull
		}
		s.idle.Wait()
	}
	if s.closed {
		return s.opt.Closed
	}
	s.fill.add(value)
	if !s.full() || s.flushing {
		return nil
	}
	return s.flushLocked()
}

// PutWait is Put, and returns when the value and everything in front of it was
// handed on, and is on disk if durable is set. Those who wait at the same time
// share a flush.
func (s *Spool) PutWait(value []byte, durable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.full() && s.flushing && !s.closed {
		s.idle.Wait()
	}
	if s.closed {
		return s.opt.Closed
	}
	s.fill.add(value)
	return s.pushLocked(durable)
}

// Flush hands on what is in the buffer, and returns when everything that was put
// in before is handed on. Its error is the last one of the flushes, whoever did
// them, since a Flush told of one: nil says that nothing was lost since.
func (s *Spool) Flush(durable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.told
	if s.fill.len() > 0 {
		// The error is in last, where those of other goroutines' flushes are too.
		_ = s.pushLocked(durable)
	}
	for s.flushing {
		s.idle.Wait()
	}
	if s.failures == seen {
		return nil
	}
	// Several Flushes that began before one of them told return it all.
	s.told = s.failures
	return s.last
}

// Close flushes and ends the Spool. Further calls do nothing.
func (s *Spool) Close() error {
	var err error
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.idle.Broadcast()
		s.mu.Unlock()
		if s.stop != nil {
			close(s.stop)
			<-s.done
		}
		err = s.Flush(false)
	})
	return err
}

// Len is the number of values that are in the buffers, those that are being
// handed on not counted.
func (s *Spool) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fill.ends)
}

func (s *Spool) full() bool { return s.fill.len() >= s.opt.Size }

// pushLocked flushes the chunk that is being filled, or waits for whoever does.
func (s *Spool) pushLocked(durable bool) error {
	c := s.fill
	if c.result == nil {
		c.result = new(result)
	}
	c.durable = c.durable || durable
	r := c.result
	for !r.done {
		// The chunk is ours to flush as long as nobody else has taken it.
		if !s.flushing && s.fill.result == r {
			s.flushLocked()
		} else {
			s.idle.Wait()
		}
	}
	return r.err
}

// flushLocked hands on what is in the buffer. It lets go of the lock meanwhile;
// nobody else may be flushing.
func (s *Spool) flushLocked() error {
	c := s.fill
	s.fill, s.spare = s.spare, nil
	s.flushing = true
	var err error
	s.unlocked(func() { err = s.hand(c) })
	if err != nil {
		s.failures++
		s.last = err
	}
	if c.result != nil {
		c.result.done, c.result.err = true, err
	}
	c.reset(s.opt.Size)
	s.spare, s.flushing = c, false
	s.idle.Broadcast()
	if s.opt.After != nil {
		s.unlocked(func() { s.opt.After(err) })
	}
	return err
}

// unlocked calls f without the lock. If f panics, which is its owner's affair,
// those who have deferred to unlock still find it locked.
func (s *Spool) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// hand gives a chunk to Append.
func (s *Spool) hand(c *chunk) error {
	values := c.split()
	err := s.opt.Append(values, c.durable)
	if len(values) == 1 || !errors.Is(err, record.ErrTooLarge) {
		return s.count(len(values), err)
	}
	// The journal takes less at a time than the buffer holds.
	var first *Error
	for i := range values {
		err := s.count(1, s.opt.Append(values[i:i+1], c.durable))
		switch {
		case err == nil:
		case first == nil:
			first = err.(*Error)
		default:
			first.Records++
		}
	}
	if first == nil {
		return nil // and not an interface that holds a nil *Error
	}
	return first
}

// count tells of an Append and returns its error as that of a flush.
func (s *Spool) count(n int, err error) error {
	if s.opt.Count != nil {
		s.opt.Count(n, err)
	}
	if err == nil {
		return nil
	}
	return &Error{Records: n, Err: err}
}

// flushEvery is the goroutine that flushes by time.
func (s *Spool) flushEvery(interval time.Duration) {
	defer close(s.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		if s.fill.len() > 0 && !s.flushing {
			_ = s.flushLocked() // After has told; the next Flush returns it
		}
		s.mu.Unlock()
	}
}

func (c *chunk) len() int { return len(c.data) + entryCost*len(c.ends) }

func (c *chunk) add(value []byte) {
	c.data = append(c.data, value...)
	c.ends = append(c.ends, len(c.data))
}

// split returns the values.
func (c *chunk) split() [][]byte {
	c.values = c.values[:0]
	begin := 0
	for _, end := range c.ends {
		c.values = append(c.values, c.data[begin:end:end])
		begin = end
	}
	return c.values
}

// reset empties the chunk. Memory that one large value has needed is not kept.
func (c *chunk) reset(size int) {
	*c = chunk{data: c.data[:0], ends: c.ends[:0], values: c.values[:0]}
	if cap(c.data) > 4*size+4096 {
		c.data = nil
	}
}
