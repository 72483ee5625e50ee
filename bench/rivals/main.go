// Rivals measures how fast records are appended: by Manypen, by others that somebody
// could use instead, and by the bare system calls, the floors.
//
//	go -C bench run ./rivals                       everything, half an hour
//	go -C bench run ./rivals -workloads one-100,durable-1 -only pebble
//	go -C bench run ./rivals -out DIR              writes tables and charts there, too
//
// Each run is a process of its own. Contestants take turns within each round, in another
// order each time, so that what else happens on the machine hits all of them; a ratio is
// the median of the ratios of all rounds to the floor of the same round. After each run
// the records are counted, and one that is missing is a failure. What a contestant does
// not offer (several processes, durable appends) is said and not scored.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const keySize = 16

var (
	flagDir        = flag.String("dir", "", "directory to work in; a temporary one by default")
	flagTime       = flag.Duration("time", 700*time.Millisecond, "length of one run")
	flagBytes      = flag.Int64("bytes", 256<<20, "bytes of values that one process appends at most")
	flagRounds     = flag.Int("rounds", 5, "rounds")
	flagOnly       = flag.String("only", "", "only contestants whose name contains this, and the floors")
	flagWorkloads  = flag.String("workloads", "", "only these, as in one-100,durable-1")
	flagList       = flag.Bool("list", false, "print the workloads and contestants")
	flagOut        = flag.String("out", "", "directory for rivals.json, rivals.md and a chart for each workload")
	flagChild      = flag.String("child", "", "internal: NAME of the contestant whose process this is")
	flagSync       = flag.Bool("sync", false, "internal")
	flagValue      = flag.Int("value", 0, "internal")
	flagGoroutines = flag.Int("goroutines", 1, "internal")
	flagBatch      = flag.Int("batch", 1, "internal")
)

// workload is what all contestants do.
type workload struct {
	id, name   string
	durable    bool
	processes  int
	goroutines int
	value      int // bytes
	batch      int // records in each append
	floor      string
}

// field is who takes part: packages for logging, which have work of their own to do, or
// all others.
func (w workload) field(all []contestant) []contestant {
	return slices.DeleteFunc(slices.Clone(all), func(c contestant) bool { return c.logger != (w.floor == slogFloor) })
}

var workloads = []workload{
	{"one-100", "1 goroutine, 100 B, not synced", false, 1, 1, 100, 1, gatherFloor},
	{"one-1k", "1 goroutine, 1 KiB, not synced", false, 1, 1, 1 << 10, 1, gatherFloor},
	{"one-16k", "1 goroutine, 16 KiB, not synced", false, 1, 1, 16 << 10, 1, gatherFloor},
	{"one-256k", "1 goroutine, 256 KiB, not synced", false, 1, 1, 256 << 10, 1, gatherFloor},
	{"goroutines-8", "8 goroutines, 100 B, not synced", false, 1, 8, 100, 1, gatherFloor},
	{"batch", "batches of 100 × 100 B, not synced", false, 1, 1, 100, 100, copyFloor},
	{"batch-durable", "batches of 100 × 100 B, each durable", true, 1, 1, 100, 100, copyFloor},
	{"durable-1", "1 goroutine, 100 B, each durable", true, 1, 1, 100, 1, gatherFloor},
	{"durable-64", "64 goroutines, 100 B, each durable", true, 1, 64, 100, 1, groupFloor},
	{"processes-2", "2 processes, 100 B, not synced", false, 2, 1, 100, 1, gatherFloor},
	{"processes-4", "4 processes, 100 B, not synced", false, 4, 1, 100, 1, gatherFloor},
	{"processes-8", "8 processes, 100 B, not synced", false, 8, 1, 100, 1, gatherFloor},
	{"processes-8-durable", "8 processes, 100 B, each durable", true, 8, 1, 100, 1, gatherFloor},
	{"log-1", "1 goroutine logs, not synced", false, 1, 1, 50, 1, slogFloor},
	{"log-8", "8 goroutines log, not synced", false, 1, 8, 50, 1, slogFloor},
	{"log-processes-4", "4 processes log, not synced", false, 4, 1, 50, 1, slogFloor},
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

func run() error {
	if *flagChild != "" {
		return child(*flagChild)
	}
	chosen, err := choose(*flagWorkloads)
	if err != nil {
		return err
	}
	all := contestants()
	if *flagList {
		for _, w := range chosen {
			fmt.Printf("%-20s %s\n", w.id, w.name)
		}
		for _, c := range all {
			fmt.Println(c.name)
		}
		return nil
	}
	base, err := os.MkdirTemp(*flagDir, "rivals")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base) // what is left is temporary
	rep, err := describe(base, all)
	if err != nil {
		return err
	}
	if err := rep.head(os.Stdout); err != nil {
		return err
	}
	for _, w := range chosen {
		res, err := w.measure(base, all)
		if err != nil {
			return err
		}
		rep.Results = append(rep.Results, res)
		if err := res.table(os.Stdout); err != nil {
			return err
		}
		if *flagOut == "" {
			continue
		}
		if err := rep.write(*flagOut); err != nil { // what is there, should a later one fail
			return err
		}
	}
	return nil
}

// choose returns the workloads that names lists, all if it is empty.
func choose(names string) ([]workload, error) {
	if names == "" {
		return workloads, nil
	}
	var chosen []workload
	for id := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(workloads, func(w workload) bool { return w.id == id })
		if i < 0 {
			return nil, fmt.Errorf("there is no workload %q: -list names them", id)
		}
		chosen = append(chosen, workloads[i])
	}
	return chosen, nil
}

// policy is what a record that was appended survives, or why there is none.
func (w workload) policy(c *contestant) (survives, whyNot string) {
	survives = c.plain
	if w.durable {
		survives = c.durable
	}
	switch {
	case survives == "":
		return "", c.why
	case w.processes > 1 && !c.processes:
		return "", "one process only"
	case w.goroutines > 1 && !c.goroutines:
		return "", "one goroutine only"
	case w.batch > 1 && !c.batches:
		return "", "knows no batches"
	}
	return survives, ""
}

// measure runs all contestants in turns.
func (w workload) measure(base string, all []contestant) (result, error) {
	all = w.field(all)
	res := result{ID: w.id, Name: w.name, Floor: w.floor}
	var able []int
	for i := range all {
		c := &all[i]
		survives, whyNot := w.policy(c)
		res.Rows = append(res.Rows, row{Name: c.name, IsFloor: c.floor, Survives: survives, WhyNot: whyNot})
		if whyNot == "" && (c.floor || c.name == w.floor || strings.Contains(c.name, *flagOnly)) {
			able = append(able, i)
		}
	}
	if !slices.ContainsFunc(able, func(i int) bool { return all[i].name == w.floor }) {
		return res, errors.New(w.name + ": the floor cannot be measured")
	}
	for round := range *flagRounds {
		for k := range able {
			i := able[(k+round)%len(able)]
			one, err := w.once(base, &all[i])
			if err != nil {
				return res, fmt.Errorf("%s: %s: %w", w.name, all[i].name, err)
			}
			res.Rows[i].Rounds = append(res.Rows[i].Rounds, one)
		}
	}
	return res, nil
}
