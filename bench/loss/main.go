// Loss counts what is left of a log that several processes write at once:
//
//	go -C bench run ./loss
//
// 2, 4 and 8 processes write 100,000 numbered lines each, of 71 bytes on
// average, in each of these ways:
//
//   - lumberjack (gopkg.in/natefinch/lumberjack.v2) on one file, without and with
//     rotation at 1 MB and any number of backups. Its documentation says that it
//     assumes that only one process writes the files. That is what this table is
//     about: it is what happens to those who have not read the sentence, and no
//     flaw of lumberjack.
//   - an os.File with O_APPEND, one write for each line, and one through a
//     bufio.Writer.
//   - an os.File with O_APPEND that is rotated by hand: look at the size, rename,
//     open again.
//   - Manypen, without and with rotation: segments of 1 MiB.
//
// Nobody syncs (Manypen has SyncNone), so all of them stand on the page cache.
// Nothing is ever removed. All processes begin at the same moment.
//
// A process says of every line whether its Write returned nil. Then an oracle of
// its own reads all files, backups too, and counts: a line is lost if its Write
// returned nil and it is in no file; duplicated if it is there more than once;
// torn is what stands between two line ends and is not a line. A Write that
// returned an error is refused, not lost, but note that package log drops such
// errors.
//
// The second table is the same with one process killed by SIGKILL in the middle.
// The third is about finding out: of what one process has written 1000 lines are
// cut out of the middle, at the ends of lines. A file of lines looks whole then.
//
// What loses lines loses them by chance, so everything is done three times; a
// row of a table is the run with the median of lost lines, and says what the least
// and the most were.
//
// It prints Markdown tables, or JSON of all runs with -json. On two processors it
// takes some six minutes; progress goes to the standard error. The exit status is 0 if it
// could measure, whatever it has found; 1 if it could not, or if Manypen has lost
// a line; 2 for a wrong flag.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	if os.Getenv(jobEnv) != "" {
		os.Exit(work(os.Getenv(jobEnv), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the flags say.
type config struct {
	lines int
	runs  int
	procs []int
	ways  []way
	dir   string
	json  bool

	temporary bool // the directory
}

func run(args []string, out, errs io.Writer) int {
	cfg, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if err := measure(cfg, out, errs); err != nil {
		fmt.Fprintln(errs, "loss:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (config, error) {
	var cfg config
	var procs, only string
	f := flag.NewFlagSet("loss", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&cfg.lines, "lines", 100_000, "lines that each process writes")
	f.IntVar(&cfg.runs, "runs", 3, "how often everything is done")
	f.StringVar(&procs, "procs", "2,4,8", "numbers of processes, separated by commas")
	f.StringVar(&only, "only", "", "only the ways whose name contains this")
	f.StringVar(&cfg.dir, "dir", "", "directory in which to write, and to keep everything (default a temporary one that is removed)")
	f.BoolVar(&cfg.json, "json", false, "print JSON instead of tables")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := cfg.check(f, procs, only)
	if err != nil {
		fmt.Fprintln(errs, "loss:", err)
	}
	return cfg, err
}

func (c *config) check(f *flag.FlagSet, procs, only string) error {
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if c.lines < 2 || c.lines > maxLines {
		return fmt.Errorf("-lines is %d; want 2 to %d", c.lines, maxLines)
	}
	if c.runs < 1 {
		return fmt.Errorf("-runs is %d; want 1 or more", c.runs)
	}
	for text := range strings.SplitSeq(procs, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxProcs {
			return fmt.Errorf("-procs has %q; want numbers from 1 to %d, as in 2,4,8", text, maxProcs)
		}
		c.procs = append(c.procs, n)
	}
	for _, w := range ways {
		if strings.Contains(strings.ToLower(w.Name), strings.ToLower(only)) {
			c.ways = append(c.ways, w)
		}
	}
	if len(c.ways) == 0 {
		return fmt.Errorf("-only: no way has %q in its name", only)
	}
	return nil
}

// results is all that was measured.
type results struct {
	System string   `json:"system"`
	Lines  int      `json:"lines_per_process"`
	All    []result `json:"all_alive"`
	Kill   []result `json:"one_killed"`
	Cut    []cut    `json:"cut_out"`
}

func measure(cfg config, out, errs io.Writer) (err error) {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("several processes write one journal on Linux only; this is %s", runtime.GOOS)
	}
	if cfg.dir == "" {
		if cfg.dir, err = os.MkdirTemp("", "loss-"); err != nil {
			return err
		}
		cfg.temporary = true
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.dir)) }()
	} else {
		if err := os.MkdirAll(cfg.dir, 0o755); err != nil {
			return err
		}
		defer fmt.Fprintln(errs, "the files are kept under", cfg.dir)
	}
	r, err := measureAll(cfg, errs)
	if err != nil {
		return err
	}
	if cfg.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		err = printTables(out, r)
	}
	return errors.Join(err, r.verdict())
}

func measureAll(cfg config, errs io.Writer) (results, error) {
	r := results{Lines: cfg.lines}
	r.System = fmt.Sprintf("%s/%s, %s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.NumCPU())
	n := 0
	next := func() string { n++; return filepath.Join(cfg.dir, fmt.Sprintf("%03d", n)) }
	for _, kill := range []bool{false, true} {
		for _, w := range cfg.ways {
			for _, procs := range cfg.procs {
				got, err := races(cfg, w, next, procs, kill, errs)
				if err != nil {
					return r, fmt.Errorf("%s, %d processes: %w", w.Name, procs, err)
				}
				if kill {
					r.Kill = append(r.Kill, got...)
				} else {
					r.All = append(r.All, got...)
				}
			}
		}
	}
	for _, w := range cfg.ways {
		if !w.cut {
			continue
		}
		c, err := cutOut(w, next(), cfg.lines)
		if err != nil {
			return r, fmt.Errorf("%s, lines cut out: %w", w.Name, err)
		}
		r.Cut = append(r.Cut, c)
	}
	return r, nil
}

// races runs all races of one row.
func races(cfg config, w way, next func() string, procs int, kill bool, errs io.Writer) ([]result, error) {
	var all []result
	for run := range cfg.runs {
		dir := next()
		got, err := race(w, dir, procs, cfg.lines, kill)
		if err != nil {
			return nil, err
		}
		got.Run = run + 1
		all = append(all, got)
		fmt.Fprintf(errs, "%s, %d processes, kill %v, run %d: lost %d of %d\n", w.Name, procs, kill, got.Run, got.Lost, got.Acknowledged)
		if cfg.temporary {
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// verdict is an error if Manypen has not kept its promise.
func (r results) verdict() error {
	var err error
	for _, x := range append(append([]result(nil), r.All...), r.Kill...) {
		if x.promises && x.Lost+x.Duplicated+x.Torn+x.Missing > 0 {
			err = errors.Join(err, fmt.Errorf("%s, %d processes: lost %d, duplicated %d, torn %d; verify misses %d",
				x.Way, x.Processes, x.Lost, x.Duplicated, x.Torn, x.Missing))
		}
	}
	return err
}
