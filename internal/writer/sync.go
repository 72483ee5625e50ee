package writer

import (
	"errors"
	"fmt"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/invariant"
	"github.com/manypen/manypen/internal/segment"
)

// What syncTo cannot settle by itself.
var (
	// errFailed: an fdatasync failed, here or in another process.
	errFailed = errors.New("sync failed")
	// errUntrusted: a process died while it synced, and our descriptor is too
	// young to know how that ended; or the page is not to be believed any more.
	errUntrusted = errors.New("an earlier sync ended without a result")
)

// Sync makes everything durable that is in the journal now, by whomever it was
// appended.
func (w *Writer) Sync() error {
	pos, err := w.present()
	if err != nil {
		return w.located("sync", err)
	}
	err = w.SyncTo(pos)
	if errors.Is(err, ErrOutcomeUnknown) {
		w.lock(&w.mu)
		w.untold = false
		w.mu.Unlock()
	}
	return err
}

// present is the end of the journal, or a place behind everything that anybody has
// acknowledged before the call. It reports records of unknown outcome that nobody
// was told of, once.
func (w *Writer) present() (control.Pos, error) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	if err := w.catchUp(); err != nil {
		return 0, err
	}
	if w.untold {
		w.untold = false
		return 0, &segment.Error{Op: "sync", Path: w.dir.Path, Err: ErrOutcomeUnknown}
	}
	size, err := w.cur.Size()
	return control.At(w.cur.Number, size), w.cur.ErrorAt("sync", 0, err)
}

// catchUp brings this handle to the page and the segment that are in use now. The
// caller holds mu.
func (w *Writer) catchUp() error {
	if err := w.beAttached(); err != nil {
		return err
	}
	// Others may have left this page and gone on under another one, of which this one
	// knows nothing; it was out of its place before they did.
	linked, err := w.page.Linked()
	if err != nil {
		return &segment.Error{Op: "stat", Path: w.dir.Path, Err: err}
	}
	if !linked {
		w.stale = true
		if err := w.beAttached(); err != nil {
			return err
		}
	}
	// Or they may be in a later segment, which nobody uses before it is active.
	for w.page.Active() > w.cur.Number {
		if err := w.follow(); err != nil {
			return err
		}
		if err := w.beAttached(); err != nil {
			return err
		}
	}
	return nil
}

// beAttached attaches to a new page if the old one has to be left. The caller
// holds mu.
func (w *Writer) beAttached() error {
	if w.closed {
		return ErrClosed
	}
	if w.stale {
		return w.attach()
	}
	return nil
}

// SyncTo makes everything below pos durable. It returns ErrOutcomeUnknown if
// that failed, or if pos was caught in an earlier failure.
func (w *Writer) SyncTo(pos control.Pos) error {
	for {
		page, err := w.syncTo(pos)
		switch {
		case err == nil && !w.doubtful.Load():
			// No record of this handle was ever caught in a failure. Had this one
			// been, that was noted before there was a page that covers it.
			return nil
		case err != nil && !errors.Is(err, errUntrusted) && !errors.Is(err, errFailed):
			return w.located("sync", err)
		}
		if done, err := w.settleSync(pos, page, err); done {
			return w.located("sync", err)
		}
	}
}

// settleSync decides what the result of syncTo on a page means for pos.
func (w *Writer) settleSync(pos control.Pos, page *control.Page, err error) (done bool, _ error) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	if err := w.doubted(pos); err != nil {
		return true, err
	}
	if err == nil {
		return true, nil
	}
	if w.page != page {
		return false, nil // somebody else has left that page meanwhile
	}
	if w.afterSync(err) {
		return true, w.unknown(pos, err)
	}
	// Recovery makes everything durable that is in the journal, and attach
	// looks for what this writer put there.
	if err := w.beAttached(); err != nil {
		return true, err
	}
	return false, nil
}

// doubted returns ErrOutcomeUnknown if pos lies in a stretch of doubt.
func (w *Writer) doubted(pos control.Pos) error {
	for _, d := range w.doubts {
		if d.from < pos && pos <= d.to {
			return w.unknown(pos, errors.New("an earlier sync failed"))
		}
	}
	return nil
}

// doubt notes a stretch of unknown outcome. The caller holds mu.
func (w *Writer) doubt(d doubt) {
	invariant.Held(&w.mu, "mu")
	w.doubts = append(w.doubts, d)
	w.doubtful.Store(true)
	if d.from < w.loose {
		w.untold = true // to whoever asks for all there is, once
	}
}

func (w *Writer) unknown(pos control.Pos, cause error) error {
	return &segment.Error{Op: "sync", Path: w.dir.Path, Segment: pos.Segment(), Offset: pos.Offset(),
		Err: fmt.Errorf("%w: %w", ErrOutcomeUnknown, cause)}
}

// afterSync takes an error of syncTo after which the page must be left: attach
// does that before the next append. It returns true after a failed fdatasync,
// which puts all in doubt that this writer has not synced. The caller holds mu.
func (w *Writer) afterSync(err error) (doubtful bool) {
	invariant.Held(&w.mu, "mu")
	switch {
	case errors.Is(err, errUntrusted):
		w.stale, w.leave = true, true
	case errors.Is(err, errFailed):
		w.stale = true
		if w.cur != nil { // else an attach has failed, and need says what is in doubt
			w.doubt(doubt{from: w.page.Syn(), to: control.At(w.cur.Number, w.cur.last)})
		}
		return true
	}
	return false
}

// startSync syncs to pos in the background. Nothing depends on it: an error is
// found on the page, or again by whoever needs the sync.
func (w *Writer) startSync(pos control.Pos) {
	w.background.Add(1)
	w.sys.start(func() {
		defer w.background.Done()
		_, _ = w.syncTo(pos)
	})
}

// lead makes durable what batch b wants; pos is what the caller needs.
func (w *Writer) lead(b *batch, pos control.Pos) (page *control.Page, err error) {
	w.lock(&w.syncMu)
	defer w.syncMu.Unlock()
	defer w.group.end(b) // before the next leader is woken: see syncTo
	page = w.page
	if page == nil {
		return nil, ErrClosed
	}
	locked, err := w.lockPage(page, pos)
	if err != nil {
		if errors.Is(err, ErrTimeout) {
			b.err = err
		}
		return page, err
	}
	if locked {
		if w.sys.step == nil {
			if w.group.shared() {
				w.muster(b)
			}
			w.pace.gather(page)
		}
		before := w.count.syncs.Load()
		err = w.syncLocked(page, w.group.begin(b))
		if w.count.syncs.Load() > before {
			w.count.group(b.size) // nobody joins it any more
		}
		if err != nil && page.Believable() && page.Syn() >= pos {
			err = nil // what failed lies behind it, and is told to who asks for that
		}
		w.at("S6")
		if uerr := page.Unlock(); err == nil && uerr != nil { // S6
			err = uerr
		}
	}
	if page.Believable() {
		w.group.have(page.Syn())
	}
	w.unpin()
	return page, err
}

// lockPage takes the sync lock, unless the sync of another process has made it
// needless (S1, S2). The lock is not waited for in the kernel: its holder may be
// stopped, and that must cost the others a time-out and not all their syncs.
func (w *Writer) lockPage(page *control.Page, pos control.Pos) (locked bool, err error) {
	// What is waited, and not what the clock says: this process may itself be
	// stopped for a while.
	left := w.opt.Timeout
	came := false // in turn last
	for last := uint32(0); ; {
		turn := page.Turn() // before the look, so that no turn is missed
		switch {            // S1
		case !page.Believable():
			return false, errUntrusted
		case page.Syn() >= pos: // one of the others may lead if that is not enough for them
			w.count.shared.Add(1)
			return false, nil
		case page.Bad():
			return false, errFailed
		}
		if locked, err := page.TryLock(); locked || err != nil { // S2
			return locked, err
		}
		if left <= 0 {
			return false, &segment.Error{Op: "sync", Path: w.dir.Path, Segment: pos.Segment(), Err: fmt.Errorf(
				"%w: the process that syncs is stopped, or the disk is slow", ErrTimeout)}
		}
		if w.sys.step != nil {
			w.sys.step("wait")
			left -= lookAgain
			continue
		}
		if !came || turn != last {
			page.Come()
			came, last = true, turn
		}
		w.pace.tick()
		begin, most := time.Now(), min(left, lookAgain)
		if err := page.Await(turn, most); err != nil {
			return false, err
		}
		left -= min(time.Since(begin), most)
	}
}

// lookAgain is how long a waiter relies on being woken: the death of the holder
// frees the lock and wakes nobody. The longer it is the more likely a process that
// comes only then takes the lock; its descriptors are too young to be trusted (S3), and
// it would have to recover.
const lookAgain = 2 * time.Millisecond

// syncLocked is S3 to S5, one attempt for each segment, oldest first: so the
// only segment whose error can have been seen by somebody dead is the first
// that is not synced, and one pair of counters serves all (I12, C42 to C44).
func (w *Writer) syncLocked(page *control.Page, pos control.Pos) error {
	invariant.Held(&w.syncMu, "syncMu")
	if page.Syn() >= pos { // since it was looked at
		w.count.shared.Add(1)
	}
	for page.Syn() < pos {
		if page.Bad() {
			return errFailed
		}
		n := page.Syn().FirstUnsynced()
		p := w.pinned(n)
		if p == nil {
			there, err := w.dir.Exists(n)
			if err != nil {
				return err
			}
			if there || n >= pos.Segment() {
				return errUntrusted // it should be open here (R7)
			}
			attempt, ok := page.Begin()
			if !ok {
				return errUntrusted
			}
			page.Succeeded(attempt, control.At(n, control.End)) // retention has removed it
			continue
		}
		w.at("S3")
		if !page.Trusts(p.sample) { // S3
			return errUntrusted
		}
		whole := n < pos.Segment() || pos.Offset() == control.End
		if err := w.syncSegment(page, p, whole); err != nil {
			return err
		}
	}
	return nil
}

// syncSegment is S4 and S5 for one segment. whole says that this writer knows it
// to be sealed, for it stands in a later one or has sealed it itself: then every
// append below the limit has ended, and what is synced is all there is, to END.
// A size at or beyond the limit does not say so: a write across the limit may
// still be under way (C40).
func (w *Writer) syncSegment(page *control.Page, p *pin, whole bool) error {
	attempt, ok := page.Begin() // S4
	if !ok {
		return errUntrusted
	}
	w.at("S4")
	end, err := p.Size() // before the sync: what is appended meanwhile is not in it (C18)
	if err != nil {
		return p.ErrorAt("sync", 0, err)
	}
	if whole {
		end = control.End
	}
	w.pace.tick()
	begin := time.Now()
	err = w.sys.syncData(p.F)
	took := time.Since(begin)
	w.pace.took(took)
	w.count.synced(took, err)
	if err != nil {
		// S5. Published before anybody is told, and never tried again: the
		// kernel has marked the pages clean, a second call would lie.
		w.at("S5")
		page.Failed()
		return fmt.Errorf("%w: %w", errFailed, p.ErrorAt("sync", 0, err))
	}
	w.at("S5")
	page.Succeeded(attempt, control.At(p.Number, end))
	return nil
}

// unpin closes segments that are wholly synced (R8). The caller holds syncMu.
// cur is never among them as long as it takes records; afterwards moveTo has
// replaced it.
func (w *Writer) unpin() {
	invariant.Held(&w.syncMu, "syncMu")
	lo := w.page.Syn().FirstUnsynced()
	for len(w.pins) > 1 && w.pins[0].Number < lo {
		// Nothing was written through it that is not on disk; Close has no
		// news about a file that was synced.
		_ = w.pins[0].Close()
		w.pins = w.pins[1:]
	}
}

// Synced reports whether everything below pos is known to be durable.
func (w *Writer) Synced(pos control.Pos) bool { return w.synced() >= pos }

// synced is the position below which everything is known to be durable, 0 if nothing
// is known.
func (w *Writer) synced() control.Pos {
	w.lock(&w.syncMu)
	defer w.syncMu.Unlock()
	if w.page == nil || !w.page.Believable() {
		return 0
	}
	return w.page.Syn()
}
