package jtoolcmd

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) repairCmd() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "repair DIR [--output NEWDIR]",
		Short: "Copy everything that can be read to a new journal",
		Long: `repair reports what can be read of a journal and what is lost. With --output it
then writes every record that can be read to NEWDIR, which must not exist or be
empty: with time, writer and sequence, batches as batches, at other positions. The
new journal is verified before it gets its name. DIR is never touched; it may be
written meanwhile, or be on a read-only medium.

It exits with 0 when NEWDIR holds everything that can be read, also if DIR is
damaged. The records that are lost are absent in NEWDIR, as verify says there, and
not missing.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("output") {
				if output == "" {
					return usagef("--output is empty; name a directory that does not exist")
				}
				return t.repair(cmd, args[0], output)
			}
			bar := t.newProgress("bytes", 0, false)
			report, err := journal.Verify(cmd.Context(), args[0], journal.VerifyOptions{OnProgress: bar.set})
			bar.finish()
			if err != nil {
				return err
			}
			return t.printStake(&report, args[0], "")
		},
	}
	cmd.Flags().StringVar(&output, "output", "", "directory of the new journal; without it nothing is written")
	return cmd
}

// repair reports, copies, and tells the result.
func (t *tool) repair(cmd *cobra.Command, dir, newdir string) error {
	bar := t.newProgress("bytes", 0, false)
	var closed error // standard output: nobody listens any more, the copy is wanted all the same
	report, err := journal.Repair(cmd.Context(), dir, newdir, journal.RepairOptions{
		OnProgress: bar.set,
		OnReport: func(source journal.Report) error {
			err := t.printStake(&source, dir, newdir)
			if errors.Is(err, errPipeClosed) {
				closed, err = err, nil
			}
			return err
		},
	})
	bar.finish()
	if err != nil {
		return err
	}
	s := &report.Restored
	if copied := s.Records + s.Repeated; copied < report.Source.Records {
		t.note("%d records could not be read any more when they were to be copied", report.Source.Records-copied)
	}
	if closed != nil {
		return closed
	}
	if t.json {
		_, err = t.out.Write(appendLine(nil, jsonRepaired{
			V: 1, Type: "summary", What: "repaired", Path: newdir, UUID: fmt.Sprintf("%x", report.Copy.UUID),
			Records: u(s.Records), Batches: u(s.Batches), Absent: u(s.Absent), Repeated: u(s.Repeated),
			Unknown: u(report.Source.Unknown), Moved: u(s.Moved), Bytes: i(report.Copy.Bytes),
		}))
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "written\t%s, %s\n", newdir, human(report.Copy.Bytes))
	fmt.Fprintf(w, "copied\t%d records, %d absent\n", s.Records, s.Absent)
	if s.Moved > 0 {
		fmt.Fprintf(w, "moved\t%d records to a time some nanoseconds later\n", s.Moved)
	}
	fmt.Fprintf(w, "result\tok, the copy was verified\n")
	return w.Flush()
}

// stakes are the classes of damage that may have cost records.
var stakes = []journal.DamageClass{journal.Corruption, journal.Hole, journal.Dropped, journal.Fragment}

// printStake says what can be read of the journal in dir and what is lost. An empty
// newdir means that nothing is going to be written.
func (t *tool) printStake(r *journal.Report, dir, newdir string) error {
	if t.json {
		o := verifyObject(r, verdict(r, false))
		o.What = "at stake"
		if newdir != "" {
			o.Type = "status" // the summary is still to come
		}
		_, err := t.out.Write(appendLine(nil, o))
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "journal\t%x, %s in %d segments\n", r.UUID, human(r.Bytes), r.Segments)
	fmt.Fprintf(w, "readable\t%d records (%d deletions, %d batches) of %d writers\n", r.Records, r.Deletes, r.Batches, len(r.Writers))
	for _, c := range stakes {
		if d := r.Classes[c]; d.Count > 0 {
			fmt.Fprintf(w, "%v\t%d stretches, %d bytes\n", c, d.Count, d.Bytes)
		}
	}
	if r.Pending > 0 {
		fmt.Fprintf(w, "pending\t%d bytes at the end, which are no record yet\n", r.Pending)
	}
	fmt.Fprintf(w, "missing\t%d records\n", r.Missing())
	for _, wr := range r.Writers {
		if wr.Missing > 0 || wr.Repeated > 0 {
			fmt.Fprintf(w, "  writer %016x\t%d missing of %d", wr.ID, wr.Missing, wr.Last)
			if wr.Repeated > 0 {
				fmt.Fprintf(w, ", %d are there twice", wr.Repeated)
			}
			fmt.Fprintln(w)
		}
	}
	if n := r.Absent(); n > 0 {
		fmt.Fprintf(w, "absent\t%d records were not there when this journal was made\n", n)
	}
	if r.Unknown > 0 {
		fmt.Fprintf(w, "unknown\t%d records of a kind that this program does not know will be left out\n", r.Unknown)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem\t%v\n", p)
	}
	if newdir == "" {
		fmt.Fprintf(w, "nothing was written; to write a new journal: jtool repair %s --output NEWDIR\n", shellWord(dir))
	}
	return w.Flush()
}

// shellWord quotes what a shell would not take as one word.
func shellWord(s string) string {
	special := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%=", r))
	}
	if !strings.ContainsFunc(s, special) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

type jsonRepaired struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	What     string `json:"what"`
	Path     string `json:"path"`
	UUID     string `json:"uuid"`
	Records  string `json:"records"`
	Batches  string `json:"batches"`
	Absent   string `json:"absent"`
	Repeated string `json:"repeated"`
	Unknown  string `json:"unknown"`
	Moved    string `json:"moved"`
	Bytes    string `json:"bytes"`
}
