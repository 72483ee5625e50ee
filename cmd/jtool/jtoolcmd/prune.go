package jtoolcmd

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// retention says which segments prune drops; one of the first three is set.
type retention struct {
	before  *journal.Position
	older   *time.Duration
	maxSize *size
}

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
It prints what it removes.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			keep, err := parseRetention(cmd, before, older, maxSize)
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
			segments, err := j.Segments()
			if err = errors.Join(err, j.Close()); err != nil {
				return err
			}
			drop := pruned(segments, keep, time.Now())
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
// one, as of a variable that is not set, must not mean another one.
func parseRetention(cmd *cobra.Command, before, older string, maxSize size) (keep retention, err error) {
	given := 0
	if cmd.Flags().Changed("before") {
		given++
		p, err := journal.ParsePosition(before)
		if err != nil {
			return keep, usagef("--before: %v", err)
		}
		keep.before = &p
	}
	if cmd.Flags().Changed("older") {
		given++
		d, err := parseAge(older)
		if err != nil {
			return keep, usagef("--older: %v", err)
		}
		keep.older = &d
	}
	if cmd.Flags().Changed("max-size") {
		given++
		keep.maxSize = &maxSize
	}
	if given != 1 {
		return keep, usagef("prune needs exactly one of --before, --older and --max-size")
	}
	return keep, nil
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

// pruned returns the segments to drop. An open one never is.
func pruned(all []journal.SegmentInfo, keep retention, now time.Time) []journal.SegmentInfo {
	var total int64
	for _, s := range all {
		total += s.Size
	}
	for k, s := range all {
		drop := false
		switch {
		case !s.Sealed || k == len(all)-1:
		case keep.before != nil:
			drop = s.Number < keep.before.Segment
		case keep.older != nil:
			drop = all[k+1].Created.Before(now.Add(-*keep.older))
		case keep.maxSize != nil:
			drop = total > int64(*keep.maxSize)
		}
		if !drop {
			return all[:k]
		}
		total -= s.Size
	}
	return nil
}
