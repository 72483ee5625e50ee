package writer

import (
	"errors"
	"sync"
	"time"

	"github.com/manypen/manypen/internal/control"
)

// tell wakes those who follow the journal, after every append, whatever became of
// it: a fragment or a new segment may be what they wait for. The caller holds mu.
func (w *Writer) tell() {
	if w.page != nil {
		w.page.Tell()
	}
}

// News is where a handle waits for appends of any process. It has the control file
// open by itself, so that neither the writer's leaving of a page nor its closing
// takes away what somebody sleeps on.
type News struct {
	w    *Writer
	mu   sync.RWMutex // for writing only by the goroutine that calls Wait
	page *control.Page
	seen uint32 // the news that the last Wait has told of, or earlier ones
}

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
		n.page.Listen()
	}
}

// Wait sleeps until there may be something new, and for no longer than max. It may
// return early. One goroutine at a time calls it.
func (n *News) Wait(max time.Duration) error {
	if n.page == nil {
		page, err := control.Open(n.w.dir.F, n.w.identity())
		if err != nil {
			return err // none that can be used, at the moment
		}
		n.mu.Lock()
		n.page, n.seen = page, page.News()
		n.mu.Unlock()
		return nil // those who wanted to arm could not
	}
	// Others have armed, and looked, after they did: what they may have missed is told
	// of by a change that comes behind seen.
	told, err := n.page.AwaitNews(n.seen, max)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	if told {
		n.seen = n.page.News()
		return nil
	}
	if linked, err := n.page.Linked(); err != nil || linked && !n.page.Bad() {
		return err
	}
	return n.Close() // writers have gone on under another page
}

// Nudge ends the Wait that is under way, or the next one. It wakes all others too,
// which costs them a look.
func (n *News) Nudge() {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.page != nil {
		n.page.Interrupt()
	}
}

// Close lets the page go. Nobody may be in Wait.
func (n *News) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	page := n.page
	if page == nil {
		return nil
	}
	n.page = nil
	return page.Close()
}
