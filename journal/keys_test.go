package journal_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
)

func sidecars(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "idx.*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// keyed fills a journal of some segments with rounds of the same keys.
func keyed(t *testing.T, dir string) {
	t.Helper()
	j := open(t, dir, journal.Options{SegmentSize: 64 << 10, Sync: journal.SyncNone})
	for i := range 1000 {
		if _, err := j.Append(fmt.Appendf(nil, "key %d", i%250), fmt.Appendf(make([]byte, 0, 1000), "%999d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// A handle that may write leaves sidecars, one that may only read uses them, and
// both find the same as one that reads everything. They go with their segments.
func TestSidecars(t *testing.T) {
	dir := t.TempDir()
	keyed(t, dir)
	counted := func(opt journal.Options) string {
		j := open(t, dir, opt)
		n, err := j.Count(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := j.Get([]byte("key 7"))
		if err != nil {
			t.Fatal(err)
		}
		history := 0
		for _, err := range j.History([]byte("key 7")) {
			if err != nil {
				t.Fatal(err)
			}
			history++
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(n, rec.Position, history)
	}
	read := counted(journal.Options{ReadOnly: true})
	if n := sidecars(t, dir); n != 0 {
		t.Fatalf("a handle that only reads left %d sidecars", n)
	}
	made := counted(journal.Options{})
	before := sidecars(t, dir)
	if before < 10 {
		t.Fatalf("%d sidecars", before)
	}
	if used := counted(journal.Options{ReadOnly: true}); read != made || used != read {
		t.Errorf("without sidecars %s, making them %s, with them %s", read, made, used)
	}
	j := open(t, dir, journal.Options{})
	infos, err := j.Segments()
	if err != nil {
		t.Fatal(err)
	}
	records := uint64(0)
	for i, info := range infos {
		if (info.Content != nil) != info.Sealed {
			t.Errorf("segment %d of %d, sealed %v: %+v", i, len(infos), info.Sealed, info.Content)
		}
		if c := info.Content; c != nil {
			records += c.Records
			if c.Newest.Before(c.Oldest) || c.Oldest.Before(info.Created.Add(-time.Minute)) {
				t.Errorf("segment %d: %+v", info.Number, c)
			}
		}
	}
	if newest := infos[len(infos)-1].Number; records < 900 || records >= 1000 {
		t.Errorf("%d records in front of segment %d", records, newest)
	}
	removed, err := j.Retain(journal.Retention{MaxSegments: 5})
	if err != nil {
		t.Fatal(err)
	}
	if n := sidecars(t, dir); len(removed) < 5 || n != before-len(removed) {
		t.Errorf("%d sidecars of %d are left, and %d segments were removed", n, before, len(removed))
	}
}

// A segment that is damaged after its sidecar was made is found out by who asks for
// a record in it, and what is left of older records comes to light.
func TestDamageBehindSidecar(t *testing.T) {
	dir := t.TempDir()
	keyed(t, dir)
	j := open(t, dir, journal.Options{})
	newest, err := j.Get([]byte("key 7"))
	if err != nil || newest.Position.Segment < 4 {
		t.Fatal(newest.Position, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, int(newest.Position.Segment), func(b []byte) []byte {
		b[newest.Position.Offset+100] ^= 1
		return b
	})
	for _, opt := range []journal.Options{{ReadOnly: true}, {}} {
		told := 0
		opt.OnDamage = func(d journal.Damage) {
			if d.Class == journal.Corruption {
				told++
			}
		}
		j := open(t, dir, opt)
		var positions []journal.Position
		for rec, err := range j.History([]byte("key 7")) {
			if err != nil {
				t.Fatal(err)
			}
			positions = append(positions, rec.Position)
		}
		rec, err := j.Get([]byte("key 7"))
		if err != nil || len(positions) != 3 || rec.Position != positions[0] || !rec.Position.Before(newest.Position) || told == 0 {
			t.Errorf("got %v, %v of %v; damage was told of %d times", rec.Position, err, positions, told)
		}
	}
}

func TestNoIndex(t *testing.T) {
	dir := t.TempDir()
	keyed(t, dir)
	j := open(t, dir, journal.Options{NoIndex: true})
	_, err := j.Get([]byte("key 7"))
	_, cerr := j.Count(nil, nil)
	for _, err := range []error{err, cerr} {
		if !errors.Is(err, journal.ErrNoIndex) {
			t.Errorf("got %v, want %v", err, journal.ErrNoIndex)
		}
	}
	for _, err := range j.Range(nil, nil) {
		if !errors.Is(err, journal.ErrNoIndex) {
			t.Errorf("Range: got %v, want %v", err, journal.ErrNoIndex)
		}
	}
	for _, err := range j.History([]byte("key 7")) {
		if !errors.Is(err, journal.ErrNoIndex) {
			t.Errorf("History: got %v, want %v", err, journal.ErrNoIndex)
		}
	}
	if n := sidecars(t, dir); n != 0 {
		t.Errorf("%d sidecars", n)
	}
}

// Keys that nobody uses in earnest are found all the same.
func TestOddKeys(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{SegmentSize: 16 << 10, Sync: journal.SyncNone})
	odd := [][]byte{{0}, {0, 0}, {0xFF}, {0xFF, 0xFF}, []byte("a"), []byte("a\x00"), make([]byte, 65535)}
	for i := range 20 {
		for _, k := range odd {
			if _, err := j.Append(k, fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // by a tree and runs of this handle, and by sidecars
		for _, k := range odd {
			rec, err := j.Get(k)
			if err != nil || string(rec.Value) != "19" {
				t.Errorf("Get(%.10q) = %q, %v", k, rec.Value, err)
			}
		}
		for _, c := range []struct {
			prefix string
			want   int
		}{{"", 7}, {"\x00", 3}, {"\xFF", 2}, {"\xFF\xFF", 1}, {"a", 2}, {"b", 0}} {
			n := 0
			for _, err := range j.Prefix([]byte(c.prefix)) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != c.want {
				t.Errorf("Prefix(%q) has %d keys, want %d", c.prefix, n, c.want)
			}
		}
		j = open(t, dir, journal.Options{})
	}
}
