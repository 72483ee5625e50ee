package writer

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/invariant"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// maxAttach bounds the tries to attach: each one fails only if somebody removed
// the control file in the meantime.
const maxAttach = 100

var errUnsettled = fmt.Errorf("%w: the control file is removed again and again", ErrTimeout)

// attach opens the page (O1), or makes it by recovery, and the segments that R7
// asks for. A writer that had another page first looks for its records that
// were not synced. The caller holds mu.
func (w *Writer) attach() error {
	invariant.Held(&w.mu, "mu")
	w.lock(&w.syncMu)
	defer w.syncMu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.stale = true // until all of it has succeeded
	if w.need == nil {
		w.need = w.unsynced()
	}
	for range maxAttach {
		page, err := w.openPage()
		if err != nil {
			return err
		}
		if err := w.adopt(page); err != nil {
			return err
		}
		w.stale = false
		if err := w.moveToLocked(max(page.Active(), 1)); err != nil {
			w.stale = true
			return err
		}
		if !w.stale {
			w.confirm()
			return nil
		}
	}
	return &segment.Error{Op: "open", Path: w.dir.Path, Err: errUnsettled}
}

// adopt makes page the page; nothing of the old one is valid any more.
func (w *Writer) adopt(page *control.Page) error {
	old := w.page
	err := w.dropPins()
	w.page, w.leave = page, false
	w.mark.restart(page.Syn())
	if old != nil {
		err = errors.Join(err, old.Close())
	}
	return err
}

func (w *Writer) identity() control.Identity {
	return control.Identity{UUID: w.dir.UUID, Boot: w.boot}
}

// openPage is O1. Without a good control file there is recovery, and then O1
// again: another process may have been faster.
func (w *Writer) openPage() (*control.Page, error) {
	if !w.shared {
		active, err := w.recover(0)
		if err != nil {
			return nil, err
		}
		return control.NewPrivate(active, control.At(active, 0)), nil
	}
	for range maxAttach {
		f, err := w.goodPage()
		if f.page != nil || err != nil {
			return f.page, err
		}
		if _, err := w.recover(f.floor); err != nil {
			return nil, err
		}
	}
	return nil, &segment.Error{Op: "open", Path: w.dir.Path, Err: errUnsettled}
}

// pageFound is what there was at the place of the control file.
type pageFound struct {
	page *control.Page // nil: none that can be used
	// floor is the highest number that was ever in use, if only the segments that
	// the page speaks of are gone: it must not be used again (C30).
	floor uint64
	// failed says that a sync has failed under that page, or had no result.
	failed bool
}

// goodPage opens the control file if it can be used.
func (w *Writer) goodPage() (f pageFound, err error) {
	page, err := control.Open(w.dir.F, w.identity())
	if errors.Is(err, control.ErrUnusable) || errors.Is(err, fs.ErrNotExist) {
		f.failed = errors.Is(err, control.ErrFailed)
		return f, nil
	}
	if err != nil {
		return f, &segment.Error{Op: "open", Path: w.dir.Path, Err: err}
	}
	if w.leave && page.SameFile(w.page) {
		// V2: only another file will do. In this one an attempt has no result,
		// and nobody who opens a segment from now on could find out (C15).
		f.failed = true
		return f, page.Close()
	}
	if page.Believable() {
		_, err := w.locate(page.Active())
		if err == nil {
			f.page = page
			return f, nil
		}
		if !errors.Is(err, ErrDestroyed) {
			return f, errors.Join(err, page.Close())
		}
	}
	if page.Believable() && page.Active() <= segment.MaxNumber {
		f.floor = page.Active()
	}
	return f, page.Close()
}

// need is what a writer wants to find again after it has left a page: its
// records up to sequence last.
type need struct {
	parts []part // oldest first, at least one
	last  uint64
	doubt doubt // what to say of them if they are not found
	// guests says that records of other journals may be among them, whose sequences
	// nobody here knows: they cannot be found.
	guests bool
}

// part says that the records from sequence first on are in a segment or behind it.
type part struct{ segment, first uint64 }

// unsynced returns what this writer has appended that its page does not know
// to be synced, nil if there is nothing.
func (w *Writer) unsynced() *need {
	if w.page == nil || w.cur == nil {
		return nil
	}
	d := doubt{from: w.page.Syn(), to: control.At(w.cur.Number, w.cur.last)}
	if n := len(w.doubts); n > 0 && w.doubts[n-1].to >= d.to {
		return nil // its outcome is unknown already
	}
	n := &need{last: w.seq, doubt: d, guests: w.guest && d.from < d.to}
	for _, p := range w.pins {
		if p.Number >= d.from.FirstUnsynced() && p.first <= w.seq {
			n.parts = append(n.parts, part{p.Number, p.first})
		}
	}
	if len(n.parts) == 0 && !n.guests {
		return nil
	}
	return n
}

// confirm looks whether recovery has kept what this writer had not synced (it
// takes the place of S7, docs/decisions/0006). The new page says that all valid
// bytes of the segments before its first one are on disk (I7), and those
// segments can not change any more: a record that is found in them now was in
// them then. What is not found is in doubt, and the next Sync says so once; but not what
// retention has removed since, which nobody can read whatever became of it.
func (w *Writer) confirm() {
	n := w.need
	w.need = nil
	if n != nil && n.guests {
		w.doubt(n.doubt)
		return
	}
	for oldest := uint64(0); n != nil; {
		numbers, err := w.dir.List()
		if err != nil || len(numbers) == 0 || numbers[0] == oldest {
			w.doubt(n.doubt)
			return
		}
		oldest = numbers[0] // should it be another one afterwards, look again
		for len(n.parts) > 0 && n.parts[0].segment < oldest {
			n.parts = n.parts[1:]
		}
		if len(n.parts) == 0 || w.found(n) {
			return
		}
	}
}

// found reports whether all records of n are in the journal. An error in
// reading them means that they were not found.
func (w *Writer) found(n *need) bool {
	end, err := w.dir.End()
	if err != nil {
		return false
	}
	r := w.dir.NewReader(segment.ReaderOptions{
		From: record.Position{Segment: n.parts[0].segment}, End: &end, Reuse: true,
	})
	defer r.Close() // only read from
	next := n.parts[0].first
	for ev := (record.Event{}); next <= n.last; {
		if r.Next(&ev) != nil {
			return false
		}
		if ev.Class != record.Whole || ev.Header.Writer != w.id || ev.Header.Kind.Note() {
			continue
		}
		if ev.Header.Seq != next {
			return false
		}
		next++
		if ev.Header.Kind == record.KindBatch {
			entries, _ := record.NewEntries(ev.Value) // the scanner has checked it
			next += uint64(entries.Len() - 1)
		}
	}
	return true
}
