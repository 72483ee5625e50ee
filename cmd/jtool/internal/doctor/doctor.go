// Package doctor tries out whether the promises of the journal hold on a file
// system: with processes that append together, that are killed in the middle of
// it, and that are refused the rest of a write.
//
// An experiment gathers evidence and judges it by a function that does nothing
// else, so that tests can hold bad evidence against it. What an experiment does not
// show is reported as not tested.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
)

// Result is what an experiment says about a promise.
type Result int

// The results, in the order in which the worst of several is found.
const (
	NotTested Result = iota
	Holds
	Fails
)

func (r Result) String() string {
	return [...]string{"not tested", "holds", "does not hold"}[r]
}

// Promises are the promises of the journal, P1 to P8.
var Promises = [...]string{
	"an acknowledged record is whole, at one place, and not interleaved",
	"an acknowledged record survives the death of its writer and of all others",
	"every reader in every process sees the same sequence",
	"damage costs only the records that it touches",
	"damage is never silent",
	"no process can block the others by dying",
	"any byte-prefix copy of a segment is a valid segment",
	"bad input gives an error that names the place",
}

// Finding is what one experiment says about one promise.
type Finding struct {
	Promise  int // 1 to 8
	Result   Result
	Evidence string // what was done, how often, and what was seen
	// Aside says that it is about something that the promise rests on: without it the
	// promise does not hold, and with it alone nothing is shown.
	Aside bool
}

// Figure is something that was measured, or found out.
type Figure struct {
	Name  string // in words
	Value string // a number, or a word
	Unit  string // of the number: "ns" or empty
}

// Report is what was found.
type Report struct {
	Findings []Finding
	Figures  []Figure
	// Refused says that a second writer was refused: nothing else is wrong, but
	// this is no file system for several writers.
	Refused bool
}

// Of returns the findings about a promise, and what they say together: that it
// does not hold, if one does.
func (r *Report) Of(promise int) (result Result, findings []Finding) {
	for _, f := range r.Findings {
		if f.Promise != promise {
			continue
		}
		findings = append(findings, f)
		if f.Result == Fails || !f.Aside {
			result = max(result, f.Result)
		}
	}
	return result, findings
}

// Sound reports whether every promise that was tested holds.
func (r *Report) Sound() bool {
	return !r.Refused && !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Result == Fails })
}

// Options says how thorough to be.
type Options struct {
	// Quick takes a third of the time, and sees less.
	Quick bool
	// Program is how to start further processes, which call [Child].
	Program child.Program
	// OnStep is told how many of the experiments are done.
	OnStep func(done, total int64)
}

// The whole is to take less than 20 seconds on a normal disk. These are for what is
// slower, and for what hangs.
const (
	wholeLimit = 3 * time.Minute
	childLimit = time.Minute
)

// Run makes all experiments in the directory dir, which must exist and be empty. It
// leaves no process behind, and dir to be removed. The error is about what kept an
// experiment from being made; the report has what the others found.
func Run(ctx context.Context, dir string, opt Options) (Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wholeLimit, fmt.Errorf("the experiments are not done after %v", wholeLimit))
	defer cancel()
	var report Report
	var errs []error
	l := &lab{why: "whether a second writer is allowed is not known", quick: opt.Quick, program: opt.Program, report: &report, rng: rand.New(rand.NewPCG(rand.Uint64(), 1))}
	for n, e := range experiments {
		if opt.OnStep != nil {
			opt.OnStep(int64(n), int64(len(experiments)))
		}
		l.ctx, l.dir = ctx, filepath.Join(dir, e.name)
		before := len(report.Findings)
		err := os.Mkdir(l.dir, 0o700)
		if err == nil {
			err = e.run(l)
			if err == nil {
				err = l.doubt(before)
			}
			err = errors.Join(err, l.tidy(), os.RemoveAll(l.dir))
		}
		switch {
		case ctx.Err() != nil:
			return report, context.Cause(ctx)
		case err != nil:
			errs = append(errs, fmt.Errorf("experiment %q: %w", e.name, err))
			for _, p := range e.promises {
				l.find(p, NotTested, "experiment %q could not be made: %v", e.name, err)
			}
		}
	}
	report.untested(l.fileSystem)
	return report, errors.Join(errs...)
}

// experiments are made in this order; the first decides which others can be.
var experiments = []struct {
	name     string
	promises []int // that it is about
	run      func(*lab) error
}{
	{"place", []int{1}, (*lab).place},
	{"interleaving", []int{1}, (*lab).interleaving},
	{"kill", []int{1, 2, 3, 4, 5, 6}, (*lab).kill},
	{"short", []int{4, 5, 8}, (*lab).short},
	{"copy", []int{7}, (*lab).copies},
	{"damage", []int{4, 5}, (*lab).damage},
	{"input", []int{8}, (*lab).input},
	{"sync", []int{2}, (*lab).syncing},
	{"shared", []int{2, 6}, (*lab).shared},
}

// untested adds what nobody tests here.
func (r *Report) untested(fileSystem string) {
	power := "loss of power: it takes a machine that is switched off while it writes"
	if fileSystem == "tmpfs" || fileSystem == "ramfs" {
		power = "loss of power: nothing survives it on " + fileSystem + ", synced or not"
	}
	r.Findings = append(r.Findings,
		Finding{Promise: 2, Evidence: power},
		Finding{Promise: 2, Evidence: "that fdatasync reports an error of the disk: it takes a failing disk"})
	for p := range Promises {
		if _, found := r.Of(p + 1); len(found) == 0 {
			r.Findings = append(r.Findings, Finding{Promise: p + 1, Evidence: "no experiment is about it here"})
		}
	}
}

// lab is what one experiment works with.
type lab struct {
	ctx     context.Context
	dir     string // of its own
	quick   bool
	program child.Program
	report  *Report
	rng     *rand.Rand
	crew    []*child.Process

	fileSystem string // its name
	// shares says that several processes may write one journal here; else why says
	// why not.
	shares bool
	why    string
}

func (l *lab) find(promise int, r Result, format string, args ...any) {
	l.report.Findings = append(l.report.Findings, found(promise, r, format, args...))
}

func (l *lab) add(findings ...Finding) {
	l.report.Findings = append(l.report.Findings, findings...)
}

func (l *lab) figure(name, value, unit string) {
	l.report.Figures = append(l.report.Figures, Figure{name, value, unit})
}

// doubt takes back what an experiment has found, from a place in the findings on, if
// it may have failed because the disk is full.
func (l *lab) doubt(from int) error {
	if !slices.ContainsFunc(l.report.Findings[from:], func(f Finding) bool { return f.Result == Fails }) {
		return nil
	}
	err := os.WriteFile(filepath.Join(l.dir, "room"), make([]byte, 4<<20), 0o600)
	if err != nil {
		l.report.Findings = l.report.Findings[:from]
	}
	return err
}

// alone reports that an experiment needs several writers and cannot have them.
func (l *lab) alone(promises ...int) bool {
	if l.shares {
		return false
	}
	for _, p := range promises {
		l.find(p, NotTested, "experiment %q: %s", filepath.Base(l.dir), l.why)
	}
	return true
}

// count is how often to do something.
func (l *lab) count(full, quick int) int {
	if l.quick {
		return quick
	}
	return full
}

// start starts a child that plays a role. It is gone when the experiment ends.
func (l *lab) start(role string, args ...string) (*child.Process, error) {
	p, err := l.program.Start(l.ctx, childLimit, role, args...)
	if err == nil {
		l.crew = append(l.crew, p)
	}
	return p, err
}

// tidy ends the children that an experiment has left: all of them, if it failed. How
// they end says nothing then.
func (l *lab) tidy() error {
	var errs []error
	for _, p := range l.crew {
		errs = append(errs, p.Kill())
		if err := p.Wait(); errors.Is(err, child.ErrStuck) {
			errs = append(errs, err)
		}
	}
	l.crew = nil
	return errors.Join(errs...)
}

// found makes a finding.
func found(promise int, r Result, format string, args ...any) Finding {
	return Finding{Promise: promise, Result: r, Evidence: fmt.Sprintf(format, args...)}
}

// aside makes a finding about what a promise rests on.
func aside(f Finding) Finding {
	f.Aside = true
	return f
}

// verdict is Holds, unless something is wrong.
func verdict(wrong bool) Result {
	if wrong {
		return Fails
	}
	return Holds
}
