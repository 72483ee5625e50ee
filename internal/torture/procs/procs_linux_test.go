package procs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

func TestMain(m *testing.M) {
	board.RunChild(Roles())
	os.Exit(m.Run())
}

// A case of each class, on whatever file system tests have.
func TestCases(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		run  func(*board.Case) error
	}{
		{"X6", 1, killRound},
		{"X7", len(ways), endWriters},
		{"X11", 1, func(c *board.Case) error { return rotate(c, 200) }},
	} {
		class := &board.Class{ID: c.name, Run: func(r *board.Run) error {
			r.EachAlone("", c.n, c.run)
			return nil
		}}
		r := board.Do(t.Context(), class, board.Config{Seed: 2, Case: -1, Dir: t.TempDir(), Log: t.Output()})
		if !r.OK() || r.Cases != c.n {
			t.Errorf("%+v", r)
		}
	}
}

// wrote is a journal of two writers, as check wants it.
func wrote(t *testing.T) (dir string, writers []*acked) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "j")
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for p := range 2 {
		w := &acked{orders: orders{Dir: dir, Process: p, Seed: 3, Lanes: 1, Small: 500}, at: []map[int]string{{}}, ended: p == 0}
		for n := range 20 {
			at, err := j.Append(name(p, 0, n), w.value(0, n))
			if err != nil {
				t.Fatal(err)
			}
			w.at[0][n] = at.String()
		}
		writers = append(writers, w)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, untold, err := check(t.Context(), dir, writers); err != nil || untold != 0 {
		t.Fatalf("as it was: %d untold, %v", untold, err)
	}
	return dir, writers
}

// The judge finds what writers were told and is not so.
func TestLiars(t *testing.T) {
	dir, writers := wrote(t)
	for _, c := range []struct {
		name string
		lie  func(w []*acked)
		want string
	}{
		{"one more was acknowledged", func(w []*acked) { w[0].at[0][20] = "1:9000" }, "is lost"},
		{"it was acknowledged elsewhere", func(w []*acked) { w[0].at[0][7] = "1:9000" }, "was acknowledged at 1:9000"},
		{"who ended was not told of the last", func(w []*acked) { delete(w[0].at[0], 19) }, "nobody was told"},
		{"who was killed was not told of the last two", func(w []*acked) {
			delete(w[1].at[0], 18)
			delete(w[1].at[0], 19)
		}, "nobody was told"},
		{"another value", func(w []*acked) { w[1].Seed++ }, "the value is not"},
		{"a writer that nobody started", func(w []*acked) { w[1].Process = 7 }, "nobody has appended"},
	} {
		var lied []*acked
		for _, w := range writers {
			v := *w
			v.at = []map[int]string{maps.Clone(w.at[0])}
			lied = append(lied, &v)
		}
		c.lie(lied)
		if _, _, err := check(t.Context(), dir, lied); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	last := *writers[1]
	last.at = []map[int]string{maps.Clone(last.at[0])}
	delete(last.at[0], 19)
	if _, untold, err := check(t.Context(), dir, []*acked{writers[0], &last}); err != nil || untold != 1 {
		t.Errorf("who was killed was not told of the last one: %d untold, %v", untold, err)
	}
}

// The ledger knows an order that is wrong.
func TestLedgerOrder(t *testing.T) {
	_, writers := wrote(t)
	for _, c := range []struct {
		numbers []int
		want    string
	}{
		{[]int{0, 1, 2}, ""},
		{[]int{0, 2}, "comes behind 0"},
		{[]int{0, 1, 1}, "comes behind 1"},
		{[]int{1, 0}, "comes behind -1"},
	} {
		l := newLedger(writers)
		var err error
		for _, n := range c.numbers {
			if err = l.record("1:8192", name(0, 0, n), writers[0].value(0, n)); err != nil {
				break
			}
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.numbers, err, c.want)
		}
	}
	if err := newLedger(writers).record("1:8192", []byte("0/0/00"), nil); err == nil {
		t.Error("a key that no writer makes is accepted")
	}
}

// What is damaged is not sound, whoever was told what.
func TestSound(t *testing.T) {
	dir, _ := wrote(t)
	path := filepath.Join(dir, "seg.000000001")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		ruin func([]byte) []byte
		want string
	}{
		{"a flipped bit", func(b []byte) []byte { b[9000] ^= 1; return b }, "corruption"},
		{"zeros", func(b []byte) []byte { clear(b[8192:]); return b }, "hole"},
		{"the end is gone", func(b []byte) []byte { return b[:9000] }, "hole"},
	} {
		if err := os.WriteFile(path, c.ruin(slices.Clone(b)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := sound(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
