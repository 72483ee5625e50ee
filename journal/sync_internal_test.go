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
