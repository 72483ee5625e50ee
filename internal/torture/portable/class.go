package portable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/manypen/manypen/internal/torture/board"
)

// Classes returns class X15.
func Classes() []*board.Class {
	return []*board.Class{{
		ID:    "X15",
		Title: "journals that are written on one machine and read, and written on, by another one",
		Passes: "the bytes of records and sidecars are the same on every machine, every machine reads the same of them, " +
			"and the control file of another byte order costs nothing; the tests pass there",
		Run: run,
	}}
}

// Machines in full, and in a short run: both orders of bytes and both widths of words.
var (
	fullArchs  = []string{"amd64", "386", "arm64", "s390x"}
	shortArchs = []string{"amd64", "386", "s390x"}
)

// packages are those whose tests are run on the other machines: what depends on order
// and width is in them.
var packages = []string{"./record", "./index", "./vio", "./internal/segment", "./internal/control", "./journal"}

// Times: how long a short run waits until a peer is built, which takes seconds if the
// go command has it, and a minute if it has to compile the standard library first; and
// how long a package's tests may take on an emulated machine.
const (
	shortBuild = 4 * time.Second
	testTime   = 15 * time.Minute
)

// lab is what the cases share.
type lab struct {
	*board.Run
	root     string // of the module
	machines []*machine
	// reference is what the first machine writes, see canonical: each other one has to
	// write the same.
	reference []byte
}

func run(r *board.Run) error {
	tools, err := os.MkdirTemp(r.Dir, "manypen-X15-")
	if err != nil {
		return err
	}
	l := &lab{Run: r}
	err = l.prepare(tools)
	if err == nil && len(l.machines) > 0 {
		if err = l.refer(filepath.Join(tools, "reference")); err == nil {
			l.cases()
		}
	}
	return errors.Join(err, os.RemoveAll(tools))
}

// prepare builds the peers. What cannot be had is skipped.
func (l *lab) prepare(tools string) error {
	root, err := moduleRoot(l.Context())
	if err != nil {
		l.Skip("%v", err)
		return nil
	}
	l.root = root
	archs := fullArchs
	if l.Short {
		archs = shortArchs
	}
	for _, arch := range archs {
		m, err := find(arch)
		if err == nil {
			err = l.build(m, tools)
		}
		switch {
		case err == nil:
			l.machines = append(l.machines, m)
		case l.Context().Err() != nil:
			return l.Context().Err()
		case errors.Is(err, errNoMachine):
			l.Skip("%v", err)
		case l.Short && errors.Is(err, context.DeadlineExceeded):
			l.Skip("%s: its program was not built within %v; once it was, it is kept: go build %s", arch, shortBuild, peerPackage)
		default:
			return err
		}
	}
	return nil
}

func (l *lab) build(m *machine, tools string) error {
	ctx, cancel := l.Context(), context.CancelFunc(func() {})
	if l.Short {
		ctx, cancel = context.WithTimeout(ctx, shortBuild)
	}
	defer cancel()
	return m.build(ctx, l.root, tools)
}

// refer has the first machine write the journal of which all others are a copy.
func (l *lab) refer(dir string) (err error) {
	if _, err = l.machines[0].run(l.Context(), "write", dir, fmt.Sprint(l.Seed)); err != nil {
		return err
	}
	l.reference, err = canonical(dir)
	return err
}

// cases runs every pair of machines, and the tests on each of them.
func (l *lab) cases() {
	n := len(l.machines)
	pair := func(c *board.Case) (from, to *machine) { return l.machines[c.I/n], l.machines[c.I%n] }
	l.Each("", n*n, func(c *board.Case) error {
		from, to := pair(c)
		return l.inDir(c, func(dir string) error { return l.exchange(c, from, to, dir) })
	})
	l.Each("", n*n, func(c *board.Case) error {
		from, to := pair(c)
		return l.inDir(c, func(dir string) error { return takeTurns(c, from, to, dir) })
	})
	if l.Short {
		return // .ci/run has steps for the tests
	}
	l.Limit = testTime
	others := l.machines[:0:0]
	for _, m := range l.machines {
		if m.arch != "amd64" {
			others = append(others, m)
		}
	}
	l.EachAlone("", len(others)*len(packages), func(c *board.Case) error {
		m, pkg := others[c.I%len(others)], packages[c.I/len(others)]
		c.Count("packages tested", 1)
		return m.test(c.Context(), l.root, pkg)
	})
}

// inDir gives a case a directory.
func (l *lab) inDir(c *board.Case, f func(dir string) error) error {
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	if err := f(filepath.Join(dir, "journal")); err != nil {
		return fmt.Errorf("%w (machines are %s)", err, l.names())
	}
	return nil
}

func (l *lab) names() (names []string) {
	for _, m := range l.machines {
		names = append(names, m.arch)
	}
	return names
}
