package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

// A small journal of three segments, and the records in it.
func threeSegments(t *testing.T) (dir string, recs []journal.Record) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	for i := 0; len(segments(t, dir)) < 3 || i%40 != 0; i++ {
		if _, err := j.Append(fmt.Appendf(nil, "key %d", i), fmt.Appendf(nil, "value %d of some length", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, all(t, dir)
}

// damaged reads a damaged journal and checks that what is not touched by the
// damage [from, to) of a segment is there, and that the damage is named.
// What was cut off at the end of the newest segment may be pending, too.
func damaged(t *testing.T, dir string, recs []journal.Record, n uint64, from, to int64) {
	t.Helper()
	var named []journal.Damage
	j := open(t, dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) { named = append(named, d) }})
	defer j.Close() // read only
	var got []journal.Record
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec)
	}
	lost := 0
	for _, want := range recs {
		if len(got) > 0 && got[0].Position == want.Position {
			if string(got[0].Value) != string(want.Value) || got[0].Seq != want.Seq {
				t.Fatalf("record at %v is %q", want.Position, got[0].Value)
			}
			got = got[1:]
			continue
		}
		lost++
		if want.Position.Segment != n || want.Position.Offset >= to || want.Next.Segment == n && want.Next.Offset <= from {
			t.Fatalf("record at %v was lost; damage is [%d, %d) of segment %d", want.Position, from, to, n)
		}
	}
	if len(got) > 0 {
		t.Fatalf("record at %v was never appended", got[0].Position)
	}
	report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cut := to == cutOff && report.Pending > 0
	if lost > 0 && len(named) == 0 && !cut {
		t.Fatalf("%d records lost at [%d, %d) of segment %d, and nothing said", lost, from, to, n)
	}
}

// Every bit of every segment flipped, every byte in turn: at most the record it
// belongs to is lost. (Package record flips every single bit of a segment.)
func TestFlippedBits(t *testing.T) {
	dir, recs := threeSegments(t)
	for _, path := range segments(t, dir) {
		var n uint64
		if _, err := fmt.Sscanf(filepath.Base(path), "seg.%d", &n); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for off := 0; off < len(b); off += 61 {
			c := append([]byte(nil), b...)
			c[off] ^= 1 << (off % 8)
			rewrite(t, path, c)
			damaged(t, dir, recs, n, int64(off), int64(off+1))
		}
		rewrite(t, path, b)
	}
	verify(t, dir)
}

// The last record is damaged while the journal could still be written: its bytes
// can not be the beginning of a write, so it is named, and the journal goes on
// behind it.
func TestDamagedLastRecord(t *testing.T) {
	dir, recs := threeSegments(t)
	last := recs[len(recs)-1]
	paths := segments(t, dir)
	path := paths[len(paths)-1]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for off := last.Position.Offset; off < last.Next.Offset; off++ {
		c := append([]byte(nil), b...)
		c[off] ^= 0x10
		rewrite(t, path, c)
		report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
		if err != nil || !report.Corrupt() || report.Pending != 0 || report.End != last.Position {
			t.Fatalf("byte %d: %+v, %v", off, report, err)
		}
	}
	j := open(t, dir, journal.Options{SegmentSize: 12 << 10})
	if _, err := j.Append(nil, []byte("behind")); err != nil {
		t.Fatal(err)
	}
	if n := len(all(t, dir)); n != len(recs) {
		t.Errorf("%d records, want all but the damaged one and the new one", n)
	}
}

// cutOff is the end of what is lost when a file is cut off.
const cutOff = 1 << 40

// Every segment cut off at many places, the last one included.
func TestTruncated(t *testing.T) {
	dir, recs := threeSegments(t)
	for _, path := range segments(t, dir) {
		var n uint64
		if _, err := fmt.Sscanf(filepath.Base(path), "seg.%d", &n); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for size := len(b) - 1; size >= 0; size -= 53 {
			rewrite(t, path, b[:size])
			damaged(t, dir, recs, n, int64(size), cutOff)
		}
		rewrite(t, path, b)
	}
	verify(t, dir)
}

func rewrite(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A writer that finds a damaged tail goes on behind it, in a new segment if it
// must, and never touches what is there.
func TestAppendBehindDamage(t *testing.T) {
	dir, recs := threeSegments(t)
	paths := segments(t, dir)
	last := paths[len(paths)-1]
	f, err := os.OpenFile(last, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("what somebody has left here"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, journal.Options{SegmentSize: 12 << 10})
	p, err := j.Append([]byte("key"), []byte("behind"))
	if err != nil {
		t.Fatal(err)
	}
	got := all(t, dir)
	if len(got) != len(recs)+1 || got[len(got)-1].Position != p {
		t.Errorf("%d records instead of %d", len(got), len(recs)+1)
	}
	strict := open(t, dir, journal.Options{ReadOnly: true, Strict: true})
	n := 0
	for _, err := range strict.Records(journal.Position{}) {
		var c *journal.CorruptionError
		if n++; errors.As(err, &c) {
			if n != len(recs)+1 || c.Damage.Bytes() != 27 {
				t.Errorf("strict reader stopped after %d records at %+v", n-1, c.Damage)
			}
			return
		}
	}
	t.Error("a strict reader read on")
}

// A segment in the middle is gone: the error says so, and what follows is read.
func TestMissingSegment(t *testing.T) {
	dir, recs := threeSegments(t)
	if err := os.Remove(segments(t, dir)[1]); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, journal.Options{ReadOnly: true})
	var gone *journal.GoneError
	got := 0
	for _, err := range j.Records(journal.Position{}) {
		switch {
		case errors.As(err, &gone):
		case err != nil:
			t.Fatal(err)
		default:
			got++
		}
	}
	want := 0
	for _, rec := range recs {
		if rec.Position.Segment != 2 {
			want++
		}
	}
	if gone == nil || !errors.Is(gone, journal.ErrMissing) || gone.Oldest.Segment != 3 || got != want {
		t.Errorf("%d of %d records, gap %v", got, want, gone)
	}
	report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
	if err != nil || !report.Corrupt() || len(report.Problems) != 1 {
		t.Errorf("verify: %v, problems %v", err, report.Problems)
	}
}

// A look-up that passes over damage says so: the newest record of the key may
// have been in it. The callback may use the journal.
func TestGetTellsOfDamage(t *testing.T) {
	dir, recs := threeSegments(t)
	path := segments(t, dir)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[recs[1].Position.Offset+50] ^= 1
	rewrite(t, path, b)
	var j *journal.Journal
	var told []journal.Damage
	j = open(t, dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) {
		told = append(told, d)
		if _, err := j.Get(recs[0].Key); err != nil {
			t.Error(err)
		}
	}})
	if _, err := j.Get(recs[1].Key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Get of the damaged record: %v", err)
	}
	corrupt := 0
	for _, d := range told {
		if d.Class == journal.Corruption && d.From == recs[1].Position {
			corrupt++
		}
	}
	if corrupt != 1 {
		t.Errorf("told of %v", told)
	}
}

// A batch has no key. One that has, behind right checksums, is no record to anybody:
// neither to who reads along nor to who asks for its place.
func TestBatchWithKey(t *testing.T) {
	dir, _ := threeSegments(t)
	j := open(t, dir, journal.Options{ReadOnly: true})
	paths := segments(t, dir)
	last := paths[len(paths)-1]
	st, err := os.Stat(last)
	if err != nil {
		t.Fatal(err)
	}
	before := len(all(t, dir))
	frame := record.NewFrame(j.UUID(), uint64(len(paths)))
	entry, err := record.AppendEntry([]byte{1, 0, 0, 0}, record.KindData, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	var enc record.Buffer
	vec, err := enc.Encode(&frame, &record.Header{Kind: record.KindBatch, Time: 1, Writer: 5, Seq: 1}, []byte("key"), append(entry, 'k'))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.Write(bytes.Join(vec, nil))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	p := journal.Position{Segment: uint64(len(paths)), Offset: st.Size()}
	if rec, err := j.ReadAt(p); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("ReadAt(%v): %q, %v; want ErrCorrupt", p, rec.Key, err)
	}
	if n := len(all(t, dir)); n != before {
		t.Errorf("%d records, want %d", n, before)
	}
	report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
	if want := uint64(1); err != nil || report.Classes[journal.Corruption].Count != want || report.Records != uint64(before) {
		t.Errorf("%v; %v, %d records, want %d", err, report.Classes, report.Records, before)
	}
}
