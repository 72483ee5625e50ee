package writer

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// recover starts a new segment and a new control file, after it has made sure
// that everything before them is on disk (V1 to V8). It returns the number of
// the new segment. It may be killed at any step and begun again by anybody: no
// step truncates, or changes a byte that a reader can see (I11).
//
// floor is a segment number that was in use although no segment has it.
func (w *Writer) recover(floor uint64) (active uint64, err error) {
	err = w.withDir(exclusive, func() error { // V1
		var before pageFound
		if w.shared {
			if before, err = w.goodPage(); err != nil { // V2
				return err
			}
			if before.page != nil {
				active = before.page.Active()
				return before.page.Close()
			}
			w.at("V3")
			err = host.RemoveIn(w.dir.F, control.Name(w.boot)) // V3
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		w.at("V4")
		numbers, err := w.dir.List() // V4
		if err != nil {
			return err
		}
		last, err := w.settle(numbers)
		if err != nil {
			return err
		}
		active = max(last.n, floor) + 1
		if active > segment.MaxNumber {
			return &segment.Error{Op: "open", Path: w.dir.Path, Segment: active, Err: ErrFull}
		}
		h := segment.Header{Number: active, Prev: last.Limits, Doubted: before.failed}
		if floor > last.n {
			h.Prev = segment.Limits{} // the predecessor is not there to be repeated
		}
		if h.Cut, err = w.cut(last); err != nil {
			return err
		}
		w.at("V6")
		if err := w.link(h); err != nil { // V6
			return err
		}
		w.at("V6 linked")
		if err := w.sys.syncDir(w.dir.F); err != nil {
			return err
		}
		w.at("V7")
		if w.shared { // V7
			err := control.Create(w.dir.F, w.identity(), active, control.At(active, 0), w.opt.Perm, w.opt.Exact)
			if err != nil {
				return &segment.Error{Op: "create", Path: w.dir.Path, Err: err}
			}
		}
		w.at("V8")
		return w.sweep() // V8
	})
	return active, err
}

// settled is the newest segment after settle.
type settled struct {
	n uint64
	segment.Header
}

// cut finds out where the journal ends if a prefix is to be kept. Whoever reads
// in front of the next segment finds that in its header: the segment appears with
// it, so the cut is made at once and for everybody, or not at all.
//
// What lies in front of a segment that a recovery began was judged then.
func (w *Writer) cut(last settled) (record.Position, error) {
	if !w.opt.Prefix || last.n == 0 {
		return record.Position{}, nil
	}
	from := last.n
	if last.Rolled && from > ahead {
		there, err := w.dir.Exists(from - ahead)
		if err != nil {
			return record.Position{}, err
		}
		if there {
			from -= ahead
		}
	}
	return w.dir.FirstLoss(from, last.n, w.otherBoot(last.Boot))
}

// otherBoot reports whether what was written under boot has been read back from
// the disk since.
func (w *Writer) otherBoot(boot [16]byte) bool {
	return w.boot != ([16]byte{}) && boot != w.boot && boot != ([16]byte{})
}

// settle seals the newest segments and makes them durable (V4, V5): ahead+1 of
// them, for so many may have been in use without a sync (R3, C48).
func (w *Writer) settle(numbers []uint64) (last settled, err error) {
	if len(numbers) == 0 {
		return last, nil
	}
	newest := numbers[len(numbers)-1]
	// The newest first: after its seal nobody can append to any of them.
	for i := len(numbers) - 1; i >= 0 && newest-numbers[i] <= ahead; i-- {
		f, err := w.dir.Open(numbers[i], os.O_RDWR|os.O_APPEND)
		if err != nil {
			return last, err
		}
		if numbers[i] == newest {
			last = settled{newest, f.Header}
		}
		if err := errors.Join(w.seal(f), f.Close()); err != nil {
			return last, err
		}
	}
	for _, n := range numbers { // oldest first (I12)
		if newest-n > ahead {
			continue
		}
		w.at("V5")
		if err := w.harden(n); err != nil {
			return last, err
		}
	}
	return last, w.sys.syncDir(w.dir.F)
}

// harden is V5 for one segment. What another boot wrote was read from the disk,
// and a sync makes sure of what has been added since. What this boot wrote may
// be in the page cache only, clean, after an error that nobody can report any
// more: it has to be written again, to another inode (C21).
func (w *Writer) harden(n uint64) error {
	f, err := w.dir.Open(n, os.O_RDWR)
	if err != nil {
		return err
	}
	if w.otherBoot(f.Boot) {
		return errors.Join(f.ErrorAt("sync", 0, w.sys.syncData(f.F)), f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return w.dir.Copy(n)
}

// sweep removes control files of other boots and what killed processes have
// left (V8). Whoever makes a file of a temporary name holds the directory lock.
func (w *Writer) sweep() error {
	names, err := host.ListIn(w.dir.F)
	if err != nil {
		return err
	}
	keep := control.Name(w.boot)
	for _, name := range names {
		other := strings.HasPrefix(name, segment.ControlPrefix) && !(w.shared && name == keep)
		if !other && !strings.HasPrefix(name, host.TempPrefix) {
			continue
		}
		if err := host.RemoveIn(w.dir.F, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
