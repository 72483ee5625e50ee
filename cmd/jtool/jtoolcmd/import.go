package jtoolcmd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) importCmd() *cobra.Command {
	var w writing
	cmd := &cobra.Command{
		Use:   "import DIR FILE-OR-FOLDER...",
		Short: "Append files, one record each",
		Long: `import appends one record per regular file: its key is the path as given, with
slashes, its value the content. Folders are walked in lexical order. A symbolic
link is followed if it is named, and skipped with a note inside a folder.

With --ack it prints "POSITION SEQ KEY" for each record.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("import needs a journal and at least one file or folder: jtool %s", cmd.Use)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, path := range args[1:] {
				if _, err := os.Stat(path); err != nil {
					return err
				}
			}
			j, err := w.open(args[0])
			if err != nil {
				return err
			}
			im := importer{t: t, w: &w, j: j, bar: t.newProgress("files", 0)}
			for _, path := range args[1:] {
				if err = im.add(cmd, path); err != nil {
					break
				}
			}
			im.bar.finish()
			return w.finish(j, err)
		},
	}
	w.flags(cmd)
	return cmd
}

type importer struct {
	t   *tool
	w   *writing
	j   *journal.Journal
	bar *progress
}

// add appends one argument of the command line.
func (im *importer) add(cmd *cobra.Command, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case cmd.Context().Err() != nil:
			return cmd.Context().Err()
		case d.IsDir():
			return nil
		case d.Type().IsRegular(), path == root:
			return im.file(path)
		}
		im.t.note("skipped %s: it is not a regular file", path)
		return nil
	})
}

func (im *importer) file(path string) error {
	value, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	key := filepath.ToSlash(path)
	ack, err := im.j.AppendAck([]byte(key), value)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	im.bar.add(1)
	if im.w.ack {
		line := fmt.Appendf(nil, "%v %d ", ack.Position, ack.Seq)
		_, err = im.t.out.Write(append(appendEscaped(line, []byte(key)), '\n'))
		err = ackError(err)
	}
	return err
}
