package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/manypen/manypen/journal"
)

// audit holds the log against what the processes have told.
type audit struct {
	cfg  config
	told []int // lines, by process

	report     journal.Report
	kept       int
	removed    int // lines in front of the first one that is left
	untold     int // lines of which the killed process could not tell any more
	lost       int
	duplicated int
	problems   []string
}

func (a *audit) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

func (a *audit) run() (err error) {
	a.report, err = journal.Verify(context.Background(), a.cfg.dir, journal.VerifyOptions{})
	if err != nil {
		return err
	}
	if a.report.Corrupt() || a.report.Missing() > 0 {
		a.problem("verify: corrupt %v, missing %d: %v", a.report.Corrupt(), a.report.Missing(), a.report.Problems)
	}
	if most := a.cfg.maxBackups + 1; a.cfg.maxBackups > 0 && a.report.Segments > most {
		a.problem("there are %d segments; MaxBackups allows %d", a.report.Segments, most)
	}
	j, err := journal.Open(a.cfg.dir, journal.Options{ReadOnly: true, NoIndex: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	next := make([]int, len(a.told)) // line, by process; 0 is none yet
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return err
		}
		p, n, err := parseLine(r.Value)
		if err != nil || p < 0 || p >= len(next) {
			a.problem("record at %v: process %d: %v", r.Position, p, err)
			continue
		}
		a.line(next, p, n)
	}
	oldest, _, err := j.SegmentRange()
	if err != nil {
		return err
	}
	a.ends(next, oldest > 1)
	return nil
}

// line takes the next line that is there.
func (a *audit) line(next []int, p, n int) {
	switch {
	case next[p] == 0: // its first one
		a.removed += n
	case n < next[p]:
		a.duplicated++
		a.problem("line %d of process %d is there again behind line %d", n, p, next[p]-1)
		return
	case n > next[p]:
		a.lost += n - next[p]
		a.problem("lines %d to %d of process %d are missing", next[p], n-1, p)
	}
	a.kept++
	next[p] = n + 1
}

// ends looks at the last line of each process, and at what is missing in front.
func (a *audit) ends(next []int, retained bool) {
	for p, told := range a.told {
		if next[p] == 0 { // none is left
			a.removed += told
			next[p] = told
		}
		if next[p] < told {
			a.lost += told - next[p]
			a.problem("process %d has told of %d lines; the last one that is there is %d", p, told, next[p]-1)
		}
		a.untold += max(0, next[p]-told)
		most := told
		if a.cfg.kill && p == len(a.told)-1 {
			most++
		}
		if next[p] > most {
			a.problem("process %d has told of %d lines; line %d is there", p, told, next[p]-1)
		}
	}
	if a.removed > 0 && !retained {
		a.lost += a.removed
		a.problem("%d lines are missing at the beginning, and nothing was removed", a.removed)
		a.removed = 0
	}
}

func (a *audit) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 4, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	killed := "none killed"
	if a.cfg.kill {
		killed = "one killed in the middle"
	}
	written := 0
	for _, n := range a.told {
		written += n
	}
	row("processes", "%d, %s", len(a.told), killed)
	row("lines written", "%d, and %d of which the killed process could not tell any more", written, a.untold)
	row("kept", "%d in %d segments", a.kept, a.report.Segments)
	row("removed", "%d, the oldest ones (MaxBackups %d)", a.removed, a.cfg.maxBackups)
	row("lost", "%d", a.lost)
	row("duplicated", "%d", a.duplicated)
	row("verify", "%d records, %d missing", a.report.Records, a.report.Missing())
	return w.Flush()
}

// verdict is nil if nothing is wrong.
func (a *audit) verdict() error {
	if len(a.problems) == 0 {
		return nil
	}
	const most = 20
	shown := a.problems[:min(most, len(a.problems))]
	return fmt.Errorf("%d problems:\n  %s", len(a.problems), strings.Join(shown, "\n  "))
}
