package jtoolcmd

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) verifyCmd() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check everything up to the end seen at the start",
		Long: `verify reads the whole journal, checks every byte, and proves from the sequences
of the writers that no record is missing. It may run beside writers: what is
being written is not judged. Exit code 4 says corruption, or a hole in what had
been on disk, as the marks in the journal tell; 3 that there is another hole, as a
loss of power leaves, or somebody who erases; 5 fragments, if --strict is given.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bar := t.newProgress("bytes", 0, false)
			report, err := journal.Verify(cmd.Context(), args[0], journal.VerifyOptions{
				OnDamage: func(d journal.Damage) {
					switch {
					case t.json:
						t.out.Write(appendLine(nil, damageObject(d))) // the summary will fail too
					case isLoss(d.Class) || t.verbose:
						fmt.Fprintf(t.out, "%v\t%d bytes at %v, up to %v\n", d.Class, d.Bytes(), d.From, d.To)
					}
				},
				OnProgress: func(done, total int64) { bar.set(done, total) },
			})
			bar.finish()
			if err != nil {
				return err
			}
			code := verdict(&report, strict)
			if t.json {
				_, err = t.out.Write(appendLine(nil, verifyObject(&report, code)))
			} else {
				err = t.printReport(&report, code)
			}
			if code != exitOK && (err == nil || errors.Is(err, errPipeClosed)) {
				err = &exitError{code: code}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 5 if there are fragments")
	return cmd
}

// isLoss reports whether a stretch of this class may have held a record that was
// appended. The others are what writers leave that were killed or overtaken.
func isLoss(c journal.DamageClass) bool { return c == journal.Corruption || c == journal.Hole }

func verdict(r *journal.Report, strict bool) int {
	switch {
	case r.Corrupt():
		return exitCorruption
	case damaged(r):
		return exitPartial
	case strict && r.Classes[journal.Fragment].Count > 0:
		return exitFragments
	}
	return exitOK
}

// damaged reports whether anything is wrong that is not normal.
func damaged(r *journal.Report) bool {
	return r.Corrupt() || r.Missing() > 0 || r.Classes[journal.Hole].Count > 0 || len(r.Problems) > 0
}

// resultOf is the verdict in a word or two.
func resultOf(code int) string {
	switch code {
	case exitCorruption:
		return "corrupt"
	case exitPartial:
		return "records are missing"
	case exitFragments:
		return "ok, with fragments"
	}
	return "ok"
}

func classes() []journal.DamageClass {
	return []journal.DamageClass{journal.Fragment, journal.Void, journal.Unused, journal.Dropped, journal.Hole, journal.Corruption}
}

func (t *tool) printReport(r *journal.Report, code int) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "journal\t%x\n", r.UUID)
	fmt.Fprintf(w, "verified\t%d records up to %v\n", r.Records, r.End)
	fmt.Fprintf(w, "records\t%d (%d deletions, %d batches, %d marks, %d of unknown kind)\n", r.Records, r.Deletes, r.Batches, r.Marks, r.Unknown)
	fmt.Fprintf(w, "writers\t%d\n", len(r.Writers))
	fmt.Fprintf(w, "segments\t%d (%d to %d)\n", r.Segments, r.First, r.Last)
	fmt.Fprintf(w, "bytes\t%d (keys and values %d)\n", r.Bytes, r.Payload)
	if r.Pending > 0 {
		fmt.Fprintf(w, "pending\t%d bytes at the end, perhaps being written\n", r.Pending)
	}
	for _, c := range classes() {
		fmt.Fprintf(w, "%v\t%d, %d bytes\n", c, r.Classes[c].Count, r.Classes[c].Bytes)
	}
	for _, n := range r.Doubted {
		fmt.Fprintf(w, "doubted\ta sync in front of segment %d failed or did not end\n", n)
	}
	for _, d := range r.Damage {
		if d.BelowMark {
			fmt.Fprintf(w, "below mark\tthe hole at %v was on disk before\n", d.From)
		}
	}
	fmt.Fprintf(w, "missing\t%d records\n", r.Missing())
	if n := r.Absent(); n > 0 {
		fmt.Fprintf(w, "absent\t%d records were not taken over when this journal was made\n", n)
	}
	for _, wr := range r.Writers {
		for _, g := range wr.Gaps {
			why := "without a trace"
			if g.Explained {
				why = "where there is damage"
			}
			fmt.Fprintf(w, "gap\twriter %016x: %d to %d, in front of %v, %s\n", wr.ID, g.From, g.To, g.Before, why)
		}
		if wr.Repeated > 0 {
			fmt.Fprintf(w, "repeated\twriter %016x: %d records\n", wr.ID, wr.Repeated)
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "problem\t%v\n", p)
	}
	fmt.Fprintf(w, "result\t%s\n", resultOf(code))
	return w.Flush()
}

type jsonClass struct {
	Count string `json:"count"`
	Bytes string `json:"bytes"`
}

type jsonGap struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Before    string `json:"before"`
	Explained bool   `json:"explained"`
}

type jsonWriter struct {
	Writer   string    `json:"writer"`
	First    string    `json:"first"`
	Last     string    `json:"last"`
	Records  string    `json:"records"`
	Begin    string    `json:"begin"`
	End      string    `json:"end"`
	BeginAt  string    `json:"begin_time"`
	EndAt    string    `json:"end_time"`
	Missing  string    `json:"missing"`
	Absent   string    `json:"absent"`
	Repeated string    `json:"repeated"`
	Gaps     []jsonGap `json:"gaps"`
}

type jsonSummary struct {
	V        int                  `json:"v"`
	Type     string               `json:"type"`
	What     string               `json:"what"`
	Result   string               `json:"result"`
	Code     int                  `json:"code"`
	UUID     string               `json:"uuid"`
	End      string               `json:"end"`
	Segments string               `json:"segments"`
	First    string               `json:"first_segment"`
	Last     string               `json:"last_segment"`
	Records  string               `json:"records"`
	Deletes  string               `json:"deletes"`
	Batches  string               `json:"batches"`
	Marks    string               `json:"marks"`
	Unknown  string               `json:"unknown"`
	Bytes    string               `json:"bytes"`
	Payload  string               `json:"payload"`
	Pending  string               `json:"pending"`
	Mark     string               `json:"mark"`
	BelowMk  jsonClass            `json:"below_mark"`
	Doubted  []string             `json:"doubted"`
	Missing  string               `json:"missing"`
	Absent   string               `json:"absent"`
	Oldest   string               `json:"oldest,omitempty"`
	Newest   string               `json:"newest,omitempty"`
	Damage   map[string]jsonClass `json:"damage"`
	Writers  []jsonWriter         `json:"writers"`
	Problems []string             `json:"problems"`
}

func u(n uint64) string { return strconv.FormatUint(n, 10) }
func i(n int64) string  { return strconv.FormatInt(n, 10) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func verifyObject(r *journal.Report, code int) jsonSummary {
	o := jsonSummary{
		V: 1, Type: "summary", What: "verify", Result: resultOf(code), Code: code,
		UUID: fmt.Sprintf("%x", r.UUID), End: r.End.String(),
		Segments: strconv.Itoa(r.Segments), First: u(r.First), Last: u(r.Last),
		Records: u(r.Records), Deletes: u(r.Deletes), Batches: u(r.Batches), Marks: u(r.Marks), Unknown: u(r.Unknown),
		Bytes: i(r.Bytes), Payload: i(r.Payload), Pending: i(r.Pending), Missing: u(r.Missing()), Absent: u(r.Absent()),
		Mark: r.Mark.String(), BelowMk: jsonClass{u(r.BelowMark.Count), i(r.BelowMark.Bytes)},
		Oldest: stamp(r.Oldest), Newest: stamp(r.Newest),
		Damage: make(map[string]jsonClass), Writers: []jsonWriter{}, Problems: []string{}, Doubted: []string{},
	}
	for _, n := range r.Doubted {
		o.Doubted = append(o.Doubted, u(n))
	}
	for _, c := range classes() {
		o.Damage[c.String()] = jsonClass{u(r.Classes[c].Count), i(r.Classes[c].Bytes)}
	}
	for _, w := range r.Writers {
		o.Writers = append(o.Writers, writerObject(&w))
	}
	for _, p := range r.Problems {
		o.Problems = append(o.Problems, p.Error())
	}
	return o
}

func writerObject(w *journal.WriterReport) jsonWriter {
	o := jsonWriter{
		Writer: u(w.ID), First: u(w.First), Last: u(w.Last), Records: u(w.Records),
		Begin: w.Begin.String(), End: w.End.String(), BeginAt: stamp(w.BeginAt), EndAt: stamp(w.EndAt),
		Missing: u(w.Missing), Absent: u(w.Absent), Repeated: u(w.Repeated), Gaps: []jsonGap{},
	}
	for _, g := range w.Gaps {
		o.Gaps = append(o.Gaps, jsonGap{u(g.From), u(g.To), g.Before.String(), g.Explained})
	}
	return o
}
