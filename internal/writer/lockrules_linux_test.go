package writer

import (
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
)

// Which lock of the directory is held at which step (I5): together with others from
// the look for the highest number to the link, alone by who removes or recovers.
func TestDirectoryLockAtSteps(t *testing.T) {
	const (
		free = iota
		sharedLock
		aloneLock
	)
	want := map[string]int{"R5": sharedLock, "T1": aloneLock, "V3": aloneLock, "V4": aloneLock, "V5": aloneLock,
		"V6": aloneLock, "V7": aloneLock, "V8": aloneLock, "A2": free, "S3": free, "S4": free}
	if !host.Shared {
		t.Skip("no locks among processes here")
	}
	dir := t.TempDir()
	held := func() int {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() // the lock goes with it
		if ok, err := host.TryLockDir(f, exclusive); ok || err != nil {
			if err != nil {
				t.Fatal(err)
			}
			return free
		}
		ok, err := host.TryLockDir(f, together)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return sharedLock
		}
		return aloneLock
	}
	seen := make(map[string]bool)
	sys, finish := lazy(realSystem()) // one goroutine, so that every step is one of its own
	sys.step = func(name string) {
		if name == "wait" {
			runtime.Gosched()
			return
		}
		if lock, ok := want[name]; ok {
			seen[name] = true
			if got := held(); got != lock {
				t.Errorf("%s with lock %d of the directory, want %d (0: none, 1: together, 2: alone)", name, got, lock)
			}
		}
	}
	w := start(t, dir, small, sys)
	texts := fill(t, w)
	texts = append(texts, fill(t, w)...)
	texts = append(texts, fill(t, w)...)
	finish()
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	wantContents(t, dir, texts)
	if _, err := w.Prune(w.cur.Number); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	start(t, dir, small, sys) // recovers
	for name := range want {
		if !seen[name] {
			t.Errorf("no step %s", name)
		}
	}
	if _, damage := contents(t, dir); len(damage) > 1 {
		t.Errorf("damage %v", damage)
	}
}

// R8, C46: a handle keeps the descriptor of a segment open until that is on disk. R7,
// C47: one that comes later opens it too, though it appends to the next one. Without,
// the kernel could forget an error that they have to report.
func TestC46UnsyncedSegmentsStayOpen(t *testing.T) {
	dir := t.TempDir()
	sys, finish := lazy(realSystem())
	w := start(t, dir, small, sys)
	n := w.cur.Number
	want := fill(t, w)
	late := start(t, dir, small, sys)
	want = append(want, "late")
	put(t, late, "late")
	for name, w := range map[string]*Writer{"the handle that filled it": w, "one that came later": late} {
		if lo := lastSyn(w).FirstUnsynced(); lo > n {
			t.Fatalf("segment %d is synced already", n)
		}
		if w.cur.Number != n+1 || w.pinned(n) == nil {
			t.Errorf("%s has segment %d not open, and it is not on disk", name, n)
		}
	}
	page := late.page
	if err := late.Sync(); err != nil {
		t.Fatal(err)
	}
	if late.page != page {
		t.Error("a sync over two segments had to recover")
	}
	finish()
	put(t, w, "unpins")
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if w.pinned(n) != nil {
		t.Errorf("segment %d is on disk, and still open", n)
	}
	wantContents(t, dir, append(want, "unpins"))
}

// C43, C44, I12: each segment has an attempt of its own, and the oldest comes first.
func TestC44OldestFirst(t *testing.T) {
	dir := t.TempDir()
	var order []uint64
	var attempts []uint64
	var w *Writer
	sys, finish := lazy(realSystem())
	sys.syncData = func(f *os.File) error {
		for _, p := range w.pins {
			if p.F == f {
				order = append(order, p.Number)
				attempts = append(attempts, w.page.Sample())
				if lo := w.page.Syn().FirstUnsynced(); lo != p.Number {
					t.Errorf("segment %d is synced while %d is not", p.Number, lo)
				}
			}
		}
		return host.SyncData(f)
	}
	w = start(t, dir, small, sys)
	n := w.cur.Number
	want := fill(t, w)
	ack := put(t, w, "last")
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(order, []uint64{n, n + 1}) || len(attempts) == 2 && attempts[0] == attempts[1] {
		t.Errorf("segments %v were synced in the attempts %v; want %d and %d in one each", order, attempts, n, n+1)
	}
	if syn := lastSyn(w); syn < control.At(n+1, ack.End) {
		t.Errorf("synced up to %d:%d", syn.Segment(), syn.Offset())
	}
	finish()
	wantContents(t, dir, append(want, "last"))
}

// C45: each descriptor is trusted for what it was opened after, and not for what the
// next one was.
func TestC45SamplePerDescriptor(t *testing.T) {
	dir := t.TempDir()
	sys, finish := lazy(realSystem())
	w := start(t, dir, small, sys)
	n := w.cur.Number
	old := w.pinned(n).sample
	want := top(t, w)
	attempt, ok := w.page.Begin() // somebody who dies in it
	if !ok {
		t.Fatal("the page is lost")
	}
	want = append(want, "next")
	put(t, w, "next")
	if p := w.pinned(n); p == nil || p.sample != old {
		t.Errorf("the descriptor of segment %d has another sample than when it was opened", n)
	}
	if p := w.pinned(n + 1); p == nil || p.sample != attempt {
		t.Errorf("the descriptor of segment %d was opened behind attempt %d", n+1, attempt)
	}
	finish()
	if err := w.Sync(); err != nil { // by way of a recovery
		t.Error(err)
	}
	wantContents(t, dir, want)
}

// V2: who had to wait for the lock to recover uses what another one has made meanwhile.
func TestV2RecoveredMeanwhile(t *testing.T) {
	dir := t.TempDir()
	put(t, start(t, dir, small, realSystem()), "before")
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() // only a lock
	if ok, err := host.TryLockDir(lock, exclusive); !ok || err != nil {
		t.Fatal(ok, err)
	}
	var faster *Writer
	sys := realSystem()
	sys.step = func(name string) {
		if name == "wait" && faster == nil {
			if err := host.UnlockDir(lock); err != nil {
				t.Fatal(err)
			}
			faster = start(t, dir, small, realSystem())
			put(t, faster, "faster")
		}
	}
	w := start(t, dir, small, sys)
	if faster == nil {
		t.Fatal("it did not wait for the lock")
	}
	put(t, w, "slower")
	if w.cur.Number != faster.cur.Number || !w.page.SameFile(faster.page) {
		t.Errorf("two recoveries: one has begun segment %d, the other %d", faster.cur.Number, w.cur.Number)
	}
	wantContents(t, dir, []string{"before", "faster", "slower"})
}
