package writer

import (
	"errors"
	"io/fs"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/invariant"
	"github.com/manypen/manypen/internal/segment"
)

const (
	// pruneAtOnce is how many segments are removed before others get the directory
	// lock. Each of them costs a sync of the directory, and whoever wants to begin a
	// segment meanwhile waits; somebody's first retention may have thousands to go.
	pruneAtOnce = 8
	// pruneGiveWay is how long they get it for: longer than the pause between two
	// tries of one who waits (poll).
	pruneGiveWay = 6 * time.Millisecond
)

// Prune removes whole segments, oldest first, as long as they lie before
// segment n, and never the newest (T1). They are synced first: what is synced
// is a prefix of the journal, and a hole in front of it would make every later
// sync guess.
//
// If that sync fails, what is known to be on disk goes nevertheless, and the error
// is returned with it: on a full disk it may be what the failure comes from.
func (w *Writer) Prune(n uint64) (removed []uint64, err error) {
	numbers, err := w.dir.List()
	if err != nil {
		return nil, err
	}
	numbers = prunable(numbers, n)
	if len(numbers) == 0 {
		return nil, nil
	}
	last := numbers[len(numbers)-1]
	durable, serr := w.durableTo(last)
	for more := numbers[0] < durable; more && err == nil; {
		var some []uint64
		err = w.withDir(exclusive, func() error {
			some, more, err = w.removeSome(min(n, durable))
			return err
		})
		removed = append(removed, some...)
		if more && err == nil && w.sys.step == nil {
			time.Sleep(pruneGiveWay)
		}
	}
	w.count.pruned.Add(uint64(len(removed)))
	w.lock(&w.mu)
	defer w.mu.Unlock()
	w.tell()
	return removed, w.located("prune", errors.Join(serr, err))
}

// durableTo makes everything durable up to the end of segment n, and returns the
// first segment that is not known to be.
func (w *Writer) durableTo(n uint64) (first uint64, err error) {
	pos := control.At(n, control.End)
	// A handle that has not appended for a while may stand far behind; it would
	// take what it does not have open for lost, and recover.
	w.lock(&w.mu)
	err = w.catchUp()
	w.mu.Unlock()
	if err == nil {
		err = w.SyncTo(pos)
	}
	if err == nil {
		return n + 1, nil
	}
	syn := w.synced()
	if syn >= pos {
		// Whatever it was, all that is to go is on disk. Records of this handle that
		// were caught in an earlier failure are of unknown outcome for ever, which
		// Sync tells; a page that cannot be left the next append tells of.
		return n + 1, nil
	}
	return syn.FirstUnsynced(), err
}

// removeSome removes the oldest segments before segment n. The caller holds the
// directory lock alone. more is whether there may be others.
func (w *Writer) removeSome(n uint64) (removed []uint64, more bool, err error) {
	invariant.Held(&w.dirMu, "dirMu")
	numbers, err := w.dir.List() // the newest may be another one by now
	if err != nil {
		return nil, false, err
	}
	numbers = prunable(numbers, n)
	more = len(numbers) > pruneAtOnce
	for _, k := range numbers[:min(len(numbers), pruneAtOnce)] {
		if invariant.Enabled && k >= n {
			invariant.Violated("segment %d is pruned before segment %d", k, n)
		}
		w.at("T1")
		err := host.RemoveIn(w.dir.F, segment.Name(k))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, false, w.dir.ErrorAt("prune", k, err)
		}
		removed = append(removed, k)
		if err := w.dir.RemoveSidecar(k); err != nil {
			return removed, false, err
		}
		// One by one: after a loss of power the next one must not be gone and
		// this one there, for that is what a loss looks like.
		if err := w.sys.syncDir(w.dir.F); err != nil {
			return removed, false, err
		}
	}
	return removed, more, nil
}

// prunable returns the segments of numbers that may go.
func prunable(numbers []uint64, n uint64) []uint64 {
	for i, k := range numbers {
		if k >= n || i == len(numbers)-1 {
			return numbers[:i]
		}
	}
	return nil
}
