package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// printTables prints what was measured, as Markdown.
func printTables(out io.Writer, r results) error {
	w := bufio.NewWriter(out) // its first error is returned by Flush
	fmt.Fprintf(w, "Each process writes %d numbered lines of 71 bytes on average, all at the same time.\n", r.Lines)
	fmt.Fprintf(w, "A line is lost if its Write returned nil and it is in none of the files, backups included.\n")
	fmt.Fprintf(w, "Processes begin at the same moment and write as fast as they can, which makes races more\n")
	fmt.Fprintf(w, "frequent than they are among programs that log a line now and then. Nobody syncs; Manypen has\n")
	fmt.Fprintf(w, "SyncNone.\n")
	fmt.Fprintf(w, "Of several runs a row is the one with the median of lost lines. %s.\n\n", r.System)
	fmt.Fprintf(w, "lumberjack is gopkg.in/natefinch/lumberjack.v2. Its documentation says: \"Lumberjack assumes\n")
	fmt.Fprintf(w, "that only one process is writing to the output files. Using the same lumberjack configuration\n")
	fmt.Fprintf(w, "from multiple processes on the same machine will result in improper behavior.\" This shows what\n")
	fmt.Fprintf(w, "that means; with one process it loses nothing this way. O_APPEND without rotation loses nothing\n")
	fmt.Fprintf(w, "either: what loses is rotation by several processes, a buffer, and opening without O_APPEND.\n\n")
	fmt.Fprintf(w, "All processes live:\n\n")
	printRaces(w, r.All)
	fmt.Fprintf(w, "\nOne process is killed by SIGKILL when half of its lines are acknowledged; the others go on:\n\n")
	printRaces(w, r.Kill)
	if len(r.Cut) > 0 {
		fmt.Fprintf(w, "\nWhole lines are cut out of the middle of what one process has written. (A journal numbers the\n")
		fmt.Fprintf(w, "records of each writer, so it notices what is missing in front of a writer's last record. Of the\n")
		fmt.Fprintf(w, "last ones nothing tells.)\n\n")
		fmt.Fprintf(w, "| way | lines cut out | torn lines to be seen | does the log itself tell? |\n|---|--:|--:|---|\n")
		for _, c := range r.Cut {
			fmt.Fprintf(w, "| %s | %d | %d | %s |\n", c.Way, c.Lost, c.Torn, tells(c.CanTell, c.Lost, c.Missing))
		}
	}
	return w.Flush()
}

func printRaces(w io.Writer, all []result) {
	fmt.Fprintf(w, "| way | processes | acknowledged | lost | lost %% | lost, least to most | duplicated | torn | refused with an error | was the loss noticed? |\n")
	fmt.Fprintf(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Way == all[0].Way && all[n].Processes == all[0].Processes {
			n++
		}
		runs := slices.Clone(all[:n])
		all = all[n:]
		slices.SortStableFunc(runs, func(a, b result) int { return cmp.Compare(a.Lost, b.Lost) })
		r, most := runs[(n-1)/2], runs[n-1].Lost
		percent := 100 * float64(r.Lost) / float64(max(1, r.Acknowledged))
		fmt.Fprintf(w, "| %s | %d | %d | %d | %.2f | %d to %d | %d | %d | %d | %s |\n", r.Way, r.Processes, r.Acknowledged,
			r.Lost, percent, runs[0].Lost, most, r.Duplicated, r.Torn, r.Refused, noticed(runs))
	}
}

// noticed says whether anything but the oracle knows of the lines that were lost
// in any of the runs.
func noticed(runs []result) string {
	worst := runs[0]
	for _, r := range runs {
		if worse := r.CanTell && r.Lost != r.Missing; worse || r.Lost > worst.Lost && worst.Lost == worst.Missing {
			worst = r
		}
	}
	return tells(worst.CanTell, worst.Lost, worst.Missing)
}

// tells says the same of one log. Each lost line's Write has returned nil, so only
// a log that counts its records can tell.
func tells(can bool, lost, missing int) string {
	switch {
	case can && lost == missing:
		return fmt.Sprintf("verify: %d missing", missing)
	case can:
		return fmt.Sprintf("verify: %d missing, which is wrong", missing)
	case lost > 0:
		return "no"
	}
	return "nothing to notice"
}
