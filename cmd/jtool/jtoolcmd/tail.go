package jtoolcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) tailCmd() *cobra.Command {
	var n int
	var follow, exitStatus bool
	var output, cursorFile string
	cmd := &cobra.Command{
		Use:   "tail DIR",
		Short: "Print the last records, then follow",
		Long: `tail prints the last records and, with -f, every further one as it is appended.

With --cursor-file it begins at the position in that file, if there is one, and
keeps the position to read next in it: whatever was printed is not printed again,
and nothing is left out.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 0 {
				return usagef("-n %d: want a number of records, 0 or more", n)
			}
			if cmd.Flags().Changed("cursor-file") && cursorFile == "" {
				return usagef("--cursor-file is empty; name a file")
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
			bar := t.newProgress("records", 0, true)
			err = r.tail(cmd.Context(), j, n, follow, cursorFile, bar)
			bar.finish()
			return errors.Join(r.end(err, exitStatus), j.Close())
		},
	}
	f := cmd.Flags()
	f.IntVarP(&n, "lines", "n", 10, "begin so many records before the end")
	f.BoolVarP(&follow, "follow", "f", false, "wait for further records")
	f.StringVar(&cursorFile, "cursor-file", "", "file that holds the position to read next")
	f.StringVarP(&output, "output", "o", "short", "short, json, raw, hex or verbose")
	f.BoolVar(&exitStatus, "exit-status", false, "exit with 6 if no record was printed")
	return cmd
}

// tail prints from the cursor, or from n records before the end, to the end,
// and then follows.
func (r *reading) tail(ctx context.Context, j *journal.Journal, n int, follow bool, cursorFile string, bar *progress) error {
	next, err := journal.Position{}, fs.ErrNotExist
	if cursorFile != "" {
		if next, err = readCursor(cursorFile); err == nil {
			err = r.checkCursor(j, cursorFile, next)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		next, err = r.last(ctx, j, n)
	}
	if err != nil {
		return err
	}
	c, err := keepCursor(cursorFile, next)
	if err != nil {
		return err
	}
	seq := j.Records(next)
	if follow {
		seq = j.Follow(ctx, next)
	}
	for rec, rerr := range seq {
		if rerr == nil {
			bar.add(1)
			err, next = r.record(rec), rec.Next
		} else if err = r.gap(rerr, &next); err == nil {
			continue
		}
		if err == nil && (follow || r.count%1024 == 0) {
			err = r.printed(c, next)
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		err = r.printed(c, next)
	}
	if cerr := c.close(); err == nil {
		err = cerr // also if the reader of our output is gone: the cursor is what it has seen
	}
	return err
}

// checkCursor refuses a position that the journal has not reached: waiting for
// it would leave out everything up to there. It is of another journal.
func (r *reading) checkCursor(j *journal.Journal, cursorFile string, next journal.Position) error {
	_, newest, err := j.SegmentRange()
	if err != nil || next.Segment < newest || next.IsZero() {
		return err
	}
	end := journal.Position{Segment: newest}
	if newest > 0 {
		st, err := os.Stat(filepath.Join(r.dir, fmt.Sprintf("seg.%09d", newest)))
		if err != nil {
			return nil // pruned meanwhile, so there is a newer one
		}
		end.Offset = st.Size()
	}
	if next.Segment == newest && next.Offset <= end.Offset {
		return nil
	}
	return fmt.Errorf("cursor file %s: %v lies behind the end of the journal, %v; this is another journal, or it has lost its end; remove the file to begin anew", cursorFile, next, end)
}

// printed moves the cursor to next. What nobody has seen is not behind it.
func (r *reading) printed(c *cursor, next journal.Position) error {
	if err := r.out.Flush(); err != nil {
		return err
	}
	return c.set(next)
}

// gap tells of segments that are gone and moves next behind them.
func (r *reading) gap(err error, next *journal.Position) error {
	var gone *journal.GoneError
	if errors.As(err, &gone) {
		r.t.note("gap: %v..%v removed", gone.From, gone.Oldest)
		*next = gone.Oldest
	}
	return r.problem(err)
}

// last returns the position of the n-th record from the end, or where the next one
// will be if n is 0. It tells of nothing: what is wrong there will be met again.
func (r *reading) last(ctx context.Context, j *journal.Journal, n int) (at journal.Position, err error) {
	r.mute = true
	defer func() { r.mute = false }()
	err = r.each(ctx, j.Scan(journal.ScanOptions{Reverse: true}), func(rec *journal.Record) (more bool, err error) {
		if n == 0 {
			at = rec.Next
			return false, nil
		}
		at = rec.Position
		n--
		return n > 0, nil
	})
	return at, err
}
