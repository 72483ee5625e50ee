package mutants

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Config says what to run.
type Config struct {
	Root    string        // of the module; "" to ask the go command
	Names   string        // the mutants, as "a,b"; "" for all, or for those of a short run
	Short   bool          // the mutants for a short run, if there are no names
	Seed    uint64        // of the classes
	Classes string        // to run instead of those that the mutants name, in full if Short is not set
	Limit   time.Duration // for one run of a class or a test; 0 for 90 seconds
	Log     io.Writer     // for progress
}

// Flag is a flag that may have names and need not, as in -mutants and -mutants=a,b.
type Flag struct {
	Given bool
	Names string
}

// String is what the flag was set to.
func (f *Flag) String() string { return f.Names }

// IsBoolFlag makes package flag ask for no value.
func (f *Flag) IsBoolFlag() bool { return true }

// Set is called with the value, which is "true" if there is none.
func (f *Flag) Set(value string) error {
	f.Given = value != "false"
	if value != "true" && value != "false" {
		f.Names = value
	}
	return nil
}

// verdict is what became of a mutant.
type verdict int

const (
	survived verdict = iota
	failed           // a case or a test has failed
	hung             // or did not end
	crashed          // or brought the program down
)

func (v verdict) String() string {
	return [...]string{"survived", "failure", "hang", "crash"}[v]
}

// Result is what became of a mutant.
type Result struct {
	Mutant  *Mutant
	By      string // what was run
	Verdict string // survived, or how it was caught
	Err     error  // why nothing can be said; then there is no verdict
	Took    time.Duration
}

// Caught reports whether the bug was found.
func (r *Result) Caught() bool { return r.Err == nil && r.Verdict != survived.String() }

// Run tries the mutants one by one; nothing else should keep the processors busy, or
// what takes too long could be taken for a hang. What is to catch a mutant must pass
// without it first. An error says that nothing could be run.
func Run(ctx context.Context, cfg Config) ([]Result, error) {
	cfg.Limit = cmp.Or(cfg.Limit, 90*time.Second)
	all, err := All()
	if err != nil {
		return nil, err
	}
	chosen, err := Choose(all, cfg.Names, cfg.Short)
	if err != nil {
		return nil, err
	}
	if cfg.Root == "" {
		if cfg.Root, err = moduleRoot(ctx); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "manypen-mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // overlays and binaries
	r := runner{cfg: cfg, dir: dir, sound: make(map[string]error), plain: make(map[string]string), rapid: make(map[string]bool)}
	var results []Result
	for _, m := range chosen {
		if err := ctx.Err(); err != nil {
			return results, err
		}
		start := time.Now()
		res := r.try(ctx, m)
		res.Took = time.Since(start)
		results = append(results, res)
		fmt.Fprintf(cfg.Log, "%s: %s, %v\n", m.Name, res.outcome(), res.Took.Round(100*time.Millisecond))
	}
	return results, ctx.Err()
}

func (r *Result) outcome() string {
	if r.Err != nil {
		return "ERROR: " + r.Err.Error()
	}
	return r.Verdict
}

// Print writes the table, and below it what went wrong. It reports whether every
// mutant was caught.
func Print(out io.Writer, results []Result) (ok bool, err error) {
	var errs []error
	line := func(format string, args ...any) {
		if _, err := fmt.Fprintf(out, format+"\n", args...); err != nil {
			errs = append(errs, err)
		}
	}
	line("| mutant | hole | what is wrong | caught by | how | time |")
	line("|---|---|---|---|---|---|")
	caught := 0
	for _, r := range results {
		how := r.Verdict
		if r.Err != nil {
			how = "error"
		}
		if r.Caught() {
			caught++
		}
		line("| %s | %s | %s | %s | %s | %v |", r.Mutant.Name, r.Mutant.Hole, r.Mutant.About, r.By, how, r.Took.Round(100*time.Millisecond))
	}
	line("\n%d of %d mutants caught.", caught, len(results))
	for _, r := range results {
		switch {
		case r.Err != nil:
			line("\n%s: %v", r.Mutant.Name, r.Err)
		case !r.Caught():
			line("\n%s SURVIVED: %s finds nothing", r.Mutant.Name, r.By)
		}
	}
	return caught == len(results) && len(results) > 0, errors.Join(errs...)
}
