package fuzzdir

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/internal/torture/board"
)

// Classes returns class X14.
func Classes() []*board.Class {
	return []*board.Class{{
		ID:    "X14",
		Title: "directories of which bytes, fields, pieces or files were changed at random",
		Passes: "nothing panics, no loop and no allocation is larger than the directory makes it, " +
			"errors say where, and all ways to read agree with the format",
		Run: run,
	}}
}

// Cases in full, and in a run that a build can wait for. A case is a directory, which is
// opened and read through, and then read in one more way at least: two executions of a
// fuzz target, so that those of a full run are 10,000,000.
const (
	fullCases  = 5_000_000
	shortCases = 8_000
)

// everyWay is how many cases there are for one that goes all the ways but following. The
// others go one. A follower is rarer still: to close what tells him of news takes the
// kernel milliseconds.
const (
	everyWay  = 64
	following = 512
)

func run(r *board.Run) error {
	seeds, err := Seeds()
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp(r.Dir, "manypen-X14-")
	if err != nil {
		return err
	}
	// A directory per goroutine: to make and remove one costs more than a case.
	free := make(chan *Workspace, 1024)
	r.Each("", r.Size(fullCases, shortCases), func(c *board.Case) error {
		var w *Workspace
		select {
		case w = <-free:
		default:
			dir, err := os.MkdirTemp(root, "")
			if err != nil {
				return err
			}
			w = NewWorkspace(dir)
		}
		defer func() { free <- w }()
		a := Mutate(c.Rand, seeds)
		ways := choose(c.Rand)
		if err := guarded(w, a, ways); err != nil {
			w.dirty = true
			return errors.Join(err, leave(c, a))
		}
		c.Count(w.verdict, 1)
		c.Count("executions", 1+bits.OnesCount(uint(ways)))
		return nil
	})
	return os.RemoveAll(root)
}

// guarded turns a panic into an error, so that the archive is left behind.
func guarded(w *Workspace, a *Archive, ways Ways) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return w.Check(a, ways)
}

// choose returns the ways that a case goes.
func choose(rnd *rand.Rand) Ways {
	switch {
	case rnd.IntN(following) == 0:
		return All
	case rnd.IntN(everyWay) == 0:
		return All &^ Follow
	}
	cheap := []Ways{Reverse, Reverse, Reuse, Points, Verify, Verify, Keys, Keys}
	return cheap[rnd.IntN(len(cheap))]
}

// failedName is the archive of a failed case in its directory: package fuzz takes it as
// a seed.
const failedName = "archive"

// leave writes the directory as it was read: what was to be made right is.
func leave(c *board.Case, a *Archive) error {
	a.Fix = 0
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, failedName), CorpusFile(a), 0o644)
}

// CorpusFile is an archive in the form in which the fuzzing engine keeps inputs, below
// testdata/fuzz.
func CorpusFile(a *Archive) []byte {
	return fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", a.Pack())
}
