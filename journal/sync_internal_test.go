package journal

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/writer"
)

// Under SyncInterval the last append is synced although no further one comes.
func TestSyncIntervalSyncsByItself(t *testing.T) {
	j, err := Open(t.TempDir(), Options{Sync: SyncInterval, SyncInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() // nothing to sync is left
	p, err := j.Append(nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := j.ReadAt(p)
	if err != nil {
		t.Fatal(err)
	}
	end := writer.Ack{Position: p, End: rec.Next.Offset}.Pos()
	for !j.w.Synced(end) {
		runtime.Gosched() // until the background sync has run; nobody else tells
	}
}

// An error of a sync in the background is told once, by the next call.
func TestBackgroundSyncError(t *testing.T) {
	j, err := Open(t.TempDir(), Options{Sync: SyncInterval, SyncInterval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() // the error was told
	failed := os.ErrDeadlineExceeded
	j.behind.Store(&failed)
	if _, err := j.Append(nil, nil); !errors.Is(err, failed) {
		t.Errorf("the first append says %v", err)
	}
	if _, err := j.Append(nil, nil); err != nil {
		t.Errorf("the second one says %v", err)
	}
}

// Under any policy one record, or one batch, can wait for the disk while those
// around it do not.
func TestAppendSync(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncNone, SyncInterval, SyncAlways} {
		j, err := Open(t.TempDir(), Options{Sync: policy, SyncInterval: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		synced := func(p Position) bool {
			t.Helper()
			rec, err := j.ReadAt(p)
			if err != nil {
				t.Fatal(err)
			}
			return j.w.Synced(writer.Ack{Position: rec.Position, End: rec.Next.Offset}.Pos())
		}
		b := new(Batch)
		b.Put([]byte("k"), []byte("of a batch"))
		for round := range 2 {
			first, err := j.Append(nil, []byte("does not wait"))
			if err != nil {
				t.Fatal(err)
			}
			if got := synced(first); got != (policy == SyncAlways) {
				t.Errorf("%v: an append is synced: %t", policy, got)
			}
			var p Position
			if round == 0 {
				var ack Ack
				ack, err = j.AppendSync([]byte("k"), []byte("waits"))
				p = ack.Position
			} else {
				p, err = j.AppendBatchSync(b)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !synced(p) || !synced(first) {
				t.Errorf("%v, round %d: what waited is not synced, or what lay in front of it", policy, round)
			}
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The counters add up, and who finds the disk written by another handle says so.
func TestStats(t *testing.T) {
	dir := t.TempDir()
	open := func(policy SyncPolicy) *Journal {
		j, err := Open(dir, Options{Sync: policy})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { j.Close() }) // everything in it is checked below
		return j
	}
	a, b, always := open(SyncNone), open(SyncNone), open(SyncAlways)
	for range 5 {
		if _, err := a.Append([]byte("key"), []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	batch := new(Batch)
	batch.Put(nil, []byte("one"))
	batch.Put(nil, []byte("two"))
	if _, err := a.AppendBatch(batch); err != nil {
		t.Fatal(err)
	}
	if err := b.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := a.Sync(); err != nil {
		t.Fatal(err)
	}
	got := a.Stats()
	if got.Bytes < 5*8+6 || got.Records != 7 {
		t.Errorf("a: %+v", got)
	}
	if got.Syncs != 0 || got.SyncsShared != 1 || got.SyncFailures+got.Fragments+got.Voids != 0 {
		t.Errorf("a, whose records b has synced: %+v", got)
	}
	if got := b.Stats(); got.Records != 0 || got.Syncs != 1 || got.SyncsShared != 0 {
		t.Errorf("b: %+v", got)
	}
	const goroutines, each = 8, 20
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				if _, err := always.Append(nil, []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	got = always.Stats()
	if got.Records != goroutines*each || got.Syncs+got.SyncsShared != got.Records || got.Syncs == 0 {
		t.Errorf("always: %+v", got)
	}
	if err := always.Close(); err != nil {
		t.Error(err)
	}
	if always.Stats() != got {
		t.Error("the counters change with Close")
	}
	r, err := Open(dir, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read
	if r.Stats() != (Stats{}) {
		t.Errorf("read-only: %+v", r.Stats())
	}
}
