package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/manypen/manypen/journal"
)

// While writers are at work, a snapshot has every record that was acknowledged
// before it began, in order and nothing else; it can be opened and written, and
// the journal does not notice.
func TestSnapshot(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "journal")
	const writers = 3
	var acked [writers]atomic.Int64
	var ahead atomic.Int64 // how far they may go: what there is is read again in each round
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
		wg.Go(func() {
			for k := int64(1); ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				if k > ahead.Load() {
					runtime.Gosched()
					k--
					continue
				}
				value := bytes.Repeat([]byte{byte(k)}, int(k*7%900))
				if _, err := j.Append(fmt.Appendf(nil, "%d %d", i, k), value); err != nil {
					t.Error(err)
					return
				}
				acked[i].Store(k)
			}
		})
	}
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	reader := open(t, dir, journal.Options{ReadOnly: true})
	for round := range 8 {
		ahead.Store(int64(round+1) * 1500)
		for acked[round%writers].Load() < int64(round+1)*500 { // some segments further
			if t.Failed() {
				break
			}
			runtime.Gosched()
		}
		var before [writers]int64
		for i := range before {
			before[i] = acked[i].Load()
		}
		from := j
		if round%2 == 1 {
			from = reader
		}
		path := filepath.Join(base, fmt.Sprint("snapshot", round))
		if err := from.Snapshot(path); err != nil {
			t.Fatal(err)
		}
		checkSnapshot(t, path, before[:])
	}
	close(stop)
	wg.Wait()
	verify(t, dir)
	left, err := filepath.Glob(filepath.Join(base, ".manypen-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// checkSnapshot reads the snapshot as it is, and again after a writer has opened
// it and gone on.
func checkSnapshot(t *testing.T, path string, want []int64) {
	t.Helper()
	for range 2 {
		report := verify(t, path)
		counts := make([]int64, len(want))
		for _, rec := range all(t, path) {
			var i int
			var k int64
			if _, err := fmt.Sscanf(string(rec.Key), "%d %d", &i, &k); err != nil {
				continue // of the second round
			}
			if k != counts[i]+1 || len(rec.Value) != int(k*7%900) {
				t.Fatalf("writer %d: record %d behind %d", i, k, counts[i])
			}
			counts[i] = k
		}
		for i, n := range counts {
			if n < want[i] {
				t.Errorf("writer %d: %d records, %d were acknowledged before", i, n, want[i])
			}
		}
		if report.Records == 0 {
			t.Error("verify has seen no record")
		}
		w := open(t, path, journal.Options{SegmentSize: 64 << 10})
		if _, err := w.Append([]byte("of the snapshot"), nil); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Sealed segments are shared, not copied, and both sides can prune them.
func TestSnapshotShares(t *testing.T) {
	base := t.TempDir()
	dir, path := filepath.Join(base, "journal"), filepath.Join(base, "copy")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	for range 100 {
		if _, err := j.Append(nil, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := j.Snapshot(path); err != nil { // an empty directory may be there
		t.Fatal(err)
	}
	shared := 0
	for _, name := range segments(t, path) {
		a, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Stat(filepath.Join(dir, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		if os.SameFile(a, b) {
			shared++
		}
	}
	if n := len(segments(t, path)); shared < n-1 || n < 5 {
		t.Errorf("%d of %d segments are shared", shared, n)
	}
	_, newest, err := j.SegmentRange()
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Prune(journal.FirstPosition(newest)); err != nil {
		t.Fatal(err)
	}
	if got := len(all(t, path)); got != 100 {
		t.Errorf("after a prune of the journal the snapshot has %d records, want 100", got)
	}
	if err := j.Snapshot(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second snapshot over the first: %v, want ErrExist", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Snapshot(filepath.Join(base, "late")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("of a closed handle: %v", err)
	}
}

// A snapshot beside retention has no hole: what is left out is in front.
func TestSnapshotPruned(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "journal")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for k := range 1500 {
			if _, err := j.Append(nil, make([]byte, 1000)); err != nil {
				t.Error(err)
				return
			}
			if k%50 == 49 {
				_, newest, err := j.SegmentRange()
				if err == nil {
					err = j.Prune(journal.FirstPosition(newest - 1))
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for n := 0; ; n++ {
		path := filepath.Join(base, fmt.Sprint(n))
		if err := j.Snapshot(path); err != nil {
			t.Fatal(err)
		}
		report, err := journal.Verify(context.Background(), path, journal.VerifyOptions{})
		if err != nil || report.Corrupt() || report.Classes[journal.Hole].Count > 0 {
			t.Fatalf("snapshot %d: %+v, %v", n, report, err)
		}
		snapshot, err := journal.Open(path, journal.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		oldest, newest, err := snapshot.SegmentRange()
		if err := errors.Join(err, snapshot.Close()); err != nil {
			t.Fatal(err)
		}
		if there := len(segments(t, path)); newest-oldest+1 != uint64(there) {
			t.Fatalf("snapshot %d: %d segments from %d to %d", n, there, oldest, newest)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// A segment that lost its end stands in the middle of a journal: what lies behind
// it is in the snapshot all the same.
func TestSnapshotBehindDamage(t *testing.T) {
	base := t.TempDir()
	dir, path := filepath.Join(base, "journal"), filepath.Join(base, "copy")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	for range 40 {
		if _, err := j.Append(nil, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range segments(t, dir)[1:3] {
		if err := os.Truncate(name, 9500); err != nil {
			t.Fatal(err)
		}
	}
	want := len(all(t, dir))
	r := open(t, dir, journal.Options{ReadOnly: true})
	if err := r.Snapshot(path); err != nil {
		t.Fatal(err)
	}
	if got := len(all(t, path)); got != want || want == 0 {
		t.Errorf("the snapshot has %d records, the journal %d", got, want)
	}
}
