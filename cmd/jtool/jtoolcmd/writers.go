package jtoolcmd

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) writersCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "writers DIR",
		Short: "List the writers: first and last seen, records, gaps, alive",
		Long: `writers reads the whole journal and lists every handle that has appended to it, in
the order of their first records: its number, whether it is open now (yes, no, or ?
where the system cannot tell), its records, the first and the last number in its
sequence, how many of these are missing, in how many gaps, and the times of its
first and its last record. The exit code is 3 if there is damage; verify says what is wrong.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bar := t.newProgress("bytes", 0, false)
			report, err := journal.Verify(cmd.Context(), args[0], journal.VerifyOptions{OnProgress: bar.set})
			bar.finish()
			if err != nil {
				return err
			}
			j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			err = errors.Join(t.printWriters(j, report.Writers), j.Close())
			if err == nil && damaged(&report) {
				err = &exitError{exitPartial, "the journal is damaged; jtool verify says what is wrong"}
			}
			return err
		},
	}
}

// aliveText is what is known of a writer's life: yes, no or ?.
func aliveText(j *journal.Journal, id uint64) (string, error) {
	alive, err := j.WriterAlive(id)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return "?", nil
	case err != nil:
		return "", err
	case alive:
		return "yes", nil
	}
	return "no", nil
}

type jsonWriterStatus struct {
	V    int    `json:"v"`
	Type string `json:"type"`
	What string `json:"what"`
	jsonWriter
	Alive string `json:"alive"`
}

func (t *tool) printWriters(j *journal.Journal, writers []journal.WriterReport) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	t.header(w, len(writers), "WRITER\tALIVE\tRECORDS\tSEQUENCE\tMISSING\tGAPS\tFIRST SEEN\tLAST SEEN")
	for i := range writers {
		wr := &writers[i]
		alive, err := aliveText(j, wr.ID)
		if err != nil {
			return err
		}
		if t.json {
			if _, err := t.out.Write(appendLine(nil, jsonWriterStatus{1, "status", "writer", writerObject(wr), alive})); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%016x\t%s\t%d\t%d-%d\t%d\t%d\t%s\t%s\n", wr.ID, alive, wr.Records, wr.First, wr.Last, wr.Missing, len(wr.Gaps), stamp(wr.BeginAt), stamp(wr.EndAt))
	}
	return w.Flush()
}
