package jtoolcmd

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/manypen/manypen/journal"
)

// histRun is one run of hist.
type histRun struct {
	t *tool

	by       string
	interval string
	buckets  int
	width    int
	ascii    bool

	fixed  time.Duration // interval, 0 if it follows from the records
	rates  *rates
	sizes  powers
	gaps   gaps
	total  bucket
	oldest int64 // nanoseconds
	newest int64
}

const (
	defaultBuckets = 40
	minBuckets     = 4 // as many as the longest interval makes of all times
	maxBuckets     = 10_000
	minWidth       = 40
	maxWidth       = 10_000
)

func (t *tool) histCmd() *cobra.Command {
	var s selection
	h := &histRun{t: t}
	var exitStatus bool
	cmd := &cobra.Command{
		Use:   "hist DIR",
		Short: "Draw records by time, by size or by the gaps between them",
		Long: `hist counts records and draws how many there are:
  --by rate   in each interval of time (UTC). --interval sets its length, else it
              follows from the time between the first and the last records.
  --by size   of each size, keys and values together, by powers of two
  --by gap    at each distance in time from the record in front, as the journal has
              them, by powers of two. "earlier" are those with a clock behind.

It reads up to the end of the journal as it is at the start. The memory it takes
does not depend on the length of the journal. Damage is passed over, told on
standard error, and makes the exit code 3.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.parse(cmd.Flags()); err != nil {
				return err
			}
			if err := h.parse(cmd.Flags()); err != nil {
				return err
			}
			r := t.newReading(args[0], nil)
			j, err := r.open()
			if err != nil {
				return err
			}
			if !s.empty() {
				err = r.selected(cmd.Context(), j, &s, false, func(rec *journal.Record) (bool, error) {
					r.count++
					h.add(rec)
					return true, nil
				})
			}
			if err == nil {
				_, err = r.out.Write(h.appendResult(nil, cmd.Flags().Changed("buckets")))
			}
			return errors.Join(r.end(err, exitStatus), j.Close())
		},
	}
	s.flags(cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&h.by, "by", "rate", "rate, size or gap")
	f.StringVar(&h.interval, "interval", "", "length of an interval of --by rate")
	f.IntVar(&h.buckets, "buckets", defaultBuckets, "draw at most so many lines of --by rate")
	f.IntVar(&h.width, "width", 0, "characters of a line (default $COLUMNS, or as wide as the terminal, or 80)")
	f.BoolVar(&h.ascii, "ascii", false, "draw with ASCII only, as without a UTF-8 locale")
	f.BoolVar(&exitStatus, "exit-status", false, "exit with 6 if no record was counted")
	return cmd
}

func (h *histRun) parse(f *pflag.FlagSet) error {
	switch h.by {
	case "rate", "size", "gap":
	default:
		return usagef("--by %s: want rate, size or gap", h.by)
	}
	if f.Changed("interval") {
		var err error
		if h.fixed, err = parseAge(h.interval); err != nil || h.fixed <= 0 {
			return usagef("--interval %s: want a duration above 0 such as 5s, 1m or 1d", h.interval)
		}
	}
	if h.by != "rate" && (f.Changed("interval") || f.Changed("buckets")) {
		return usagef("--interval and --buckets are for --by rate; sizes and gaps have powers of two")
	}
	if h.buckets < minBuckets || h.buckets > maxBuckets {
		return usagef("--buckets %d: want a number of lines, %d to %d", h.buckets, minBuckets, maxBuckets)
	}
	if f.Changed("width") && (h.width < minWidth || h.width > maxWidth) {
		return usagef("--width %d: want a number of characters, %d to %d", h.width, minWidth, maxWidth)
	}
	if h.width == 0 {
		h.width = h.t.width()
		if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= minWidth && n <= maxWidth {
			h.width = n
		}
	}
	h.ascii = h.ascii || !allowsUnicode(os.Getenv, runtime.GOOS)
	h.rates = newRates(h.fixed)
	return nil
}

func (h *histRun) add(r *journal.Record) {
	ns, bytes := r.Time.UnixNano(), int64(len(r.Key)+len(r.Value))
	if h.total.count == 0 {
		h.oldest, h.newest = ns, ns
	}
	h.oldest, h.newest = min(h.oldest, ns), max(h.newest, ns)
	h.total.add(1, bytes)
	switch h.by {
	case "rate":
		h.rates.add(ns, bytes)
	case "size":
		h.sizes.add(uint64(bytes), bytes)
	case "gap":
		h.gaps.add(ns, bytes)
	}
}

// appendResult appends what is printed in the end.
func (h *histRun) appendResult(b []byte, limited bool) []byte {
	if h.by == "rate" && (h.fixed == 0 || limited) {
		h.rates.fit(h.buckets)
	}
	if h.fixed > 0 && h.rates.interval != int64(h.fixed) {
		h.t.note("there are too many intervals of %s; they were merged to such of %s", intervalText(h.fixed), intervalText(time.Duration(h.rates.interval)))
	}
	if h.t.json {
		return h.appendJSON(b)
	}
	if h.total.count == 0 {
		return append(b, "no records\n"...)
	}
	d := histogram{ascii: h.ascii, width: h.width}
	switch h.by {
	case "rate":
		d.of, d.rows = "time from", h.rates.rows()
	case "size":
		d.of, d.rows = "size from", h.sizes.rows(func(from uint64) string { return human(int64(from)) })
	case "gap":
		d.of, d.noBytes = "gap from", true
		if h.gaps.back.count > 0 {
			d.rows = append(d.rows, histRow{label: "earlier", bucket: h.gaps.back})
		}
		d.rows = append(d.rows, h.gaps.powers.rows(shortDuration)...)
	}
	return h.appendSummary(d.appendText(b))
}

func (h *histRun) appendSummary(b []byte) []byte {
	b = fmt.Appendf(b, "\n%d records, %s of keys and values, %s to %s\n", h.total.count, human(h.total.bytes), stampNS(h.oldest), stampNS(h.newest))
	switch h.by {
	case "rate":
		b = fmt.Appendf(b, "one line is %s\n", intervalText(time.Duration(h.rates.interval)))
	case "size":
		b = fmt.Appendf(b, "mean %s\n", human(h.total.bytes/h.total.count))
	case "gap":
		if lo, hi := h.gaps.bounds(); lo <= hi {
			b = fmt.Appendf(b, "gaps %s to %s\n", shortDuration(h.gaps.shortest), shortDuration(h.gaps.longest))
		}
		if h.gaps.back.count > 0 {
			b = fmt.Appendf(b, "%d earlier than the one in front, by %s at most\n", h.gaps.back.count, shortDuration(h.gaps.furthestBack))
		}
	}
	return b
}

func stampNS(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// jsonBucket is a bucket in JSON: [from, to) in bytes, or in nanoseconds, for a rate
// since 1970. One of gaps that go back has no from.
type jsonBucket struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	By      string `json:"by"`
	Time    string `json:"time,omitempty"` // from, of a rate
	From    string `json:"from,omitempty"`
	To      string `json:"to"`
	Records string `json:"records"`
	Bytes   string `json:"bytes"`
}

type jsonHist struct {
	V        int    `json:"v"`
	Type     string `json:"type"`
	What     string `json:"what"`
	By       string `json:"by"`
	Records  string `json:"records"`
	Bytes    string `json:"bytes"`
	Oldest   string `json:"oldest,omitempty"`
	Newest   string `json:"newest,omitempty"`
	Interval string `json:"interval_ns,omitempty"`
}

// appendJSON appends an object for each bucket that is not empty, and a summary.
func (h *histRun) appendJSON(b []byte) []byte {
	put := func(from, to string, bk bucket, time string) {
		b = appendLine(b, jsonBucket{1, "status", "bucket", h.by, time, from, to, i(bk.count), i(bk.bytes)})
	}
	sum := jsonHist{V: 1, Type: "summary", What: "hist", By: h.by, Records: i(h.total.count), Bytes: i(h.total.bytes)}
	if h.total.count > 0 {
		sum.Oldest, sum.Newest = stampNS(h.oldest), stampNS(h.newest)
	}
	p := &h.sizes
	switch h.by {
	case "rate":
		sum.Interval = i(h.rates.interval)
		for _, k := range h.rates.keys() {
			from := h.rates.begin(k)
			to := new(big.Int).Add(from, big.NewInt(h.rates.interval))
			put(from.String(), to.String(), h.rates.buckets[k], h.rates.startOf(k).Format(time.RFC3339Nano))
		}
	case "gap":
		p = &h.gaps.powers
		if h.gaps.back.count > 0 {
			put("", "0", h.gaps.back, "")
		}
	}
	for lo, hi := p.bounds(); lo <= hi; lo++ {
		if p[lo].count > 0 {
			put(u(powerFrom(lo)), powerTo(lo), p[lo], "")
		}
	}
	return appendLine(b, sum)
}
