package jtoolcmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) pruneCmd() *cobra.Command {
	var before, older string
	var maxSize size
	var dryRun bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "prune DIR --before P|--older D|--max-size S",
		Short: "Drop whole segments, oldest first",
		Long: `prune removes whole segments: those that lie in front of a position, those whose
successor was begun longer ago than a duration (so that all their records are
older), or as many as the size of the rest demands. The newest is never removed.
A time that cannot be true, because it lies in the future or before that of an
earlier segment, does not count, and neither does one that cannot be read. It
prints what it removes.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := parseRetention(cmd, before, older, maxSize)
			if err == nil {
				err = checkTimeout(timeout)
			}
			if err != nil {
				return err
			}
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err // a writer would make a journal where there is none
			}
			drop, err := j.Removable(limit)
			if err = errors.Join(err, j.Close()); err != nil {
				return err
			}
			if len(drop) > 0 && !dryRun {
				if err := pruneBefore(args[0], drop[len(drop)-1].Number+1, timeout); err != nil {
					return err
				}
			}
			return t.printPruned(drop, dryRun)
		},
	}
	f := cmd.Flags()
	f.StringVar(&before, "before", "", "drop segments in front of this position")
	f.StringVar(&older, "older", "", "drop segments with no record younger than this, such as 7d")
	f.Var(&maxSize, "max-size", "drop segments until the rest has at most this size")
	f.BoolVar(&dryRun, "dry-run", false, "print what would be dropped, drop nothing")
	timeoutFlag(cmd, &timeout)
	return cmd
}

// parseRetention goes by which flags are given, not by their values: an empty
// one, as of a variable that is not set, must not mean another one. In a Retention
// 0 means no limit, on the command line nothing: the least there is stands for it.
func parseRetention(cmd *cobra.Command, before, older string, maxSize size) (r journal.Retention, err error) {
	given := 0
	if cmd.Flags().Changed("before") {
		given++
		if r.Before, err = journal.ParsePosition(before); err != nil {
			return r, usagef("--before: %v", err)
		}
	}
	if cmd.Flags().Changed("older") {
		given++
		d, err := parseAge(older)
		if err != nil {
			return r, usagef("--older: %v", err)
		}
		r.MaxAge = max(d, 1)
	}
	if cmd.Flags().Changed("max-size") {
		given++
		r.MaxBytes = max(int64(maxSize), 1)
	}
	if given != 1 {
		return r, usagef("prune needs exactly one of --before, --older and --max-size")
	}
	return r, nil
}

func pruneBefore(dir string, n uint64, timeout time.Duration) error {
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, LockTimeout: timeout})
	if err != nil {
		return err
	}
	return errors.Join(j.Prune(journal.Position{Segment: n}), j.Close())
}

func (t *tool) printPruned(drop []journal.SegmentInfo, dryRun bool) error {
	what := "pruned"
	if dryRun {
		what = "to be pruned"
	}
	for _, s := range drop {
		line := fmt.Appendf(nil, "%d\t%s\t%d\n", s.Number, s.Name, s.Size)
		if t.json {
			line = appendLine(nil, segmentObject(what, s))
		}
		if _, err := t.out.Write(line); err != nil {
			return err
		}
	}
	return nil
}
