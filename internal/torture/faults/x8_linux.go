package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
)

// Classes returns the classes of this package.
func Classes() []*board.Class { return []*board.Class{calls, recovery, disk} }

var calls = &board.Class{
	ID:     "X8",
	Title:  "the n-th system call fails, or a write is short, once and for good, for every n",
	Passes: "acknowledged is there once, failed is not, nothing is invented or damaged, somebody is told, a writer goes on",
	Run:    func(r *board.Run) error { return hitAll(r, scenarios[:len(scenarios)-ofOthers]) },
}

// hitAll makes every call of these scenarios fail.
func hitAll(r *board.Run, list []scenario) error {
	if err := canTrace(); err != nil {
		r.Skip("%v", err)
		return nil
	}
	all, err := series(r, list)
	if err != nil {
		return err
	}
	kinds := alike(all)
	r.Each("", r.Size(len(all), max(350, len(kinds))), func(c *board.Case) error {
		i := c.I
		if c.Short {
			// Every fault of every call, and any of those that are alike: most are reads.
			alike := kinds[c.I%len(kinds)]
			i = alike[c.Rand.IntN(len(alike))]
		}
		return one(c, all[i])
	})
	return nil
}

// injection is what one run is about.
type injection struct {
	s    *scenario
	plan plan
	call string // that fails, in a run like the one without a fault
	last bool   // calls in a run without a fault are fewer
}

// alike groups injections by fault, call, and whether it is one that fails or all.
func alike(all []injection) (groups [][]int) {
	type kind struct {
		fault, call string
		sticky      bool
	}
	at := make(map[kind]int)
	for i, in := range all {
		k := kind{in.plan.fault.name, in.call, in.plan.sticky}
		if _, ok := at[k]; !ok {
			at[k] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[k]] = append(groups[at[k]], i)
	}
	return groups
}

// series lists all injections. How many calls there are a run tells in which none of
// them fails. It is the same number each time but where a segment is full: then a sync
// in the background takes its own turn, and a case that fails may take a second try to
// be had again.
func series(r *board.Run, list []scenario) (all []injection, err error) {
	root, err := r.Scratch()
	if err != nil {
		return nil, err
	}
	for i := range list {
		s := &list[i]
		var order []string // every error counts the same calls
		for k, f := range allFaults {
			if k == 0 || f.cut != whole {
				dir := filepath.Join(root, fmt.Sprint(i, ".", k))
				ran, err := s.run(r.Context(), dir, plan{fault: f})
				if err != nil {
					return nil, fmt.Errorf("%s without a fault: %w", s.name, err)
				}
				order = ran.order
			}
			for _, sticky := range []bool{false, true} {
				for nth, call := range append(slices.Clone(order), "") {
					all = append(all, injection{s, plan{fault: f, nth: nth + 1, sticky: sticky}, call, nth == len(order)})
				}
			}
		}
	}
	return all, nil
}

// one is a case. The last one of a series must meet nothing; if it does, because
// calls come in another number this time, it goes on until it meets nothing.
func one(c *board.Case, in injection) error {
	root, err := c.Dir()
	if err != nil {
		return err
	}
	for p := in.plan; ; p.nth++ {
		dir := filepath.Join(root, fmt.Sprint(p.nth))
		ran, err := in.s.run(c.Context(), dir, p)
		if err == nil {
			err = ran.goesOn(c.Context(), dir)
		}
		if err != nil {
			return fmt.Errorf("%s, %v (hit: %v): %w; told:\n%s%s", in.s.name, p, ran.hits, err, ran.told, ran.said)
		}
		c.Count("calls that failed", len(ran.hits))
		if ran.crash {
			c.Count("runtime gave up", 1)
		}
		if len(ran.hits) == 0 {
			c.Count("clean", 1)
		}
		if !in.last || len(ran.hits) == 0 {
			return nil
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
}

// ran is a run of a scenario.
type ran struct {
	outcome
	book  book
	steps []stepEnd
	crash bool // the Go runtime gave up
	all   bool // the last step was reached
}

// run prepares dir, carries the scenario out with calls that fail, and judges what is
// there then.
func (s *scenario) run(ctx context.Context, dir string, p plan) (*ran, error) {
	var before prepared
	var err error
	if s.prepare != nil {
		before, err = s.prepare(dir, s)
	}
	r := &ran{}
	if err != nil {
		return r, err
	}
	if r.outcome, err = trace(ctx, p, dir, s.name, before.prune); err != nil {
		return r, err
	}
	if err := r.listen(s, before); err != nil {
		return r, err
	}
	if err := r.manners(p); err != nil {
		return r, err
	}
	j, err := oracle.Read(dir)
	if err != nil {
		return r, r.book.nothing(dir, err)
	}
	return r, r.book.judge(j)
}

// nothing is for a directory that has no journal: nobody was told that it has.
func (b *book) nothing(dir string, why error) error {
	for i, a := range b.attempts {
		if a.state == done {
			return fmt.Errorf("attempt %d was acknowledged at %s, and %w", i, a.at, why)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%q: %w", names, why)
	}
	return err
}

// stepEnd is what the process told of a step.
type stepEnd struct {
	what  string
	state state
	said  string // the error
}

// listen enters in the book what the process told of its steps.
func (r *ran) listen(s *scenario, before prepared) error {
	r.book = before.book
	r.book.attempts = slices.Clone(before.book.attempts)
	for line := range strings.Lines(string(r.told)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "all" {
			r.all = true
			continue
		}
		var kind string
		var i int
		var word string
		if n, _ := fmt.Sscan(line, &kind, &i, &word); n < 2 || i < 0 || i >= len(s.steps) {
			return fmt.Errorf("the process says %q", line)
		}
		st := &s.steps[i]
		if kind == "b" {
			r.steps = append(r.steps, stepEnd{what: st.what})
			if len(st.entries) > 0 {
				r.book.attempts = append(r.book.attempts, attempt{entries: st.entries})
			}
			if st.what == "prune" {
				if _, err := fmt.Sscanf(before.prune, "%d:", &r.book.pruned); err != nil {
					return fmt.Errorf("position %q: %w", before.prune, err)
				}
			}
			continue
		}
		state, ok := map[string]state{"done": done, "failed": failed, "unknown": unknown}[word]
		if !ok || len(r.steps) == 0 {
			return fmt.Errorf("the process says %q", line)
		}
		rest := strings.SplitN(line, " ", 4)[3]
		end := &r.steps[len(r.steps)-1]
		end.state, end.said = state, rest
		if len(st.entries) > 0 {
			a := &r.book.attempts[len(r.book.attempts)-1]
			a.state, a.at = state, rest
		}
		if st.what == "prune" {
			r.book.mustGo = state == done
		}
	}
	return nil
}

// essential are calls without which nothing is as it should be: who goes on behind an
// error of one and tells nobody has not looked at it.
var essential = strings.Fields(`fallocate fchmod fdatasync flock fsync ftruncate getdents64 linkat
	lseek mkdirat pwrite64 renameat renameat2 unlinkat writev`)

// uninterrupted are calls that need not be repeated after EINTR: close must not be,
// and the others wait for nothing.
var uninterrupted = []string{"close", "lseek"}

// gaveUp is what the Go runtime says when it ends a program because a call that it
// needs itself has failed, by call.
var gaveUp = map[string]*regexp.Regexp{
	"epoll_create1": regexp.MustCompile(`^runtime: epollcreate failed with `),
	"eventfd2":      regexp.MustCompile(`^runtime: eventfd failed with `),
	"epoll_ctl":     regexp.MustCompile(`^runtime: epollctl failed with `),
	"write":         regexp.MustCompile(`^runtime: netpollBreak write failed with `),
}

// manners judges how the process has ended, and whether it told of what has failed.
func (r *ran) manners(p plan) error {
	for _, call := range r.hits {
		if re := gaveUp[call]; re != nil && re.Match(r.said) {
			r.crash = true
			return nil
		}
	}
	if !r.status.Exited() || r.status.ExitStatus() != 0 {
		return fmt.Errorf("the process ends with status %#x", uint32(r.status))
	}
	told := ""
	for _, s := range r.steps {
		if s.what == "arm" && s.state != done {
			return fmt.Errorf("calls could not be made to fail: %s", s.said)
		}
		if s.state == begun {
			return fmt.Errorf("it has ended in %s", s.what)
		}
		if s.state != done {
			told = s.what + ": " + s.said
		}
	}
	switch soft := p.fault.soft(); {
	case len(r.hits) == 0 && told != "":
		return fmt.Errorf("no call has failed, and %s", told)
	case told == "" && !r.all:
		return errors.New("it has ended before its last step and told nobody why")
	case soft && told != "" && !slices.ContainsFunc(r.hits, func(call string) bool { return slices.Contains(uninterrupted, call) }):
		return fmt.Errorf("a signal is an error: %s", told)
	case !soft && p.fault.cut == whole && told == "":
		for _, call := range r.hits {
			if slices.Contains(essential, call) {
				return fmt.Errorf("%s has failed and nobody was told", call)
			}
		}
	}
	return nil
}

// goesOn lets a writer without faults go on, and judges by the book what is there then.
func (r *ran) goesOn(ctx context.Context, dir string) error {
	var before []oracle.Record
	if j, err := oracle.Read(dir); err == nil {
		before = j.Records // if it fails there was no journal, which was judged
	}
	after, err := judge.GoesOn(ctx, dir, before)
	if err != nil {
		return err
	}
	new := after.Records[len(after.Records)-1]
	r.book.attempts = append(r.book.attempts, attempt{[]entry{{new.Kind, new.Key, new.Value}}, done, new.String()})
	if err := r.book.judge(after); err != nil {
		return fmt.Errorf("after a writer: %w", err)
	}
	// Alone a writer could finish its record with a second call; beside others it must not.
	if r.torn && r.book.pruned == 0 && after.Bytes(oracle.Fragment) == 0 {
		return errors.New("a record was cut short, and there is no fragment")
	}
	return nil
}
