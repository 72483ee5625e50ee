package jtoolcmd

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) statCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "stat DIR",
		Short: "Print counts, sizes, time range, writers and rates",
		Long: `stat reads the whole journal and counts. It exits with 3 if there is damage: the
counts are of what can be read then. verify says what is wrong.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bar := t.newProgress("bytes", 0, false)
			report, err := journal.Verify(cmd.Context(), args[0], journal.VerifyOptions{
				OnProgress: bar.set,
			})
			bar.finish()
			if err != nil {
				return err
			}
			if t.json {
				o := verifyObject(&report, verdict(&report, false))
				o.What = "stat"
				_, err = t.out.Write(appendLine(nil, o))
			} else {
				err = t.printStat(&report)
			}
			if damaged(&report) && (err == nil || errors.Is(err, errPipeClosed)) {
				err = &exitError{exitPartial, "the journal is damaged; this counts what can be read, jtool verify says what is wrong"}
			}
			return err
		},
	}
}

func (t *tool) printStat(r *journal.Report) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "journal\t%x\n", r.UUID)
	fmt.Fprintf(w, "records\t%d (%d deletions, %d batches)\n", r.Records, r.Deletes, r.Batches)
	fmt.Fprintf(w, "size\t%s in %d segments (%d to %d), keys and values %s\n", human(r.Bytes), r.Segments, r.First, r.Last, human(r.Payload))
	if r.Records > 0 {
		fmt.Fprintf(w, "mean\t%d bytes of key and value a record\n", r.Payload/int64(r.Records))
		span := r.Newest.Sub(r.Oldest)
		fmt.Fprintf(w, "time\t%s to %s (%v)\n", stamp(r.Oldest), stamp(r.Newest), span.Round(time.Millisecond))
		if s := span.Seconds(); s > 0 {
			fmt.Fprintf(w, "rate\t%.3g records/s, %s/s\n", float64(r.Records)/s, human(int64(float64(r.Payload)/s)))
		}
	}
	fmt.Fprintf(w, "writers\t%d\n", len(r.Writers))
	for _, wr := range r.Writers {
		fmt.Fprintf(w, "  %016x\t%d records (%d to %d), %s to %s\n", wr.ID, wr.Records, wr.First, wr.Last, stamp(wr.BeginAt), stamp(wr.EndAt))
	}
	return w.Flush()
}

type jsonSegment struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Segment string `json:"segment"`
	File    string `json:"file"`
	Size    string `json:"size"`
	Limit   string `json:"limit"`
	Created string `json:"created"`
	Sealed  bool   `json:"sealed"`
	// From the sidecar of a full segment, if it has one.
	Records string `json:"records,omitempty"`
	Deletes string `json:"deletes,omitempty"`
	Oldest  string `json:"oldest,omitempty"`
	Newest  string `json:"newest,omitempty"`
}

func segmentObject(what string, s journal.SegmentInfo) jsonSegment {
	o := jsonSegment{V: 1, Type: "status", What: what, Segment: u(s.Number), File: s.Name, Size: i(s.Size), Limit: i(s.Limit), Created: stamp(s.Created), Sealed: s.Sealed}
	if c := s.Content; c != nil {
		o.Records, o.Deletes, o.Oldest, o.Newest = u(c.Records), u(c.Deletes), stamp(c.Oldest), stamp(c.Newest)
	}
	return o
}

func (t *tool) lsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "ls DIR",
		Short: "List segments",
		Long: `ls lists number, file, size, limit (the offset below which records begin), time of
creation and state of each segment; of one that has a sidecar its records and the
times of the first and the last of them too. One that cannot be read, or belongs to
another journal, is told on standard error, and the exit code is 3.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			segments, lerr := j.Segments()
			if lerr != nil {
				lerr = &exitError{exitPartial, lerr.Error()}
			}
			if err := errors.Join(t.printSegments(segments), j.Close()); err != nil {
				return err
			}
			return lerr
		},
	}
}

func (t *tool) printSegments(segments []journal.SegmentInfo) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	t.header(w, len(segments), "SEGMENT\tFILE\tSIZE\tLIMIT\tCREATED\tSTATE\tRECORDS\tFROM\tTO")
	for _, s := range segments {
		if t.json {
			if _, err := t.out.Write(appendLine(nil, segmentObject("segment", s))); err != nil {
				return err
			}
			continue
		}
		state := "open"
		if s.Sealed {
			state = "sealed"
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%s\t%s", s.Number, s.Name, s.Size, s.Limit, stamp(s.Created), state)
		if c := s.Content; c != nil {
			fmt.Fprintf(w, "\t%d\t%s\t%s", c.Records, stamp(c.Oldest), stamp(c.Newest))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// header prints the names of columns, for people: others know them.
func (t *tool) header(w io.Writer, rows int, names string) {
	if t.tty && !t.json && rows > 0 {
		fmt.Fprintln(w, names) // an error stays with the tabwriter
	}
}
