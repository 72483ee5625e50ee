package jtoolcmd

import (
	"fmt"
	"runtime"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/cmd/jtool/internal/bench"
	"github.com/manypen/manypen/internal/host"
)

// Limits of the flags of bench.
const (
	maxBenchSize      = 1 << 20
	minBenchTime      = 100 * time.Millisecond
	maxBenchTime      = time.Hour
	maxBenchProcesses = 64
)

func (t *tool) benchCmd() *cobra.Command {
	valueSize, sync := size(100), ""
	var opt bench.Options
	cmd := &cobra.Command{
		Use:   "bench DIR",
		Short: "Measure what the least is that a job takes here, and what the journal takes",
		Long: `bench does every job twice: with the system calls that it takes at the least (the
floor), and with a journal. Both take turns, so the ratio is better than either
figure, which is one of this machine in this hour. After each turn the records are
counted that are there. It works in a directory .manypen-bench-* in DIR, or beside it
if there is no DIR, which is removed again, and takes up to 500 MB of space.`,
		Args: exactArgs(1),
	}
	program := t.childCmd(cmd, bench.Roles)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		opt.Size = int(valueSize)
		opt.NoSync, opt.Sync = sync != "always", sync != "none"
		switch {
		case sync != "always" && sync != "none" && sync != "both":
			return usagef("--sync=%s: want always, none or both", sync)
		case valueSize < 1 || valueSize > maxBenchSize:
			return usagef("--size %d: want 1 to %d bytes", valueSize, maxBenchSize)
		case opt.Time < minBenchTime || opt.Time > maxBenchTime:
			return usagef("--time %v: want %v to %v", opt.Time, minBenchTime, maxBenchTime)
		case opt.Processes < 1 || opt.Processes > maxBenchProcesses:
			return usagef("--processes %d: want 1 to %d", opt.Processes, maxBenchProcesses)
		}
		if opt.Program, err = program(); err != nil {
			return err
		}
		return t.inWorkshop(args[0], "bench", func(path string) error {
			bar := t.newProgress("turns", 0, false)
			opt.OnStep = bar.set
			start := time.Now()
			lines, err := bench.Run(cmd.Context(), path, opt)
			bar.finish()
			if err != nil {
				return err
			}
			return t.printBench(lines, &opt, args[0], sync, time.Since(start))
		})
	}
	f := cmd.Flags()
	f.Var(&valueSize, "size", "size of the values, up to 1MiB; a key has 16 bytes")
	f.DurationVar(&opt.Time, "time", 10*time.Second, "how long all turns take together; what lies between them is not counted")
	f.IntVar(&opt.Processes, "processes", 4, "how many append together; with 1 that is left out")
	f.StringVar(&sync, "sync", "both", "appends that are on disk when they return (always), others (none), or both")
	return cmd
}

type jsonBench struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Name    string `json:"name"`
	About   string `json:"about"`
	Floor   string `json:"floor_ns"`
	Journal string `json:"journal_ns"`
	Ratio   string `json:"ratio"`
	Low     string `json:"ratio_low"`
	High    string `json:"ratio_high"`
	Records string `json:"records"`
}

type jsonBenched struct {
	V         int     `json:"v"`
	Type      string  `json:"type"`
	What      string  `json:"what"`
	Dir       string  `json:"dir"`
	Size      string  `json:"size"`
	Processes string  `json:"processes"`
	Sync      string  `json:"sync"`
	Rounds    string  `json:"rounds"`
	System    string  `json:"system"`
	Kernel    string  `json:"kernel"`
	CPUs      string  `json:"processors"`
	Seconds   float64 `json:"seconds"`
}

// precise writes a figure with as many digits as it can be trusted with.
func precise(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

func (t *tool) printBench(lines []bench.Line, opt *bench.Options, dir, sync string, took time.Duration) error {
	if t.json {
		var out []byte
		for _, l := range lines {
			out = appendLine(out, jsonBench{1, "status", "measured", l.Name, l.About,
				strconv.FormatFloat(l.Floor, 'f', 1, 64), strconv.FormatFloat(l.Journal, 'f', 1, 64), precise(l.Ratio), precise(l.Low), precise(l.High), i(l.Records)})
		}
		_, err := t.out.Write(appendLine(out, jsonBenched{1, "summary", "bench", dir, strconv.Itoa(opt.Size), strconv.Itoa(opt.Processes), sync,
			strconv.Itoa(bench.Rounds), runtime.GOOS, host.KernelRelease(), strconv.Itoa(runtime.NumCPU()), took.Seconds()}))
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "floor\tjournal\tratio\tlow\thigh\trecords/s\tMB/s\t  \n")
	for _, l := range lines {
		rate := 1e9 / l.Journal
		fmt.Fprintf(w, "%v\t%v\t%.2f\t%.2f\t%.2f\t%.3g\t%.3g\t  %s\n", shortDuration(uint64(l.Floor)), shortDuration(uint64(l.Journal)),
			l.Ratio, l.Low, l.High, rate, rate*float64(opt.Size)/1e6, l.Name)
	}
	fmt.Fprintf(w, "\nThe time of a record, medians of %d rounds; the ratio is that of the journal to the floor,\n"+
		"the median of the rounds' ratios, the lowest and the highest. Values have %d bytes,\n"+
		"keys 16. records/s, and MB/s of values, are the journal's.\n\n", bench.Rounds, opt.Size)
	for _, l := range lines {
		fmt.Fprintf(w, "%s: %s\n", l.Name, l.About)
	}
	return w.Flush()
}
