package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

// mixed makes a journal of some twelve segments: records from nothing to several
// blocks long, batches, deletes, and two handles that take turns.
func mixed(t testing.TB, dir string, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	opt := journal.Options{SegmentSize: 1 << 20, Sync: journal.SyncNone}
	handles := []*journal.Journal{open(t, dir, opt), open(t, dir, opt)}
	sizes := []int{0, 1, 100, 4000, 40_000, 140_000, 600_000}
	for i := range n {
		j := handles[rng.IntN(2)]
		value := bytes.Repeat([]byte{byte(i), 0xFF, 0xF8, 'x'}, sizes[rng.IntN(1+i%len(sizes))]/4+1)
		key := fmt.Appendf(nil, "key %d", i%97)
		var err error
		switch i % 11 {
		case 3:
			var b journal.Batch
			for k := range 1 + i%5 {
				b.Put(key, value[:k])
			}
			b.Delete([]byte("gone"))
			_, err = j.AppendBatch(&b)
		case 7:
			_, err = j.Delete(key)
		default:
			_, err = j.Append(key, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, j := range handles {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// reading is all that a loop gives.
type reading struct {
	records []journal.Record
	errs    []string
	damage  []journal.Damage
}

// readAll opens dir for one loop.
func readAll(t testing.TB, dir string, opts journal.ScanOptions) (all reading) {
	t.Helper()
	j := open(t, dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) { all.damage = append(all.damage, d) }})
	for rec, err := range j.Scan(opts) {
		if err != nil {
			all.errs = append(all.errs, err.Error())
			continue
		}
		if opts.Reuse {
			rec = rec.Clone()
		}
		rec.Time = rec.Time.Round(0)
		all.records = append(all.records, rec)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (r reading) reversed() reading {
	for _, s := range []func(){
		func() { slices.Reverse(r.records) }, func() { slices.Reverse(r.errs) }, func() { slices.Reverse(r.damage) },
	} {
		s()
	}
	return r
}

func (r reading) same(t *testing.T, what string, other reading) {
	t.Helper()
	equal := func(a, b journal.Record) bool {
		return a.Position == b.Position && a.Next == b.Next && a.Kind == b.Kind && a.Seq == b.Seq && a.Writer == b.Writer &&
			a.Time.Equal(b.Time) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
	}
	if !slices.EqualFunc(r.records, other.records, equal) {
		t.Errorf("%s: got %d records, want %d, or others", what, len(other.records), len(r.records))
	}
	if diff := cmp.Diff(r.damage, other.damage); diff != "" {
		t.Errorf("%s: damage (-want +got):\n%s", what, diff)
	}
	if diff := cmp.Diff(r.errs, other.errs); diff != "" {
		t.Errorf("%s: errors (-want +got):\n%s", what, diff)
	}
}

// All ways to scan give the same records, damage and errors: with memory that is
// used again, in reverse, and in parts that are put together.
func TestScanWays(t *testing.T) {
	for name, ruin := range ruins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mixed(t, dir, 400)
			ruin(t, dir)
			all := readAll(t, dir, journal.ScanOptions{})
			if len(all.records) < 100 {
				t.Fatalf("%d records are left", len(all.records))
			}
			all.same(t, "in used memory", readAll(t, dir, journal.ScanOptions{Reuse: true}))
			all.same(t, "in reverse", readAll(t, dir, journal.ScanOptions{Reverse: true}).reversed())
			for _, i := range []int{0, 1, len(all.records) / 3, len(all.records) - 1} {
				at := all.records[i].Position
				for _, reverse := range []bool{false, true} {
					front := readAll(t, dir, journal.ScanOptions{To: at, Reverse: reverse})
					back := readAll(t, dir, journal.ScanOptions{From: at, Reverse: reverse})
					if reverse {
						front, back = front.reversed(), back.reversed()
					}
					// What is damaged between two records, either part may tell of.
					got := reading{records: append(front.records, back.records...), errs: all.errs, damage: all.damage}
					all.same(t, fmt.Sprintf("in two parts at %v, reverse %v", at, reverse), got)
				}
			}
		})
	}
}

// ruins are ways to spoil what mixed has made.
var ruins = map[string]func(t *testing.T, dir string){
	"sound": func(*testing.T, string) {},
	"flipped bits": func(t *testing.T, dir string) {
		for n := range 6 {
			damage(t, dir, n+1, func(b []byte) []byte {
				for at := 9000 + 7777*n; at < len(b); at += 300_000 {
					b[at] ^= 4
				}
				return b
			})
		}
	},
	"zeros and cuts": func(t *testing.T, dir string) {
		damage(t, dir, 1, func(b []byte) []byte { clear(b[9000:700_000]); return b })
		damage(t, dir, 2, func(b []byte) []byte { return b[:len(b)/2] })
		damage(t, dir, 3, func(b []byte) []byte { return b[:5000] })
		damage(t, dir, 4, func(b []byte) []byte { clear(b[:4096]); return b })
		damage(t, dir, 5, func(b []byte) []byte { return append(b, b...) })
	},
	"lost segments": func(t *testing.T, dir string) {
		for _, n := range []int{1, 4, 5} {
			if err := os.Remove(segmentPath(dir, n)); err != nil {
				t.Fatal(err)
			}
		}
	},
}

// A loop in reverse that is left early has read little: a journal of any size can
// be looked at from its end.
func TestReverseEndsEarly(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 300)
	all := readAll(t, dir, journal.ScanOptions{})
	j := open(t, dir, journal.Options{ReadOnly: true})
	// Nothing in front of the newest two segments is there to be read.
	_, newest, err := j.SegmentRange()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < int(newest)-1; n++ {
		if err := os.WriteFile(segmentPath(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	i := len(all.records)
	for rec, err := range j.Scan(journal.ScanOptions{Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if i--; rec.Position != all.records[i].Position {
			t.Fatalf("got %v, want %v", rec.Position, all.records[i].Position)
		}
		if i == len(all.records)-10 {
			break
		}
	}
}

// What is pruned while somebody reads backwards ends the loop, without an error.
func TestReverseMeetsPrune(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 400)
	j := open(t, dir, journal.Options{})
	_, newest, err := j.SegmentRange()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for rec, err := range j.Scan(journal.ScanOptions{Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			if err := j.Prune(journal.FirstPosition(newest - 1)); err != nil {
				t.Fatal(err)
			}
		}
		if rec.Position.Segment < newest-1 {
			t.Fatalf("%v was pruned", rec.Position)
		}
	}
	if n < 2 {
		t.Errorf("%d records", n)
	}
}

// Seek finds the first record at or after a time, wherever it stands.
func TestSeek(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 400)
	all := readAll(t, dir, journal.ScanOptions{}).records
	j := open(t, dir, journal.Options{ReadOnly: true})
	first := func(at time.Time) journal.Position {
		for _, rec := range all {
			if !rec.Time.Before(at) {
				return rec.Position
			}
		}
		return all[len(all)-1].Next
	}
	times := []time.Time{{}, time.Unix(0, 0), all[0].Time.Add(-time.Hour), time.Now().Add(time.Hour), time.Unix(1<<40, 0)}
	for _, rec := range all {
		times = append(times, rec.Time, rec.Time.Add(-time.Nanosecond), rec.Time.Add(time.Nanosecond))
	}
	for _, at := range times {
		got, err := j.Seek(at)
		if want := first(at); err != nil || got != want {
			t.Errorf("Seek(%v) = %v, %v; want %v", at, got, err, want)
		}
	}
}

// Segments without a record, lost ones, foreign ones and damaged ones do not keep
// Seek from finding what is behind them.
func TestSeekBesideDamage(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 400)
	all := readAll(t, dir, journal.ScanOptions{}).records
	damage(t, dir, 2, func(b []byte) []byte { return b[:8192] })
	damage(t, dir, 3, func(b []byte) []byte { clear(b[8192:]); return b })
	damage(t, dir, 4, func(b []byte) []byte { clear(b[8192:500_000]); return b })
	other := t.TempDir()
	mixed(t, other, 100)
	if err := os.Rename(segmentPath(other, 1), segmentPath(dir, 6)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(segmentPath(dir, 5)); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, journal.Options{ReadOnly: true})
	for _, rec := range all {
		got, err := j.Seek(rec.Time)
		if err != nil {
			t.Fatal(err)
		}
		// The record itself, one of the same time, or what comes behind the damage.
		if rec.Position.Before(got) && rec.Position.Segment != 2 && rec.Position.Segment != 3 && rec.Position.Segment != 4 &&
			rec.Position.Segment != 5 && rec.Position.Segment != 6 {
			t.Errorf("Seek(%v) = %v, and %v has that time", rec.Time, got, rec.Position)
		}
	}
}

func segmentPath(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("seg.%09d", n)) }

// damage rewrites segment n.
func damage(t *testing.T, dir string, n int, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(segmentPath(dir, n))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segmentPath(dir, n), f(b), 0o644); err != nil {
		t.Fatal(err)
	}
}
