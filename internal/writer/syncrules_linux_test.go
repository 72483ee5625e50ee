package writer

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
)

// C40: who syncs his own record does not know that the segment is sealed, however long
// it is: an append that began below the limit may be under way, and its bytes are not
// in this sync.
func TestSyncAcrossLimit(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	want := top(t, w)
	size, err := w.cur.Size()
	if err != nil {
		t.Fatal(err)
	}
	if size < w.cur.Limit {
		t.Fatalf("the segment has %d bytes, and its limit is %d", size, w.cur.Limit)
	}
	n := w.cur.Number
	if err := w.SyncTo(control.At(n, size)); err != nil {
		t.Fatal(err)
	}
	if syn := lastSyn(w); syn != control.At(n, size) {
		t.Errorf("synced up to %d:%d; what is known to be on disk ends at %d:%d", syn.Segment(), syn.Offset(), n, size)
	}
	// Who stands in the next segment knows of the seal.
	want = append(want, "next")
	ack := put(t, w, "next")
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Fatal(err)
	}
	if syn := lastSyn(w); syn < ack.Pos() {
		t.Errorf("synced up to %d:%d", syn.Segment(), syn.Offset())
	}
	wantContents(t, dir, want)
}

// A goroutine that asks while a sync is under way has appended too late for that one,
// and is not told that it is on disk by it.
func TestSyncGroupClosesBeforeSync(t *testing.T) {
	dir := t.TempDir()
	var w *Writer
	var wg sync.WaitGroup
	var syncs atomic.Int32
	sys := realSystem()
	sys.syncData = func(f *os.File) error {
		err := host.SyncData(f)
		if syncs.Add(1) > 1 {
			return err
		}
		late := putWaiting(t, w, "late")
		wg.Go(func() {
			if err := w.SyncTo(late.Pos()); err != nil {
				t.Error(err)
			}
		})
		for joined := false; !joined; runtime.Gosched() {
			w.group.mu.Lock()
			joined = w.group.next != nil && w.group.next.want >= late.Pos()
			w.group.mu.Unlock()
		}
		return err
	}
	w = start(t, dir, small, sys)
	early := putWaiting(t, w, "early")
	if err := w.SyncTo(early.Pos()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := syncs.Load(); n != 2 {
		t.Errorf("%d syncs for two records, the second of which was appended during the first sync", n)
	}
	wantContents(t, dir, []string{"early", "late"})
}

// C22, C51: the control file is exchanged after a writer has opened the segment that it
// switches to, and before it uses it. It must not go on under the old one.
func TestC22PageReplacedDuringSwitch(t *testing.T) {
	dir := t.TempDir()
	other := start(t, dir, small, realSystem())
	var late *Writer
	exchange := false
	sys := realSystem()
	sys.step = func(name string) {
		switch {
		case name == "wait":
			runtime.Gosched()
		case name == "R7 linked" && exchange:
			exchange = false
			if err := os.Remove(controlFile(t, dir)); err != nil {
				t.Fatal(err)
			}
			late = start(t, dir, small, realSystem()) // recovers
		}
	}
	w := start(t, dir, small, sys)
	want := fill(t, other)
	exchange = true
	want = append(want, "switched")
	ack := put(t, w, "switched")
	if linked, err := w.page.Linked(); err != nil || !linked {
		t.Errorf("the writer has appended under a control file that is not in its place (%v)", err)
	}
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Errorf("sync: %v", err)
	}
	if syn := lastSyn(late); syn < ack.Pos() {
		t.Errorf("the others know of %d:%d to be synced, this one of %d:%d", syn.Segment(), syn.Offset(), ack.Position.Segment, ack.End)
	}
	wantContents(t, dir, want)
}

// T1: what retention removes is on disk before.
func TestPruneSyncsFirst(t *testing.T) {
	dir := t.TempDir()
	sys, finish := lazy(realSystem())
	var w *Writer
	sys.step = func(name string) {
		if name != "T1" {
			return
		}
		numbers, err := w.dir.List()
		if err != nil {
			t.Fatal(err)
		}
		if syn := w.page.Syn(); syn.FirstUnsynced() <= numbers[0] {
			t.Errorf("segment %d is about to be removed, and only %d:%d is synced", numbers[0], syn.Segment(), syn.Offset())
		}
	}
	w = start(t, dir, small, sys)
	for range 3 {
		fill(t, w)
	}
	newest := w.cur.Number
	removed, err := w.Prune(newest)
	if err != nil || len(removed) != int(newest-1) {
		t.Fatalf("removed %v, %v", removed, err)
	}
	finish()
	if got := list(t, w); !slices.Equal(got, []uint64{newest}) {
		t.Errorf("segments %v are left", got)
	}
	if _, damage := contents(t, dir); len(damage) > 0 {
		t.Errorf("damage %v", damage)
	}
}

// T1: the oldest goes first, and the directory is synced before the next one goes: one
// that is gone in the middle looks like lost.
func TestPruneOldestFirst(t *testing.T) {
	dir := t.TempDir()
	var w *Writer
	var before []uint64 // as of the last sync of the directory
	steps := 0
	sys := realSystem()
	sys.syncDir = func(f *os.File) error {
		if w != nil {
			before = list(t, w)
		}
		return host.SyncDir(f)
	}
	sys.step = func(name string) {
		if name != "T1" {
			return
		}
		now := list(t, w)
		if steps++; steps > 1 && !slices.Equal(now, before) {
			t.Errorf("segments %v are there, and %v are on disk", now, before)
		}
		if now[len(now)-1]-now[0]+1 != uint64(len(now)) {
			t.Errorf("segments %v: one in the middle was removed", now)
		}
	}
	w = start(t, dir, small, sys)
	for range 4 {
		fill(t, w)
	}
	if _, err := w.Prune(w.cur.Number); err != nil || steps < 3 {
		t.Fatalf("%d removed, %v", steps, err)
	}
	if _, damage := contents(t, dir); len(damage) > 0 {
		t.Errorf("damage %v", damage)
	}
	if got, want := list(t, w), (segment.Name(w.cur.Number)); len(got) != 1 || segment.Name(got[0]) != want {
		t.Errorf("segments %v are left, want %s", got, want)
	}
}

// S5: a goroutine that has waited for another one's sync looks for itself how that ended,
// and is not told that all is well while the other one has not noted the failure yet.
func TestFailedSyncBeforeItIsNoted(t *testing.T) {
	dir := t.TempDir()
	fail, sys := failing()
	w := start(t, dir, small, sys)
	acks := []Ack{putWaiting(t, w, "one"), putWaiting(t, w, "two")}
	fail.Store(true)
	results := make(chan error, len(acks))
	w.syncMu.Lock() // nobody leads before both are in one group
	for i, ack := range acks {
		go func() { results <- w.SyncTo(ack.Pos()) }()
		for size := 0; size <= i; runtime.Gosched() {
			w.group.mu.Lock()
			if w.group.next != nil {
				size = w.group.next.size
			}
			w.group.mu.Unlock()
		}
	}
	w.group.mu.Lock()
	done := w.group.next.done
	w.group.mu.Unlock()
	w.mu.Lock() // what has failed is noted under it
	w.syncMu.Unlock()
	<-done
	for range 2000 { // whoever is told by the leader alone has it by now, most often
		runtime.Gosched()
	}
	if n := len(results); n > 0 {
		t.Errorf("%d goroutines are told the result of a sync that nobody has noted", n)
	}
	w.mu.Unlock()
	for range acks {
		if err := <-results; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("after a sync that failed: %v, want ErrOutcomeUnknown", err)
		}
	}
	put(t, w, "three")
	if err := w.Sync(); err != nil {
		t.Error(err)
	}
	wantContents(t, dir, []string{"one", "two", "three"})
}
