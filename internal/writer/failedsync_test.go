package writer

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"github.com/manypen/manypen/internal/host"
)

// failing is a system of which one sync fails after fail has been set.
func failing() (fail *atomic.Bool, sys system) {
	fail, sys = new(atomic.Bool), realSystem()
	sys.syncData = func(f *os.File) error {
		if fail.Swap(false) {
			return errors.New("the disk has failed")
		}
		return host.SyncData(f)
	}
	return fail, sys
}

// Whoever asks for records that were caught in a failed sync is told, under each
// policy in its own way, exactly once for each record that somebody waits for; and
// the journal goes on.
func TestFailedSyncIsTold(t *testing.T) {
	for name, ask := range map[string]func(t *testing.T, w *Writer, fail *atomic.Bool) error{
		"always": func(t *testing.T, w *Writer, fail *atomic.Bool) error {
			ack := putWaiting(t, w, "x")
			fail.Store(true)
			return w.SyncTo(ack.Pos())
		},
		"interval": func(t *testing.T, w *Writer, fail *atomic.Bool) error {
			put(t, w, "x")
			fail.Store(true)
			return w.Sync()
		},
		"none, sync": func(t *testing.T, w *Writer, fail *atomic.Bool) error {
			fail.Store(true)
			for range 4 { // rolls sync what lies behind
				fill(t, w)
			}
			return w.Sync()
		},
		"none, close": func(t *testing.T, w *Writer, fail *atomic.Bool) error {
			fail.Store(true)
			for range 4 {
				fill(t, w)
			}
			put(t, w, "after")
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fail, sys := failing()
			w := start(t, dir, small, sys)
			put(t, w, "before")
			if err := w.Sync(); err != nil {
				t.Fatal(err)
			}
			if err := ask(t, w, fail); !errors.Is(err, ErrOutcomeUnknown) {
				t.Fatalf("told %v, want ErrOutcomeUnknown", err)
			}
			if name == "none, close" {
				w = start(t, dir, small, sys)
			}
			ack := put(t, w, "goes on")
			if err := errors.Join(w.SyncTo(ack.Pos()), w.Sync()); err != nil {
				t.Errorf("told again: %v", err)
			}
			values, _ := contents(t, dir)
			if values[0] != "before" || values[len(values)-1] != "goes on" {
				t.Errorf("%d records, the last is %q", len(values), values[len(values)-1])
			}
		})
	}
}

// A failure that one caller of a handle is told of is told to the others too: to the
// one who waits for a record of his own, and to Sync for the records that nobody
// waits for; to Sync once.
func TestFailedSyncIsToldToAll(t *testing.T) {
	dir := t.TempDir()
	fail, sys := failing()
	w := start(t, dir, small, sys)
	a, b := putWaiting(t, w, "a"), putWaiting(t, w, "b")
	put(t, w, "nobody waits for this")
	fail.Store(true)
	for i, ack := range []Ack{a, b} {
		if err := w.SyncTo(ack.Pos()); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("caller %d is told %v, want ErrOutcomeUnknown", i, err)
		}
	}
	if err := w.Sync(); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Sync says %v, want ErrOutcomeUnknown", err)
	}
	if err := w.Sync(); err != nil {
		t.Errorf("Sync says it twice: %v", err)
	}
	a = putWaiting(t, w, "another")
	fail.Store(true)
	if err := w.SyncTo(a.Pos()); !errors.Is(err, ErrOutcomeUnknown) {
		t.Error(err)
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		t.Errorf("nobody was left to be told: %v", err)
	}
}
