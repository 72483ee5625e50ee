package journal

import (
	"context"
	"iter"
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
		defer j.readers.following()()
		r := j.dir.NewReader(segment.ReaderOptions{From: from})
		defer r.Close() // only read from
		j.news.join(j)
		defer j.news.leave()
		defer context.AfterFunc(ctx, j.news.nudge)()
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
			if ctx.Err() != nil {
				return
			}
			pause = min(2*pause, maxPause)
			if waited, told := j.news.wait(); !waited {
				if told {
					pause = toldPause
				}
				timer.Reset(pause)
				select {
				case <-ctx.Done():
				case <-j.closed:
				case <-news:
				case <-timer.C:
				}
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
	// Arm makes sure that whoever has not seen something will be told of it.
	Arm()
	// Wait returns when there may be news, or after a time, or because of Nudge,
	// also if that was called before. One goroutine at a time calls it.
	Wait(max time.Duration) error
	Nudge()
	Close() error
}

// newsroom tells all followers of a handle. One of them sleeps at the source, and
// the others on a channel: a thousand followers shall not hold a thousand threads,
// and a single one shall not have to be told by another goroutine.
type newsroom struct {
	mu        sync.Mutex
	followers int
	source    newsSource    // nil: there is none
	asleep    bool          // somebody is at the source
	failed    time.Time     // when the last source did
	next      chan struct{} // closed when there is news
	shut      bool
	sleepers  sync.WaitGroup // of 0 or 1
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
		n.drop() // nobody sleeps
	}
}

// nudge lets all followers look whether they are still wanted.
func (n *newsroom) nudge() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.source != nil {
		n.source.Nudge()
	}
}

// close lets the source go. Followers that are still there find out that the
// journal is closed.
func (n *newsroom) close() {
	n.mu.Lock()
	n.shut = true
	if n.source != nil {
		n.source.Nudge()
	}
	n.mu.Unlock()
	n.sleepers.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop()
}

// drop is called with mu held, while nobody sleeps at the source.
func (n *newsroom) drop() {
	if n.source != nil {
		_ = n.source.Close() // only listened to
		n.source = nil
	}
}

// start is called with mu held. Without a source followers look by themselves.
func (n *newsroom) start(j *Journal) {
	if n.source != nil || n.shut || time.Since(n.failed) < retrySource {
		return
	}
	if j.w != nil {
		news, ok := j.w.News()
		if !ok {
			return
		}
		n.source = news
	} else {
		w, err := host.WatchDir(j.dir.F)
		if err != nil {
			n.failed = time.Now()
			return
		}
		n.source = dirNews{w}
	}
	if n.next == nil {
		n.next = make(chan struct{})
	}
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

// wait sleeps at the source if nobody does, and then tells all others. told is
// whether there is a source.
func (n *newsroom) wait() (waited, told bool) {
	n.mu.Lock()
	source := n.source
	if source == nil || n.asleep || n.shut {
		n.mu.Unlock()
		return false, source != nil
	}
	n.asleep = true
	n.sleepers.Add(1)
	defer n.sleepers.Done()
	n.mu.Unlock()
	err := source.Wait(toldPause)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asleep = false
	if err != nil {
		n.failed = time.Now()
		n.drop()
	}
	close(n.next)
	n.next = make(chan struct{})
	return true, true
}

// dirNews has nothing to arm: the kernel tells of every write.
type dirNews struct{ *host.DirWatch }

func (d dirNews) Arm() {}

var _ newsSource = (*writer.News)(nil)
