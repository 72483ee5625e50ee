package jtoolcmd

import (
	"context"
	"errors"

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
			r := t.newReading(print)
			j, err := r.open(args[0])
			if err != nil {
				return err
			}
			limited := cmd.Flags().Changed("limit")
			keep := func(rec *journal.Record) (print, more bool) {
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
	oldest, newest, err := j.SegmentRange()
	if err != nil {
		return err
	}
	for n := newest; n >= max(oldest, s.fromPos.Segment, 1); n-- {
		positions, err := r.positions(ctx, j, n, s)
		if err != nil {
			return err
		}
		for k := len(positions) - 1; k >= 0; k-- {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			rec, err := j.ReadAt(positions[k])
			if err != nil {
				if err := r.problem(err); err != nil {
					return err
				}
				continue
			}
			print, more := keep(&rec)
			if print {
				if err := r.record(rec); err != nil {
					return err
				}
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

// positions returns where the selected records of one segment are.
func (r *reading) positions(ctx context.Context, j *journal.Journal, n uint64, s *selection) ([]journal.Position, error) {
	var found []journal.Position
	for rec, err := range j.Records(journal.FirstPosition(n)) {
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case err != nil:
			if err := r.problem(err); err != nil {
				return found, err
			}
		case rec.Position.Segment != n || s.ended(&rec):
			return found, nil
		case s.matches(&rec):
			found = append(found, rec.Position)
		}
	}
	return found, nil
}
