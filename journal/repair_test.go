package journal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

// readable returns what a reader is given of a journal, whatever is wrong with it.
func readable(dir string) (recs []journal.Record, err error) {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer j.Close() // read only
	for rec, err := range j.Records(journal.Position{}) {
		switch {
		case err == nil:
			recs = append(recs, rec)
		case !errors.Is(err, journal.ErrMissing) && !errors.Is(err, journal.ErrForeign) && !errors.Is(err, journal.ErrPruned):
			return nil, err
		}
	}
	return recs, nil
}

// same compares two journals record by record, but for positions. Records of batches
// may be later by nanoseconds in got; it returns how many are.
func same(want, got []journal.Record) (moved uint64, err error) {
	if len(want) != len(got) {
		return 0, fmt.Errorf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		w, g := want[i], got[i]
		if d := g.Time.Sub(w.Time); d != 0 {
			if batched := w.Position.Index > 0 || w.Next.Offset == w.Position.Offset; !batched || d < 0 || d > 10 {
				return 0, fmt.Errorf("record %d has the time %v, want %v", i, g.Time, w.Time)
			}
			moved++
		}
		if w.Position.Index != g.Position.Index || w.Next.Index != g.Next.Index {
			return 0, fmt.Errorf("record %d is at %v and goes on at %v, was at %v and %v", i, g.Position, g.Next, w.Position, w.Next)
		}
		if w.Writer != g.Writer || w.Seq != g.Seq || w.Kind != g.Kind || !bytes.Equal(w.Key, g.Key) || !bytes.Equal(w.Value, g.Value) {
			return 0, fmt.Errorf("record %d is %x:%d %v %q=%.40q, want %x:%d %v %q=%.40q", i,
				g.Writer, g.Seq, g.Kind, g.Key, g.Value, w.Writer, w.Seq, w.Kind, w.Key, w.Value)
		}
	}
	return moved, nil
}

// files are the names and hashes of what is in a directory.
func files(dir string) (map[string][32]byte, error) {
	entries, err := os.ReadDir(dir)
	found := make(map[string][32]byte)
	for _, e := range entries {
		b, rerr := os.ReadFile(filepath.Join(dir, e.Name()))
		err = errors.Join(err, rerr)
		found[e.Name()] = sha256.Sum256(b)
	}
	return found, err
}

// repaired repairs a journal and checks all that Repair promises.
func repaired(dir, newdir string) (report journal.RepairReport, err error) {
	before, err := files(dir)
	if err != nil {
		return report, err
	}
	want, err := readable(dir)
	if err != nil {
		return report, err
	}
	if report, err = journal.Repair(context.Background(), dir, newdir, journal.RepairOptions{SegmentSize: 12 << 10}); err != nil {
		return report, err
	}
	after, err := files(dir)
	if err != nil {
		return report, err
	}
	if diff := cmp.Diff(before, after); diff != "" {
		return report, fmt.Errorf("the source was changed: %s", diff)
	}
	// A segment may have been copied over another part of itself: nothing is copied twice.
	last, repeated := make(map[uint64]uint64), make(map[uint64]uint64)
	want = slices.DeleteFunc(want, func(rec journal.Record) bool {
		twice := rec.Seq <= last[rec.Writer]
		if twice {
			repeated[rec.Writer]++
		}
		last[rec.Writer] = max(last[rec.Writer], rec.Seq)
		return twice
	})
	got, err := readable(newdir)
	if err != nil {
		return report, err
	}
	moved, err := same(want, got)
	if err != nil {
		return report, err
	}
	s := report.Restored
	if s.Moved != moved || s.Records != uint64(len(want)) || report.Source.Records != s.Records+s.Repeated {
		return report, fmt.Errorf("%d records, %d moved, of %d: %+v", len(want), moved, report.Source.Records, s)
	}
	sound, err := journal.Verify(context.Background(), newdir, journal.VerifyOptions{})
	if err != nil {
		return report, err
	}
	if sound.Corrupt() || sound.Missing() > 0 || sound.Classes[journal.Hole].Count > 0 || sound.UUID == report.Source.UUID {
		return report, fmt.Errorf("the copy is damaged: %+v", sound)
	}
	// What is absent is what was not copied, writer by writer.
	absent := make(map[uint64]uint64)
	for _, w := range report.Source.Writers {
		absent[w.ID] = w.Last - (w.Records - repeated[w.ID])
		if w.Repeated != repeated[w.ID] {
			return report, fmt.Errorf("%d records of writer %x are there twice, want %d", w.Repeated, w.ID, repeated[w.ID])
		}
	}
	for _, w := range sound.Writers {
		if w.Absent != absent[w.ID] {
			return report, fmt.Errorf("%d records of writer %x are absent, want %d", w.Absent, w.ID, absent[w.ID])
		}
		delete(absent, w.ID)
	}
	for id, n := range absent {
		return report, fmt.Errorf("nothing is said of the %d records of writer %x", n, id)
	}
	return report, nil
}

// drawn appends to a journal, by several handles in turns, what a random program says.
func drawn(t *rapid.T, dir string) error {
	var handles []*journal.Journal
	for range rapid.IntRange(1, 4).Draw(t, "writers") {
		j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10, MaxRecord: 1 << 20})
		if err != nil {
			return err
		}
		handles = append(handles, j)
	}
	marker := record.NewFrame(handles[0].UUID(), 1).Marker
	key := rapid.SampledFrom([]string{"", "a", "key", string(marker[:]), "\x00\xff"})
	value := rapid.SampledFrom([]string{"", "v", "some text", string(marker[:]) + "behind", string(bytes.Repeat([]byte("long "), 1000)), string(make([]byte, 700))})
	var err error
	for range rapid.IntRange(0, 60).Draw(t, "steps") {
		j := handles[rapid.IntRange(0, len(handles)-1).Draw(t, "writer")]
		var aerr error
		switch rapid.IntRange(0, 5).Draw(t, "step") {
		case 0:
			if k := key.Draw(t, "key"); k != "" {
				_, aerr = j.Delete([]byte(k))
			}
		case 1:
			var b journal.Batch
			for range rapid.IntRange(1, 5).Draw(t, "entries") {
				b.Put([]byte(key.Draw(t, "key")), []byte(value.Draw(t, "value")))
			}
			b.Delete([]byte("gone"))
			_, aerr = j.AppendBatch(&b)
		default:
			_, aerr = j.Append([]byte(key.Draw(t, "key")), []byte(value.Draw(t, "value")))
		}
		err = errors.Join(err, aerr)
	}
	for _, j := range handles {
		err = errors.Join(err, j.Close())
	}
	return err
}

// ruin damages a journal at random.
func ruin(t *rapid.T, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		return err
	}
	for range rapid.IntRange(0, 6).Draw(t, "damages") {
		path := rapid.SampledFrom(paths).Draw(t, "segment")
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || len(b) == 0 {
			continue
		}
		if err != nil {
			return err
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		n := min(rapid.SampledFrom([]int{1, 60, 500, 5000}).Draw(t, "bytes"), len(b)-at)
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 1:
			clear(b[at:][:n])
		case 2:
			b = b[:at]
		case 3:
			if path == paths[0] && len(paths) == 1 {
				continue // what is left would be no journal
			}
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Whatever a journal holds and whatever has become of it: the copy has what a reader is
// given, is sound, and a copy of the copy is the same.
func TestRepair(t *testing.T) {
	base, n := t.TempDir(), 0
	if testing.Short() {
		setFlag(t, "rapid.checks", "20")
	}
	rapid.Check(t, func(t *rapid.T) {
		n++
		root := filepath.Join(base, fmt.Sprint(n))
		dir, copied, again := filepath.Join(root, "j"), filepath.Join(root, "copied"), filepath.Join(root, "again")
		if err := drawn(t, dir); err != nil {
			t.Fatal(err)
		}
		if err := ruin(t, dir); err != nil {
			t.Fatal(err)
		}
		if _, err := repaired(dir, copied); err != nil {
			t.Fatal(err)
		}
		report, err := repaired(copied, again)
		if err != nil {
			t.Fatalf("a copy of the copy: %v", err)
		}
		if report.Source.Absent() != report.Copy.Absent() || report.Source.GapNotes == 0 != (report.Copy.GapNotes == 0) {
			t.Fatalf("%d records are absent in the copy, %d in the copy of it", report.Source.Absent(), report.Copy.Absent())
		}
		left, err := os.ReadDir(root)
		if err != nil || len(left) != 3 {
			t.Fatalf("left behind: %v, %v", left, err)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
	})
}

// The damages that other tests know, of a larger journal with long values.
func TestRepairRuins(t *testing.T) {
	for name, ruin := range ruins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "j")
			mixed(t, dir, 400)
			ruin(t, dir)
			report, err := repaired(dir, dir+".new")
			if err != nil {
				t.Fatal(err)
			}
			verify(t, dir+".new")
			if report.Source.Longest < 100_000 || report.Copy.Absent() == 0 != (name == "sound") {
				t.Errorf("the longest record has %d bytes, %d are absent", report.Source.Longest, report.Copy.Absent())
			}
		})
	}
}

// The new journal takes the longest record of the source, whatever was asked for.
func TestRepairLongRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	var b journal.Batch
	for range 3 {
		b.Put(nil, make([]byte, 100_000))
	}
	if _, err := j.AppendBatch(&b); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Repair(t.Context(), dir, dir+".new", journal.RepairOptions{MaxRecord: 1}); err != nil {
		t.Fatal(err)
	}
	if n := len(all(t, dir+".new")); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
	verify(t, dir+".new")
	verify(t, dir)
}

// An empty journal becomes an empty journal; an empty directory is replaced by it.
func TestRepairEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	open(t, dir, journal.Options{}).Close()
	if err := os.Mkdir(dir+".new", 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Repair(t.Context(), dir, dir+".new"+string(filepath.Separator), journal.RepairOptions{}); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir+".new"); r.Records != 0 || len(r.Writers) != 0 {
		t.Errorf("%+v", r)
	}
	verify(t, dir)
}

// Places where no copy can be, and repairs that are given up, leave nothing behind.
func TestRepairRefuses(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	for i := range 3000 {
		if _, err := j.Append(nil, fmt.Appendf(nil, "value %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	given := errors.New("given up")
	for name, c := range map[string]struct {
		dir, newdir string
		opts        journal.RepairOptions
		want        error
	}{
		"the journal itself": {dir, dir, journal.RepairOptions{}, os.ErrExist},
		"inside of it":       {dir, filepath.Join(dir, "new"), journal.RepairOptions{}, os.ErrExist},
		"deep inside of it":  {dir, filepath.Join(dir, "a", "new"), journal.RepairOptions{}, os.ErrExist},
		"a file":             {dir, file, journal.RepairOptions{}, os.ErrExist},
		"nowhere":            {dir, filepath.Join(base, "no", "new"), journal.RepairOptions{}, os.ErrNotExist},
		"of no journal":      {base, filepath.Join(base, "new"), journal.RepairOptions{}, journal.ErrNotJournal},
		"of nothing":         {filepath.Join(base, "none"), filepath.Join(base, "new"), journal.RepairOptions{}, journal.ErrNotJournal},
		"given up":           {dir, filepath.Join(base, "new"), journal.RepairOptions{OnReport: func(journal.Report) error { return given }}, given},
	} {
		if _, err := journal.Repair(t.Context(), c.dir, c.newdir, c.opts); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Given up at every part of the work.
	for part := range int64(3) {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := journal.Repair(ctx, dir, filepath.Join(base, "new"), journal.RepairOptions{OnProgress: func(done, total int64) {
			if done > total/3*part {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("part %d: %v, want %v", part, err, context.Canceled)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	verify(t, dir)
}

// Writers go on while their journal is repaired: the copy has what there was at the
// start, and maybe some of what came meanwhile, always without a gap.
func TestRepairLive(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	const writers = 3
	stop, ready := make(chan struct{}), make(chan struct{}, writers)
	var wg sync.WaitGroup
	for range writers {
		j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
		wg.Go(func() {
			for i := 0; ; i++ {
				if i == 100 {
					ready <- struct{}{}
				}
				select {
				case <-stop:
					return
				default:
				}
				if _, err := j.Append([]byte("key"), make([]byte, i%300)); err != nil {
					t.Error(err)
					ready <- struct{}{}
					return
				}
			}
		})
	}
	for range writers {
		<-ready
	}
	for round := range 3 {
		newdir := filepath.Join(base, fmt.Sprint("new", round))
		report, err := journal.Repair(t.Context(), dir, newdir, journal.RepairOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if r := verify(t, newdir); r.Absent() != 0 || r.Records < 100*writers || r.Records != report.Source.Records || len(r.Writers) != writers {
			t.Errorf("%d records of %d writers, %d absent, the source had %d", r.Records, len(r.Writers), r.Absent(), report.Source.Records)
		}
	}
	close(stop)
	wg.Wait()
	verify(t, dir)
}

// What is left of a pruned journal is copied; the rest is known to be absent. The copy
// is a journal like every other one: it is written, pruned and verified.
func TestRepairPruned(t *testing.T) {
	dir, recs := threeSegments(t)
	j := open(t, dir, journal.Options{})
	if err := j.Prune(journal.Position{Segment: 3}); err != nil {
		t.Fatal(err)
	}
	report, err := repaired(dir, dir+".new")
	if err != nil {
		t.Fatal(err)
	}
	left := all(t, dir)
	if a := report.Copy.Absent(); a != uint64(len(recs)-len(left)) || a == 0 || report.Source.Absent() != 0 {
		t.Errorf("%d records are absent, %d of %d are left", a, len(left), len(recs))
	}
	copied := open(t, dir+".new", journal.Options{SegmentSize: 12 << 10})
	for range 500 {
		if _, err := copied.Append([]byte("new"), []byte("record")); err != nil {
			t.Fatal(err)
		}
	}
	if rec, err := copied.Get(left[0].Key); err != nil || !bytes.Equal(rec.Value, left[0].Value) {
		t.Errorf("key %q: %v", left[0].Key, err)
	}
	if _, err := copied.Get(recs[0].Key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("key %q: %v", recs[0].Key, err)
	}
	verify(t, dir+".new")
	if err := copied.Prune(journal.Position{Segment: 2}); err != nil {
		t.Fatal(err)
	}
	verify(t, dir+".new")
	verify(t, dir)
}

// Records and entries of a kind that this version does not know are left out, and are
// absent; what they stood between is copied.
func TestRepairUnknownKinds(t *testing.T) {
	dir, _ := threeSegments(t)
	j := open(t, dir, journal.Options{ReadOnly: true})
	paths := segments(t, dir)
	frame := record.NewFrame(j.UUID(), uint64(len(paths)))
	var enc record.Buffer
	appended := func(vec [][]byte, err error) {
		t.Helper()
		f, oerr := os.OpenFile(paths[len(paths)-1], os.O_APPEND|os.O_WRONLY, 0)
		if err = errors.Join(err, oerr); err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(bytes.Join(vec, nil))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	appended(enc.Encode(&frame, &record.Header{Kind: 77, Time: 1, Writer: 5, Seq: 1}, []byte("key"), []byte("unknown")))
	var entries [][]byte
	for _, kind := range []record.Kind{record.KindData, 77, record.KindData, record.KindDelete, 78} {
		head, err := record.AppendEntry(nil, kind, 3, 0)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, head, []byte("key"))
	}
	appended(enc.EncodeBatch(&frame, &record.Header{Time: 1, Writer: 5, Seq: 2}, 5, entries))
	want := all(t, dir)
	report, err := journal.Repair(t.Context(), dir, dir+".new", journal.RepairOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := all(t, dir+".new")
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	var seqs []uint64
	for i := range got {
		if !bytes.Equal(got[i].Value, want[i].Value) || got[i].Seq != want[i].Seq || got[i].Writer != want[i].Writer {
			t.Errorf("record %d is %+v, want %+v", i, got[i], want[i])
		}
		if got[i].Writer == 5 {
			seqs = append(seqs, got[i].Seq)
		}
	}
	if diff := cmp.Diff([]uint64{2, 4, 5}, seqs); diff != "" {
		t.Errorf("sequences (-want +got): %s", diff)
	}
	if report.Source.Unknown != 3 || report.Copy.Absent() != 3 || report.Copy.GapNotes != 3 {
		t.Errorf("%d unknown, %d absent by %d notes", report.Source.Unknown, report.Copy.Absent(), report.Copy.GapNotes)
	}
	verify(t, dir+".new")
}

// Restored are also records that are not in order, not all there, or there twice.
func TestRestorer(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	var acks []string
	r, err := j.Restore(journal.RestoreOptions{OnAppend: func(rec journal.Record, ack journal.Ack) error {
		acks = append(acks, fmt.Sprintf("%x:%d at %d is %d", rec.Writer, rec.Seq, ack.Position.Index, ack.Seq))
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	marker := record.NewFrame(j.UUID(), 1).Marker
	at := time.Unix(0, 1234567890123456789)
	rec := func(writer, seq uint64, unit int64, index int) journal.Record {
		return journal.Record{Position: journal.Position{Segment: 1, Offset: unit, Index: index}, Time: at,
			Writer: writer, Seq: seq, Kind: journal.KindData, Key: []byte("key"), Value: marker[:]}
	}
	for _, in := range []journal.Record{
		rec(1, 3, 100, 0),                                       // 1 and 2 are absent
		rec(1, 4, 200, 0), rec(1, 5, 200, 1), rec(1, 6, 200, 2), // a batch
		rec(1, 7, 300, 0), rec(1, 9, 300, 2), rec(1, 10, 300, 3), // one that lacks an entry
		rec(1, 9, 400, 0), rec(1, 10, 400, 1), rec(1, 11, 400, 2), // two that were there
		rec(2, 1, 500, 0), rec(3, 2, 500, 1), // of two writers: no batch
		{Time: at, Writer: 2, Seq: 2, Kind: journal.KindDelete}, // no position, no key
		{Time: at, Writer: 2, Seq: 3, Kind: journal.KindData},   // empty
		rec(4, 1000, 600, 0),
	} {
		if err := r.Append(in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Append(nil, []byte("own")); err != nil {
		t.Fatal(err)
	}
	for _, a := range [][2]uint64{{1, 11}, {2, 5}, {5, 7}} {
		if err := r.Absent(a[0], a[1]); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{
		"1:3 at 0 is 3", "1:4 at 0 is 4", "1:5 at 1 is 5", "1:6 at 2 is 6", "1:7 at 0 is 7", "1:9 at 0 is 9", "1:10 at 1 is 10",
		"1:11 at 0 is 11", "2:1 at 0 is 1", "3:2 at 0 is 2", "2:2 at 0 is 2", "2:3 at 0 is 3",
		"4:1000 at 0 is 1000",
	}, acks); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want := journal.RestoreStats{Records: 13, Batches: 2, Repeated: 2, Absent: 2 + 1 + 1 + 999 + 2 + 7}
	if got := r.Stats(); got.Moved > 3 || got != (journal.RestoreStats{Records: want.Records, Batches: want.Batches, Repeated: want.Repeated, Absent: want.Absent, Moved: got.Moved}) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if report := verify(t, dir); report.Records != 14 || report.Absent() != want.Absent || len(report.Writers) != 6 {
		t.Errorf("%+v", report)
	}
	for name, bad := range map[string]journal.Record{
		"kind":     {Time: at, Writer: 1, Seq: 50, Kind: record.KindMark},
		"writer":   {Time: at, Seq: 50, Kind: journal.KindData},
		"sequence": {Time: at, Writer: 1, Kind: journal.KindData},
		"time":     {Writer: 1, Seq: 50, Kind: journal.KindData},
	} {
		if err := r.Append(bad); err == nil {
			t.Errorf("a record with a bad %s is taken", name)
		}
	}
	if n := len(all(t, dir)); n != 14 {
		t.Errorf("%d records", n)
	}
}

// Gaps are read the same whatever is read ahead, also those that nobody honest writes.
func TestVerifyGaps(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 400 {
		r, err := j.Restore(journal.RestoreOptions{}) // that knows nothing of what is there
		if err != nil {
			t.Fatal(err)
		}
		rec := journal.Record{Time: time.Unix(1e9, 0), Writer: 1 + rng.Uint64N(3), Seq: 1 + rng.Uint64N(50) + uint64(i/3), Kind: journal.KindData}
		if err := r.Append(rec); err != nil {
			t.Fatal(err)
		}
	}
	var first journal.Report
	for i, chunk := range []int64{0, 300, 1000, 1 << 20} {
		r, err := journal.VerifyIn(t.Context(), dir, journal.VerifyOptions{Workers: 3}, chunk)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = r
		}
		if diff := cmp.Diff(first, r); diff != "" || r.Absent() == 0 || r.GapNotes == 0 {
			t.Errorf("chunks of %d (-in order +ahead):\n%s", chunk, diff)
		}
	}
}
