package jtoolcmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

const selectHelp = `
--since and --until find their place by a search for the time, which takes O(log n)
whatever the size of the journal. Where a clock was set back there can be records of
that time in front of the place that is found: --where 'time >= ...' reads everything.`

func (t *tool) dumpCmd() *cobra.Command {
	var s selection
	o := output{t: t}
	var n int
	var reverse, exitStatus bool
	cmd := &cobra.Command{
		Use:   "dump DIR",
		Short: "Print records in journal order",
		Long: `dump prints the records from --from (included) to --to (excluded), up to the end
of the journal as it is at the start. Damage is passed over, told on standard
error, and makes the exit code 3.
` + selectHelp + "\n" + templateHelp,
		Example: `  jtool dump DIR --since -10m --where '.level = ERROR and not .user = probe'
  jtool dump DIR --prefix sensor/ -n 3 -r -o json
  jtool dump DIR --template '{{.Time}} {{.JSON.msg}}'`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.parse(cmd.Flags()); err != nil {
				return err
			}
			limit := -1
			if cmd.Flags().Changed("limit") {
				if limit = n; n < 0 {
					return usagef("-n %d: want a number of records, 0 or more", n)
				}
			}
			return t.paged(o.noPager, func() error {
				r, err := t.newPrinting(args[0], &o)
				if err != nil {
					return err
				}
				return r.dump(cmd.Context(), &s, limit, reverse, exitStatus)
			})
		},
	}
	s.flags(cmd.Flags())
	o.flags(cmd)
	f := cmd.Flags()
	f.IntVarP(&n, "limit", "n", 0, "print at most so many records")
	f.BoolVarP(&reverse, "reverse", "r", false, "newest first")
	f.BoolVar(&exitStatus, "exit-status", false, "exit with 6 if no record was printed")
	return cmd
}

// dump prints what is selected, at most limit records unless that is negative.
func (r *reading) dump(ctx context.Context, s *selection, limit int, reverse, exitStatus bool) error {
	j, err := r.open()
	if err != nil {
		return err
	}
	if limit != 0 && !s.empty() {
		err = r.selected(ctx, j, s, reverse, func(rec *journal.Record) (more bool, err error) {
			err = r.record(*rec)
			return r.count != limit, err
		})
	}
	return errors.Join(r.end(err, exitStatus), j.Close())
}

// selected calls f with every record that is selected, with a progress bar by the
// bytes that were read, until f says so.
func (r *reading) selected(ctx context.Context, j *journal.Journal, s *selection, reverse bool, f func(*journal.Record) (more bool, err error)) error {
	scan, err := s.scan(j, reverse)
	if err != nil {
		return err
	}
	bar := r.t.newProgress("records", 0, r.t.tty)
	bar.through(j, scan)
	defer bar.finish()
	return r.each(ctx, j.Scan(scan), func(rec *journal.Record) (bool, error) {
		bar.at(rec.Position)
		if !s.matches(rec) {
			return true, nil
		}
		return f(rec)
	})
}
