package journal_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/manypen/manypen/journal"
)

// erase writes zeros over a record.
func erase(t *testing.T, dir string, rec journal.Record) {
	t.Helper()
	path := segments(t, dir)[rec.Position.Segment-1]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[rec.Position.Offset:rec.Next.Offset])
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// forgetBoot removes the control file: whoever opens the journal next recovers.
func forgetBoot(t *testing.T, dir string) {
	t.Helper()
	ctl, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
	if err != nil || len(ctl) != 1 {
		t.Fatal(ctl, err)
	}
	if err := os.Remove(ctl[0]); err != nil {
		t.Fatal(err)
	}
}

// durable appends, syncs, and appends on until a mark is due for that: 64 KiB behind the
// last look of the handle, whenever its clock may have made it look.
func durable(t *testing.T, j *journal.Journal) {
	t.Helper()
	for i := range 110 {
		if _, err := j.Append(nil, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if i == 40 {
			if err := j.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Verify tells a hole in what was on disk from one in what was not, and what a
// recovery has found from what was lost since.
func TestHoleBelowMark(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	durable(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	recs := all(t, dir)
	report := verify(t, dir)
	if report.Marks != 1 || report.Mark.Segment != 1 || report.Mark.Offset < recs[40].Next.Offset || report.Mark.Offset > recs[70].Position.Offset {
		t.Fatalf("%d marks, the highest is %v; synced to %v", report.Marks, report.Mark, recs[40].Next)
	}

	erase(t, dir, recs[90]) // a loss of power can do that
	report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil || report.Corrupt() || report.BelowMark.Count != 0 || report.Classes[journal.Hole].Count != 1 || report.Missing() != 1 {
		t.Fatalf("a hole above the mark: %+v, %v", report, err)
	}

	// A recovery makes that durable, and marks behind it do not say otherwise.
	forgetBoot(t, dir)
	j = open(t, dir, journal.Options{Sync: journal.SyncNone})
	durable(t, j)
	report, err = journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil || report.Corrupt() || report.Marks != 2 || report.Mark.Segment != 2 {
		t.Fatalf("a hole in front of a recovery: %+v, %v", report, err)
	}

	erase(t, dir, recs[10])
	report, err = journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil || !report.Corrupt() || report.Classes[journal.Hole].Count != 2 ||
		report.BelowMark != (journal.ClassReport{Count: 1, Bytes: recs[10].Next.Offset - recs[10].Position.Offset}) {
		t.Fatalf("a hole below the mark: %+v, %v", report, err)
	}
	at := slices.IndexFunc(report.Damage, func(d journal.Damage) bool { return d.BelowMark })
	if at < 0 || report.Damage[at].From != recs[10].Position {
		t.Errorf("damage %+v", report.Damage)
	}
}

// A prefix is kept by the one who recovers; whoever comes later finds it so.
func TestRecoverPrefix(t *testing.T) {
	for _, r := range []journal.Recovery{journal.RecoverAll, journal.RecoverPrefix} {
		dir := filepath.Join(t.TempDir(), "journal")
		j := open(t, dir, journal.Options{Sync: journal.SyncNone})
		durable(t, j)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		recs := all(t, dir)
		erase(t, dir, recs[10]) // below the mark: no loss that a crash explains
		erase(t, dir, recs[90])
		forgetBoot(t, dir)
		j = open(t, dir, journal.Options{Recovery: r})
		if _, err := j.Append(nil, []byte("after")); err != nil {
			t.Fatal(err)
		}
		got := all(t, dir)
		want := len(recs) - 2 + 1 // all but two, and the one after
		if r == journal.RecoverPrefix {
			want = 90
		}
		if len(got) != want || string(got[want-1].Value) != "after" {
			t.Errorf("recovery %d: %d records, want %d", r, len(got), want)
		}
		if _, err := j.ReadAt(recs[95].Position); (err != nil) != (r == journal.RecoverPrefix) {
			t.Errorf("recovery %d: reading behind the loss: %v", r, err)
		}
		report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
		if err != nil || (report.Classes[journal.Dropped].Count == 1) != (r == journal.RecoverPrefix) {
			t.Errorf("recovery %d: %+v, %v", r, report.Classes, err)
		}
	}
	if _, err := journal.Open(t.TempDir(), journal.Options{Recovery: 2}); err == nil {
		t.Error("a recovery of no known kind is accepted")
	}
}
