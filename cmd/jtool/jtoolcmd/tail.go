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

// tailing is what a tail was told.
type tailing struct {
	selection
	n          int
	follow     bool
	cursorFile string
}

func (t *tool) tailCmd() *cobra.Command {
	var w tailing
	o := output{t: t}
	var exitStatus bool
	cmd := &cobra.Command{
		Use:   "tail DIR",
		Short: "Print the last records, then follow",
		Long: `tail prints the last records that are selected and, with -f, every further one as
it is appended. -f --for 5m follows for five minutes.

With --cursor-file it begins at the position in that file, if there is one, and
keeps the position to read next in it: whatever was printed is not printed again,
and nothing is left out.
` + templateHelp,
		Example: `  jtool tail DIR -f
  jtool tail DIR -f -n 0 --where '.level in (WARN, ERROR)'
  jtool tail DIR -f --cursor-file /var/lib/ship/cursor -o json`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.check(cmd); err != nil {
				return err
			}
			r, err := t.newPrinting(args[0], &o)
			if err != nil {
				return err
			}
			j, err := r.open()
			if err != nil {
				return err
			}
			bar := t.newProgress("records", 0, true)
			err = r.tail(cmd.Context(), j, &w, bar)
			bar.finish()
			return errors.Join(r.end(err, exitStatus), j.Close())
		},
	}
	w.flags(cmd.Flags())
	o.flags(cmd)
	f := cmd.Flags()
	f.IntVarP(&w.n, "lines", "n", 10, "begin so many records before the end")
	f.BoolVarP(&w.follow, "follow", "f", false, "wait for further records")
	f.StringVar(&w.cursorFile, "cursor-file", "", "file that holds the position to read next")
	f.BoolVar(&exitStatus, "exit-status", false, "exit with 6 if no record was printed")
	return cmd
}

func (w *tailing) check(cmd *cobra.Command) error {
	if w.n < 0 {
		return usagef("-n %d: want a number of records, 0 or more", w.n)
	}
	if cmd.Flags().Changed("cursor-file") && w.cursorFile == "" {
		return usagef("--cursor-file is empty; name a file")
	}
	return w.parse(cmd.Flags())
}

// tail prints from the cursor, or from n records before the end, to the end,
// and then follows.
func (r *reading) tail(ctx context.Context, j *journal.Journal, w *tailing, bar *progress) error {
	next, err := journal.Position{}, fs.ErrNotExist
	most := -1 // records to print
	if w.cursorFile != "" {
		if next, err = readCursor(w.cursorFile); err == nil {
			err = r.checkCursor(j, w.cursorFile, next)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		next, err = r.last(ctx, j, w)
		if !w.follow {
			most = w.n // and none that has come meanwhile
		}
	}
	if err != nil {
		return err
	}
	c, err := keepCursor(w.cursorFile, next)
	if err != nil {
		return err
	}
	seq := j.Records(next)
	if w.follow {
		following := ctx
		if !w.untilAt.IsZero() {
			// The time at which a record is appended, not the one it carries: nothing
			// later than that is selected, and nobody has to append to end this.
			var cancel context.CancelFunc
			following, cancel = context.WithDeadline(ctx, w.untilAt)
			defer cancel()
		}
		seq = j.Follow(following, next)
	}
	for rec, rerr := range seq {
		if rerr == nil {
			bar.add(1)
			selected := w.matches(&rec)
			if selected && r.count == most || w.ended(&rec) {
				break
			}
			if next = rec.Next; selected {
				err = r.record(rec)
			}
		} else if err = r.gap(rerr, &next); err == nil {
			continue
		}
		if err == nil && (w.follow || r.count%1024 == 0) {
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

// last returns the position of the n-th selected record from the end, or of the first
// one if there are less, or where the next one will be if n is 0. It tells of nothing:
// what is wrong there will be met again.
func (r *reading) last(ctx context.Context, j *journal.Journal, w *tailing) (at journal.Position, err error) {
	r.mute = true
	defer func() { r.mute = false }()
	scan, err := w.scan(j, true)
	if err != nil {
		return at, err
	}
	n := w.n
	err = r.each(ctx, j.Scan(scan), func(rec *journal.Record) (more bool, err error) {
		if at.IsZero() {
			at = rec.Next // unless one is selected
		}
		if n > 0 && w.matches(rec) {
			at = rec.Position
			n--
		}
		return n > 0, nil
	})
	if at.IsZero() {
		at = scan.From // which may be the end
	}
	return at, err
}
