package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/tabwriter"

	"github.com/manypen/manypen/journal"
)

// audit holds the log against what the clients have seen.
type audit struct {
	cfg     config
	started int
	killed  map[int]bool
	answers map[int]answer // by request

	report  journal.Report
	records int
	workers map[string]int // records, by key

	answered   int
	unanswered int
	lost       int // answered and not logged
	duplicated int // requests that are logged more than once
	spare      int // logged without an answer
	followed   int
	problems   []string
}

func (a *audit) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

func newAudit(cfg config, m *master) (*audit, error) {
	a := &audit{
		cfg: cfg, started: m.started, killed: m.killed,
		answers: make(map[int]answer), workers: make(map[string]int),
	}
	for _, r := range m.answers {
		a.answers[r.id] = r
		switch {
		case r.wrong != nil:
			a.problem("%v", r.wrong)
		case r.err != nil:
			a.unanswered++
		default:
			a.answered++
		}
	}
	if most := len(m.killed) * cfg.clients; a.unanswered > most {
		a.problem("%d requests got no answer; the kills explain %d at most", a.unanswered, most)
	}
	return a, a.read()
}

// read goes through the log once.
func (a *audit) read() (err error) {
	a.report, err = journal.Verify(context.Background(), a.cfg.dir, journal.VerifyOptions{})
	if err != nil {
		return err
	}
	if a.report.Corrupt() || a.report.Missing() > 0 {
		a.problem("verify: corrupt %v, missing %d: %v", a.report.Corrupt(), a.report.Missing(), a.report.Problems)
	}
	j, err := journal.Open(a.cfg.dir, journal.Options{ReadOnly: true, NoIndex: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	logged := make(map[int]int) // records, by request
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return err
		}
		var x access
		if err := json.Unmarshal(r.Value, &x); err != nil {
			return fmt.Errorf("record at %v: %w", r.Position, err)
		}
		a.records++
		a.workers[string(r.Key)]++
		if logged[x.ID]++; logged[x.ID] == 2 {
			a.duplicated++
			a.problem("request %d is logged again at %v", x.ID, r.Position)
		}
		a.match(r, x)
	}
	for id, ans := range a.answers {
		if ans.err == nil && ans.wrong == nil && logged[id] == 0 {
			a.lost++
			a.problem("request %d was answered by worker %d and is not logged", id, ans.worker)
		}
	}
	return nil
}

// match compares a record with what its client has seen.
func (a *audit) match(r journal.Record, x access) {
	ans, asked := a.answers[x.ID]
	switch {
	case !asked:
		a.problem("the record at %v is of request %d, which nobody sent", r.Position, x.ID)
	case ans.wrong != nil: // told already
	case ans.err != nil:
		// Only death comes between a record and its answer.
		if a.spare++; !a.killed[x.Worker] {
			a.problem("request %d is logged by worker %d, which was not killed, and got no answer: %v", x.ID, x.Worker, ans.err)
		}
	case ans.at != r.Position || ans.worker != x.Worker:
		a.problem("request %d is logged at %v by worker %d; the answer said %v and %d", x.ID, r.Position, x.Worker, ans.at, ans.worker)
	}
}

// compare holds what was followed live against what is there.
func (a *audit) compare(followed map[string]int) {
	for _, n := range followed {
		a.followed += n
	}
	if !maps.Equal(followed, a.workers) {
		a.problem("followed live: %v; there are: %v", followed, a.workers)
	}
}

func (a *audit) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 4, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("workers", "%d at a time, %d in all", a.cfg.workers, a.started)
	row("requests", "%d by %d clients", a.cfg.requests, a.cfg.clients)
	row("kills", "%d", len(a.killed))
	row("answered", "%d", a.answered)
	row("answered and not logged", "%d", a.lost)
	row("logged twice", "%d", a.duplicated)
	row("without an answer", "%d, of which %d logged", a.unanswered, a.spare)
	row("followed live", "%d records", a.followed)
	row("verify", "%d records in %d segments, %d missing", a.report.Records, a.report.Segments, a.report.Missing())
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
