package journal_test

import (
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
)

// A handle that has a Retention removes what it gives up, as soon as it goes on to
// another segment; readers are told where to go on.
func TestRetentionAtRotation(t *testing.T) {
	dir := t.TempDir()
	removed := make(chan []uint64, 100)
	j := open(t, dir, journal.Options{
		SegmentSize: 64 << 10, Sync: journal.SyncNone, Retention: journal.Retention{MaxSegments: 3},
		OnRetention: func(n []uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			removed <- n
		},
	})
	first := mustAppend(t, j, make([]byte, 1000))
	for next := uint64(1); next <= 5; {
		p := mustAppend(t, j, make([]byte, 10_000))
		if p.Segment < next+3 {
			continue
		}
		// The fourth segment makes the first one go, and so on; it may go later than
		// others come, but it goes.
		for _, n := range <-removed {
			if n != next {
				t.Errorf("segment %d is removed, want %d", n, next)
			}
			next++
		}
	}
	var gone *journal.GoneError
	for _, err := range j.Records(first) {
		if !errors.As(err, &gone) || !errors.Is(err, journal.ErrPruned) || gone.Oldest.Segment < 5 {
			t.Errorf("reading from the beginning: %v", err)
		}
		break
	}
	if got := j.Stats().Pruned; got < 5 {
		t.Errorf("%d segments are counted as pruned", got)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	verify(t, dir)
}

// Opening applies a Retention too, and what keeps it from working is told by Close
// if nobody listens.
func TestRetentionAtOpen(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 200)
	done := make(chan struct{})
	j := open(t, dir, journal.Options{
		Retention: journal.Retention{MaxBytes: 1}, OnRetention: func([]uint64, error) { close(done) },
	})
	<-done
	if oldest, newest, err := j.SegmentRange(); err != nil || oldest != newest {
		t.Errorf("segments %d to %d are left, %v", oldest, newest, err)
	}
}

func TestRetainByHand(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 600)
	j := open(t, dir, journal.Options{})
	_, newest, err := j.SegmentRange()
	if err != nil || newest < 6 {
		t.Fatal(newest, err)
	}
	if removed, err := j.Retain(journal.Retention{}); err != nil || removed != nil {
		t.Errorf("without a limit: %v, %v", removed, err)
	}
	if removed, err := j.Retain(journal.Retention{MaxAge: time.Hour}); err != nil || removed != nil {
		t.Errorf("nothing is old: %v, %v", removed, err)
	}
	checkpoint := journal.Position{Segment: 3, Offset: 20_000}
	removed, err := j.Retain(journal.Retention{Needed: func() journal.Position { return checkpoint }})
	if err != nil || fmt.Sprint(removed) != "[1 2]" {
		t.Errorf("in front of %v: %v, %v", checkpoint, removed, err)
	}
	removed, err = j.Retain(journal.Retention{MaxAge: 1, Needed: func() journal.Position { return journal.FirstPosition(5) }})
	if err != nil || fmt.Sprint(removed) != "[3 4]" {
		t.Errorf("old and not needed: %v, %v", removed, err)
	}
	if removed, err = j.Retain(journal.Retention{MaxSegments: 2}); err != nil || len(removed) != int(newest)-6 {
		t.Errorf("two are to be left of 5 to %d: %v, %v", newest, removed, err)
	}
	ro := open(t, dir, journal.Options{ReadOnly: true})
	if _, err := ro.Retain(journal.Retention{MaxSegments: 1}); !errors.Is(err, journal.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	verify(t, dir)
}

// Sidecars go with their segments.
func TestRetentionTakesSidecars(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 300)
	j := open(t, dir, journal.Options{})
	if _, err := j.Get([]byte("key 1")); err != nil && !errors.Is(err, journal.ErrNotFound) {
		t.Fatal(err)
	}
	sidecars := func() (n int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if len(e.Name()) > 4 && e.Name()[:4] == "idx." {
				n++
			}
		}
		return n
	}
	before := sidecars()
	if before < 3 {
		t.Fatalf("%d sidecars", before)
	}
	removed, err := j.Retain(journal.Retention{MaxSegments: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := sidecars(); got != before-len(removed) {
		t.Errorf("%d sidecars of %d are left, and %d segments were removed", got, before, len(removed))
	}
}

func mustAppend(t *testing.T, j *journal.Journal, value []byte) journal.Position {
	t.Helper()
	p, err := j.Append(nil, value)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The counters are what was done, and can be published as they are.
func TestStats(t *testing.T) {
	j := open(t, t.TempDir(), journal.Options{SegmentSize: 64 << 10})
	for i := range 20 {
		if _, err := j.Append(fmt.Append(nil, i%7), make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Get([]byte("3")); err != nil {
		t.Fatal(err)
	}
	s := j.Stats()
	if s.Records != 20 || s.Rolls < 2 || s.Syncs == 0 || s.Groups == 0 || s.LargestGroup == 0 || s.Marks == 0 ||
		s.IndexKeys != 7 || s.IndexBytes < 7*16 {
		t.Errorf("got %+v", s)
	}
	for range j.Follow(t.Context(), journal.Position{}) {
		if n := j.Stats().Followers; n != 1 {
			t.Errorf("%d followers", n)
		}
		break
	}
	if n := j.Stats().Followers; n != 0 {
		t.Errorf("%d followers", n)
	}
	var got map[string]float64
	if err := json.Unmarshal([]byte(expvar.Var(j.Var()).String()), &got); err != nil || got["Records"] != 20 {
		t.Errorf("published: %v, %v", got, err)
	}
}
