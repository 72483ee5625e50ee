package writer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// small makes segments that a few records fill.
var small = Options{
	Limits:  segment.Limits{Limit: segment.MinLimit, MaxRecord: 1 << 20},
	Perm:    0o644,
	Timeout: 20 * time.Second,
}

// start opens a writer that the test closes.
func start(t testing.TB, dir string, opt Options, sys system) *Writer {
	t.Helper()
	w, err := open(dir, opt, sys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return w
}

// put appends one record whose value is text, and fails the test if that fails.
func put(t testing.TB, w *Writer, text string) Ack {
	t.Helper()
	ack, err := w.Append(record.Header{Kind: record.KindData, Time: time.Now().UnixNano()}, []byte("key"), []byte(text), false)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// putWaiting is put by somebody who is going to call SyncTo for the record.
func putWaiting(t testing.TB, w *Writer, text string) Ack {
	t.Helper()
	ack, err := w.Append(record.Header{Kind: record.KindData}, nil, []byte(text), true)
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// fill appends records until the current segment is another one.
func fill(t testing.TB, w *Writer) []string {
	t.Helper()
	var texts []string
	first := put(t, w, "fill").Position.Segment
	texts = append(texts, "fill")
	for i := 0; ; i++ {
		text := fmt.Sprintf("fill %d %0700d", i, 0)
		texts = append(texts, text)
		if put(t, w, text).Position.Segment != first {
			return texts
		}
	}
}

// top appends records until no valid one fits into the current segment.
func top(t testing.TB, w *Writer) []string {
	t.Helper()
	var texts []string
	for i := 0; !w.full; i++ {
		texts = append(texts, fmt.Sprintf("top %d %0700d", i, 0))
		put(t, w, texts[i])
	}
	return texts
}

// openDir opens a journal for reading, as long as the test runs.
func openDir(t testing.TB, path string) *segment.Dir {
	t.Helper()
	d, err := segment.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() }) // only read from
	if _, err := d.Identify(); err != nil {
		t.Fatal(err)
	}
	return d
}

// contents reads the whole journal as a new reader would, values in order, and
// what was damaged.
func contents(t testing.TB, dir string) (values []string, damage []record.Class) {
	t.Helper()
	d := openDir(t, dir)
	r := d.NewReader(segment.ReaderOptions{})
	defer r.Close()
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			return values, damage
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Class != record.Whole {
			damage = append(damage, ev.Class)
			continue
		}
		if ev.Header.Kind.Note() {
			continue
		}
		values = append(values, string(ev.Value))
	}
}

func wantContents(t testing.TB, dir string, want []string) {
	t.Helper()
	got, damage := contents(t, dir)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("journal differs (-want +got):\n%s", diff)
	}
	for _, c := range damage {
		if c == record.Corruption || c == record.Hole {
			t.Errorf("journal has damage of class %v", c)
		}
	}
}

// controlFile is the path of the control file of this boot.
func controlFile(t testing.TB, dir string) string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, segment.ControlPrefix+"*"))
	if err != nil || len(m) != 1 {
		t.Fatalf("control files: %v, %v", m, err)
	}
	return m[0]
}

func TestAppendRollAndReopen(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	want := fill(t, w)
	want = append(want, fill(t, w)...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close: %v, want ErrClosed", err)
	}
	w = start(t, dir, small, realSystem())
	put(t, w, "again")
	wantContents(t, dir, append(want, "again"))
}

func TestSequenceHasNoHoles(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	for i := range uint64(200) {
		if ack := put(t, w, fmt.Sprintf("%d %0500d", i, 0)); ack.Seq != i+1 {
			t.Fatalf("record %d has sequence %d", i, ack.Seq)
		}
	}
}

func TestTooLong(t *testing.T) {
	w := start(t, t.TempDir(), small, realSystem())
	_, err := w.Append(record.Header{Kind: record.KindData}, nil, make([]byte, small.Limits.MaxRecord), false)
	var size *record.SizeError
	if !errors.As(err, &size) || size.Limit != small.Limits.MaxRecord-record.Overhead {
		t.Errorf("error %v, want a SizeError of limit %d", err, small.Limits.MaxRecord-record.Overhead)
	}
	if ack := put(t, w, "next"); ack.Seq != 1 {
		t.Errorf("a refused record has used up sequence 1")
	}
}

func TestPruneKeepsNewest(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	for range 5 {
		fill(t, w)
	}
	if _, err := w.Prune(1 << 20); err != nil {
		t.Fatal(err)
	}
	numbers, err := w.dir.List()
	if err != nil {
		t.Fatal(err)
	}
	if len(numbers) != 1 || numbers[0] != w.cur.Number {
		t.Errorf("segments left: %v, want only %d", numbers, w.cur.Number)
	}
	put(t, w, "goes on")
	if err := w.Sync(); err != nil {
		t.Error(err)
	}
}

func TestBatchIsOneRecord(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	entry, err := record.AppendEntry(nil, record.KindData, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	entry = append(entry, "kvv"...)
	ack, err := w.AppendBatch(record.Header{}, 2, [][]byte{entry, entry}, false)
	if err != nil {
		t.Fatal(err)
	}
	if next := put(t, w, "after"); ack.Seq != 1 || next.Seq != 3 {
		t.Errorf("sequences %d and %d, want 1 and 3", ack.Seq, next.Seq)
	}
}

// lastSyn is what the page says is durable.
func lastSyn(w *Writer) control.Pos {
	w.syncMu.Lock()
	defer w.syncMu.Unlock()
	return w.page.Syn()
}

// Sync covers what others have acknowledged in segments that this handle has not
// come to yet.
func TestSyncCoversLaterSegments(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "here")
	w1 := start(t, dir, small, realSystem())
	fill(t, w1)
	ack := put(t, w1, "there")
	if err := w0.Sync(); err != nil {
		t.Fatal(err)
	}
	if !w1.Synced(ack.Pos()) {
		t.Errorf("a record at %v, acknowledged before Sync, is not synced", ack.Position)
	}
}

// The directory lock belongs to the handle; its goroutines must not let go of
// each other's.
func TestDirectoryLockIsNotShared(t *testing.T) {
	dir := t.TempDir()
	waits := make(chan struct{}, 1)
	sys := realSystem()
	sys.step = func(name string) {
		if name == "wait" {
			select {
			case waits <- struct{}{}:
			default:
			}
			runtime.Gosched()
		}
	}
	w := start(t, dir, small, sys)
	done := make(chan error, 1)
	if err := w.withDir(exclusive, func() error {
		go func() { done <- w.withDir(exclusive, func() error { return nil }) }()
		select {
		case <-waits:
		case err := <-done:
			t.Errorf("two goroutines have the lock, and one has let it go (%v)", err)
			done <- err
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A writer that cannot tell which boot this is knows nothing of the page of others:
// it has the journal alone or not at all, and so have they beside it.
func TestNoBootID(t *testing.T) {
	dir := t.TempDir()
	blind := realSystem()
	blind.bootID = func() ([16]byte, error) { return [16]byte{}, errors.New("no boot id") }
	w := start(t, dir, small, realSystem())
	start(t, dir, small, realSystem())
	if _, err := open(dir, small, blind); !errors.Is(err, ErrUnsafe) {
		t.Fatalf("beside others: %v, want ErrUnsafe", err)
	}
	put(t, w, "goes on")
	dir = t.TempDir()
	start(t, dir, small, blind)
	for name, sys := range map[string]system{"another one": blind, "one that shares": realSystem()} {
		if _, err := open(dir, small, sys); !errors.Is(err, ErrUnsafe) {
			t.Errorf("%s: %v, want ErrUnsafe", name, err)
		}
	}
}

// Sync covers what others have acknowledged under a page that this handle has not come
// to yet, because a recovery has put it there meanwhile.
func TestSyncCoversAnotherPage(t *testing.T) {
	dir := t.TempDir()
	w0 := start(t, dir, small, realSystem())
	put(t, w0, "here")
	if err := w0.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	w1 := start(t, dir, small, realSystem())
	ack := put(t, w1, "there")
	if err := w0.Sync(); err != nil {
		t.Fatal(err)
	}
	if !w1.Synced(ack.Pos()) {
		t.Errorf("a record at %v, acknowledged before Sync, is not synced", ack.Position)
	}
}
