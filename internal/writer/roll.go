package writer

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/invariant"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// beReady makes cur a segment that can take a record (A1). The caller holds mu.
func (w *Writer) beReady() error {
	invariant.Held(&w.mu, "mu")
	for {
		switch {
		case w.closed:
			return ErrClosed
		case w.stale:
			if err := w.attach(); err != nil {
				return err
			}
		case w.full:
			if err := w.roll(); err != nil {
				return err
			}
		case w.page.Active() > w.cur.Number:
			if err := w.follow(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// follow switches to the next segment because the page says there is one. If
// there is not, the page is not to be believed.
func (w *Writer) follow() error {
	next, err := w.locate(w.cur.Number + 1)
	if errors.Is(err, ErrDestroyed) {
		w.stale, w.leave = true, true
		return nil
	}
	if err != nil {
		return err
	}
	return w.moveTo(next)
}

// roll closes the current segment and makes the next one, or finds it made. Any
// number of writers may do so at once; nobody waits for another one's steps.
func (w *Writer) roll() error {
	cur := w.cur
	n := cur.Number
	if more, err := w.dir.Exists(n + 1); more || err != nil { // R1
		if err != nil {
			return err
		}
		return w.moveTo(n + 1)
	}
	if n >= segment.MaxNumber {
		return cur.ErrorAt("roll", 0, ErrFull)
	}
	w.at("R2")
	if err := w.seal(cur.File); err != nil { // R2'
		return err
	}
	size, err := cur.Size() // behind the seal: what is added from now on is void
	if err != nil {
		return cur.ErrorAt("roll", 0, err)
	}
	if b := uint64(cur.Ahead); n > b { // R3
		if _, err := w.syncTo(control.At(n-b, control.End)); err != nil {
			w.afterSync(err)
			if errors.Is(err, ErrTimeout) {
				// Whoever has the sync lock is stopped. That must not keep records
				// out of the journal: leave the page to him, as if he had died.
				w.stale, w.leave = true, true
			}
			if w.stale {
				// Attach recovers, and makes a new segment by that. What could not
				// be synced is not what is to be appended: the next Sync tells.
				return nil
			}
			return cur.ErrorAt("roll", 0, err)
		}
	}
	w.at("R4")
	next, err := w.create(n, cur.Limits, size) // R4, R5
	if err != nil || w.stale {
		return err
	}
	w.at("R6")
	if next == n+1 { // it was made here, or by another one that may have died
		if err := w.sys.syncDir(w.dir.F); err != nil { // R6
			return err
		}
		w.page.RaiseActive(next)
	}
	if err := w.moveTo(next); err != nil {
		return err
	}
	if !w.stale {
		w.startSync(control.At(n, control.End)) // R3, last sentence
	}
	return nil
}

// seal is R2' for one segment. In the locked mode the lock stands for the
// barrier that the file system does not provide.
func (w *Writer) seal(f *segment.File) (err error) {
	if w.opt.Locked {
		if err := host.LockByte(f.F, 0); err != nil {
			return f.ErrorAt("lock", 0, err)
		}
		defer func() { err = errors.Join(err, host.UnlockByte(f.F, 0)) }()
	}
	return f.Seal()
}

// create makes segment n+1, unless there is one that is higher than n already,
// and returns its number (R4, R5).
func (w *Writer) create(n uint64, prev segment.Limits, size int64) (next uint64, err error) {
	err = w.withDir(together, func() error {
		// Under the lock no name goes away. Retention removes the oldest first,
		// so if n has its name, n+1 exists or nothing above n does.
		if next, err = w.locate(n); err != nil || next > n {
			return err
		}
		// A recovery that died half-way may have sealed n before it was full. It
		// had removed the page first, and under this lock none can begin.
		if linked, err := w.page.Linked(); err != nil || !linked {
			w.stale = err == nil
			return w.dir.ErrorAt("stat", n, err)
		}
		next = n + 1
		w.at("R5")
		return w.link(segment.Header{Number: next, Prev: prev, PrevSize: size, Rolled: true})
	})
	return next, err
}

// locate returns n if that segment has its name, else the highest one there is:
// retention has removed n. It is an error if there is no higher one.
func (w *Writer) locate(n uint64) (uint64, error) {
	if there, err := w.dir.Exists(n); there || err != nil {
		return n, err
	}
	numbers, err := w.dir.List()
	if err != nil {
		return 0, err
	}
	if len(numbers) == 0 || numbers[len(numbers)-1] < n {
		return 0, &segment.Error{Op: "roll", Path: w.dir.Path, Segment: n, Err: ErrDestroyed}
	}
	return numbers[len(numbers)-1], nil
}

// link is R5: the segment of h appears complete, or somebody else's does.
func (w *Writer) link(h segment.Header) error {
	h.UUID, h.Limits, h.Ahead = w.dir.UUID, w.opt.Limits, ahead
	h.Boot, h.Created = w.boot, time.Now().UnixNano()
	err := w.dir.Create(h, w.opt.Perm, w.opt.Exact)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		w.began()
	}
	return err
}

// began is called when this handle has made a segment. The caller holds mu.
func (w *Writer) began() {
	w.count.appended.Begun++
	if w.opt.Began != nil {
		w.opt.Began()
	}
}

// moveTo is R7: it makes n the current segment, or a higher one if retention
// has removed n. It sets stale if the page has to be left first. The caller
// holds mu.
func (w *Writer) moveTo(n uint64) error {
	w.lock(&w.syncMu)
	defer w.syncMu.Unlock()
	return w.moveToLocked(n)
}

// moveToLocked is moveTo with syncMu held too.
func (w *Writer) moveToLocked(n uint64) error {
	invariant.Held(&w.mu, "mu")
	invariant.Held(&w.syncMu, "syncMu")
	for {
		var err error
		if n, err = w.locate(n); err != nil {
			return err
		}
		w.at("R7 located")
		opened, err := w.openPins(n)
		w.at("R7")
		// The sample comes after the opening, never before (C16), and every
		// descriptor has its own (C45), also if another one cannot be opened.
		for _, p := range opened {
			p.sample = w.page.Sample()
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// Retention has removed n since it was located, so there is a higher one.
	}
	// Only then may the page be found in its place: a writer that used n under
	// a page that others have left could miss an error they are told (C22, I10).
	w.at("R7 linked")
	linked, err := w.page.Linked()
	if err != nil {
		return &segment.Error{Op: "stat", Path: w.dir.Path, Err: err}
	}
	if !linked {
		w.stale = true
		return nil
	}
	w.at("R7 active")
	if w.page.Active() < n {
		// Nobody appends to a segment whose name may vanish (I6, C20, C30).
		if err := w.sys.syncDir(w.dir.F); err != nil {
			return err
		}
		w.page.RaiseActive(n)
	}
	w.cur = w.pins[len(w.pins)-1]
	if w.page.Believable() {
		// A handle that neither begins segments nor syncs would keep all it was ever
		// in open, and the space of those that are removed with it.
		w.unpin()
	}
	size, err := w.cur.Size()
	w.full = size >= w.cur.Limit
	return w.cur.ErrorAt("open", 0, err)
}

// openPins opens n and every segment before it that may not be synced (R7,
// C47), as far as this writer does not have them open. It returns the new ones.
func (w *Writer) openPins(n uint64) ([]*pin, error) {
	var opened []*pin
	lo := w.page.Syn().FirstUnsynced()
	if n-lo > maxBehind { // R3 keeps it near; what is this far behind is no real page
		lo = n
	}
	for s := min(lo, n); s <= n; s++ {
		if w.pinned(s) != nil {
			continue
		}
		f, err := w.dir.Open(s, os.O_RDWR|os.O_APPEND)
		if errors.Is(err, fs.ErrNotExist) && s < n {
			continue // retention has removed it, and syncs what it removes
		}
		if err != nil {
			return opened, err
		}
		out, err := vio.NewAppender(f.F)
		if err != nil {
			return opened, errors.Join(err, f.Close())
		}
		p := &pin{File: f, first: w.seq + 1, last: segment.HeaderSize, out: out}
		opened = append(opened, p)
		w.pins = append(w.pins, p)
	}
	slices.SortFunc(w.pins, func(a, b *pin) int { return cmp.Compare(a.Number, b.Number) })
	return opened, nil
}

// maxBehind is more segments than any journal has unsynced (ahead + 1).
const maxBehind = 64

func (w *Writer) pinned(n uint64) *pin {
	for _, p := range w.pins {
		if p.Number == n {
			return p
		}
	}
	return nil
}

func placed(op string, at record.Position, err error) error {
	return &segment.Error{Op: op, Path: segment.Name(at.Segment), Segment: at.Segment, Offset: at.Offset, Err: err}
}
