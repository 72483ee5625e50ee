package journal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/manypen/manypen/journal"
)

// A handle has read a record, and has its segment open. Others delete the key, or
// append it again, and prune both segments before the handle looks again. It must
// not find the old record: by what it has open it would bring a deleted one back.
func TestGetBehindPrunedDeletion(t *testing.T) {
	dir := t.TempDir()
	w := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	fill := func() { // to the end of a segment and into the next one
		for range 2 {
			if _, err := w.Append(nil, bytes.Repeat([]byte("x"), 8<<10)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, key := range []string{"deleted", "again", "kept"} {
		if _, err := w.Append([]byte(key), []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, dir, journal.Options{ReadOnly: true})
	for _, key := range []string{"deleted", "again", "kept"} {
		if rec, err := r.Get([]byte(key)); err != nil || string(rec.Value) != "old" {
			t.Fatalf("Get(%s) = %q, %v", key, rec.Value, err)
		}
	}
	fill()
	if _, err := w.Delete([]byte("deleted")); err != nil {
		t.Fatal(err)
	}
	p, err := w.Append([]byte("again"), []byte("new"))
	if err != nil || p.Segment == 1 {
		t.Fatalf("appended at %v, %v; want another segment than the first", p, err)
	}
	fill()
	fill()
	if err := w.Prune(journal.Position{Segment: p.Segment + 1}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"deleted", "again", "kept"} {
		if rec, err := r.Get([]byte(key)); !errors.Is(err, journal.ErrNotFound) {
			t.Errorf("Get(%s) = %q at %v, %v; want ErrNotFound", key, rec.Value, rec.Position, err)
		}
	}
	for rec, err := range r.Range([]byte("a"), nil) {
		t.Errorf("Range hands out %q = %q, %v", rec.Key, rec.Value, err)
	}
	verify(t, dir)
}

// The control file is removed under a writer with records that it has not synced.
// Another one opens the journal, which makes them durable, goes on, and prunes
// some or all of them. The first must not say that their outcome is unknown.
func TestSyncBehindPrunedRecords(t *testing.T) {
	for _, kept := range []bool{false, true} {
		dir := t.TempDir()
		opts := journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10}
		w := open(t, dir, opts)
		for range 3 {
			if _, err := w.Append(nil, bytes.Repeat([]byte("x"), 3<<10)); err != nil {
				t.Fatal(err)
			}
		}
		controls, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
		if err != nil || len(controls) != 1 {
			t.Fatal(controls, err)
		}
		if err := os.Remove(controls[0]); err != nil {
			t.Fatal(err)
		}
		other := open(t, dir, opts)
		p, err := other.Append(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !kept {
			p.Segment++
		}
		if p.Segment--; p.Segment > 1 {
			if err := other.Prune(p); err != nil {
				t.Fatal(err)
			}
		}
		oldest, newest, err := w.SegmentRange()
		if err != nil || newest <= 2 || (oldest == newest) == kept {
			t.Fatalf("segments %d to %d, %v", oldest, newest, err)
		}
		if err := w.Sync(); err != nil {
			t.Errorf("Sync with segments %d to %d: %v", oldest, newest, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		verify(t, dir)
	}
}

// Positions that were never handed out are places in the order all the same: a
// record in front of one does not come, one behind it does.
func TestRecordsFromOddPositions(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	p, err := j.Append(nil, bytes.Repeat([]byte("x"), 2000))
	if err != nil {
		t.Fatal(err)
	}
	q, err := j.Append(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, want journal.Position }{
		{journal.Position{Segment: p.Segment, Offset: p.Offset, Index: 1}, q}, // no batch
		{journal.Position{Segment: p.Segment, Offset: p.Offset, Index: -1}, p},
		{journal.Position{Offset: 9000}, p}, // there is no segment 0
		{journal.Position{Segment: p.Segment, Offset: -5}, p},
	} {
		for rec, err := range j.Records(test.from) {
			if err != nil || rec.Position != test.want {
				t.Errorf("Records(%v) begins with %v, %v; want %v", test.from, rec.Position, err, test.want)
			}
			break
		}
	}
	verify(t, dir)
}
