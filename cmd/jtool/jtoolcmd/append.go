package jtoolcmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// writing is what commands that append have in common.
type writing struct {
	t           *tool
	sync        string
	ack         bool
	segmentSize size
	maxRecord   size
	locked      bool
	timeout     time.Duration

	j       *journal.Journal
	bar     *progress
	records uint64
	bytes   int64 // of values
}

// Limits of the flags, as journal.Options has them.
const (
	minSegment = 12 << 10
	maxSegment = 32 << 30
	maxRecord  = 1<<30 - 52
)

func (w *writing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.sync, "sync", "end", "when records are made durable: always, end or none")
	f.BoolVar(&w.ack, "ack", false, "print a line for each record as soon as it is acknowledged")
	f.Var(&w.segmentSize, "segment-size", "size at which new segments take no further record (64MiB)")
	f.Var(&w.maxRecord, "max-record", "longest key and value in new segments (256MiB)")
	f.BoolVar(&w.locked, "locked", false, "lock around each append, for file systems that are not safe otherwise")
	timeoutFlag(cmd, &w.timeout)
}

func timeoutFlag(cmd *cobra.Command, to *time.Duration) {
	cmd.Flags().DurationVar(to, "timeout", journal.DefaultLockTimeout, "how long to wait for a lock of another process")
}

func checkTimeout(d time.Duration) error {
	if d <= 0 {
		return usagef("--timeout %v: want a duration above 0, such as 5s", d)
	}
	return nil
}

// open opens dir for appending. The number of units that will be appended is
// for the progress, 0 if it is not known.
func (w *writing) open(cmd *cobra.Command, dir, unit string, total int64) (err error) {
	opts := journal.Options{
		Sync: journal.SyncNone, SegmentSize: int64(w.segmentSize), MaxRecord: int64(w.maxRecord),
		Locked: w.locked, LockTimeout: w.timeout,
	}
	switch w.sync {
	case "always":
		opts.Sync = journal.SyncAlways
	case "end", "none":
	default:
		return usagef("--sync=%s: want always, end or none", w.sync)
	}
	if f := cmd.Flags(); f.Changed("segment-size") && (w.segmentSize < minSegment || w.segmentSize > maxSegment) {
		return usagef("--segment-size %d: want 12KiB to 32GiB", w.segmentSize)
	} else if f.Changed("max-record") && (w.maxRecord < 1 || w.maxRecord > maxRecord) {
		return usagef("--max-record %d: want 1 to %d bytes", w.maxRecord, maxRecord)
	}
	if err = checkTimeout(w.timeout); err != nil {
		return err
	}
	if w.j, err = journal.Open(dir, opts); err == nil {
		w.bar = w.t.newProgress(unit, total, total == 0)
	}
	return err
}

// put appends one record. Name, if any, is what its acknowledgement says more.
func (w *writing) put(key, value []byte, name string) error {
	ack, err := w.j.AppendAck(key, value)
	if err != nil {
		return err
	}
	return w.acknowledge(ack, len(value), name)
}

// acknowledge counts a record that was appended, with a value of so many bytes, and
// prints the line that --ack asks for.
func (w *writing) acknowledge(ack journal.Ack, size int, name string) error {
	w.records++
	w.bytes += int64(size)
	w.bar.add(1)
	if !w.ack {
		return nil
	}
	line := fmt.Appendf(nil, "%v %d", ack.Position, ack.Seq)
	if name != "" {
		line = appendEscaped(append(line, ' '), []byte(name))
	}
	line = append(line, '\n')
	if w.t.json {
		line = ackObject(ack, name)
	}
	_, err := w.t.out.Write(line)
	return ackError(err)
}

// finish makes durable what was appended, also after an error, and closes the
// journal.
func (w *writing) finish(err error) error {
	w.bar.finish()
	if w.sync == "end" {
		err = errors.Join(err, w.j.Sync())
	}
	err = errors.Join(err, w.j.Close())
	if err == nil && w.t.json {
		_, err = w.t.out.Write(appendLine(nil, jsonAppended{1, "summary", "appended", u(w.records), i(w.bytes)}))
	}
	return err
}

type jsonAppended struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Records string `json:"records"`
	Bytes   string `json:"bytes"`
}

type jsonAck struct {
	V        int     `json:"v"`
	Type     string  `json:"type"`
	What     string  `json:"what"`
	Position string  `json:"position"`
	Seq      string  `json:"seq"`
	Key      *string `json:"key,omitempty"`
	KeyB64   *string `json:"key_b64,omitempty"`
}

func ackObject(ack journal.Ack, name string) []byte {
	o := jsonAck{V: 1, Type: "status", What: "ack", Position: ack.Position.String(), Seq: u(ack.Seq)}
	if name != "" {
		o.Key, o.KeyB64 = textOrBase64([]byte(name))
	}
	return appendLine(nil, o)
}

// ackError makes a closed pipe an error like every other one: what was not
// appended because nobody hears of it is not appended quietly.
func ackError(err error) error {
	if errors.Is(err, errPipeClosed) {
		return errors.New("acknowledgements cannot be written: standard output was closed")
	}
	return err
}

func (t *tool) appendCmd() *cobra.Command {
	w := writing{t: t}
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
			fromFile := cmd.Flags().Changed("value-file")
			var value []byte
			if fromFile && null {
				return usagef("--null is about standard input: leave it out, or --value-file")
			}
			if fromFile {
				var err error
				if value, err = readWhole(valueFile); err != nil {
					return err // before a journal is made
				}
			}
			if err := w.open(cmd, args[0], "records", 0); err != nil {
				return err
			}
			if fromFile {
				return w.finish(w.put([]byte(key), value, ""))
			}
			end := byte('\n')
			if null {
				end = 0
			}
			return w.finish(t.appendPieces(cmd.Context(), end, func(value []byte) error {
				return w.put([]byte(key), value, "")
			}))
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "key of the records")
	cmd.Flags().BoolVar(&null, "null", false, "records end in NUL instead of newline")
	cmd.Flags().StringVar(&valueFile, "value-file", "", "append one record with the content of this file")
	return cmd
}

// longestPiece bounds what is read for one record: no record can be longer.
const longestPiece = 1 << 30

// readWhole reads a file that is to become one record.
func readWhole(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > longestPiece {
		return nil, fmt.Errorf("%s: %w", path, &journal.SizeError{What: "file", Size: st.Size(), Limit: longestPiece})
	}
	b := bytes.NewBuffer(make([]byte, 0, st.Size()+bytes.MinRead))
	// It may grow meanwhile, or be a device that never ends.
	n, err := b.ReadFrom(io.LimitReader(f, longestPiece+1))
	if err == nil && n > longestPiece {
		err = fmt.Errorf("%s: %w", path, &journal.SizeError{What: "file", Size: n, Limit: longestPiece})
	}
	return b.Bytes(), err
}

// appendPieces calls put for each piece of standard input, until that ends or
// the context does. What is read and not yet appended then is dropped: nothing
// has been acknowledged of it.
func (t *tool) appendPieces(ctx context.Context, end byte, put func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // lets the reader go after an error of put
	type piece struct {
		bytes []byte
		err   error
	}
	pieces := make(chan piece)
	// The reader cannot be interrupted while it waits for input; it is left
	// behind then, and ends with the program.
	go func() {
		defer close(pieces)
		r := bufio.NewReaderSize(t.in, 64<<10)
		for err := error(nil); err == nil; {
			var b []byte
			if b, err = readPiece(r, end); err == io.EOF && len(b) == 0 {
				return
			}
			select {
			case pieces <- piece{b, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p, ok := <-pieces:
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case !ok:
				return nil
			case p.err != nil && p.err != io.EOF:
				return fmt.Errorf("standard input: %w", p.err)
			}
			if err := put(p.bytes); err != nil {
				return fmt.Errorf("record %d of the input: %w", n, err)
			}
		}
	}
}

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
