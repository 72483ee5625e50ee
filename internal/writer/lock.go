package writer

import (
	"errors"
	"fmt"
	"strings"
	"sync"
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
//
// The lock belongs to the open directory, as the sync lock does to the page: the
// goroutines of a handle take turns by a mutex, or one that removes segments would
// let go of the lock that another one recovers under.
func (w *Writer) withDir(alone bool, f func() error) error {
	w.lock(&w.dirMu)
	defer w.dirMu.Unlock()
	err := w.poll(func() (bool, error) { return host.TryLockDir(w.dir.F, alone) })
	if err != nil {
		return &segment.Error{Op: "lock", Path: w.dir.Path, Err: w.blame(err)}
	}
	return errors.Join(f(), host.UnlockDir(w.dir.F))
}

// blame adds to a timeout who has the directory locked, if that can be told.
func (w *Writer) blame(err error) error {
	if !errors.Is(err, ErrTimeout) {
		return err
	}
	holders, herr := host.LockDirHolders(w.dir.F)
	if herr != nil || len(holders) == 0 {
		return err // it says less, and nothing wrong
	}
	return fmt.Errorf("%w, which is held by process %s", err, strings.Join(holders, ", "))
}

// poll calls try until it succeeds, fails or the time is up. Waiting in the
// kernel would be prompter and could not be given up: the holder of a lock may
// be stopped (C7 for appends, S2 for syncs).
func (w *Writer) poll(try func() (bool, error)) error {
	deadline := time.Now().Add(w.opt.Timeout)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		ok, err := try()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return ErrTimeout
		}
		if w.sys.step != nil {
			w.sys.step("wait")
			continue
		}
		time.Sleep(pause)
	}
}

// at is called at the steps of the protocol, for the sake of tests.
func (w *Writer) at(step string) {
	if w.sys.step != nil {
		w.sys.step(step)
	}
}

// lock locks one of the handle's mutexes.
func (w *Writer) lock(m *sync.Mutex) {
	if w.sys.step == nil {
		m.Lock()
		return
	}
	for !m.TryLock() {
		w.sys.step("wait")
	}
}
