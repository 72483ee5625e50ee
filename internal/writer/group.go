package writer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/control"
)

// group lets the goroutines of a handle share syncs: one of them leads, and syncs
// for all that wait by then; the others wait for the end of that, most of them for
// nothing more.
type group struct {
	mu   sync.Mutex
	want control.Pos   // the furthest that anybody has asked for
	led  chan struct{} // closed when the leader is done; nil if there is none
	// known is a position up to which all was on disk at some time, under some
	// page. It spares the waiters a look at the page.
	known atomic.Uint64
}

// join makes the caller the leader, or waits for the one there is to end. It
// returns the position to sync to, 0 if the caller does not lead.
func (g *group) join(pos control.Pos, wait func(<-chan struct{})) control.Pos {
	g.mu.Lock()
	g.want = max(g.want, pos)
	if led := g.led; led != nil {
		g.mu.Unlock()
		wait(led)
		return 0
	}
	g.led = make(chan struct{})
	pos = g.want
	g.mu.Unlock()
	return pos
}

// leave ends the lead.
func (g *group) leave() {
	g.mu.Lock()
	close(g.led)
	g.led = nil
	g.mu.Unlock()
}

// have notes that everything below pos is on disk.
func (g *group) have(pos control.Pos) {
	for old := g.known.Load(); old < uint64(pos) && !g.known.CompareAndSwap(old, uint64(pos)); old = g.known.Load() {
	}
}

// syncTo makes everything below pos durable (S1 to S6) and returns the page it
// went by, nil if it needed none.
func (w *Writer) syncTo(pos control.Pos) (*control.Page, error) {
	deadline := time.Now().Add(w.opt.Timeout)
	for {
		if w.group.known.Load() >= uint64(pos) {
			w.count.shared.Add(1)
			return nil, nil
		}
		if to := w.group.join(pos, w.await); to != 0 {
			defer w.group.leave()
			return w.lead(pos, to, deadline)
		}
	}
}

// await waits for a leader.
func (w *Writer) await(led <-chan struct{}) {
	if w.sys.step == nil {
		<-led
		return
	}
	for {
		select {
		case <-led:
			return
		default:
			w.sys.step("wait")
		}
	}
}

// pace decides how long a sync may wait for others to join it. Guarded by
// Writer.syncMu.
type pace struct {
	mean   time.Duration // of the last syncs
	misses int           // times in a row that not all have come
	skip   int           // syncs that do not wait, because of that
}

// took notes the duration of a sync.
func (p *pace) took(d time.Duration) { p.mean += (d - p.mean) / 8 }

// patience is the share of a sync that it may wait for others: what it costs those
// who wait in vain at most, and what is won in time is a whole sync for each who
// comes.
const patience = 4 // one fourth

// gather waits for those who took part in the last sync, if that has been of use.
func (w *Writer) gather(page *control.Page) {
	p := &w.pace
	if p.skip > 0 {
		p.skip--
		return
	}
	if w.sys.step != nil {
		return
	}
	tried, all, err := page.Gather(min(p.mean/patience, time.Millisecond))
	switch {
	case err != nil || tried && !all:
		p.misses = min(p.misses+1, 6)
		p.skip = 1<<p.misses - 2
	case tried:
		p.misses = 0
	}
}
