package fuzzdir

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

func seedNamed(t *testing.T, name string) *Archive {
	t.Helper()
	seeds, err := Seeds()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seeds {
		if s.Name == name {
			return s.Archive
		}
	}
	t.Fatalf("there is no seed %s", name)
	return nil
}

// A judge that never says no is none: of each way the answer is compared with an
// expectation that something was changed in, and that must be found.
func TestJudgesSayNo(t *testing.T) {
	lost := func(e *expected) { e.records = e.records[1:] }
	for name, lie := range map[string]struct {
		ways Ways
		tell func(e *expected)
		says string
	}{
		"a record is lost":      {0, lost, "record 0"},
		"a record comes twice":  {0, func(e *expected) { e.records = append(e.records[:2:2], e.records[1:]...) }, "record 2"},
		"another value":         {0, func(e *expected) { e.records[3].Value = []byte("?") }, "record 3"},
		"another time":          {0, func(e *expected) { e.records[3].Time++ }, "record 3"},
		"another sequence":      {0, func(e *expected) { e.records[3].Seq++ }, "record 3"},
		"another class":         {0, func(e *expected) { e.damage[0].Class = oracle.Hole }, "tells of"},
		"a stretch is not told": {0, func(e *expected) { e.damage = nil }, "tells of"},
		"another border":        {0, func(e *expected) { e.damage[0].To++ }, "tells of"},
		"a missing segment":     {0, func(e *expected) { e.errors++ }, "errors"},
		"another journal":       {0, func(e *expected) { e.journal.UUID[0]++ }, "opened as"},
		"a frame less": {Verify, func(e *expected) {
			e.journal.Segments[0].Frames[0].Kind = 99
			e.journal.Segments[0].Frames[0].Interpreted = false
		}, "counts"},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWorkspace(t.TempDir())
			a := seedNamed(t, "flipped-bit")
			e, err := expect(a)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.put(a); err != nil {
				t.Fatal(err)
			}
			if err := w.read(a, e, All); err != nil {
				t.Fatalf("nobody has lied: %v", err)
			}
			w.dirty = true
			if err := w.put(a); err != nil {
				t.Fatal(err)
			}
			lie.tell(e)
			if err := w.read(a, e, lie.ways); err == nil || !strings.Contains(err.Error(), lie.says) {
				t.Errorf("got %v, want one that says %q", err, lie.says)
			}
		})
	}
}

// What other ways give is held against what Records has given: here that is changed.
func TestWaysAreCompared(t *testing.T) {
	for _, way := range []Ways{Reverse, Reuse, Points, Verify, Keys, Follow, Repair} {
		t.Run(way.String(), func(t *testing.T) {
			a := seedNamed(t, "plain")
			e, err := expect(a)
			if err != nil {
				t.Fatal(err)
			}
			w := NewWorkspace(t.TempDir())
			if err := w.put(a); err != nil {
				t.Fatal(err)
			}
			v := visit{w: w, a: a, e: e, dir: w.dir(), most: 10_000}
			if opened, err := v.open(); !opened || err != nil {
				t.Fatal(opened, err)
			}
			if err := v.walk(0); err != nil {
				t.Fatal(err)
			}
			last := &v.records[len(v.records)-1] // the newest of its key
			last.Value = append(bytes.Clone(last.Value), '?')
			switch way {
			case Verify:
				v.records = v.records[1:]
				err = v.verify()
			case Repair:
				err = v.repair()
			default:
				err = map[Ways]func() error{Reverse: v.reverse, Reuse: v.reuse, Points: v.points, Keys: v.keys, Follow: v.follow}[way]()
			}
			if err == nil {
				t.Error("a changed record is not noticed")
			}
			if err := v.j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// An error that says nothing of a place, and a loop without an end, are failures.
func TestErrorsAndLoops(t *testing.T) {
	if typed("open", io.ErrUnexpectedEOF) == nil {
		t.Error("an error without a place is accepted")
	}
	if err := typed("open", &journal.Error{Op: "open", Err: io.EOF}); err != nil {
		t.Error(err)
	}
	v := visit{most: 5}
	_, _, _, err := v.collect("a loop", func(yield func(journal.Record, error) bool) {
		for yield(journal.Record{}, nil) {
		}
	})
	if !errors.Is(err, errEndless) {
		t.Errorf("got %v, want that it comes to no end", err)
	}
}

// Who allocates more than he may is found out, although others allocate at the same time.
func TestAllocations(t *testing.T) {
	w := NewWorkspace(scratch(t))
	if err := w.Check(seedNamed(t, "hostile-length"), All); err != nil {
		t.Error(err)
	}
	w.allow = func(size int64) uint64 { return uint64(size) } // nobody can
	if err := w.Check(seedNamed(t, "plain"), All); err == nil || !strings.Contains(err.Error(), "allocated") {
		t.Errorf("got %v, want that too much was allocated", err)
	}
}

// The class runs its cases, and leaves the archive of one that fails.
func TestClass(t *testing.T) {
	c := Classes()[0]
	var log strings.Builder
	cfg := board.Config{Seed: 5, Case: -1, Short: true, Dir: scratch(t), Log: &log}
	cfg.Case = 77
	if r := board.Do(t.Context(), c, cfg); !r.OK() || r.Cases != 1 {
		t.Errorf("%d cases, %d failed, %v\n%s", r.Cases, r.Failed, r.Err, log.String())
	}
	cfg.Keep = t.TempDir()
	failing := *c
	failing.Run = func(r *board.Run) error {
		r.Each("", 1, func(c *board.Case) error {
			return errors.Join(errors.New("it fails"), leave(c, seedNamed(t, "plain")))
		})
		return nil
	}
	if r := board.Do(t.Context(), &failing, cfg); r.Failed != 0 || r.Cases != 0 {
		t.Errorf("case 77 of one: %d", r.Cases)
	}
	cfg.Case = -1
	if r := board.Do(t.Context(), &failing, cfg); r.Failed != 1 {
		t.Errorf("%d failed, want 1", r.Failed)
	}
	kept, err := filepath.Glob(filepath.Join(cfg.Keep, "*", failedName))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v; want one archive", kept, err)
	}
	b, err := os.ReadFile(kept[0])
	if err != nil || !bytes.Equal(b, CorpusFile(seedNamed(t, "plain"))) {
		t.Errorf("%d bytes are kept, %v", len(b), err)
	}
}

// The same number makes the same case, whatever was checked in the directory before.
func TestCasesAreTheSame(t *testing.T) {
	seeds, err := Seeds()
	if err != nil {
		t.Fatal(err)
	}
	w := NewWorkspace(scratch(t))
	for n := range uint64(300) {
		a := Mutate(rng(n), seeds)
		if !bytes.Equal(a.Pack(), Mutate(rng(n), seeds).Pack()) {
			t.Fatalf("case %d is another one the second time", n)
		}
		if err := w.Check(a, Verify); err != nil {
			t.Errorf("case %d: %v", n, err)
		}
		there, err := w.load()
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range a.Files {
			if name == bootName {
				name = w.boot
			}
			if !bytes.Equal(there.Files[name], b) {
				t.Errorf("case %d: %s is not what the archive has", n, name)
			}
			delete(there.Files, name)
		}
		if len(there.Files) > 0 {
			t.Errorf("case %d: left of another one: %v", n, there.names())
		}
	}
}
