package index

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is what all parts of the package hold, in the plainest form.
type model map[string][]Place

// entry is one key with its places.
type entry struct {
	Key    string
	Places []Place
}

func (m model) within(lo, hi []byte) []entry {
	var all []entry
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			all = append(all, entry{k, m[k]})
		}
	}
	return all
}

func collect(c Cursor) []entry {
	var all []entry
	for {
		key, places, ok := c.Next()
		if !ok {
			return all
		}
		all = append(all, entry{string(key), slices.Clone(places)})
	}
}

// keys are few and short, so that they meet; and any bytes.
func keys() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xFF}), 0, 3),
		rapid.SliceOfN(rapid.Byte(), 0, 40),
		rapid.SliceOfN(rapid.Just(byte('x')), 0, 300),
	)
}

// bound is a key, or none.
func bound() *rapid.Generator[[]byte] {
	return rapid.OneOf(rapid.Just[[]byte](nil), keys())
}

// drawRecords are keys with places in ascending order, from base on.
func drawRecords(t *rapid.T, base uint64) (found []struct {
	key   []byte
	place Place
}, m model) {
	m = model{}
	p := Place{At: base + 1}
	for range rapid.IntRange(0, 300).Draw(t, "records") {
		k := keys().Draw(t, "key")
		if rapid.Bool().Draw(t, "same unit") {
			p.Index++
		} else {
			p.At += uint64(rapid.IntRange(1, 1<<30).Draw(t, "step"))
			p.Index = 0
		}
		p.Dead = rapid.Bool().Draw(t, "dead")
		found = append(found, struct {
			key   []byte
			place Place
		}{k, p})
		m[string(k)] = append(m[string(k)], p)
	}
	return found, m
}

// A tree and a run hold what was added, from any key on; a run does so after it has
// been written and read, and whether it was built or made of a tree.
func TestTreeAndRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]uint64{0, 1 << 36, 7 << 40}).Draw(t, "base")
		found, m := drawRecords(t, base)
		tree := NewTree()
		var b Builder
		for _, f := range found {
			tree.Add(f.key, f.place)
			relative := f.place
			relative.At -= base
			b.Add(f.key, relative)
		}
		built := b.Run(base)
		parsed, ok := ParseRun(built.Bytes(), base)
		if !ok {
			t.Fatal("a run cannot be read back")
		}
		lo := bound().Draw(t, "lo")
		want := m.within(lo, nil)
		for name, c := range map[string]interface {
			Cursor(lo []byte) Cursor
			Places(key []byte) []Place
			Len() (keys, places int)
		}{"tree": tree, "built": built, "parsed": parsed, "of the tree": RunOf(tree.Cursor(nil), base)} {
			if diff := gocmp.Diff(want, collect(c.Cursor(lo))); diff != "" {
				t.Fatalf("%s from %q (-want +got):\n%s", name, lo, diff)
			}
			if keys, places := c.Len(); keys != len(m) || places != len(found) {
				t.Fatalf("%s: %d keys, %d places; want %d and %d", name, keys, places, len(m), len(found))
			}
			k := keys().Draw(t, "other key")
			for _, k := range []string{string(k), string(lo)} {
				if diff := gocmp.Diff(m[k], c.Places([]byte(k))); diff != "" {
					t.Fatalf("%s: places of %q (-want +got):\n%s", name, k, diff)
				}
			}
		}
	})
}

// A table has the newest place of every key, in whatever order and in whatever way
// they are put.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Table
		var lists []List
		all := model{}
		var later []func()
		for n := range rapid.IntRange(1, 5).Draw(t, "lists") {
			base := uint64(n+1) << 36
			found, m := drawRecords(t, base)
			for k, places := range m {
				all[k] = append(all[k], places...)
			}
			if rapid.Bool().Draw(t, "one by one") {
				for _, f := range found {
					later = append(later, func() { x.Put(Hash(f.key), f.place.At, f.place.Dead) })
				}
				continue
			}
			var b Builder
			for _, f := range found {
				f.place.At -= base
				b.Add(f.key, f.place)
			}
			lists = append(lists, ListOf(b.Run(0).Entries(), base))
		}
		if rapid.Bool().Draw(t, "load first") {
			if err := x.Load(lists, 2); err != nil {
				t.Fatal(err)
			}
			lists = nil
		}
		for _, f := range later {
			f()
		}
		if err := x.Load(lists, 1); err != nil {
			t.Fatal(err)
		}
		check := func(k string) {
			at, dead, ok := x.Get(Hash([]byte(k)))
			places := all[k]
			if ok != (len(places) > 0) {
				t.Fatalf("%q is there: %v, want %v", k, ok, places)
			}
			if !ok {
				return
			}
			if want := places[len(places)-1]; at != want.At || dead != want.Dead {
				t.Fatalf("%q at %x, dead %v; want %+v", k, at, dead, want)
			}
		}
		for k := range all {
			check(k)
		}
		check(string(keys().Draw(t, "other key")))
		if n, size := x.Len(); n != len(all) || n > 1000 && size > n*EntrySize*2 {
			t.Fatalf("%d entries in %d bytes, want %d", n, size, len(all))
		}
	})
}

// What was pruned leaves the table when it needs room.
func TestTableForgets(t *testing.T) {
	var x Table
	for i := range 100_000 {
		x.Put(Hash(fmt.Append(nil, i)), uint64(i)+1, false)
		if i%1000 == 0 {
			x.Forget(uint64(max(0, i-5000)))
		}
	}
	if n, size := x.Len(); n > 20_000 || size > 64*20_000 {
		t.Errorf("%d entries in %d bytes, for 5000 that are left", n, size)
	}
	for i := 95_000; i < 100_000; i++ {
		if _, _, ok := x.Get(Hash(fmt.Append(nil, i))); !ok {
			t.Fatalf("key %d is lost", i)
		}
	}
}

// Hashes that share all their first bits do not disturb each other.
func TestTableCollisions(t *testing.T) {
	var x Table
	hash := func(i int) uint64 { return 0xABCD<<48 | uint64(i)<<1 }
	for i := range 2000 {
		x.Put(hash(i), uint64(i)+1, i%3 == 0)
	}
	for i := range 2000 {
		if at, dead, ok := x.Get(hash(i)); !ok || at != uint64(i)+1 || dead != (i%3 == 0) {
			t.Fatalf("entry %d: %d, %v, %v", i, at, dead, ok)
		}
	}
	if _, _, ok := x.Get(hash(2000)); ok {
		t.Error("an entry that was never put")
	}
}

// Merge walks through several sources as if they were one.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := model{}
		var cursors []Cursor
		lo, hi := bound().Draw(t, "lo"), bound().Draw(t, "hi")
		for n := range rapid.IntRange(0, 5).Draw(t, "sources") {
			base := uint64(n+1) << 36
			found, m := drawRecords(t, base)
			for k, places := range m {
				all[k] = append(all[k], places...)
			}
			tree := NewTree()
			for _, f := range found {
				tree.Add(f.key, f.place)
			}
			if n%2 == 0 {
				cursors = append(cursors, tree.Cursor(lo))
			} else {
				cursors = append(cursors, RunOf(tree.Cursor(nil), base).Cursor(lo))
			}
		}
		rand.Shuffle(len(cursors), func(i, j int) { cursors[i], cursors[j] = cursors[j], cursors[i] })
		var want, got []entry
		for _, e := range all.within(lo, hi) {
			newest := slices.MaxFunc(e.Places, func(a, b Place) int {
				return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Index, b.Index))
			})
			want = append(want, entry{e.Key, []Place{newest}})
		}
		for key, place := range Merge(cursors, hi) {
			got = append(got, entry{string(key), []Place{place}})
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Fatalf("from %q to %q (-want +got):\n%s", lo, hi, diff)
		}
	})
}

// A walk through a tree sees it as it was when the walk began.
func TestTreeSnapshot(t *testing.T) {
	tree, m := NewTree(), model{}
	for i := range 1000 {
		k, p := fmt.Sprintf("%04d", i), Place{At: uint64(i) + 1}
		tree.Add([]byte(k), p)
		m[k] = []Place{p}
	}
	c := tree.Cursor(nil)
	var got []entry
	for i := 0; ; i++ {
		key, places, ok := c.Next()
		if !ok {
			break
		}
		got = append(got, entry{string(key), slices.Clone(places)})
		tree.Add(fmt.Appendf(nil, "%04d", (i*7)%1000), Place{At: uint64(i) + 5000})
		tree.Add(fmt.Appendf(nil, "%04d new", i), Place{At: uint64(i) + 9000})
	}
	if diff := gocmp.Diff(m.within(nil, nil), got); diff != "" {
		t.Errorf("snapshot differs (-want +got):\n%s", diff)
	}
	if keys, places := tree.Len(); keys != 2000 || places != 3000 {
		t.Errorf("%d keys and %d places, want 2000 and 3000", keys, places)
	}
}

// One adds, several look: the race detector watches, and the places of a key are
// those of its first rounds, in order.
func TestTreeConcurrent(t *testing.T) {
	const keys, rounds = 200, 20
	tree := NewTree()
	var x Table
	key := func(i int) []byte { return fmt.Appendf(nil, "%04d", i) }
	for i := range keys { // before anybody looks: a key must not be missing to him
		tree.Add(key(i), Place{At: 1})
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				for _, e := range collect(tree.Cursor(nil)) {
					for i, p := range e.Places {
						if p.Index != uint32(i) {
							t.Errorf("place %d of %q is %+v", i, e.Key, p)
						}
					}
				}
				x.Get(Hash(key(7)))
				if tree.Places(key(1)) == nil {
					t.Error("a key is missing")
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for round := 1; round <= rounds; round++ {
		for i := range keys {
			tree.Add(key(i), Place{At: uint64(round) + 1, Index: uint32(round)})
			x.Put(Hash(key(i)), uint64(round), false)
		}
	}
	close(done)
	wg.Wait()
}

// FuzzParseRun: any bytes are a run that gives them back, or none.
func FuzzParseRun(f *testing.F) {
	var b Builder
	for i := range 40 {
		b.Add([]byte(strings.Repeat("k", i%7)), Place{At: uint64(i) * 1000, Index: uint32(i % 3), Dead: i%5 == 0})
	}
	f.Add(b.Run(0).Bytes())
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0})
	f.Add([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := ParseRun(bytes.Clone(data), 1<<36)
		if !ok {
			return
		}
		all := collect(r.Cursor(nil))
		if keys, _ := r.Len(); keys != len(all) {
			t.Fatalf("%d keys, a walk gives %d", keys, len(all))
		}
		if len(r.Entries()) != len(all)*EntrySize {
			t.Fatalf("%d bytes of entries for %d keys", len(r.Entries()), len(all))
		}
		for _, e := range all {
			if diff := gocmp.Diff(e.Places, r.Places([]byte(e.Key))); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func ExampleMerge() {
	older, newer := NewTree(), NewTree()
	older.Add([]byte("a"), Place{At: 1})
	older.Add([]byte("b"), Place{At: 2})
	newer.Add([]byte("b"), Place{At: 3, Dead: true})
	newer.Add([]byte("c"), Place{At: 4})
	sealed := RunOf(older.Cursor(nil), 0)
	for key, place := range Merge([]Cursor{sealed.Cursor(nil), newer.Cursor(nil)}, nil) {
		fmt.Printf("%s at %d, deleted: %v\n", key, place.At, place.Dead)
	}
	// Output:
	// a at 1, deleted: false
	// b at 3, deleted: true
	// c at 4, deleted: false
}
