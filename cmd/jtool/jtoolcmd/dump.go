package jtoolcmd

import (
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
			scan := journal.ScanOptions{From: s.fromPos, Reverse: reverse, Reuse: true}
			if s.to != "" {
				scan.To = s.toPos
			}
			err = r.all(cmd.Context(), j.Scan(scan), func(rec *journal.Record) (print, more bool) {
				if s.ended(rec) {
					return false, reverse // --to is the zero position
				}
				return keep(rec)
			})
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
