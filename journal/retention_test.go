package journal_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// tiny makes a segment of four or five records of 1000 bytes.
var tiny = journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10}

// grow appends until the journal's newest segment is n.
func grow(t testing.TB, j *journal.Journal, n uint64) {
	t.Helper()
	for {
		p, err := j.Append([]byte("key"), make([]byte, 1000))
		if err != nil {
			t.Fatal(err)
		}
		if p.Segment >= n {
			return
		}
	}
}

// left returns the numbers of the oldest and the newest segment, and how many there are.
func left(t testing.TB, dir string) (oldest, newest uint64, n int) {
	t.Helper()
	j := open(t, dir, journal.Options{ReadOnly: true})
	defer j.Close() // only read from
	oldest, newest, err := j.SegmentRange()
	if err != nil {
		t.Fatal(err)
	}
	return oldest, newest, len(segments(t, dir))
}

func numbers(infos []journal.SegmentInfo) (n []uint64) {
	for _, s := range infos {
		n = append(n, s.Number)
	}
	return n
}

func segmentFile(dir string, n uint64) string {
	return filepath.Join(dir, fmt.Sprintf("seg.%09d", n))
}

// begun makes segment n say that it was begun at a time.
func begun(t testing.TB, dir string, n uint64, at time.Time) {
	t.Helper()
	const page, created = 4096, 56
	f, err := os.OpenFile(segmentFile(dir, n), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, page)
	_, err = f.ReadAt(b, 0)
	binary.LittleEndian.PutUint64(b[created:], uint64(at.UnixNano()))
	binary.LittleEndian.PutUint64(b[page-8:], xxhash.Sum64(b[:page-8]))
	_, err0 := f.WriteAt(b, 0)
	_, err1 := f.WriteAt(b, page)
	if err := errors.Join(err, err0, err1, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Each limit on a real journal of six segments, where Removable says what Retain does.
func TestRetain(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		r    func(dir string) journal.Retention
		want int // of the oldest go
	}{
		"none":     {func(string) journal.Retention { return journal.Retention{} }, 0},
		"segments": {func(string) journal.Retention { return journal.Retention{MaxSegments: 4} }, 2},
		"before": {func(string) journal.Retention {
			return journal.Retention{Before: journal.Position{Segment: 4, Offset: 9000}}
		}, 3},
		"age": {func(string) journal.Retention { return journal.Retention{MaxAge: 100 * time.Minute} }, 3},
		"bytes": {func(dir string) journal.Retention {
			var total int64
			for _, path := range segments(t, dir)[1:] {
				st, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				total += st.Size()
			}
			return journal.Retention{MaxBytes: total}
		}, 1},
		"held": {func(string) journal.Retention {
			return journal.Retention{MaxSegments: 1, Keep: func() (journal.Position, error) {
				return journal.Position{Segment: 3, Offset: 8192}, nil
			}}
		}, 2},
		"nothing consumed": {func(string) journal.Retention {
			return journal.Retention{MaxSegments: 1, Keep: func() (journal.Position, error) { return journal.Position{}, nil }}
		}, 0},
		"all": {func(string) journal.Retention { return journal.Retention{MaxSegments: 1, MaxBytes: 1, MaxAge: 1} }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, tiny)
			grow(t, j, 6)
			for n := range uint64(6) { // an hour each, the newest half an hour ago
				begun(t, dir, n+1, now.Add(-time.Duration(5-n)*time.Hour-30*time.Minute))
			}
			limit := c.r(dir)
			all, err := j.Segments()
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprint(all[:c.want])
			r := open(t, dir, journal.Options{ReadOnly: true})
			if got, err := r.Removable(limit); fmt.Sprint(got) != want || err != nil {
				t.Errorf("Removable says %v, %v; want %v", got, err, want)
			}
			if _, err := r.Retain(limit); !errors.Is(err, journal.ErrReadOnly) {
				t.Errorf("Retain of a read-only handle: %v", err)
			}
			if got, err := j.Retain(limit); fmt.Sprint(got) != want || err != nil {
				t.Errorf("Retain has removed %v, %v; want %v", got, err, want)
			}
			if oldest, newest, n := left(t, dir); oldest != uint64(1+c.want) || newest != 6 || n != 6-c.want {
				t.Errorf("%d segments are left, %d to %d", n, oldest, newest)
			}
			if got, err := j.Retain(limit); len(got) != 0 || err != nil {
				t.Errorf("again: %v, %v", got, err)
			}
			if got := j.Stats().SegmentsRemoved; got != uint64(c.want) {
				t.Errorf("Stats says %d were removed", got)
			}
			grow(t, j, 7)
			verify(t, dir)
		})
	}
}

func TestRetentionRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, tiny)
	grow(t, j, 3)
	for _, r := range []journal.Retention{{MaxAge: -1}, {MaxBytes: -1}, {MaxSegments: -1}} {
		if _, err := j.Retain(r); err == nil {
			t.Errorf("Retain takes %+v", r)
		}
		if _, err := j.Removable(r); err == nil {
			t.Errorf("Removable takes %+v", r)
		}
		if _, err := journal.Open(dir, journal.Options{Retention: r}); err == nil {
			t.Errorf("Open takes %+v", r)
		}
	}
	lost := errors.New("the checkpoint is lost")
	r := journal.Retention{MaxSegments: 1, Keep: func() (journal.Position, error) { return journal.Position{Segment: 9}, lost }}
	if got, err := j.Retain(r); len(got) != 0 || !errors.Is(err, lost) {
		t.Errorf("without a checkpoint: %v, %v", got, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Retain(r); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Retain of a closed handle: %v", err)
	}
	if _, err := j.Removable(r); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Removable of a closed handle: %v", err)
	}
	if _, _, n := left(t, dir); n != 3 {
		t.Errorf("%d segments are left", n)
	}
}

// A header that cannot be used neither stops retention nor makes anything look old.
func TestRetainBadHeaders(t *testing.T) {
	day := journal.Retention{MaxAge: 24 * time.Hour}
	old := time.Now().Add(-48 * time.Hour)
	for name, spoil := range map[string]func(t *testing.T, dir string, n uint64){
		"damaged": func(t *testing.T, dir string, n uint64) {
			f, err := os.OpenFile(segmentFile(dir, n), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt(make([]byte, 8192), 0)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		},
		"foreign": func(t *testing.T, dir string, n uint64) {
			other := t.TempDir()
			grow(t, open(t, other, tiny), n)
			begun(t, other, n, old.Add(-1000*time.Hour))
			if err := os.Rename(segmentFile(other, n), segmentFile(dir, n)); err != nil {
				t.Fatal(err)
			}
		},
		"of another number": func(t *testing.T, dir string, n uint64) {
			b, err := os.ReadFile(segmentFile(dir, n+1))
			if err == nil {
				err = os.WriteFile(segmentFile(dir, n), b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"of the future":      func(t *testing.T, dir string, n uint64) { begun(t, dir, n, time.Now().Add(1000*time.Hour)) },
		"of a clock at zero": func(t *testing.T, dir string, n uint64) { begun(t, dir, n, time.Unix(1000, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, tiny)
			grow(t, j, 6)
			begun(t, dir, 1, old)
			spoil(t, dir, 2) // as if it were very old, or not known
			if got, err := j.Retain(day); len(got) != 0 || err != nil {
				t.Fatalf("%v goes, %v; all but the first are young", numbers(got), err)
			}
			for n := uint64(3); n <= 4; n++ {
				begun(t, dir, n, old.Add(time.Hour))
			}
			if got, err := j.Retain(day); fmt.Sprint(numbers(got)) != "[1 2 3]" || err != nil {
				t.Errorf("%v goes, %v; the first three ended two days ago", numbers(got), err)
			}
			grow(t, j, 7)
			verify(t, dir)
		})
	}
}

// With Options.Retention a handle keeps the journal small by itself: when it is opened,
// whenever it begins a segment, and before Close returns.
func TestAutomaticRetention(t *testing.T) {
	for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncInterval, journal.SyncNone} {
		t.Run(policy.String(), func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, tiny)
			grow(t, j, 9)
			var mu sync.Mutex
			var gone []uint64
			told := make(chan int, 100)
			opts := tiny
			opts.Sync = policy
			opts.Retention = journal.Retention{MaxSegments: 3}
			opts.OnRetention = func(removed []journal.SegmentInfo, err error) {
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				gone = append(gone, numbers(removed)...)
				told <- len(gone)
			}
			k := open(t, dir, opts)
			await := func(n int) {
				for <-told < n { // the test's own time limit is all it waits for
				}
			}
			await(6)
			for n := uint64(10); n < 30; n++ {
				grow(t, k, n)
			}
			await(26)
			if oldest, newest, n := left(t, dir); oldest != 27 || newest != 29 || n != 3 {
				t.Errorf("%d segments are left, %d to %d", n, oldest, newest)
			}
			grow(t, k, 31)
			if err := k.Close(); err != nil {
				t.Error(err)
			}
			if oldest, newest, n := left(t, dir); oldest != 29 || newest != 31 || n != 3 {
				t.Errorf("after Close %d segments are left, %d to %d", n, oldest, newest)
			}
			for i, n := range gone {
				if n != uint64(i+1) {
					t.Fatalf("%v were removed, in this order", gone)
				}
			}
			if s := k.Stats(); s.SegmentsRemoved != 28 || s.RetentionFailures != 0 || s.SegmentsBegun != 22 {
				t.Errorf("%+v", s)
			}
			verify(t, dir)
		})
	}
}

// An error of the background reaches somebody: the callback, or else Close; Stats
// counts it, and what is in the way of retention is not in the way of appends.
func TestAutomaticRetentionFails(t *testing.T) {
	for name, callback := range map[string]bool{"callback": true, "close": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			grow(t, open(t, dir, tiny), 4)
			if err := os.Remove(segmentFile(dir, 1)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(segmentFile(dir, 1), 0o755); err != nil { // cannot be unlinked
				t.Fatal(err)
			}
			var told error
			opts := tiny
			opts.Retention = journal.Retention{MaxSegments: 2}
			if callback {
				opts.OnRetention = func(_ []journal.SegmentInfo, err error) { told = err }
			}
			j := open(t, dir, opts)
			grow(t, j, 6)
			err := j.Close()
			if !callback {
				told, err = err, nil
			}
			var place *journal.Error
			if !errors.As(told, &place) || place.Segment != 1 || err != nil {
				t.Errorf("told %v, Close says %v", told, err)
			}
			if got := j.Stats(); got.RetentionFailures == 0 || got.SegmentsRemoved != 0 {
				t.Errorf("%+v", got)
			}
			if err := os.Remove(segmentFile(dir, 1)); err != nil {
				t.Fatal(err)
			}
			if err := open(t, dir, opts).Close(); err != nil {
				t.Errorf("when nothing is in the way any more: %v", err)
			}
			if oldest, newest, n := left(t, dir); oldest != 5 || newest != 6 || n != 2 {
				t.Errorf("%d segments are left, %d to %d", n, oldest, newest)
			}
		})
	}
}

// What a consumer has not seen stays, and goes when it has moved on.
func TestRetentionKeepsForConsumer(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var done journal.Position
	opts := tiny
	opts.Retention = journal.Retention{MaxSegments: 1, Keep: func() (journal.Position, error) {
		mu.Lock()
		defer mu.Unlock()
		return done, nil
	}}
	j := open(t, dir, opts)
	var recs []journal.Record
	for round := range 20 {
		grow(t, j, uint64(3+2*round))
		n := len(recs)
		for rec, err := range j.Records(done) {
			if err != nil {
				t.Fatal(err) // ErrPruned, if retention was too fast
			}
			recs = append(recs, rec)
		}
		if len(recs) == n {
			t.Fatal("nothing to consume")
		}
		mu.Lock()
		done = recs[len(recs)-1].Next
		mu.Unlock()
	}
	for i, rec := range recs {
		if rec.Seq != uint64(i+1) {
			t.Fatalf("record %d has sequence %d", i, rec.Seq)
		}
	}
	if _, err := j.Retain(opts.Retention); err != nil {
		t.Error(err)
	}
	if oldest, newest, _ := left(t, dir); oldest != done.Segment || newest != done.Segment {
		t.Errorf("segments %d to %d are left, the consumer is at %v", oldest, newest, done)
	}
}

// Whoever verifies while others prune misses nothing: neither the segments that
// go before they are read, nor the records that were in them.
func TestVerifyPrunedMeanwhile(t *testing.T) {
	for _, keep := range []uint64{2, 5, 9, 12} {
		dir := filepath.Join(t.TempDir(), "journal")
		j := open(t, dir, tiny)
		steady := open(t, dir, tiny)
		for n := uint64(1); n <= 12; n++ { // every writer has records in every segment
			if _, err := steady.Append([]byte("steady"), nil); err != nil {
				t.Fatal(err)
			}
			grow(t, j, n)
		}
		if _, err := open(t, dir, tiny).Append([]byte("late"), nil); err != nil {
			t.Fatal(err)
		}
		pruned := false
		report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{OnProgress: func(int64, int64) {
			if pruned { // the first segment is open, and is read to its end
				return
			}
			pruned = true
			if err := j.Prune(journal.Position{Segment: keep, Offset: 1}); err != nil {
				t.Error(err)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if report.Corrupt() || report.Missing() > 0 || len(report.Problems) > 0 {
			t.Errorf("pruned in front of segment %d: %+v", keep, report)
		}
		if n := len(report.Writers); n != 3 {
			t.Errorf("pruned in front of segment %d: %d writers", keep, n)
		}
		if oldest, _, _ := left(t, dir); oldest != keep {
			t.Errorf("the oldest segment is %d, want %d", oldest, keep)
		}
		verify(t, dir)
	}
}
