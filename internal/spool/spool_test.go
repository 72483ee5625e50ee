package spool_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/internal/spool"
	"github.com/manypen/manypen/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errClosed = errors.New("closed")
	errSink   = errors.New("the sink is full")
)

// sink keeps what it is given.
type sink struct {
	mu    sync.Mutex
	got   []string
	calls []string
	limit int // of the values of one call together
	err   error
	after []error
	count map[bool]int // values that succeeded and failed
}

func (s *sink) append(values [][]byte, durable bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprint(len(values), " ", durable))
	size := 0
	for _, v := range values {
		size += len(v)
	}
	switch {
	case s.limit > 0 && size > s.limit:
		return &record.SizeError{What: "batch", Size: int64(size), Limit: int64(s.limit)}
	case s.err != nil:
		return s.err
	}
	for _, v := range values {
		s.got = append(s.got, string(v))
	}
	return nil
}

func (s *sink) spool(opt spool.Options) *spool.Spool {
	s.count = make(map[bool]int)
	opt.Append, opt.Closed = s.append, errClosed
	opt.Count = func(n int, err error) { s.count[err == nil] += n }
	opt.After = func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.after = append(s.after, err)
	}
	return spool.New(opt)
}

// What a batch may not hold goes one by one, and only what is too large alone is
// lost.
func TestTooLarge(t *testing.T) {
	s := &sink{limit: 10}
	sp := s.spool(spool.Options{Size: 1000})
	for _, v := range []string{"aaaaaa", "bbbbbb", strings.Repeat("c", 11), "d", strings.Repeat("e", 12)} {
		if err := sp.Put([]byte(v), false); err != nil {
			t.Fatal(err)
		}
	}
	err := sp.Flush(true)
	var lost *spool.Error
	if !errors.As(err, &lost) || lost.Records != 2 || !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("Flush returns %v", err)
	}
	if err := sp.Flush(true); err != nil {
		t.Errorf("and once more: %v", err)
	}
	if diff := cmp.Diff([]string{"aaaaaa", "bbbbbb", "d"}, s.got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"5 true", "1 true", "1 true", "1 true", "1 true", "1 true"}, s.calls); diff != "" {
		t.Error(diff)
	}
	if s.count[true] != 3 || s.count[false] != 2 || len(s.after) != 1 {
		t.Errorf("counted %v, told %v", s.count, s.after)
	}
	if err := sp.Close(); err != nil {
		t.Error(err)
	}
}

// Whatever is put, by whomever, comes out once and in the order in which each
// goroutine has put it; who waits finds it there.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := new(sink)
		opt := spool.Options{Size: rapid.IntRange(1, 400).Draw(t, "size")}
		if rapid.Bool().Draw(t, "by time") {
			opt.Interval = time.Microsecond
		}
		sp := s.spool(opt)
		goroutines := rapid.IntRange(1, 4).Draw(t, "goroutines")
		kinds := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 60).Draw(t, "kinds")
		errs := make(chan error, goroutines*len(kinds)+1)
		var all sync.WaitGroup
		for g := range goroutines {
			all.Go(func() {
				for i, kind := range kinds {
					v := fmt.Sprintf("%d %d", g, i)
					switch kind {
					case 0:
						errs <- errors.Join(sp.Put([]byte(v), false), sp.Flush(false))
					case 1:
						errs <- sp.PutWait([]byte(v), i%2 == 0)
					default:
						errs <- sp.Put([]byte(v), false)
						continue
					}
					s.mu.Lock()
					there := slices.Contains(s.got, v)
					s.mu.Unlock()
					if !there {
						errs <- fmt.Errorf("%s was waited for and is not there", v)
					}
				}
			})
		}
		all.Wait()
		errs <- sp.Close()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		next := make([]int, goroutines)
		for _, v := range s.got {
			var g, i int
			if _, err := fmt.Sscan(v, &g, &i); err != nil || i != next[g] {
				t.Fatalf("%q comes when %d is due: %v", v, next[g], err)
			}
			next[g]++
		}
		for g, n := range next {
			if n != len(kinds) {
				t.Fatalf("%d of %d values of goroutine %d", n, len(kinds), g)
			}
		}
	})
}

// Who waits for the disk while it is busy shares the next flush.
func TestGroups(t *testing.T) {
	held, hold := make(chan int), make(chan struct{})
	sp := spool.New(spool.Options{Size: 1 << 20, Append: func(values [][]byte, _ bool) error {
		held <- len(values)
		<-hold
		return nil
	}})
	var all sync.WaitGroup
	put := func() {
		all.Go(func() {
			if err := sp.PutWait([]byte("x"), true); err != nil {
				t.Error(err)
			}
		})
	}
	put()
	if n := <-held; n != 1 {
		t.Errorf("%d values at first", n)
	}
	const others = 5
	for range others {
		put()
	}
	for sp.Len() < others { // until all are waiting
		runtime.Gosched()
	}
	hold <- struct{}{}
	if n := <-held; n != others {
		t.Errorf("%d values in the second flush, want %d", n, others)
	}
	hold <- struct{}{}
	all.Wait()
	if err := sp.Close(); err != nil {
		t.Error(err)
	}
}

// A failure is returned by the call that met it, told to After, and by the next
// Flush, and to all Flushes that were under way.
func TestFailure(t *testing.T) {
	s := &sink{err: errSink}
	sp := s.spool(spool.Options{Size: 20})
	if err := sp.Put([]byte("1"), false); err != nil {
		t.Error(err)
	}
	if err := sp.PutWait([]byte("2"), false); !errors.Is(err, errSink) {
		t.Errorf("PutWait returns %v", err)
	}
	if err := sp.Put([]byte(strings.Repeat("3", 20)), false); !errors.Is(err, errSink) {
		t.Errorf("Put returns %v", err)
	}
	s.err = nil
	if err := sp.PutWait([]byte("4"), false); err != nil {
		t.Errorf("PutWait returns %v for others' failures", err)
	}
	if err := sp.Flush(false); !errors.Is(err, errSink) {
		t.Errorf("Flush returns %v", err)
	}
	if err := sp.Put([]byte("5"), false); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := sp.Close(); err != nil {
			t.Errorf("Close returns %v", err)
		}
	}
	if err := sp.Put([]byte("6"), false); err != errClosed {
		t.Errorf("Put returns %v after Close", err)
	}
	if err := sp.PutWait([]byte("7"), false); err != errClosed {
		t.Errorf("PutWait returns %v after Close", err)
	}
	if diff := cmp.Diff([]string{"4", "5"}, s.got); diff != "" {
		t.Error(diff)
	}
	if len(s.after) != 4 || s.after[2] != nil || s.after[3] != nil {
		t.Errorf("After was told %v", s.after)
	}
}

// Close lets go of those who wait for room.
func TestCloseWhileFull(t *testing.T) {
	held, hold := make(chan struct{}), make(chan struct{})
	sp := spool.New(spool.Options{Size: 1, Closed: errClosed, Append: func([][]byte, bool) error {
		held <- struct{}{}
		<-hold
		return nil
	}})
	stuck := make(chan error)
	go func() { stuck <- sp.Put([]byte("1"), false) }()
	<-held
	if err := sp.Put([]byte("2"), true); err != nil {
		t.Error(err)
	}
	if err := sp.Put([]byte("3"), true); err != spool.ErrFull {
		t.Errorf("Put returns %v", err)
	}
	waiting, closed := make(chan error), make(chan error)
	go func() { waiting <- sp.Put([]byte("4"), false) }()
	go func() { closed <- sp.Close() }()
	// The value that waits for room either finds the spool closed or, if Close was
	// not there yet, no room.
	if err := <-waiting; err != errClosed {
		t.Errorf("Put returns %v", err)
	}
	hold <- struct{}{}
	<-held // of value 2, by Close
	hold <- struct{}{}
	if err := errors.Join(<-stuck, <-closed); err != nil {
		t.Error(err)
	}
}

// A panic of After goes to the caller, and the spool goes on.
func TestPanic(t *testing.T) {
	s := new(sink)
	panics := true
	sp := spool.New(spool.Options{Size: 1000, Append: s.append, Closed: errClosed, After: func(error) {
		if panics {
			panics = false
			panic("no")
		}
	}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		t.Error(sp.PutWait([]byte("1"), false))
	}()
	if err := errors.Join(sp.Put([]byte("2"), false), sp.Close()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"1", "2"}, s.got); diff != "" {
		t.Error(diff)
	}
}
