package journal

import (
	"errors"
	"os"
	"runtime"
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
