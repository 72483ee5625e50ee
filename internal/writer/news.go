package writer

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/control"
)

// tell wakes those who follow the journal, after every append, whatever became of
// it: a fragment or a new segment may be what they wait for. The caller holds mu.
func (w *Writer) tell() {
	if w.page != nil {
		// Who is not woken looks by himself after a while (see AwaitNews).
		_ = w.page.Tell()
	}
}

// News is where a handle waits for appends of any process. It has the control file
// open by itself, so that neither the writer's leaving of a page nor its closing
// takes away what somebody sleeps on.
type News struct {
	w       *Writer
	mu      sync.RWMutex // for writing only by the goroutine that calls Wait
	page    *control.Page
	seen    uint32
	stopped atomic.Bool
}

// newsCheck is the longest sleep: then the page is held against the file.
const newsCheck = 100 * time.Millisecond

// News returns where to wait, or false if the handle shares nothing with others. It
// must be closed before the writer is.
func (w *Writer) News() (*News, bool) {
	if !w.shared {
		return nil, false
	}
	return &News{w: w}, true
}

// Arm makes sure that an append from now on ends a Wait. The caller looks for
// records after it. Any number of goroutines may call it.
func (n *News) Arm() {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.page != nil {
		n.page.Arm()
	}
}

// Wait sleeps until there may be something new. It may return early, and with an
// error at once. One goroutine calls it.
func (n *News) Wait() error {
	if n.page == nil {
		page, err := control.Open(n.w.dir.F, n.w.identity())
		if err != nil {
			return err // none that can be used, at the moment
		}
		n.mu.Lock()
		n.page, n.seen = page, page.News()
		n.mu.Unlock()
		return nil // nobody has armed it yet
	}
	if !n.stopped.Load() && n.page.News() == n.seen {
		if err := n.page.AwaitNews(n.seen, newsCheck); err != nil {
			return err
		}
	}
	if now := n.page.News(); now != n.seen {
		n.seen = now
		return nil
	}
	if linked, err := n.page.Linked(); err != nil || linked && !n.page.Bad() {
		return err
	}
	return n.leave() // writers have gone on under another page
}

func (n *News) leave() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	page := n.page
	n.page = nil
	return page.Close()
}

// Stop ends the Wait that is under way. It wakes all others too, which costs them a
// look.
func (n *News) Stop() {
	n.stopped.Store(true)
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.page != nil {
		_ = n.page.Call() // it would end by itself
	}
}

// Close lets the page go. Nobody may be in another method.
func (n *News) Close() error {
	if n.page == nil {
		return nil
	}
	return n.leave()
}
