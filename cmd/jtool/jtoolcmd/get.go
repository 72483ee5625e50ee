package jtoolcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) getCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "get DIR KEY",
		Short: "Print the value of the newest record of a key",
		Long: `get prints the value of the newest record of KEY, byte for byte, without a
newline. It exits with 6 if there is none, or if it was deleted.`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			rec, err := j.Get([]byte(args[1]))
			if errors.Is(err, journal.ErrNotFound) {
				err = &exitError{code: exitNoMatch}
			}
			if err == nil {
				out := rec.Value
				if t.json {
					out = appendJSON(nil, rec)
				}
				_, err = t.out.Write(out)
			}
			return errors.Join(err, j.Close())
		},
	}
}
