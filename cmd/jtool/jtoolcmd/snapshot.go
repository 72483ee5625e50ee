package jtoolcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) snapshotCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot DIR NEWDIR",
		Short: "Make a second journal of what is there now, without copying it",
		Long: `snapshot makes NEWDIR, which must not exist or be empty, a journal with every
record that was acknowledged when it began, beside any number of live writers.
Segments that are full are shared by hard links and cost nothing; only the one
that is written is copied. On another file system all are copied. NEWDIR is on disk when snapshot ends, and lives on
when DIR is pruned or removed.`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			return errors.Join(j.Snapshot(args[1]), j.Close())
		},
	}
}
