package jtoolcmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// writing is what commands that append have in common.
type writing struct {
	sync        string
	ack         bool
	segmentSize size
	maxRecord   size
	locked      bool
}

func (w *writing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.sync, "sync", "end", "when records are made durable: always, end or none")
	f.BoolVar(&w.ack, "ack", false, "print a line for each record as soon as it is acknowledged")
	f.Var(&w.segmentSize, "segment-size", "size at which new segments take no further record (64MiB)")
	f.Var(&w.maxRecord, "max-record", "longest key and value in new segments (256MiB)")
	f.BoolVar(&w.locked, "locked", false, "lock around each append, for file systems that are not safe otherwise")
}

// open opens dir for appending.
func (w *writing) open(dir string) (*journal.Journal, error) {
	opts := journal.Options{
		Sync: journal.SyncNone, SegmentSize: int64(w.segmentSize), MaxRecord: int64(w.maxRecord), Locked: w.locked,
	}
	switch w.sync {
	case "always":
		opts.Sync = journal.SyncAlways
	case "end", "none":
	default:
		return nil, usagef("--sync=%s: want always, end or none", w.sync)
	}
	return journal.Open(dir, opts)
}

// finish makes durable what was appended, also after an error, and closes j.
func (w *writing) finish(j *journal.Journal, err error) error {
	if w.sync == "end" {
		err = errors.Join(err, j.Sync())
	}
	return errors.Join(err, j.Close())
}

func (t *tool) appendCmd() *cobra.Command {
	var w writing
	var key, valueFile string
	var null bool
	cmd := &cobra.Command{
		Use:   "append DIR",
		Short: "Append each line of standard input as a record",
		Long: `append makes a record of each line of standard input, without its newline, or
of each NUL-terminated piece with --null, or of one file with --value-file.

With --ack it prints "POSITION SEQ" for each record when it is in the journal
(and on disk, with --sync always). --sync end, the default, syncs once at the end.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := w.open(args[0])
			if err != nil {
				return err
			}
			put := func(value []byte) error {
				ack, err := j.AppendAck([]byte(key), value)
				if err == nil && w.ack {
					_, err = fmt.Fprintf(t.out, "%v %d\n", ack.Position, ack.Seq)
					err = ackError(err)
				}
				return err
			}
			if valueFile != "" {
				return w.finish(j, appendFile(valueFile, put))
			}
			end := byte('\n')
			if null {
				end = 0
			}
			return w.finish(j, t.appendPieces(cmd.Context(), end, put))
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "key of the records")
	cmd.Flags().BoolVar(&null, "null", false, "records end in NUL instead of newline")
	cmd.Flags().StringVar(&valueFile, "value-file", "", "append one record with the content of this file")
	return cmd
}

// ackError makes a closed pipe an error like every other one: what was not
// appended because nobody hears of it is not appended quietly.
func ackError(err error) error {
	if errors.Is(err, errPipeClosed) {
		return errors.New("acknowledgements cannot be written: standard output was closed")
	}
	return err
}

func appendFile(path string, put func([]byte) error) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return put(b)
}

// appendPieces calls put for each piece of standard input, until that ends or
// the context does. What is read and not yet appended then is dropped: nothing
// has been acknowledged of it.
func (t *tool) appendPieces(ctx context.Context, end byte, put func([]byte) error) error {
	type piece struct {
		bytes []byte
		err   error
	}
	pieces := make(chan piece)
	// The reader cannot be interrupted while it waits for input; it is left
	// behind then, and ends with the program.
	go func() {
		r := bufio.NewReaderSize(t.in, 64<<10)
		for {
			b, err := readPiece(r, end)
			if err == io.EOF && len(b) == 0 {
				close(pieces)
				return
			}
			select {
			case pieces <- piece{b, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				if err == io.EOF {
					close(pieces)
				}
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p, ok := <-pieces:
			if !ok {
				return nil
			}
			if p.err != nil && p.err != io.EOF {
				return p.err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := put(p.bytes); err != nil {
				return err
			}
		}
	}
}

// longestPiece bounds what is read for one record: no record can be longer.
const longestPiece = 1 << 30

// readPiece reads up to end, which it cuts off, or to the end of the input with
// io.EOF.
func readPiece(r *bufio.Reader, end byte) ([]byte, error) {
	var whole []byte
	for {
		part, err := r.ReadSlice(end)
		whole = append(whole, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(whole, []byte{end}), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return whole, err
		case len(whole) > longestPiece:
			return nil, &journal.SizeError{What: "line", Size: int64(len(whole)), Limit: longestPiece}
		}
	}
}
