package jtoolcmd

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// saveEvery is how long a followed cursor may be behind what was printed.
const saveEvery = time.Second

func (t *tool) tailCmd() *cobra.Command {
	var n int
	var follow bool
	var output, cursor string
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
			print, err := t.formatOf(output)
			if err != nil {
				return err
			}
			r := t.newReading(print)
			j, err := r.open(args[0])
			if err != nil {
				return err
			}
			err = r.tail(cmd.Context(), j, n, follow, cursor)
			return errors.Join(r.end(err, false), j.Close())
		},
	}
	f := cmd.Flags()
	f.IntVarP(&n, "lines", "n", 10, "begin so many records before the end")
	f.BoolVarP(&follow, "follow", "f", false, "wait for further records")
	f.StringVar(&cursor, "cursor-file", "", "file that holds the position to read next")
	f.StringVarP(&output, "output", "o", "short", "short, json, raw, hex or verbose")
	return cmd
}

func (r *reading) tail(ctx context.Context, j *journal.Journal, n int, follow bool, cursor string) error {
	next, err := readCursor(cursor)
	if errors.Is(err, fs.ErrNotExist) || cursor == "" {
		next, err = r.last(ctx, j, n)
	}
	if err != nil {
		return err
	}
	saved := time.Now()
	save := func() error {
		saved = time.Now()
		if err := r.out.Flush(); err != nil {
			return err // what nobody has seen is not behind the cursor
		}
		return writeCursor(cursor, next)
	}
	seq := j.Records(next)
	if follow {
		seq = j.Follow(ctx, next)
	}
	err = nil
	for rec, rerr := range seq {
		if rerr != nil {
			r.gap(&next, rerr)
			if err = r.problem(rerr); err != nil {
				break
			}
			continue
		}
		if err = r.record(rec); err != nil {
			break
		}
		next = rec.Next
		if follow {
			err = r.out.Flush()
		}
		if err == nil && time.Since(saved) > saveEvery {
			err = save()
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, errPipeClosed) {
		return err // the reader is gone; the last saved cursor is what it has seen
	}
	return errors.Join(err, save())
}

// gap moves the position to read next behind segments that are gone.
func (r *reading) gap(next *journal.Position, err error) {
	var gone *journal.GoneError
	if errors.As(err, &gone) {
		r.t.note("gap: %v..%v removed", gone.From, gone.Oldest)
		*next = gone.Oldest
	}
}

// last returns the position of the n-th record from the end. It reads the
// newest segments only, as many as it needs.
func (r *reading) last(ctx context.Context, j *journal.Journal, n int) (journal.Position, error) {
	first, newest, err := j.SegmentRange()
	if err != nil || newest == 0 {
		return journal.Position{}, err
	}
	quiet := &reading{t: &tool{quiet: true, out: r.t.out, err: r.t.err}, out: r.out}
	var oldest journal.Position
	for k := newest; k >= first; k-- {
		// The last n positions of this segment, in a ring.
		ring := make([]journal.Position, 0, min(n, 1024))
		count := 0
		end := journal.FirstPosition(k)
		for rec, err := range j.Records(end) {
			if ctx.Err() != nil {
				return oldest, ctx.Err()
			}
			if err != nil {
				if err := quiet.problem(err); err != nil {
					return oldest, err
				}
				continue
			}
			if rec.Position.Segment != k {
				break
			}
			end = rec.Next
			switch {
			case n == 0:
			case len(ring) < n:
				ring = append(ring, rec.Position)
			default:
				ring[count%n] = rec.Position
			}
			count++
		}
		if oldest.IsZero() {
			oldest = end
		}
		if n == 0 {
			return oldest, nil
		}
		if len(ring) > 0 {
			oldest = ring[0]
			if count > n {
				oldest = ring[count%n]
			}
		}
		if n -= min(n, count); n == 0 {
			return oldest, nil
		}
	}
	return oldest, nil
}
