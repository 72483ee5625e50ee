package writer

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
)

// group lets the goroutines of a handle share syncs. The first one that asks after
// a sync has begun leads the next batch of them: it waits for its turn while others
// join, then syncs for all. So the next leader stands ready when a sync ends, and
// does not have to be found among those whom it has let go.
type group struct {
	mu   sync.Mutex
	next *batch
	// known is a position up to which all was on disk at some time, under some
	// page. It spares those who wait a look at the page.
	known atomic.Uint64
	last  atomic.Int64 // size of the last batch
}

// batch is the goroutines that one sync is for.
type batch struct {
	want control.Pos   // the furthest that any of them has asked for
	size int           // how many they are
	done chan struct{} // closed when the leader is
	err  error         // what the leader has waited for in vain, and with it all of them
}

// join puts the caller into the next batch. leads is whether it is to lead that.
func (g *group) join(pos control.Pos) (b *batch, leads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if leads = g.next == nil; leads {
		g.next = &batch{done: make(chan struct{})}
	}
	g.next.want = max(g.next.want, pos)
	g.next.size++
	return g.next, leads
}

// begin closes the batch of the caller, who leads it: those who ask from now on may
// have appended too late. It returns how far to sync.
func (g *group) begin(b *batch) control.Pos {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == b {
		g.next = nil
		g.last.Store(int64(b.size))
	}
	return b.want
}

// size is how many have joined b.
func (g *group) size(b *batch) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return b.size
}

// shared is whether the last sync was for more than one.
func (g *group) shared() bool { return g.last.Load() > 1 }

// end lets the batch go, and with it the caller, who leads it.
func (g *group) end(b *batch) {
	g.begin(b) // if it has not come to that
	close(b.done)
}

// waiting is whether there is a next batch.
func (g *group) waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.next != nil
}

// have notes that everything below pos is on disk.
func (g *group) have(pos control.Pos) {
	for old := g.known.Load(); old < uint64(pos) && !g.known.CompareAndSwap(old, uint64(pos)); old = g.known.Load() {
	}
}

// syncTo makes everything below pos durable (S1 to S6) and returns the page it
// went by, nil if it needed none.
func (w *Writer) syncTo(pos control.Pos) (*control.Page, error) {
	for {
		if w.group.known.Load() >= uint64(pos) {
			w.count.shared.Add(1)
			return nil, nil
		}
		b, leads := w.group.join(pos)
		if leads {
			page, err := w.lead(b, pos)
			if w.group.waiting() && w.sys.step == nil {
				// The next leader was made runnable last, so it runs first when this
				// goroutine yields; its whole batch waits for it.
				runtime.Gosched()
			}
			return page, err
		}
		w.await(b.done)
		if b.err != nil && w.group.known.Load() < uint64(pos) {
			return nil, b.err
		} // if it was in vain for another reason, see for ourselves
	}
}

// await waits for a leader.
func (w *Writer) await(done <-chan struct{}) {
	if w.sys.step == nil {
		<-done
		return
	}
	for {
		select {
		case <-done:
			return
		default:
			w.sys.step("wait")
		}
	}
}

// muster lets others run until no more of them join b, which the caller leads: those
// whom the last sync has let go append now, most of them together, and would wait for
// the next sync otherwise. The caller holds syncMu.
func (w *Writer) muster(b *batch) {
	begin := time.Now()
	for last, quiet := 0, 0; quiet < quietYields; {
		if time.Since(begin) > w.pace.mean {
			return // others have better things to do than to append
		}
		runtime.Gosched()
		if n := w.group.size(b); n > last {
			last, quiet = n, 0
		} else {
			quiet++
		}
	}
}

// quietYields is how many yields in which nobody joins end a muster. Who appends is
// let run up to three times until it does: in the line, as its leader, behind that.
const quietYields = 3

// Group commit pays most if every process that syncs again and again is in the same
// group. Left alone two groups form, of which one syncs while the other appends, and a
// sync covers half of them. So a sync waits a moment for those whom the last one has
// let go, as long as they keep coming.
type pace struct {
	ticked time.Time
	mean   time.Duration // of the last syncs
	misses int           // times in a row that not all have come
	skip   int           // syncs that do not wait, because of that
}

const (
	// gap is how long nobody may come until a sync waits no longer: some times what
	// it takes to be woken, and to append.
	gap = 40 * time.Microsecond
	// maxMisses bounds how seldom a sync tries in vain: once in 2^maxMisses.
	maxMisses = 6
)

// tick lets the scheduler of Go run, now and then, in front of a system call that
// blocks. Its monitor takes the processor away from any system call of a goroutine
// that was not scheduled anew for 10 ms, and looks every 20 us then: a third of what a
// durable record of one among eight processes costs (Go 1.26, runtime.retake).
func (p *pace) tick() {
	if now := time.Now(); now.Sub(p.ticked) > 4*time.Millisecond {
		p.ticked = now
		runtime.Gosched()
	}
}

// took notes the duration of a sync.
func (p *pace) took(d time.Duration) { p.mean += (d - p.mean) / 8 }

// gather waits until as many other handles wait for the sync lock as took part in
// the last sync; never for longer than a sync takes, for then it would be better to
// have begun. Goroutines that the last sync has let go may append first, if it was
// for several. It does not sleep: to be woken would take longer than what there is to
// wait for. Others get the processor whenever they want it.
func (p *pace) gather(page *control.Page) {
	want := page.Expected()
	if want == 0 {
		return
	}
	if p.skip > 0 {
		p.skip--
		return
	}
	begin := time.Now()
	for last, have := begin, 0; ; host.Yield() {
		n, now := page.Came(), time.Now()
		if n >= want {
			p.misses = 0
			return
		}
		if n > have {
			have, last = n, now
		}
		if now.Sub(last) > gap || now.Sub(begin) > p.mean {
			p.misses = min(p.misses+1, maxMisses)
			p.skip = 1<<p.misses - 2
			return
		}
	}
}
