package writer

// A test for each counterexample of the protocol that real code can be brought
// into, named after it: it fails if the rule that closes it is left out. C3,
// C8, C9, C10, C12, C14 and C31 ff. have theirs in the packages that hold the
// rule: host, record, segment and control.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// C1: a writer goes on under a control file that was removed and replaced. What
// it appends is acknowledged only where readers find it.
func TestC1StaleControlFile(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "one")
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	w1 := start(t, dir, small, realSystem()) // recovers: seals segment 1
	put(t, w1, "two")
	put(t, w0, "three")
	wantContents(t, dir, []string{"one", "two", "three"})
	if w0.cur.Number != w1.cur.Number {
		t.Errorf("writers are in segments %d and %d", w0.cur.Number, w1.cur.Number)
	}
}

// C2, C5: the seal is there and the next segment cannot be made. Appends fail,
// nothing that failed is ever read, and they succeed when there is room again.
func TestC5NoRoomForNextSegment(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	want := top(t, w)
	if err := w.seal(w.cur.File); err != nil {
		t.Fatal(err)
	}
	// Without a free descriptor no file can be made.
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := old
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		h := record.Header{Kind: record.KindData}
		if _, err := w.Append(h, nil, fmt.Appendf(nil, "failed %d", i), false); !errors.Is(err, syscall.EMFILE) {
			t.Errorf("append without a next segment: %v, want EMFILE", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	put(t, w, "second")
	wantContents(t, dir, append(want, "second"))
}

// C6: a roller dies between the seal and the next segment, and so do all. Who
// opens then must not append behind the seal.
func TestC6DeadBetweenSealAndNext(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	want := top(t, w)
	if err := errors.Join(w.seal(w.cur.File), w.Close()); err != nil {
		t.Fatal(err)
	}
	w = start(t, dir, small, realSystem())
	put(t, w, "two")
	wantContents(t, dir, append(want, "two"))
}

// C7: a process that is stopped while it rolls holds up nobody's appends.
func TestC7StoppedRoller(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	c := spawn(t, "lock-directory", dir)
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	want := fill(t, w)
	wantContents(t, dir, append(want, fill(t, w)...))
}

// A process that is stopped while it syncs costs the syncs of others a time-out with
// an error that says so, and none of their appends, though segments fill up behind
// what cannot be synced. Syncs succeed again when one has had to leave the page.
func TestStoppedInSync(t *testing.T) {
	dir := t.TempDir()
	c := spawn(t, "lock-page", dir)
	if err := c.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	opt := small
	opt.Timeout = time.Millisecond
	w := start(t, dir, opt, realSystem())
	want := []string{"one"}
	ack := put(t, w, "one")
	var all sync.WaitGroup
	for range 20 { // each of them, and they wait together
		all.Go(func() {
			if err := w.SyncTo(ack.Pos()); !errors.Is(err, ErrTimeout) {
				t.Errorf("sync beside a stopped one: %v, want ErrTimeout", err)
			}
		})
	}
	all.Wait()
	for range 4 {
		want = append(want, fill(t, w)...)
	}
	if err := w.Sync(); err != nil {
		t.Errorf("sync behind the stopped one: %v", err)
	}
	wantContents(t, dir, want)
}

// C11: a writer has seen that its segment is the highest, sleeps, and links the
// next number when retention has removed it again.
func TestC11SleeperLinksPrunedNumber(t *testing.T) {
	dir := t.TempDir()
	sleeper := start(t, dir, small, realSystem())
	put(t, sleeper, "one")
	n, limits := sleeper.cur.Number, sleeper.cur.Limits
	w := start(t, dir, small, realSystem())
	for range 4 {
		fill(t, w)
	}
	if _, err := w.Prune(n + 3); err != nil {
		t.Fatal(err)
	}
	highest, err := sleeper.create(n, limits, limits.Limit) // R4, R5 of the sleeper
	if err != nil {
		t.Fatal(err)
	}
	if there, err := sleeper.dir.Exists(n + 1); there || err != nil {
		t.Errorf("segment %d exists again (%v)", n+1, err)
	}
	if highest != w.cur.Number {
		t.Errorf("sleeper goes on in %d, the journal is in %d", highest, w.cur.Number)
	}
	put(t, sleeper, "two")
	if values, _ := contents(t, dir); values[len(values)-1] != "two" {
		t.Errorf("record of the sleeper is not the last one: %q", values[len(values)-1])
	}
}

// C13: a batch is judged as one. A void one is appended again as a whole, and
// none of its entries is there twice.
func TestC13VoidBatch(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "first")
	w1 := start(t, dir, small, realSystem())
	for { // up to the limit and not beyond the segment: nobody has rolled yet
		if ack := put(t, w1, strings.Repeat("x", 700)); ack.End >= w1.cur.Limit {
			break
		}
	}
	var entries []byte
	for _, value := range []string{"a", "b", "c"} {
		var err error
		if entries, err = record.AppendEntry(entries, record.KindData, 0, 1); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, value...)
	}
	ack, err := w0.AppendBatch(record.Header{}, 3, [][]byte{entries}, false)
	if err != nil || ack.Position.Segment != 2 || ack.Seq != 2 {
		t.Fatalf("%+v, %v", ack, err)
	}
	if next := put(t, w0, "last"); next.Seq != 5 {
		t.Errorf("the record behind the batch has sequence %d", next.Seq)
	}
	values, damage := contents(t, dir)
	batches := 0
	for _, v := range values {
		if strings.HasSuffix(v, string(entries)) {
			batches++
		}
	}
	if batches != 1 || len(damage) != 1 || damage[0] != record.Void {
		t.Errorf("%d batches, damage %v", batches, damage)
	}
}

// C15, C17: a process died in fdatasync. Who opened the segment after that must
// not take the success of his own fdatasync for the truth; who opened it before
// an earlier attempt that died neither.
func TestC15DiedInSync(t *testing.T) {
	dir := t.TempDir()
	dead := start(t, dir, small, realSystem())
	put(t, dead, "one")
	for range 2 {
		if _, ok := dead.page.Begin(); !ok { // S4, and no S5
			t.Fatal("attempt not begun")
		}
	}
	var syncs int
	sys := realSystem()
	sys.syncData = func(f *os.File) error { syncs++; return host.SyncData(f) }
	w := start(t, dir, small, sys)
	n := w.cur.Number
	before := inode(t, dir, n)
	ack := put(t, w, "two")
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Fatal(err)
	}
	if syncs != 0 {
		t.Errorf("%d fdatasync through a descriptor that is not trusted", syncs)
	}
	if after := inode(t, dir, n); after == before {
		t.Errorf("segment %d was not copied", n)
	}
	wantContents(t, dir, []string{"one", "two"})
}

// C16: the sample is taken after the file was opened. An attempt that begins
// between the two must not be older than the sample.
func TestC16SampleAfterOpen(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	attempt, _ := w.page.Begin()
	w.page.Succeeded(attempt, w.page.Syn())
	late := start(t, dir, small, realSystem())
	if got := late.cur.sample; got != attempt {
		t.Errorf("sample is %d, want %d", got, attempt)
	}
}

// C18: what is appended while fdatasync runs is not synced by it.
func TestC18AppendDuringSync(t *testing.T) {
	dir := t.TempDir()
	other := start(t, dir, small, realSystem())
	sys := realSystem()
	var once sync.Once
	var late Ack
	sys.syncData = func(f *os.File) error {
		err := host.SyncData(f)
		once.Do(func() { late = put(t, other, "late") })
		return err
	}
	w := start(t, dir, small, sys)
	ack := put(t, w, "early")
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Fatal(err)
	}
	if syn := lastSyn(w); syn < ack.Pos() || syn >= late.Pos() {
		t.Errorf("synced up to %v:%v; early ends at %v, late at %v", syn.Segment(), syn.Offset(), ack.End, late.End)
	}
}

// C19, C49: no segment n+2 comes into being before n is on disk, also when nobody
// can sync: then the page is left, and recovery makes sure of it.
func TestC19RollSyncs(t *testing.T) {
	dir := t.TempDir()
	other := start(t, dir, small, realSystem())
	if ok, err := other.page.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	impatient := small
	impatient.Timeout = time.Millisecond
	w := start(t, dir, impatient, realSystem())
	h := record.Header{Kind: record.KindData}
	page := w.page
	for range 30 {
		if _, err := w.Append(h, nil, make([]byte, 1000), false); err != nil {
			t.Fatal(err)
		}
		if w.page == page && w.cur.Number > ahead+1 {
			t.Fatalf("segment %d is in use, and nothing could be synced", w.cur.Number)
		}
		if syn := lastSyn(w); w.cur.Number > 2 && syn < control.At(w.cur.Number-2, control.End) {
			t.Fatalf("segment %d is in use and only %d:%d is synced", w.cur.Number, syn.Segment(), syn.Offset())
		}
	}
	if w.page == page {
		t.Error("the page that nobody can sync under was not left")
	}
	if err := other.page.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// C20: whoever finds a segment by its name makes the name durable before he
// uses it, unless somebody is known to have done so.
func TestC20NameDurableBeforeUse(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "one")
	var dirSyncs int
	sys := realSystem()
	sys.syncDir = func(f *os.File) error { dirSyncs++; return host.SyncDir(f) }
	w1 := start(t, dir, small, sys)
	// A roller that died after it linked the next segment (R5), before R6.
	n := w1.cur.Number
	if err := errors.Join(w1.seal(w1.cur.File), w0.link(segment.Header{Number: n + 1, Prev: w0.cur.Limits})); err != nil {
		t.Fatal(err)
	}
	dirSyncs = 0
	if ack := put(t, w1, "two"); ack.Position.Segment != n+1 {
		t.Fatalf("appended to segment %d", ack.Position.Segment)
	}
	if dirSyncs == 0 {
		t.Error("the name of the segment was used before the directory was synced")
	}
	if active := w1.page.Active(); active != n+1 {
		t.Errorf("active is %d", active)
	}
}

// C21: after a failed fdatasync the same inode is never trusted again, and the
// records are of unknown outcome.
func TestC21FailedSync(t *testing.T) {
	dir := t.TempDir()
	sys := realSystem()
	failing := true
	var tried int
	sys.syncData = func(f *os.File) error {
		tried++
		if failing {
			failing = false
			return syscall.EIO
		}
		return host.SyncData(f)
	}
	w := start(t, dir, small, sys)
	n := w.cur.Number
	before := inode(t, dir, n)
	ack := putWaiting(t, w, "one")
	if err := w.SyncTo(ack.Pos()); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync that failed returns %v", err)
	}
	if err := w.SyncTo(ack.Pos()); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("the same record, asked again: %v", err)
	}
	if tried != 1 {
		t.Errorf("fdatasync was called %d times", tried)
	}
	ack = putWaiting(t, w, "two")
	if err := w.SyncTo(ack.Pos()); err != nil {
		t.Errorf("a record after recovery: %v", err)
	}
	if ack.Position.Segment == n || inode(t, dir, n) == before {
		t.Error("recovery has not begun a new segment and copied the doubtful one")
	}
	if !w.cur.Doubted || w.cur.Rolled {
		t.Errorf("the new segment says rolled %v, doubted %v", w.cur.Rolled, w.cur.Doubted)
	}
	wantContents(t, dir, []string{"one", "two"})
}

// The failure of one process is everybody's: a second writer with records that
// are not synced must not be told that they are.
func TestC21FailureOfAnother(t *testing.T) {
	dir := t.TempDir()
	sys := realSystem()
	sys.syncData = func(*os.File) error { return syscall.EIO }
	w0, w1 := start(t, dir, small, sys), start(t, dir, small, realSystem())
	ack0, ack1 := putWaiting(t, w0, "zero"), putWaiting(t, w1, "one")
	if err := w0.SyncTo(ack0.Pos()); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("first writer: %v", err)
	}
	if err := w1.SyncTo(ack1.Pos()); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("second writer: %v", err)
	}
	ack1 = putWaiting(t, w1, "two")
	if err := w1.SyncTo(ack1.Pos()); err != nil {
		t.Errorf("second writer after recovery: %v", err)
	}
}

// C22: a writer that enters a new segment looks whether its control file is
// still the one at the path.
func TestC22LeavesRemovedControlFile(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "one")
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	start(t, dir, small, realSystem())
	fill(t, w0)
	linked, err := w0.page.Linked()
	if err != nil || !linked {
		t.Errorf("the writer still uses a control file that nobody else has (%v)", err)
	}
	if err := w0.Sync(); err != nil {
		t.Errorf("sync after that: %v", err)
	}
}

// C23 to C26: openers die at any moment of making the journal, and the control
// file is removed or ruined again and again. The journal opens all the same,
// and every record is there.
func TestC23OpenersDie(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	var want []string
	for i := range 10 {
		var openers []*child
		for range 4 {
			openers = append(openers, spawn(t, "open-and-die", dir))
		}
		for _, c := range openers {
			c.kill()
		}
		w := start(t, dir, small, realSystem())
		text := fmt.Sprint("record ", i)
		put(t, w, text)
		want = append(want, text)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := os.Remove(controlFile(t, dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantContents(t, dir, want)
}

// ruin changes a control file in ways that nobody should survive by believing it.
var ruin = map[string]func(path string) error{
	"removed":   os.Remove,
	"zeroed":    func(path string) error { return overwrite(path, make([]byte, 4096)) },
	"noise":     func(path string) error { return overwrite(path, []byte(strings.Repeat("noise! ", 585))) },
	"truncated": func(path string) error { return os.Truncate(path, 0) },
	"half":      func(path string) error { return os.Truncate(path, 100) },
	"copied": func(path string) error {
		b, err := os.ReadFile(path)
		return errors.Join(err, os.Remove(path), os.WriteFile(path, b, 0o644))
	},
	"other journal": func(path string) error {
		dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(path)), "")
		if err != nil {
			return err
		}
		w, err := Open(dir, small)
		if err != nil {
			return err
		}
		return errors.Join(w.Close(), os.Rename(filepath.Join(dir, filepath.Base(path)), path))
	},
}

func overwrite(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// A control file is a cache: it may be ruined while writers have it mapped, and
// costs nobody a record.
func TestControlFileRuined(t *testing.T) {
	for name, f := range ruin {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			w := start(t, dir, small, realSystem())
			want := []string{"before"}
			put(t, w, "before")
			if err := f(controlFile(t, dir)); err != nil {
				t.Fatal(err)
			}
			put(t, w, "in use")
			want = append(append(want, "in use"), fill(t, w)...)
			if err := w.Sync(); err != nil {
				t.Errorf("sync of the writer that had it open: %v", err)
			}
			if err := f(controlFile(t, dir)); err != nil {
				t.Fatal(err)
			}
			other := start(t, dir, small, realSystem())
			ack := put(t, other, "other")
			if err := other.SyncTo(ack.Pos()); err != nil {
				t.Errorf("sync of a writer that opened it: %v", err)
			}
			ack = put(t, w, "after")
			if err := w.SyncTo(ack.Pos()); err != nil {
				t.Errorf("sync of the first writer: %v", err)
			}
			wantContents(t, dir, append(want, "other", "after"))
		})
	}
}

// C27: if something else moves the offset of the descriptor, a record is not
// acknowledged at a place where it does not stand.
func TestC27SharedOffset(t *testing.T) {
	w := start(t, t.TempDir(), small, realSystem())
	put(t, w, "one")
	w.cur.last += 1000 // as if the own offset had gone back since
	_, err := w.Append(record.Header{Kind: record.KindData}, nil, []byte("two"), false)
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("error %v, want ErrOutcomeUnknown", err)
	}
	// The record is there, and its number is used up.
	if ack := put(t, w, "three"); ack.Seq != 3 {
		t.Errorf("sequence %d behind a record of unknown outcome that is there, want 3", ack.Seq)
	}
	// One that is not there has used none.
	w.unclear = &unclear{segment: w.cur.Number, records: 1, each: 1}
	if ack := put(t, w, "four"); ack.Seq != 4 {
		t.Errorf("sequence %d behind one that is not there, want 4", ack.Seq)
	}
	// Nor can anybody miss one in a segment that was removed.
	w.unclear = &unclear{segment: w.cur.Number + 7, records: 1, each: 2}
	if ack := put(t, w, "five"); ack.Seq != 7 {
		t.Errorf("sequence %d behind two that are gone, want 7", ack.Seq)
	}
	// As long as it cannot be read nothing is appended.
	w.unclear = &unclear{segment: w.cur.Number, records: 1, each: 1}
	path := filepath.Join(w.dir.Path, segment.Name(w.cur.Number))
	if err := errors.Join(os.Rename(path, path+"~"), os.Symlink("nowhere", path)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(record.Header{Kind: record.KindData}, nil, []byte("six"), false); err == nil || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("with a segment that cannot be read: %v", err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	if ack := put(t, w, "six"); ack.Seq != 8 {
		t.Errorf("sequence %d, want 8", ack.Seq)
	}
}

// C28: a child inherits no descriptor, so it cannot keep a lock of its parent.
func TestC28NothingInherited(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	fill(t, w)
	out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
	if err != nil {
		t.Skip("no ls or no /proc:", err)
	}
	if strings.Contains(string(out), dir) {
		t.Errorf("a child has descriptors of the journal:\n%s", out)
	}
}

// C29, C30: the first writer after a boot appends to a new segment, behind
// which no number was in use, whatever the power cut has left of the last one.
func TestC29NewSegmentPerBoot(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	ack := put(t, w, "one")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sys := realSystem()
	sys.bootID = func() ([16]byte, error) { return [16]byte{1}, nil }
	before := inode(t, dir, ack.Position.Segment)
	w = start(t, dir, small, sys)
	if next := put(t, w, "two"); next.Position.Segment != ack.Position.Segment+1 {
		t.Errorf("after a boot records go to segment %d, before it was %d", next.Position.Segment, ack.Position.Segment)
	}
	if inode(t, dir, ack.Position.Segment) != before {
		t.Error("a segment of an earlier boot was copied: its bytes came from the disk")
	}
	if name := filepath.Base(controlFile(t, dir)); name != control.Name([16]byte{1}) {
		t.Errorf("control file is %s", name)
	}
	wantContents(t, dir, []string{"one", "two"})
}

// The newest segments were removed by hand: their numbers are not used again,
// or a reader's position would mean another record (C30).
func TestC30RemovedNewest(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	want := fill(t, w)
	want[len(want)-1] = "new" // the last one was in the segment that is removed
	n := w.cur.Number
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, segment.Name(n))); err != nil {
		t.Fatal(err)
	}
	w = start(t, dir, small, realSystem())
	ack := put(t, w, "new")
	if ack.Position.Segment <= n {
		t.Errorf("segment %d is used again", ack.Position.Segment)
	}
	d := openDir(t, dir)
	r := d.NewReader(segment.ReaderOptions{})
	defer r.Close()
	var gone *segment.GoneError
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			break
		}
		if err != nil && (!errors.As(err, &gone) || !errors.Is(err, segment.ErrMissing)) {
			t.Fatal(err)
		}
		if err == nil && ev.Class == record.Whole {
			if string(ev.Value) != want[0] {
				t.Fatalf("read %.20q, want %.20q", ev.Value, want[0])
			}
			want = want[1:]
		}
	}
	if gone == nil || len(want) != 0 {
		t.Errorf("gap %v, %d records not read", gone, len(want))
	}
}

// A writer whose control file was replaced finds its records again, and says so
// once if it does not.
func TestUnsyncedRecordsAreLookedFor(t *testing.T) {
	for _, lose := range []bool{false, true} {
		dir := t.TempDir()
		w := start(t, dir, small, realSystem())
		put(t, w, "one")
		ack := put(t, w, "two")
		if err := os.Remove(controlFile(t, dir)); err != nil {
			t.Fatal(err)
		}
		start(t, dir, small, realSystem())
		if lose { // as if the page had not got to the disk
			f, err := os.OpenFile(filepath.Join(dir, segment.Name(ack.Position.Segment)), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(make([]byte, 30), ack.Position.Offset); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		put(t, w, "three")
		err := w.Sync()
		if lose != errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("a record was lost: %v; sync says %v", lose, err)
		}
		if err := w.Sync(); err != nil {
			t.Errorf("it is said again: %v", err)
		}
	}
}

func inode(t testing.TB, dir string, n uint64) uint64 {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := host.StatIn(f, segment.Name(n))
	if err != nil {
		t.Fatal(err)
	}
	return st.Ino
}
