package jtoolcmd

import (
	"bufio"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/cmd/jtool/internal/inspect"
	"github.com/manypen/manypen/journal"
)

func (t *tool) inspectCmd() *cobra.Command {
	opt := inspect.Options{}
	cmd := &cobra.Command{
		Use:   "inspect DIR POSITION",
		Short: "Show the bytes at a position, field by field",
		Long: `inspect shows what stands at a position: a record, what is left of one, or the
header of a segment (offsets below 8192). Each line has the offset in the segment,
the bytes, the field and what it says; !! marks what is wrong. Of damage it tells
what readers see there and why they call it so, and whether a single wrong bit
explains it.

A position inside of a record shows that record. 0:0 is the oldest record, and
SEGMENT:OFFSET+INDEX one entry of a batch. Damage that is not normal (a hole,
corruption) makes the exit code 3.`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := journal.ParsePosition(args[1])
			switch {
			case err != nil:
				return usagef("%v", err)
			case at.Segment == 0 && at != (journal.Position{}):
				return usagef("%v: there is no segment 0; 0:0 stands for the oldest record", at)
			case opt.Context < 0 || opt.Context > maxContext:
				return usagef("--context %d: want a number of records, 0 to %d", opt.Context, maxContext)
			}
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			opt.UUID = j.UUID()
			if err := j.Close(); err != nil {
				return err
			}
			bar := t.newProgress("bytes", 0, t.tty)
			opt.Progress = func(done int64) { bar.set(done, 0) }
			out := bufio.NewWriterSize(t.out, 64<<10)
			result, err := inspect.Inspect(cmd.Context(), args[0], at, opt, t.inspectLine(out))
			bar.finish()
			if err == nil && t.json {
				_, err = out.Write(appendLine(nil, inspectObject(&result)))
			}
			if ferr := out.Flush(); err == nil {
				err = ferr
			}
			if err == nil && result.Loss() {
				err = &exitError{exitPartial, fmt.Sprintf("%v at %v is damage that is not normal", result.Class, result.From)}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.IntVar(&opt.Context, "context", 0, "list so many records on each side")
	f.BoolVar(&opt.Full, "full", false, fmt.Sprintf("show all bytes and entries, not the first %d and %d", inspect.Shown, inspect.ShownEntries))
	return cmd
}

// maxContext bounds the memory for the records in front.
const maxContext = 10_000

// inspectLine prints the lines of inspect.
func (t *tool) inspectLine(out *bufio.Writer) func(inspect.Line) error {
	var b []byte
	return func(l inspect.Line) (err error) {
		if t.json {
			b = appendLine(b[:0], inspectLineObject(&l))
		} else {
			b = append(l.AppendText(b[:0]), '\n')
		}
		_, err = out.Write(b)
		return err
	}
}

// jsonInspect is a line of inspect in JSON. Bytes are hexadecimal.
type jsonInspect struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	What     string `json:"what"`
	Offset   string `json:"offset,omitempty"`
	Bytes    string `json:"bytes,omitempty"`
	Name     string `json:"name,omitempty"`
	Text     string `json:"text,omitempty"`
	Bad      bool   `json:"bad,omitempty"`
	Unmasked bool   `json:"unmasked,omitempty"`
	Repeated string `json:"repeated,omitempty"`
}

func inspectLineObject(l *inspect.Line) jsonInspect {
	o := jsonInspect{V: 1, Type: "status", What: string(l.Kind), Bytes: hex.EncodeToString(l.Bytes), Name: l.Name, Text: l.Text, Bad: l.Bad, Unmasked: l.Unmasked}
	switch l.Kind {
	case inspect.Field, inspect.Bytes, inspect.Context:
		o.Offset = i(l.Offset)
	}
	if l.Repeated > 0 {
		o.Repeated = i(l.Repeated)
	}
	return o
}

type jsonInspected struct {
	V     int    `json:"v"`
	Type  string `json:"type"`
	What  string `json:"what"`
	Is    string `json:"is"`
	Class string `json:"class,omitempty"`
	From  string `json:"from"`
	To    string `json:"to"`
}

func inspectObject(r *inspect.Result) jsonInspected {
	o := jsonInspected{V: 1, Type: "summary", What: "inspect", Is: string(r.What), From: r.From.String(), To: r.To.String()}
	if r.Damaged() {
		o.Class = r.Class.String()
	}
	return o
}
