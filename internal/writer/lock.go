package writer

import (
	"errors"
	"time"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
)

const (
	exclusive = true
	together  = false // shared with others who lock it this way
)

// withDir runs f with the directory locked. Those who make a segment hold the
// lock together, those who remove one or recover hold it alone (I5, C11).
func (w *Writer) withDir(alone bool, f func() error) error {
	err := poll(w.opt.Timeout, func() (bool, error) { return host.TryLockDir(w.dir.F, alone) })
	if err != nil {
		return &segment.Error{Op: "lock", Path: w.dir.Path, Err: err}
	}
	return errors.Join(f(), host.UnlockDir(w.dir.F))
}

// poll calls try until it succeeds, fails or the time is up. Waiting in the
// kernel would be prompter and could not be given up: the holder of a lock may
// be stopped (C7 for appends, S2 for syncs).
func poll(timeout time.Duration, try func() (bool, error)) error {
	deadline := time.Now().Add(timeout)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		ok, err := try()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return ErrTimeout
		}
		time.Sleep(pause)
	}
}
