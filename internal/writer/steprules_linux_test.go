package writer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// C20, R6: who makes a segment syncs the directory before he says that the name is
// durable, and before he uses it.
func TestC20RollerSyncsName(t *testing.T) {
	dir := t.TempDir()
	var w *Writer
	durable := make(map[uint64]bool) // as of the last sync of the directory
	sys := realSystem()
	sys.syncDir = func(f *os.File) error {
		d, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range d {
			if n, ok := segment.ParseName(e.Name()); ok {
				durable[n] = true
			}
		}
		return host.SyncDir(f)
	}
	sys.step = func(name string) {
		switch {
		case name == "wait":
			runtime.Gosched()
		case w == nil:
		case !durable[w.page.Active()]:
			t.Errorf("%s: segment %d is active, and its name not on disk", name, w.page.Active())
		case name == "A2" && !durable[w.cur.Number]:
			t.Errorf("segment %d is appended to, and its name is not on disk", w.cur.Number)
		}
	}
	lazily, finish := lazy(sys)
	w = start(t, dir, small, lazily)
	var want []string
	for range 3 {
		want = append(want, fill(t, w)...)
	}
	finish()
	wantContents(t, dir, want)
}

// R4: a recovery died after it had sealed the newest segment before that was full. Who
// rolls behind it must not say that it was full, for then its zeros look like a loss.
func TestR4RollBehindHalfRecovery(t *testing.T) {
	dir := t.TempDir()
	var w *Writer
	sys := realSystem()
	half := false
	sys.step = func(name string) {
		switch {
		case name == "wait":
			runtime.Gosched()
		case name == "A2" && half:
			half = false
			if err := os.Remove(controlFile(t, dir)); err != nil { // V3
				t.Fatal(err)
			}
			if err := w.cur.Seal(); err != nil { // V4
				t.Fatal(err)
			}
		}
	}
	w = start(t, dir, small, sys)
	put(t, w, "before")
	n := w.cur.Number
	half = true
	put(t, w, "behind it")
	if w.cur.Number <= n || w.cur.Rolled {
		t.Errorf("segment %d, behind one that was sealed early, says rolled %v", w.cur.Number, w.cur.Rolled)
	}
	wantContents(t, dir, []string{"before", "behind it"})
}

// R2': a roll waits for the append that is under way. In the locked mode that is a lock,
// which somebody who appends has here.
func TestRollWaitsForAppends(t *testing.T) {
	dir := t.TempDir()
	opt := small
	opt.Locked = true
	var w *Writer
	var wg sync.WaitGroup
	var ended, passed atomic.Bool
	armed := false
	sys := realSystem()
	sys.start = func(f func()) { f() }
	sys.step = func(name string) {
		switch {
		case name == "wait":
			runtime.Gosched()
		case name == "R2" && armed:
			armed = false
			f, err := os.OpenFile(filepath.Join(dir, segment.Name(w.cur.Number)), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := host.LockByte(f, 0); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 2000 {
					if passed.Load() {
						t.Error("the next segment is made while somebody appends to this one")
						break
					}
					runtime.Gosched()
				}
				ended.Store(true)
				if err := f.Close(); err != nil { // and with it the lock
					t.Error(err)
				}
			})
		case name == "R4":
			passed.Store(true)
		}
	}
	w = start(t, dir, opt, sys)
	want := top(t, w)
	armed = true
	passed.Store(false)
	want = append(want, "next")
	put(t, w, "next")
	wg.Wait()
	if !passed.Load() || !ended.Load() {
		t.Error("it did not roll")
	}
	wantContents(t, dir, want)
}

// C16: an attempt that begins between the opening of a segment and the sample is one
// that the descriptor would have been told of.
func TestC16AttemptDuringOpen(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir, small, realSystem())
	put(t, first, "one")
	var attempt uint64
	sys := realSystem()
	sys.step = func(name string) {
		switch name {
		case "wait":
			runtime.Gosched()
		case "R7 located": // not open yet: what fails now it may not be told of
			attempt, _ = first.page.Begin()
		}
	}
	w := start(t, dir, small, sys)
	if w.cur.sample < attempt {
		t.Errorf("the sample is %d, and attempt %d began before the segment was open", w.cur.sample, attempt)
	}
	first.page.Succeeded(attempt, first.page.Syn())
	wantContents(t, dir, []string{"one"})
}

// V3: from its first step on a recovery has no control file in its place, so that nobody
// goes on under the old one while segments are sealed and copied (R7, C22).
func TestV3PageGoesFirst(t *testing.T) {
	dir := t.TempDir()
	put(t, start(t, dir, small, realSystem()), "one")
	path := controlFile(t, dir)
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	steps := 0
	sys := realSystem()
	sys.step = func(name string) {
		switch name {
		case "wait":
			runtime.Gosched()
		case "V4", "V5", "V6", "V6 linked", "V7":
			steps++
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s with the old control file in its place (%v)", name, err)
			}
		}
	}
	w := start(t, dir, small, sys)
	if put(t, w, "two"); steps < 5 {
		t.Errorf("a recovery of %d steps", steps)
	}
	got, damage := contents(t, dir)
	if len(got) != 2 || len(damage) != 1 || damage[0] != record.Unused {
		t.Errorf("records %q, damage %v", got, damage)
	}
}
