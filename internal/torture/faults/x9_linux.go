package faults

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
)

var recovery = &board.Class{
	ID:     "X9",
	Title:  "a call fails, once or twice, while a journal is recovered that has torn records (X2) or lost blocks (X5)",
	Passes: "what is readable is what one recovery without a fault leaves, a further one changes nothing, nothing durable is lost",
	Run: func(r *board.Run) error {
		if err := canTrace(); err != nil {
			r.Skip("%v", err)
			return nil
		}
		r.Each("", r.Size(10_000, 120), recoverHit)
		return nil
	},
}

// recoverHit is a case: a damaged journal, twice; one is recovered without a fault,
// the other one with faults, and then without.
func recoverHit(c *board.Case) error {
	root, err := c.Dir()
	if err != nil {
		return err
	}
	tear, lose := c.I%3 != 1, c.I%3 != 0
	// Whose page cache has lost blocks has been booted anew. It makes no difference to
	// what must hold if the library believes otherwise.
	boot := c.Rand.IntN(4) < 2 || lose && c.Rand.IntN(2) == 0
	s := &scenarios[len(scenarios)-2]
	if c.Rand.IntN(4) == 0 {
		s = &scenarios[len(scenarios)-1]
	}
	d, err := damage(root, c.Rand, tear, lose, boot)
	if err != nil {
		return err
	}
	about := fmt.Sprintf("%s, torn %t, blocks lost %t, booted %t", s.name, tear, lose, boot)
	r := &recovering{c: c, s: s, damaged: d}
	if err := r.reference(filepath.Join(root, "reference")); err != nil {
		return fmt.Errorf("%s, without a fault: %w", about, err)
	}
	if err := r.hit(filepath.Join(root, "hit")); err != nil {
		return fmt.Errorf("%s, %v: %w", about, r.plans, err)
	}
	return nil
}

// recovering is what is known of a case.
type recovering struct {
	*damaged
	c     *board.Case
	s     *scenario
	found []oracle.Record // before anybody opened it
	want  []oracle.Record // after one recovery
	calls int             // of which that is made
	plans []string
}

// open opens the journal as the scenario does, and returns what the process told.
func (r *recovering) open(dir string, p plan) (*ran, error) {
	ran := &ran{}
	var err error
	if ran.outcome, err = trace(r.c.Context(), p, dir, r.s.name, ""); err != nil {
		return nil, err
	}
	if err := ran.listen(r.s, prepared{}); err != nil {
		return nil, err
	}
	if err := ran.manners(p); err != nil {
		return nil, fmt.Errorf("%v (hit: %v): %w; told:\n%s%s", p, ran.hits, err, ran.told, ran.said)
	}
	return ran, nil
}

// reference recovers without a fault.
func (r *recovering) reference(dir string) error {
	if err := store(dir, r.files); err != nil {
		return err
	}
	j, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	r.found = j.Records
	if err := startsWith(r.found, r.durable); err != nil {
		return fmt.Errorf("the damage is not what it should be: %w", err)
	}
	ran, err := r.open(dir, plan{fault: allFaults[0]})
	if err != nil {
		return err
	}
	r.calls = ran.calls
	if j, err = judge.Agreed(r.c.Context(), dir); err != nil {
		return err
	}
	r.want = j.Records
	if r.dropping() {
		// A prefix of what was there, with everything durable in it.
		if err := startsWith(r.found, r.want); err != nil {
			return fmt.Errorf("the prefix: %w", err)
		}
	} else if err := judge.SameRecords(r.want, r.found); err != nil {
		return err
	}
	return startsWith(r.want, r.durable)
}

// dropping reports whether the recovery keeps a prefix only.
func (r *recovering) dropping() bool { return r.s == &scenarios[len(scenarios)-1] }

// startsWith reports where records do not begin with others.
func startsWith(all, first []oracle.Record) error {
	return judge.SameRecords(all[:min(len(all), len(first))], first)
}

// ofRecovery are the faults that a recovery can meet: it writes no record, so there are
// no edges between pieces.
var ofRecovery = slices.DeleteFunc(slices.Clone(allFaults), func(f fault) bool { return f.cut > inHeader })

// hit recovers with faults, then without, then once more.
func (r *recovering) hit(dir string) error {
	if err := store(dir, r.files); err != nil {
		return err
	}
	for range 1 + r.c.Rand.IntN(2) {
		p := plan{fault: ofRecovery[r.c.Rand.IntN(len(ofRecovery))], nth: 1 + r.c.Rand.IntN(r.calls), sticky: r.c.Rand.IntN(2) == 0}
		if p.fault.cut != whole {
			p.nth = 1 + p.nth%2 // the header of a segment, and the control file
		}
		r.plans = append(r.plans, p.String())
		ran, err := r.open(dir, p)
		if err != nil {
			return err
		}
		if len(ran.hits) > 0 {
			r.plans[len(r.plans)-1] += " (hit: " + strings.Join(ran.hits, " ") + ")"
			r.c.Count("recoveries that were hit", 1)
		}
		if slices.ContainsFunc(ran.steps, func(s stepEnd) bool { return s.state == failed || s.state == unknown }) {
			r.c.Count("recoveries that failed", 1)
		}
		j, err := oracle.Read(dir)
		if err != nil {
			return err
		}
		// Either nothing has changed, or the prefix is cut.
		if err := judge.SameRecords(j.Records, r.found); err != nil && judge.SameRecords(j.Records, r.want) != nil {
			return fmt.Errorf("after a fault: %w", err)
		}
	}
	if _, err := r.open(dir, plan{}); err != nil {
		return err
	}
	if err := r.recovered(dir); err != nil {
		return fmt.Errorf("after the faults: %w", err)
	}
	return r.further(dir)
}

func (r *recovering) recovered(dir string) error {
	j, err := judge.Agreed(r.c.Context(), dir)
	if err != nil {
		return err
	}
	return judge.SameRecords(j.Records, r.want)
}

// further opens the journal once more, which does nothing, and again without its
// control file, which is a recovery. No byte that was there may change; what was the
// last segment may get zeros behind them.
func (r *recovering) further(dir string) error {
	before, err := load(dir)
	if err != nil {
		return err
	}
	was, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	if _, err := r.open(dir, plan{}); err != nil {
		return err
	}
	if err := unchanged(dir, before, false); err != nil {
		return fmt.Errorf("opened once more: %w", err)
	}
	if err := forgetControl(dir); err != nil {
		return err
	}
	if _, err := r.open(dir, plan{}); err != nil {
		return err
	}
	err = unchanged(dir, before, true)
	if err == nil {
		err = r.recovered(dir)
	}
	if err != nil {
		return fmt.Errorf("recovered once more: %w", err)
	}
	is, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	if a, b := wounds(was), wounds(is); !slices.Equal(a, b) {
		return fmt.Errorf("recovered once more: the damage was %v and is %v", a, b)
	}
	return nil
}

// wounds is the damage that a reader reports, but for what an early end leaves.
func wounds(j *oracle.Journal) []oracle.Stretch {
	return slices.DeleteFunc(slices.Clone(j.Stretches), func(s oracle.Stretch) bool {
		return s.Class == oracle.Unused || s.Class == oracle.Pending
	})
}

// unchanged compares the files of a journal with what they were. With longer, there
// may be zeros behind the bytes that were there, and further segments.
func unchanged(dir string, before map[string][]byte, longer bool) error {
	now, err := load(dir)
	if err != nil {
		return err
	}
	var errs []error
	for name, b := range before {
		n, ok := now[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s is gone", name))
		case !bytes.HasPrefix(n, b):
			errs = append(errs, fmt.Errorf("%s has changed", name))
		case len(bytes.Trim(n[len(b):], "\x00")) > 0:
			errs = append(errs, fmt.Errorf("%s has new bytes", name))
		case !longer && len(n) != len(b):
			errs = append(errs, fmt.Errorf("%s has grown from %d to %d bytes", name, len(b), len(n)))
		}
	}
	if !longer && len(now) != len(before) {
		errs = append(errs, fmt.Errorf("%d files are %d", len(before), len(now)))
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}
