package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/manypen/manypen/journal"
)

// report prints the table, and how to look at the journal.
func report(out io.Writer, cfg config, c *crew, a *audit, took, synced time.Duration) error {
	fragments, voids := a.report.Classes[journal.Fragment], a.report.Classes[journal.Void]
	megabytes := float64(a.report.Payload) / 1e6
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("processes", "%d at a time, %d in all", cfg.procs, c.started)
	row("kills", "%d", c.kills)
	row("records acknowledged", "%d", len(c.acks))
	row("lost", "%d", a.lost)
	row("duplicated", "%d", a.duplicated)
	row("whole, not acknowledged", "%d, of killed writers", a.spare)
	row("torn fragments skipped", "%d, %d bytes", fragments.Count, fragments.Bytes)
	row("void records", "%d stretches, appended again behind", voids.Count)
	row("followers", "%d, of which %d saw another sequence", cfg.followers, a.mismatched)
	row("segments", "%d", a.report.Segments)
	row("written", "%.1f MB in %v, then %v for the sync", megabytes, took.Round(time.Millisecond), synced.Round(time.Millisecond))
	row("MB/s", "%.1f, kills and replacements included", megabytes/took.Seconds())
	fmt.Fprintf(w, "\nThe journal is still there:\n")
	for _, command := range []string{"verify", "stat", "ls", "tail -n 3"} {
		fmt.Fprintf(w, "  go run ./cmd/jtool %s %s\n", command, cfg.dir)
	}
	fmt.Fprintf(w, "  rm -r %s\n", cfg.dir)
	return w.Flush() // with what was wrong in any line
}
