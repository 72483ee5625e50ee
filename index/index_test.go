package index

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is what an index should be: a map, sorted when somebody asks.
type model map[string]int

// entry is one key with its place, as Range hands it out.
type entry struct {
	Key   string
	Place int
}

// within returns the entries of m from lo on and below hi.
func (m model) within(lo, hi []byte) []entry {
	var all []entry
	for k, p := range m {
		if k >= string(lo) && (hi == nil || k < string(hi)) {
			all = append(all, entry{k, p})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}

func collect(x *Index[int], lo, hi []byte) []entry {
	var all []entry
	for k, p := range x.Range(lo, hi) {
		all = append(all, entry{k, p})
	}
	return all
}

// keys are few and short, so that they meet; and any bytes.
func keys() *rapid.Generator[[]byte] {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xFF}), 0, 3),
		rapid.SliceOfN(rapid.Byte(), 0, 40),
	)
}

// bound is a key, or none.
func bound() *rapid.Generator[[]byte] {
	return rapid.OneOf(rapid.Just[[]byte](nil), keys())
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, m := New[int](), model{}
		t.Repeat(map[string]func(*rapid.T){
			"Put": func(t *rapid.T) {
				k, p := keys().Draw(t, "key"), rapid.Int().Draw(t, "place")
				x.Put(k, p)
				m[string(k)] = p
			},
			"PutMany": func(t *rapid.T) { // more than one node of the tree
				k := keys().Draw(t, "prefix")
				for i := range rapid.IntRange(1, 200).Draw(t, "count") {
					key := fmt.Appendf(bytes.Clone(k), "%03d", i)
					x.Put(key, i)
					m[string(key)] = i
				}
			},
			"Delete": func(t *rapid.T) {
				k := keys().Draw(t, "key")
				x.Delete(k)
				delete(m, string(k))
			},
			"DeleteRange": func(t *rapid.T) {
				lo, hi := bound().Draw(t, "lo"), bound().Draw(t, "hi")
				for k := range x.Range(lo, hi) { // a snapshot: deleting does not disturb it
					x.Delete([]byte(k))
				}
				for _, e := range m.within(lo, hi) {
					delete(m, e.Key)
				}
			},
			"Get": func(t *rapid.T) {
				k := keys().Draw(t, "key")
				got, ok := x.Get(k)
				if want, there := m[string(k)]; got != want || ok != there {
					t.Fatalf("Get(%q) = %d, %v; want %d, %v", k, got, ok, want, there)
				}
			},
			"Range": func(t *rapid.T) {
				lo, hi := bound().Draw(t, "lo"), bound().Draw(t, "hi")
				if diff := cmp.Diff(m.within(lo, hi), collect(x, lo, hi)); diff != "" {
					t.Fatalf("Range(%q, %q) (-want +got):\n%s", lo, hi, diff)
				}
			},
			"": func(t *rapid.T) {
				if x.Len() != len(m) {
					t.Fatalf("%d keys, want %d", x.Len(), len(m))
				}
			},
		})
	})
}

func TestRangeBounds(t *testing.T) {
	x := New[int]()
	for i, k := range []string{"", "a", "aa", "b", "\xFF", "\xFF\xFF"} {
		x.Put([]byte(k), i)
	}
	for _, c := range []struct {
		lo, hi []byte
		want   string
	}{
		{nil, nil, `["" "a" "aa" "b" "\xff" "\xff\xff"]`},
		{[]byte{}, nil, `["" "a" "aa" "b" "\xff" "\xff\xff"]`},
		{nil, []byte{}, `[]`}, // nothing is below the empty key
		{[]byte{}, []byte{}, `[]`},
		{[]byte("a"), nil, `["a" "aa" "b" "\xff" "\xff\xff"]`},
		{nil, []byte("b"), `["" "a" "aa"]`},
		{[]byte("a"), []byte("b"), `["a" "aa"]`},
		{[]byte("a"), []byte("a\x00"), `["a"]`},
		{[]byte("a"), []byte("a"), `[]`},
		{[]byte("b"), []byte("a"), `[]`},
		{[]byte("\xFF\xFF"), []byte{}, `[]`},
		{[]byte("c"), []byte("d"), `[]`},
		{[]byte("\xFF\xFF\xFF"), nil, `[]`},
	} {
		got := []string{}
		for k := range x.Range(c.lo, c.hi) {
			got = append(got, k)
		}
		if s := fmt.Sprintf("%q", got); s != c.want {
			t.Errorf("Range(%q, %q) = %s, want %s", c.lo, c.hi, s, c.want)
		}
	}
}

func TestRangeOfNothing(t *testing.T) {
	if got := collect(New[int](), nil, nil); got != nil {
		t.Errorf("an empty index has %v", got)
	}
}

// A loop that is left early leaves nothing behind, and the sequence can be
// used again: it begins with what is there then.
func TestRangeAgain(t *testing.T) {
	x := New[int]()
	for i := range 100 {
		x.Put(fmt.Appendf(nil, "%03d", i), i)
	}
	seq := x.Range(nil, nil)
	for k := range seq {
		if k == "005" {
			break
		}
	}
	x.Delete([]byte("000"))
	n := 0
	for k := range seq {
		if k == "000" {
			t.Error("the second loop sees what was there in the first")
		}
		n++
	}
	if n != 99 {
		t.Errorf("%d keys, want 99", n)
	}
}

// A loop sees the keys as they were when it began, whatever happens meanwhile.
func TestSnapshot(t *testing.T) {
	x, m := New[int](), model{}
	for i := range 1000 {
		k := fmt.Sprintf("%04d", i)
		x.Put([]byte(k), i)
		m[k] = i
	}
	want := m.within(nil, nil)
	var got []entry
	for k, p := range x.Range(nil, nil) {
		got = append(got, entry{k, p})
		i := len(got)
		x.Put(fmt.Appendf(nil, "%04d", (i*7)%1000), -1)
		x.Delete(fmt.Appendf(nil, "%04d", (i*13)%1000))
		x.Put(fmt.Appendf(nil, "%04d new", i), -1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot differs (-want +got):\n%s", diff)
	}
	if cmp.Equal(want, collect(x, nil, nil)) {
		t.Error("the index has not changed")
	}
}

// The key is copied: its memory is the caller's.
func TestKeyIsCopied(t *testing.T) {
	x := New[int]()
	k := []byte("key")
	x.Put(k, 1)
	copy(k, "xxx")
	if _, ok := x.Get([]byte("key")); !ok {
		t.Error("the key has changed with the caller's memory")
	}
}

// One feeds, several look up and walk: the race detector watches, and every
// walk is one state of the index. Key k is always put after k-1, and all keys
// of a round carry its number, so a walk sees a prefix of the last round and
// the rest of the one before.
func TestConcurrent(t *testing.T) {
	const keys, rounds = 200, 20
	x := New[int]()
	key := func(i int) []byte { return fmt.Appendf(nil, "%04d", i) }
	for i := range keys {
		x.Put(key(i), 0)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				last, n, changes := -1, 0, 0
				for _, round := range x.Range(nil, nil) {
					if last >= 0 && round != last {
						if changes++; round != last-1 {
							t.Errorf("round %d follows round %d", round, last)
						}
					}
					last = round
					n++
				}
				if n != keys || changes > 1 {
					t.Errorf("a walk of %d keys with %d changes of the round", n, changes)
				}
				if _, ok := x.Get(key(n / 2)); !ok || x.Len() != keys {
					t.Errorf("a key is missing, %d are there", x.Len())
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
			x.Put(key(i), round)
		}
	}
	close(done)
	wg.Wait()
}

func ExampleIndex() {
	x := New[string]()
	x.Put([]byte("b"), "1:8192")
	x.Put([]byte("a"), "1:8250")
	x.Put([]byte("b"), "2:8192") // the newer record of b
	for key, place := range x.Range(nil, nil) {
		fmt.Println(key, "at", place)
	}
	// Output:
	// a at 1:8250
	// b at 2:8192
}
