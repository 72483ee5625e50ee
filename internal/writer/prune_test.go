package writer

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

func list(t testing.TB, w *Writer) []uint64 {
	t.Helper()
	numbers, err := w.dir.List()
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// A handle that has not appended for long prunes without taking what it does not have
// open for lost, which would make it recover.
func TestPruneFromBehind(t *testing.T) {
	dir := t.TempDir()
	behind := start(t, dir, small, realSystem())
	put(t, behind, "one")
	sys, finish := lazy(realSystem())
	w := start(t, dir, small, sys)
	for range 5 {
		fill(t, w)
	}
	page, newest := w.page, w.cur.Number
	removed, err := behind.Prune(newest)
	if err != nil || len(removed) != int(newest-1) {
		t.Errorf("removed %v, %v; want all but %d", removed, err, newest)
	}
	put(t, behind, "two")
	put(t, w, "three")
	if got := list(t, w); !slices.Equal(got, []uint64{newest}) || w.page != page {
		t.Errorf("segments %v are there, %d was the newest: somebody has recovered", got, newest)
	}
	for _, w := range []*Writer{behind, w} {
		if err := w.Sync(); err != nil {
			t.Error(err)
		}
	}
	finish()
}

// lazy is sys without syncs in the background, until they are made up for.
func lazy(sys system) (_ system, finish func()) {
	var due []func()
	sys.start = func(f func()) { due = append(due, f) }
	return sys, func() {
		for _, f := range due {
			f()
		}
	}
}

// A sync that fails keeps that segment from going and no other; records whose outcome
// has become unknown by it do not keep anything from going for ever.
func TestPruneAfterFailedSync(t *testing.T) {
	dir := t.TempDir()
	fail, sys := failing()
	sys, finish := lazy(sys)
	w := start(t, dir, small, sys)
	for range 4 {
		fill(t, w)
	}
	newest := w.cur.Number
	fail.Store(true)
	removed, err := w.Prune(newest)
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("the error is %v", err)
	}
	if got := list(t, w); !slices.Equal(got, []uint64{newest - 1, newest}) || len(removed) != int(newest-2) {
		t.Errorf("removed %v, %v is left, %d is not synced", removed, got, newest-1)
	}
	if removed, err := w.Prune(newest); err != nil || !slices.Equal(removed, []uint64{newest - 1}) {
		t.Errorf("when the page has been left, removed %v, %v", removed, err)
	}
	if err := w.Sync(); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Sync says %v of what was caught in the failure", err)
	}
	if s := w.Stats(); s.Pruned != newest-1 || s.SyncFailures != 1 {
		t.Errorf("%+v", s)
	}
	finish()
}

// A handle that has to leave its page, and cannot because there is no space for a
// recovery, removes what is known to be on disk.
func TestPruneWithoutPage(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	for range 4 {
		fill(t, w)
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	newest := w.cur.Number
	// A directory in its place is what recovery can neither use nor make room for.
	path := controlFile(t, dir)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	removed, err := w.Prune(newest)
	if err != nil || len(removed) != int(newest-1) {
		t.Errorf("removed %v, %v", removed, err)
	}
	if _, err := w.Append(record.Header{Kind: record.KindData}, nil, nil, false); err == nil {
		t.Error("an append does not tell that there can be no page")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	put(t, w, "goes on")
	if err := w.Sync(); err != nil {
		t.Error(err)
	}
}

// Others get the directory lock now and then while many segments are removed.
func TestPruneGivesWay(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	for range 3 * pruneAtOnce {
		fill(t, w)
	}
	before := list(t, w)
	w.dirMu.Lock()
	removed, more, err := w.removeSome(before[len(before)-1])
	w.dirMu.Unlock()
	if err != nil || !more || !slices.Equal(removed, before[:pruneAtOnce]) {
		t.Errorf("removed %v at once, %v; more: %v", removed, err, more)
	}
	syncs := 0
	w.sys.syncDir = func(f *os.File) error {
		if syncs++; syncs == 3 {
			return errors.New("the disk has failed")
		}
		return host.SyncDir(f)
	}
	before = list(t, w)
	if removed, err := w.Prune(before[len(before)-1]); err == nil || !slices.Equal(removed, before[:3]) {
		t.Errorf("removed %v until a sync failed, %v", removed, err)
	}
	if removed, err := w.Prune(before[len(before)-1]); err != nil || !slices.Equal(removed, before[3:len(before)-1]) {
		t.Errorf("removed %v in all, %v", removed, err)
	}
}

// Two handles that remove the same segments at the same time do not see each other.
func TestPruneTwice(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	for range 3 * pruneAtOnce {
		fill(t, w)
	}
	newest := w.cur.Number
	results := make(chan []uint64)
	for range 2 {
		w := start(t, dir, small, realSystem())
		go func() {
			removed, err := w.Prune(newest)
			if err != nil {
				t.Error(err)
			}
			results <- removed
		}()
	}
	both := append(<-results, <-results...)
	slices.Sort(both)
	var want []uint64
	for n := range newest - 1 {
		want = append(want, n+1)
	}
	if !slices.Equal(both, want) {
		t.Errorf("removed %v, want each of %v once", both, want)
	}
}

// A writer whose page others have left while it slept looks for its records that were
// not synced. That retention has removed them since is no loss; that what is left of
// them is not there, is.
func TestPrunedRecordsAreNotMissed(t *testing.T) {
	for _, c := range []struct {
		name string
		lose bool
	}{{"pruned", false}, {"pruned and lost", true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			sleeper := start(t, dir, small, realSystem())
			fill(t, sleeper)
			mine := sleeper.cur.Number // has a record of his that is not synced
			if err := os.Remove(controlFile(t, dir)); err != nil {
				t.Fatal(err)
			}
			w := start(t, dir, small, realSystem()) // recovers
			for range 3 {
				fill(t, w)
			}
			keep := w.cur.Number
			if c.lose {
				zeros(t, dir, mine)
				keep = mine
			}
			if _, err := w.Prune(keep); err != nil {
				t.Fatal(err)
			}
			put(t, sleeper, "awake")
			if err := sleeper.Sync(); errors.Is(err, ErrOutcomeUnknown) != c.lose {
				t.Errorf("Sync: %v", err)
			}
		})
	}
}

// A handle that only goes where others have been keeps no segments open that are on
// disk: their space would not come back when they are removed.
func TestFollowerKeepsNothingOpen(t *testing.T) {
	dir := t.TempDir()
	w, slow := start(t, dir, small, realSystem()), start(t, dir, small, realSystem())
	for range 10 {
		fill(t, w)
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		put(t, slow, "now and then")
	}
	if len(slow.pins) != 1 || slow.cur != slow.pins[0] || slow.cur.Number != w.cur.Number {
		t.Errorf("%d segments are open", len(slow.pins))
	}
}

// A segment is removed between the look for it and its opening: there is a higher one.
func TestPrunedBeforeItIsOpened(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	sys := realSystem()
	times := 0
	sys.step = func(name string) {
		if name != "R7 located" || times == 2 {
			return
		}
		times++
		for range 3 {
			fill(t, w)
		}
		if _, err := w.Prune(w.cur.Number); err != nil {
			t.Error(err)
		}
	}
	put(t, w, "one")
	slow := start(t, dir, small, sys)
	times = 0
	fill(t, w)
	if ack := put(t, slow, "late"); times != 2 || ack.Position.Segment != w.cur.Number {
		t.Errorf("the record is at %v, the journal in segment %d; removed %d times", ack.Position, w.cur.Number, times)
	}
	for _, p := range slow.pins {
		if p.sample == 0 {
			t.Errorf("the descriptor of segment %d has no sample", p.Number)
		}
	}
	if err := slow.Sync(); err != nil {
		t.Error(err)
	}
}

// zeros takes the records of segment n away.
func zeros(t testing.TB, dir string, n uint64) {
	t.Helper()
	f, err := os.OpenFile(dir+"/"+segment.Name(n), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, 4096), segment.HeaderSize)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Stats does not wait for an append that is under way, and is nearly up to date.
func TestStatsWaitForNothing(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	put(t, w, "x")
	if s := w.Stats(); s.Records != 1 || s.Appends != 1 || s.Begun != 1 {
		t.Errorf("%+v", s)
	}
	for i := range 200 {
		put(t, w, fmt.Sprintf("%01000d", i))
	}
	w.mu.Lock() // as an append that the system does not let go of
	s := w.Stats()
	w.mu.Unlock()
	if late := w.seq - s.Records; s.Records == 0 || late > markBytes/1000+1 {
		t.Errorf("while an append is under way %d of %d records are counted", s.Records, w.seq)
	}
	if later := w.Stats(); later.Records != w.seq || later.Bytes < 200_000 || later.Begun != w.cur.Number {
		t.Errorf("afterwards %+v", later)
	}
}

// Every group that shares a sync is counted once, by its size.
func TestStatsOfGroups(t *testing.T) {
	var c counters
	sizes := []int{1, 1, 2, 3, 4, 5, 8, 9, 33, 64, 65, 1000}
	sum := 0
	for _, n := range sizes {
		c.group(n)
		sum += n
	}
	w := &Writer{}
	for i := range c.groupSizes {
		w.count.groupSizes[i].Store(c.groupSizes[i].Load())
	}
	if got, want := w.Stats().GroupSizes, [GroupBuckets]uint64{2, 1, 2, 2, 1, 0, 2, 2}; got != want {
		t.Errorf("sizes %v, want %v", got, want)
	}
	if c.groups.Load() != uint64(len(sizes)) || c.grouped.Load() != uint64(sum) || c.groupMax.Load() != 1000 {
		t.Errorf("%d groups of %d, at most %d", c.groups.Load(), c.grouped.Load(), c.groupMax.Load())
	}

	// Three wait while a sync is under way; the next one is for all of them.
	sys := realSystem()
	var hold atomic.Bool
	begun, end := make(chan struct{}), make(chan struct{})
	sys.syncData = func(f *os.File) error {
		if hold.Swap(false) {
			begun <- struct{}{}
			<-end
		}
		return host.SyncData(f)
	}
	w = start(t, t.TempDir(), small, sys)
	hold.Store(true)
	done := make(chan error)
	one := func() {
		ack, err := w.Append(record.Header{Kind: record.KindData}, nil, nil, true)
		if err == nil {
			err = w.SyncTo(ack.Pos())
		}
		done <- err
	}
	go one()
	<-begun
	for range 3 {
		go one()
	}
	for joined := 0; joined < 3; runtime.Gosched() {
		w.group.mu.Lock()
		if w.group.next != nil {
			joined = w.group.next.size
		}
		w.group.mu.Unlock()
	}
	close(end)
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s := w.Stats()
	if s.Groups != 2 || s.Grouped != 4 || s.GroupMax != 3 || s.GroupSizes != [GroupBuckets]uint64{1, 0, 1} ||
		s.Syncs != 2 || s.SyncTime < s.SyncMax || s.SyncMax <= 0 {
		t.Errorf("%+v", s)
	}
}
