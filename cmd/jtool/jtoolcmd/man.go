package jtoolcmd

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (t *tool) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write manual pages, one for each command",
		Long: `man writes jtool.1, jtool-dump.1 and so on into FOLDER, which it makes. The date in
them is SOURCE_DATE_EPOCH, if that is set, or today.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Parent()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{
				Title: root.Name(), Section: "1", Source: "Manypen", Manual: "Manypen",
			}, args[0])
		},
	}
}
