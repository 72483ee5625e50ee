package journal

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

// Close waits for appends that are on their way to the disk: their records are in the
// journal, and to say ErrClosed of them would be to say that they are not.
func TestCloseWaitsForDurable(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{Sync: SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil, []byte("x")); err != nil {
		t.Fatal(err)
	}
	j.durable.RLock() // as somebody does who appends and syncs
	closed := make(chan error, 1)
	go func() { closed <- j.Close() }()
	for !j.isClosed() {
		runtime.Gosched()
	}
	for range 10_000 { // to a Close that does not wait this is time enough, most often
		runtime.Gosched()
	}
	if err := j.w.Sync(); err != nil {
		t.Errorf("the handle was closed under an append: %v", err)
	}
	j.durable.RUnlock()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := j.AppendSync(nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
	report, err := Verify(context.Background(), dir, VerifyOptions{})
	if err != nil || report.Records != 1 || len(report.Damage) > 0 || len(report.Problems) > 0 {
		t.Errorf("report %+v, %v", report, err)
	}
}
