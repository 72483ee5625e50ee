package jtoolcmd

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (t *tool) exportCmd() *cobra.Command {
	var s selection
	var output string
	cmd := &cobra.Command{
		Use:   "export DIR [--output FILE]",
		Short: "Write records as JSON lines, for import and other programs",
		Long: `export writes the selected records as JSON lines, the objects that dump --json
prints, to standard output or a file. Nothing is lost: what is no UTF-8 is in base64.
"jtool import --jsonl" reads them back.

Only records are written there: damage is told on standard error, and makes the exit
code 3. A file appears under its name when all is in it.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("output") && output == "" {
				return usagef("--output is empty; name a file, or - for standard output")
			}
			if err := s.parse(cmd.Flags()); err != nil {
				return err
			}
			r := t.newReading(args[0], appendJSON)
			r.aside = true
			if t.tty && output == "-" {
				r.print = sanitized(appendJSON, appendSafeJSON)
			}
			if output == "-" {
				return r.dump(cmd.Context(), &s, -1, false, false)
			}
			var partial error // which is no reason not to keep what there is
			err := intoFile(output, func(w io.Writer) error {
				r.out = bufio.NewWriterSize(w, 64<<10)
				err := r.dump(cmd.Context(), &s, -1, false, false)
				if exitCode(err) == exitPartial {
					partial, err = err, nil
				}
				return err
			})
			return errors.Join(err, partial)
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().StringVar(&output, "output", "-", "file to write; - is standard output")
	return cmd
}

// intoFile lets write fill a file that appears under its name, whole and on disk, when
// write has succeeded. What is there and no regular file, a pipe or a device, is
// written as it is.
func intoFile(path string, write func(io.Writer) error) (err error) {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	// A file that is replaced keeps its permissions. A new one is for its owner only,
	// for nobody knows who may see what is in the journal.
	if st != nil {
		err = f.Chmod(st.Mode().Perm())
	}
	if err = errors.Join(err, write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
