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
