package board

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Print writes the scoreboard as a table of Markdown, and below it what failed as a
// whole and what was skipped.
func Print(out io.Writer, results []Result) error {
	p := printer{out: out}
	p.line("| class | fault | cases | failed | seen | time |")
	p.line("|---|---|---|---|---|---|")
	for _, r := range results {
		p.line("| %s | %s | %s | %s | %s | %v |", r.Class.ID, r.Class.Title, group(r.Cases), group(r.Failed), r.seen(), round(r.Took))
	}
	for _, r := range results {
		if r.Err != nil {
			p.line("\n%s: %v", r.Class.ID, r.Err)
		}
		for _, s := range r.Skipped {
			p.line("\n%s: skipped: %s", r.Class.ID, s)
		}
	}
	return errors.Join(p.errs...)
}

type printer struct {
	out  io.Writer
	errs []error
}

func (p *printer) line(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format+"\n", args...); err != nil {
		p.errs = append(p.errs, err)
	}
}

// seen lists what was counted, in the order of the names.
func (r *Result) seen() string {
	var list []string
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		list = append(list, what+" "+group(r.Counts[what]))
	}
	return strings.Join(list, ", ")
}

// group writes 1234567 as 1,234,567.
func group(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// round leaves as much of a time as a reader of the table wants to know.
func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(time.Second)
}
