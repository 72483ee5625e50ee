package writer

import (
	"errors"
	"io/fs"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
)

// Prune removes whole segments, oldest first, as long as they lie before
// segment n, and never the newest (T1). They are synced first: what is synced
// is a prefix of the journal, and a hole in front of it would make every later
// sync guess.
func (w *Writer) Prune(n uint64) (removed []uint64, err error) {
	numbers, err := w.dir.List()
	if err != nil {
		return nil, err
	}
	numbers = prunable(numbers, n)
	if len(numbers) == 0 {
		return nil, nil
	}
	if err := w.SyncTo(control.At(numbers[len(numbers)-1], control.End)); err != nil {
		return nil, err
	}
	err = w.withDir(exclusive, func() error {
		numbers, err := w.dir.List() // the newest may be another one by now
		if err != nil {
			return err
		}
		for _, k := range prunable(numbers, n) {
			w.at("T1")
			err := host.RemoveIn(w.dir.F, segment.Name(k))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			removed = append(removed, k)
			w.count.pruned.Add(1)
			if err := w.dir.RemoveSidecar(k); err != nil {
				return err
			}
			// One by one: after a loss of power the next one must not be gone and
			// this one there, for that is what a loss looks like.
			if err := w.sys.syncDir(w.dir.F); err != nil {
				return err
			}
		}
		return nil
	})
	w.lock(&w.mu)
	defer w.mu.Unlock()
	w.tell()
	return removed, err
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
