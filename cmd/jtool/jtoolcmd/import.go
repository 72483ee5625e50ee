package jtoolcmd

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// source is a file to import.
type source struct{ path, key string }

func (t *tool) importCmd() *cobra.Command {
	w := writing{t: t}
	var jsonl, keep bool
	cmd := &cobra.Command{
		Use:   "import DIR FILE-OR-FOLDER...",
		Short: "Append files, one record each, or JSON lines",
		Long: `import appends one record per regular file: its key is the path as given, with
slashes, its value the content. Folders are walked in lexical order. A symbolic
link is followed if it is named, and skipped with a note inside a folder, as the
journal itself is. Nothing is appended unless all that was named is there.

With --jsonl the files are JSON lines as export and dump --json print them, - is
standard input, and each object is a record again. Keys, values, deletions and
batches are kept; with --keep time, writer and sequence too, which needs a journal
without records, or none. Objects that are no records are skipped with a note.

With --ack it prints "POSITION SEQ KEY" for each record.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("import needs a journal and at least one file or folder: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if keep && !jsonl {
				return usagef("--keep is about records of another journal; it needs --jsonl")
			}
			if jsonl {
				return w.jsonl(cmd, args[0], args[1:], keep)
			}
			var sources []source
			for _, path := range args[1:] {
				found, err := t.sources(path, args[0])
				if err != nil {
					return err
				}
				sources = append(sources, found...)
			}
			if err := w.open(cmd, args[0], "files", int64(len(sources))); err != nil {
				return err
			}
			return w.finish(w.importAll(cmd, sources))
		},
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&jsonl, "jsonl", false, "the files are JSON lines, of which each is a record")
	cmd.Flags().BoolVar(&keep, "keep", false, "with --jsonl: keep time, writer and sequence of the records")
	return cmd
}

func (w *writing) importAll(cmd *cobra.Command, sources []source) error {
	for _, s := range sources {
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		value, err := readWhole(s.path)
		if err != nil {
			return err
		}
		if err := w.put([]byte(s.key), value, s.key); err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
	}
	return nil
}

// sources returns the files that one argument of the command line names.
func (t *tool) sources(root, journalDir string) ([]source, error) {
	st, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	key := filepath.ToSlash(root)
	if !st.IsDir() && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither a regular file nor a folder", root) // a pipe could keep us for ever
	}
	if !st.IsDir() {
		return []source{{root, key}}, nil
	}
	journalStat, _ := os.Stat(journalDir) // nil if there is none yet
	target, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	var found []source
	err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if st, err := d.Info(); err == nil && journalStat != nil && os.SameFile(st, journalStat) {
				t.note("skipped %s: it is the journal", path)
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			t.note("skipped %s: it is not a regular file", path)
			return nil
		}
		rel, err := filepath.Rel(target, path)
		found = append(found, source{path, strings.TrimRight(key, "/") + "/" + filepath.ToSlash(rel)})
		return err
	})
	return found, err
}
