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
	cmd := &cobra.Command{
		Use:   "prune DIR --before P|--older D|--max-size S",
		Short: "Drop whole segments, oldest first",
		Long: `prune removes whole segments: those that lie in front of a position, those whose
successor was begun longer ago than a duration (so that all their records are
older), or as many as the size of the rest demands. The newest is never removed.
It prints what it removes.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := 0
			for _, name := range []string{"before", "older", "max-size"} {
				if cmd.Flags().Changed(name) {
					given++
				}
			}
			if given != 1 {
				return usagef("prune needs exactly one of --before, --older and --max-size")
			}
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err // a writer would make a journal where there is none
			}
			segments, err := j.Segments()
			if err = errors.Join(err, j.Close()); err != nil {
				return err
			}
			drop, err := pruned(segments, before, older, int64(maxSize), time.Now())
			if err != nil || len(drop) == 0 {
				return err
			}
			if !dryRun {
				if err := pruneBefore(args[0], drop[len(drop)-1].Number+1); err != nil {
					return err
				}
			}
			for _, s := range drop {
				line := fmt.Appendf(nil, "%d\t%s\t%d\n", s.Number, s.Name, s.Size)
				if t.json {
					line = appendLine(nil, jsonSegment{1, "pruned", u(s.Number), s.Name, i(s.Size), i(s.Limit), stamp(s.Created), s.Sealed})
				}
				if _, err := t.out.Write(line); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&before, "before", "", "drop segments in front of this position")
	f.StringVar(&older, "older", "", "drop segments with no record younger than this, such as 7d")
	f.Var(&maxSize, "max-size", "drop segments until the rest has at most this size")
	f.BoolVar(&dryRun, "dry-run", false, "print what would be dropped, drop nothing")
	return cmd
}

func pruneBefore(dir string, n uint64) error {
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		return err
	}
	return errors.Join(j.Prune(journal.Position{Segment: n}), j.Close())
}

// pruned returns the segments to drop. An open segment never is.
func pruned(all []journal.SegmentInfo, before, older string, maxSize int64, now time.Time) ([]journal.SegmentInfo, error) {
	var total int64
	for _, s := range all {
		total += s.Size
	}
	var p journal.Position
	var age time.Duration
	var err error
	switch {
	case before != "":
		if p, err = journal.ParsePosition(before); err != nil {
			return nil, usagef("--before: %v", err)
		}
	case older != "":
		if age, err = parseAge(older); err != nil {
			return nil, usagef("--older: %v", err)
		}
	}
	for k, s := range all {
		drop := total > maxSize
		switch {
		case before != "":
			drop = s.Number < p.Segment
		case older != "":
			drop = k+1 < len(all) && all[k+1].Created.Before(now.Add(-age))
		}
		if !drop || !s.Sealed {
			return all[:k], nil
		}
		total -= s.Size
	}
	return nil, nil
}
