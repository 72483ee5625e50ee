package journal

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/internal/writer"
)

// Follow returns the records from position from on and then waits for further
// ones, by whomever they are appended, until the context is done, which ends
// the sequence without an error. A record that is being written, or was torn,
// is never handed out. Errors are as for Records; of ErrPruned, which a follower
// gets that was too slow for retention, [GoneError] tells the oldest position left.
//
// A follower sleeps until an append wakes it: by the control file, or, if the
// handle is read-only, by inotify. Where neither can be had it looks every 50
// microseconds to 2 milliseconds.
func (j *Journal) Follow(ctx context.Context, from Position) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := j.dir.NewReader(segment.ReaderOptions{From: from})
		defer r.Close() // only read from
		j.news.join(j)
		defer j.news.leave()
		timer := time.NewTimer(0)
		defer timer.Stop()
		pause := minPause
		var news <-chan struct{}
		for {
			before := r.Position()
			if !j.deliver(r, from, func(rec Record, err error) bool {
				return ctx.Err() == nil && yield(rec, err) && ctx.Err() == nil
			}) {
				return
			}
			if r.Position() != before {
				news, pause = nil, minPause
				continue
			}
			if news == nil {
				// Only who has armed is told, and what came before that is found by
				// looking once more.
				news = j.news.arm(j)
				continue
			}
			if pause = min(2*pause, maxPause); j.news.told() {
				pause = toldPause
			}
			timer.Reset(pause)
			select {
			case <-ctx.Done():
				return
			case <-j.closed:
				yield(Record{}, ErrClosed)
				return
			case <-news:
			case <-timer.C:
			}
			news = nil
		}
	}
}

// A follower whom nobody tells looks again after a pause that grows while nothing
// happens: at most 2 ms late, at less than one in a hundred of a core. One who is
// told looks too, since that is a hint and no promise.
const (
	minPause  = 50 * time.Microsecond
	maxPause  = 2 * time.Millisecond
	toldPause = 50 * time.Millisecond
)

// newsSource is where news of appends come from.
type newsSource interface {
	Arm()        // whoever has not seen something will be told of it
	Wait() error // until there may be news; one goroutine calls it
	Stop()       // ends Wait
	Close() error
}

// newsroom tells all followers of a handle. One goroutine sleeps for all of them,
// while there are any: a thousand followers shall not hold a thousand threads.
type newsroom struct {
	mu        sync.Mutex
	followers int
	source    newsSource    // nil: there is none
	failed    time.Time     // when the last one did
	next      chan struct{} // closed when there is news
	shut      bool
	waiting   sync.WaitGroup // the goroutine of each source
}

// retrySource is how long followers look by themselves after a source has failed.
const retrySource = time.Second

func (n *newsroom) join(j *Journal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.followers++
	n.start(j)
}

func (n *newsroom) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.followers--; n.followers == 0 {
		n.stop()
	}
}

// close ends the source, and waits until it has ended.
func (n *newsroom) close() {
	n.mu.Lock()
	n.shut = true
	n.stop()
	n.mu.Unlock()
	n.waiting.Wait()
}

// stop is called with mu held.
func (n *newsroom) stop() {
	if n.source != nil {
		n.source.Stop()
		n.source = nil
	}
}

// start is called with mu held. Without a source followers look by themselves.
func (n *newsroom) start(j *Journal) {
	if n.source != nil || n.shut || time.Since(n.failed) < retrySource {
		return
	}
	var source newsSource
	if j.w != nil {
		news, ok := j.w.News()
		if !ok {
			return
		}
		source = news
	} else {
		w, err := host.WatchDir(j.dir.F)
		if err != nil {
			n.failed = time.Now()
			return
		}
		source = dirNews{w}
	}
	n.source = source
	if n.next == nil {
		n.next = make(chan struct{})
	}
	n.waiting.Go(func() { n.run(source) })
}

// run hands on what source tells until it is stopped or fails.
func (n *newsroom) run(source newsSource) {
	for err := error(nil); err == nil; {
		err = source.Wait()
		n.mu.Lock()
		if n.source != source {
			err = ErrClosed // it was stopped
		} else if err != nil {
			n.source, n.failed = nil, time.Now()
		}
		close(n.next)
		n.next = make(chan struct{})
		n.mu.Unlock()
		// The next Wait blocks this thread, with the processor that the followers who
		// were just made runnable are queued at: let them run first, or another thread
		// has to be woken to find them.
		runtime.Gosched()
	}
	_ = source.Close() // only listened to
}

// arm returns a channel that is closed when there is news from now on.
func (n *newsroom) arm(j *Journal) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start(j)
	if n.source != nil {
		n.source.Arm()
		return n.next
	}
	return noNews
}

// noNews is what a follower listens to whom nobody tells.
var noNews = make(chan struct{})

// told reports whether there is a source.
func (n *newsroom) told() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.source != nil
}

// dirNews has nothing to arm: the kernel tells of every write.
type dirNews struct{ *host.DirWatch }

func (d dirNews) Arm()         {}
func (d dirNews) Stop()        { d.DirWatch.Close() } // ends Wait
func (d dirNews) Close() error { return nil }

var _ newsSource = (*writer.News)(nil)
