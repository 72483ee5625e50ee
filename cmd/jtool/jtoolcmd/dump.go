package jtoolcmd

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) dumpCmd() *cobra.Command {
	var s selection
	var output string
	var n int
	var reverse, exitStatus bool
	cmd := &cobra.Command{
		Use:   "dump DIR",
		Short: "Print records in journal order",
		Long: `dump prints the records from --from (included) to --to (excluded), up to the end
of the journal as it is at the start. Damage is passed over, told on standard
error, and makes the exit code 3.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.parse(cmd.Flags()); err != nil {
				return err
			}
			if cmd.Flags().Changed("limit") && n < 0 {
				return usagef("-n %d: want a number of records, 0 or more", n)
			}
			print, err := t.formatOf(output)
			if err != nil {
				return err
			}
			r := t.newReading(args[0], print)
			j, err := r.open()
			if err != nil {
				return err
			}
			bar := t.newProgress("records", 0, isTerminal(t.out.(*pipeWriter).w))
			limited := cmd.Flags().Changed("limit")
			keep := func(rec *journal.Record) (print, more bool) {
				bar.add(1)
				if limited && r.count >= n {
					return false, false
				}
				print = s.matches(rec)
				return print, !limited || !print || r.count+1 < n
			}
			if reverse {
				err = r.reverse(cmd.Context(), j, &s, keep)
			} else {
				err = r.all(cmd.Context(), j.Records(s.fromPos), func(rec *journal.Record) (print, more bool) {
					if s.ended(rec) {
						return false, false
					}
					return keep(rec)
				})
			}
			bar.finish()
			return errors.Join(r.end(err, exitStatus), j.Close())
		},
	}
	s.flags(cmd.Flags())
	f := cmd.Flags()
	f.IntVarP(&n, "limit", "n", 0, "print at most so many records")
	f.BoolVarP(&reverse, "reverse", "r", false, "newest first")
	f.StringVarP(&output, "output", "o", "short", "short, json, raw, hex or verbose")
	f.BoolVar(&exitStatus, "exit-status", false, "exit with 6 if no record was printed")
	return cmd
}

// reverse prints records newest first. Records can be found forwards only, so
// the positions of one segment at a time are collected and read from the end.
func (r *reading) reverse(ctx context.Context, j *journal.Journal, s *selection, keep func(*journal.Record) (print, more bool)) error {
	return r.backwards(func(n uint64, newest bool) (more bool, err error) {
		if n < s.fromPos.Segment || s.to != "" && n > s.toPos.Segment && !newest {
			return n >= s.fromPos.Segment, nil
		}
		positions, err := r.positions(ctx, j, n, newest, s)
		if err != nil {
			return false, err
		}
		for _, p := range slices.Backward(positions) {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			rec, err := j.ReadAt(p)
			if err != nil {
				if err := r.problem(err); err != nil {
					return false, err
				}
				continue
			}
			print, more := keep(&rec)
			if print {
				if err := r.record(rec); err != nil {
					return false, err
				}
			}
			if !more {
				return false, nil
			}
		}
		return true, nil
	})
}

// positions returns where the selected records of one segment are.
func (r *reading) positions(ctx context.Context, j *journal.Journal, n uint64, newest bool, s *selection) ([]journal.Position, error) {
	var found []journal.Position
	for rec, err := range j.Records(journal.FirstPosition(n)) {
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case err != nil:
			if err := r.problem(err); err != nil {
				return found, err
			}
		case !newest && rec.Position.Segment != n || s.ended(&rec):
			return found, nil
		case s.matches(&rec):
			found = append(found, rec.Position)
		}
	}
	return found, nil
}
