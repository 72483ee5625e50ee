package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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

// All who meet the damage at the same time get what is left, not only the first.
func TestDamageBehindSidecarConcurrent(t *testing.T) {
	dir := t.TempDir()
	keyed(t, dir)
	j := open(t, dir, journal.Options{})
	newest, err := j.Get([]byte("key 7"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, int(newest.Position.Segment), func(b []byte) []byte {
		b[newest.Position.Offset+100] ^= 1
		return b
	})
	for range 20 {
		j := open(t, dir, journal.Options{ReadOnly: true})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if rec, err := j.Get([]byte("key 7")); err != nil || !rec.Position.Before(newest.Position) {
					t.Errorf("got %v, %v", rec.Position, err)
				}
			})
		}
		all.Wait()
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

// Sidecars of many keys are looked into where the key is, until it pays to have all of
// them in memory. Nobody sees a difference, whatever becomes of them meanwhile.
func TestColdSidecars(t *testing.T) {
	const keys = 100_000
	base := t.TempDir()
	j := open(t, base, journal.Options{SegmentSize: 2 << 20, Sync: journal.SyncNone})
	key := func(i int) []byte { return fmt.Appendf(nil, "key %d", i) }
	var b journal.Batch
	for i := range keys + keys/10 {
		switch k := i % keys; {
		case k%1000 == 7 && i >= keys:
			b.Delete(key(k))
		default:
			b.Put(key(k), fmt.Appendf(nil, "%60d", i))
		}
		if b.Len() == 500 {
			if _, err := j.AppendBatch(&b); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
	if _, err := j.Get(key(0)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n := sidecars(t, base); n < 3 {
		t.Fatalf("%d sidecars", n)
	}
	check := func(t *testing.T, j *journal.Journal, i int) {
		t.Helper()
		want := i
		if i < keys/10 {
			want = keys + i
		}
		rec, err := j.Get(key(i))
		if i%1000 == 7 && i < keys/10 || i >= keys {
			if !errors.Is(err, journal.ErrNotFound) {
				t.Fatalf("Get(%d) = %q, %v; it is not there", i, rec.Value, err)
			}
			return
		}
		if err != nil || string(rec.Value) != fmt.Sprintf("%60d", want) {
			t.Fatalf("Get(%d) = %q, %v; want %d", i, rec.Value, err, want)
		}
	}
	for name, spoil := range map[string]func(t *testing.T, dir string, path string){
		"nothing": func(*testing.T, string, string) {},
		"removed": func(t *testing.T, _, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
		"flipped": func(t *testing.T, _, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for at := 5000; at < len(b); at += 1000 {
				b[at] ^= 1
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, journal.Options{ReadOnly: true})
			for _, i := range []int{0, 7, 1007, 50_000, keys - 1, keys} {
				check(t, j, i)
			}
			if s := j.Stats(); s.IndexBytes > keys*10 || s.IndexKeys < keys {
				t.Errorf("after six look-ups the index has %d keys in %d bytes", s.IndexKeys, s.IndexBytes)
			}
			spoil(t, dir, filepath.Join(dir, "idx.000000001"))
			for i := 0; i < keys+100; i += 97 {
				check(t, j, i)
			}
			if s := j.Stats(); s.IndexBytes < keys*16 {
				t.Errorf("after a thousand look-ups the index has %d keys in %d bytes", s.IndexKeys, s.IndexBytes)
			}
		})
	}
	t.Run("pruned", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		j := open(t, dir, journal.Options{ReadOnly: true})
		check(t, j, 0)
		if err := open(t, dir, journal.Options{}).Prune(journal.FirstPosition(2)); err != nil {
			t.Fatal(err)
		}
		found := 0
		for i := 0; i < keys; i += 97 {
			switch _, err := j.Get(key(i)); {
			case err == nil:
				found++
			case !errors.Is(err, journal.ErrNotFound):
				t.Fatal(err)
			}
		}
		if found == 0 || found >= keys/97 {
			t.Errorf("%d of %d keys are left", found, keys/97)
		}
	})
}
