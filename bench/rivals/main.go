// Rivals measures how fast records are appended and read: by Manypen, by others that
// somebody could use instead, and by the bare system calls, the floors.
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
	flagRead       = flag.String("read", "", "internal")
	flagRecords    = flag.Int("records", 0, "internal")
)

// workload is what all contestants do.
type workload struct {
	id, name   string
	durable    bool
	processes  int // 0: one, as of the next two
	goroutines int
	batch      int // records in each append
	value      int // bytes
	floor      string
	read       string // what is done with a log that is there; nothing else counts then but value
	records    int    // of that log
}

// field is who takes part: packages for logging, which have work of their own to do, or
// all others.
func (w workload) field(all []contestant) []contestant {
	return slices.DeleteFunc(slices.Clone(all), func(c contestant) bool { return c.logger != (w.floor == slogFloor) })
}

var workloads = []workload{
	{id: "one-100", name: "1 goroutine, 100 B, not synced", value: 100, floor: gatherFloor},
	{id: "one-1k", name: "1 goroutine, 1 KiB, not synced", value: 1 << 10, floor: gatherFloor},
	{id: "one-16k", name: "1 goroutine, 16 KiB, not synced", value: 16 << 10, floor: gatherFloor},
	{id: "one-256k", name: "1 goroutine, 256 KiB, not synced", value: 256 << 10, floor: gatherFloor},
	{id: "goroutines-8", name: "8 goroutines, 100 B, not synced", goroutines: 8, value: 100, floor: gatherFloor},
	{id: "batch", name: "batches of 100 × 100 B, not synced", value: 100, batch: 100, floor: copyFloor},
	{id: "batch-durable", name: "batches of 100 × 100 B, each durable", durable: true, value: 100, batch: 100, floor: copyFloor},
	{id: "durable-1", name: "1 goroutine, 100 B, each durable", durable: true, value: 100, floor: gatherFloor},
	{id: "durable-64", name: "64 goroutines, 100 B, each durable", durable: true, goroutines: 64, value: 100, floor: groupFloor},
	{id: "processes-2", name: "2 processes, 100 B, not synced", processes: 2, value: 100, floor: gatherFloor},
	{id: "processes-4", name: "4 processes, 100 B, not synced", processes: 4, value: 100, floor: gatherFloor},
	{id: "processes-8", name: "8 processes, 100 B, not synced", processes: 8, value: 100, floor: gatherFloor},
	{id: "processes-8-durable", name: "8 processes, 100 B, each durable", durable: true, processes: 8, value: 100, floor: gatherFloor},
	{id: "log-1", name: "1 goroutine logs, not synced", value: 50, floor: slogFloor},
	{id: "log-8", name: "8 goroutines log, not synced", goroutines: 8, value: 50, floor: slogFloor},
	{id: "log-processes-4", name: "4 processes log, not synced", processes: 4, value: 50, floor: slogFloor},
	{id: "scan-100", name: "open and read 1,000,000 × 100 B", read: readScan, value: 100, records: 1_000_000, floor: readFloor},
	{id: "scan-64k", name: "open and read 20,000 × 64 KiB", read: readScan, value: 64 << 10, records: 20_000, floor: readFloor},
	{id: "open", name: "open and get one of 1,000,000 × 100 B", read: readOpen, value: 100, records: 1_000_000, floor: readFloor},
	{id: "get", name: "get one of 1,000,000 × 100 B, in random order", read: readGet, value: 100, records: 1_000_000, floor: readFloor},
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

// policy is what a record that was appended survives (of a reading workload whether
// checksums are verified), or why there is none.
func (w workload) policy(c *contestant) (survives, whyNot string) {
	survives = c.plain
	if w.durable {
		survives = c.durable
	}
	switch {
	case w.read != "":
		return w.readPolicy(c)
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
	res := result{ID: w.id, Name: w.name, Floor: w.floor, Read: w.read}
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
