package jtoolcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) getCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "get DIR KEY",
		Short: "Print the value of the newest record of a key",
		Long: `get prints the value of the newest record of KEY, byte for byte, without a
newline; on a terminal what does not print is escaped. It exits with 6 if there is none, or if it was deleted, and with 3 if
there is damage behind what it found, where a newer record may have been.`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] == "" {
				return usagef("get: the key is empty; name the key to look for")
			}
			r := t.newReading(args[0], appendValue)
			if t.tty {
				r.print = sanitized(appendValue, appendSafe)
			}
			if t.json {
				r.print = appendJSON
			}
			j, err := r.open()
			if err != nil {
				return err
			}
			bar := t.newProgress("records", 0, false)
			err = r.get(cmd.Context(), j, args[1], bar)
			bar.finish()
			return errors.Join(err, j.Close())
		},
	}
}

func appendValue(b []byte, r journal.Record) []byte { return append(b, r.Value...) }

// get prints the newest record of a key. It reads from the end back, as far as it
// needs, and can tell of damage on the way, which an index does not know.
func (r *reading) get(ctx context.Context, j *journal.Journal, key string, bar *progress) error {
	var found journal.Record
	err := r.each(ctx, j.Scan(journal.ScanOptions{Reverse: true}), func(rec *journal.Record) (more bool, err error) {
		bar.add(1)
		if string(rec.Key) != key {
			return true, nil
		}
		found = *rec
		return false, nil
	})
	switch {
	case err != nil:
	case found.Kind == journal.KindData:
		err = r.record(found)
	case !r.losses:
		err = &exitError{code: exitNoMatch}
	}
	if err = r.end(err, false); found.Kind == 0 && exitCode(err) == exitPartial {
		return &exitError{exitPartial, fmt.Sprintf("no record of key %q can be read, and some records cannot", key)}
	}
	return err
}
