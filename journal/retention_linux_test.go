package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/manypen/manypen/journal"
)

// On a full disk retention makes the space that appends lack: by hand, in a handle that
// is opened for it, and by itself, although no segment can be begun.
func TestRetentionFullDisk(t *testing.T) {
	for name, base := range mounts(t) {
		for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncInterval, journal.SyncNone} {
			t.Run(fmt.Sprint(name, "/", policy), func(t *testing.T) { retainOnFullDisk(t, base, policy) })
		}
	}
}

func retainOnFullDisk(t *testing.T, base string, policy journal.SyncPolicy) {
	dir, ballast := filepath.Join(base, "journal"), filepath.Join(base, "ballast")
	var done atomic.Bool // the consumer has come to the end
	removed := make(chan int, 1000)
	opts := journal.Options{Sync: policy, SegmentSize: 1 << 20, MaxRecord: 1 << 20}
	automatic := opts
	automatic.Retention = journal.Retention{MaxSegments: 2, Keep: func() (journal.Position, error) {
		if done.Load() {
			return journal.Position{Segment: 1 << 30}, nil
		}
		return journal.Position{}, nil
	}}
	automatic.OnRetention = func(gone []journal.SegmentInfo, err error) {
		if err != nil {
			t.Error(err)
		}
		removed <- len(gone)
	}
	j, auto := open(t, dir, opts), open(t, dir, automatic)
	var acked []journal.Position
	fill := func() { // until both handles have no space
		t.Helper()
		for _, h := range []*journal.Journal{j, auto, j} {
			for i := 0; ; i++ {
				p, err := h.Append(nil, bytes.Repeat([]byte("v"), 50_000))
				if errors.Is(err, syscall.ENOSPC) {
					break
				}
				if err != nil || i > 1000 {
					t.Fatal(i, err)
				}
				acked = append(acked, p)
			}
		}
	}
	for range 100 {
		p, err := j.Append(nil, bytes.Repeat([]byte("v"), 50_000))
		if err != nil {
			t.Fatal(err)
		}
		acked = append(acked, p)
	}
	fillDisk(t, ballast)
	fill()
	goesOn := func(h *journal.Journal) {
		t.Helper()
		p, err := h.Append(nil, bytes.Repeat([]byte("v"), 50_000))
		if err != nil {
			t.Fatal(err)
		}
		acked = append(acked, p)
	}
	if gone, err := j.Retain(journal.Retention{MaxSegments: len(segments(t, dir)) - 1}); err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	goesOn(j)
	fill()
	third := open(t, dir, opts)
	if gone, err := third.Retain(journal.Retention{MaxSegments: len(segments(t, dir)) - 1}); err != nil || len(gone) != 1 {
		t.Fatal(gone, err)
	}
	goesOn(third)
	fill()
	done.Store(true)
	if p, err := auto.Append(nil, bytes.Repeat([]byte("v"), 50_000)); err == nil {
		acked = append(acked, p) // what an append of fill has woken was faster
	} else if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if n := <-removed; n == 0 { // the failed append has woken it
		t.Error("nothing was removed")
	}
	goesOn(auto)
	var left []journal.Position
	for _, p := range acked {
		if oldest, _, err := j.SegmentRange(); err != nil {
			t.Fatal(err)
		} else if p.Segment >= oldest {
			left = append(left, p)
		}
	}
	for _, h := range []*journal.Journal{j, auto, third} {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	wantPositions(t, dir, left)
	verify(t, dir)
	if err := errors.Join(os.RemoveAll(dir), os.Remove(ballast)); err != nil {
		t.Error(err)
	}
}
