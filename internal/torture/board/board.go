// Package board runs the classes of the reliability scoreboard and counts what they
// find.
//
// A [Class] is a kind of fault. It is made of cases, each of which depends on nothing
// but the seed, the class and its number, so that a failure can be had again by
// naming these three. Cases run at the same time; what a case needs on the disk is in
// a directory of its own.
package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Class is a row of the scoreboard.
type Class struct {
	ID     string // "X1"
	Title  string // the fault, in a few words
	Passes string // what has to hold in every case
	// Run runs the cases, by [Run.Each]. An error says that the class could not be
	// run, or has failed as a whole.
	Run func(*Run) error
}

// Config is how to run classes.
type Config struct {
	Seed    uint64
	Case    int           // the only one to run, -1 for all
	Short   bool          // the part of each class that fits into a continuous build
	Dir     string        // where the cases have their directories; best on a tmpfs
	Keep    string        // where the directories of failed cases go, "" to remove them
	Workers int           // cases at a time, 0 for one per processor
	Limit   time.Duration // for one case; who takes longer hangs. 0 for two minutes
	Verbose bool          // print a line per case
	Log     io.Writer     // for failures and progress
}

// maxTold is how many failures of a class are printed.
const maxTold = 10

// Result is what became of a class.
type Result struct {
	Class   *Class
	Cases   int
	Failed  int
	Err     error          // of the class as a whole
	Skipped []string       // what could not be run here, and why
	Counts  map[string]int // what was seen
	Took    time.Duration
}

// OK reports whether everything that was run has passed.
func (r *Result) OK() bool { return r.Failed == 0 && r.Err == nil }

// Run is one run of one class.
type Run struct {
	Config
	ctx     context.Context
	class   *Class
	next    int // number of the next case
	scratch []string
	mu      sync.Mutex
	result  Result
}

// Do runs a class.
func Do(ctx context.Context, class *Class, cfg Config) Result {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	cfg.Limit = cmp.Or(cfg.Limit, 2*time.Minute)
	r := &Run{Config: cfg, ctx: ctx, class: class, result: Result{Class: class, Counts: make(map[string]int)}}
	start := time.Now()
	r.result.Err = class.Run(r)
	for _, dir := range r.scratch {
		r.result.Err = errors.Join(r.result.Err, os.RemoveAll(dir))
	}
	if r.result.Err == nil {
		r.result.Err = ctx.Err()
	}
	if r.result.Err == nil && r.result.Cases == 0 && len(r.result.Skipped) == 0 {
		r.result.Err = errors.New("no case was run")
	}
	r.result.Took = time.Since(start)
	return r.result
}

// Context ends when the user interrupts the run.
func (r *Run) Context() context.Context { return r.ctx }

// Size is full, or short in a short run.
func (r *Run) Size(full, short int) int {
	if r.Short {
		return short
	}
	return full
}

// Rand is the chance of the class as a whole, for what its cases share: the same for
// the same seed. name tells several of them apart.
func (r *Run) Rand(name string) *rand.Rand {
	return rand.New(rand.NewPCG(r.Seed, hash(r.class.ID+" "+name)))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, s) // never fails
	return h.Sum64()
}

// Scratch is a new directory for what the cases of a class share. It is removed behind
// the class.
func (r *Run) Scratch() (string, error) {
	dir, err := os.MkdirTemp(r.Dir, "manypen-"+r.class.ID+"-")
	if err == nil {
		r.scratch = append(r.scratch, dir)
	}
	return dir, err
}

// Count adds n to what was seen of something, which the scoreboard shows. It may be
// called at any time by any goroutine.
func (r *Run) Count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Counts[what] += n
}

// Skip says that a part of the class cannot be run here, and why. It is listed below
// the scoreboard.
func (r *Run) Skip(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Skipped = append(r.result.Skipped, fmt.Sprintf(format, args...))
}

// Case is one case of a class.
type Case struct {
	*Run
	N    int        // counts the cases of the class from 0
	I    int        // counts those of this Each from 0
	Rand *rand.Rand // depends on seed, class and N only
	ctx  context.Context
	dir  string
	root string
}

// Context ends when the time of the case is up or the run is interrupted.
func (c *Case) Context() context.Context { return c.ctx }

// Dir is a new directory of this case; it exists. It is removed behind the case,
// or kept if the case fails and that was asked for.
func (c *Case) Dir() (string, error) {
	if c.dir != "" {
		return c.dir, nil
	}
	dir, err := os.MkdirTemp(c.root, fmt.Sprintf("manypen-%s-%d-", c.class.ID, c.N))
	if err == nil {
		c.dir = dir
	}
	return dir, err
}

// Each runs n cases. Their directories are made in root, "" for the usual place. An
// error of check says what is wrong in the case; so does a panic. Each returns when
// all of them have ended.
func (r *Run) Each(root string, n int, check func(*Case) error) { r.each(root, n, r.Workers, check) }

// EachAlone is Each with one case at a time: for cases that use both processors, or
// what the process has only one of.
func (r *Run) EachAlone(root string, n int, check func(*Case) error) { r.each(root, n, 1, check) }

// Pass leaves out n cases that cannot be run here, so that those behind them have the
// numbers that they have elsewhere.
func (r *Run) Pass(n int) { r.next += n }

func (r *Run) each(root string, n, workers int, check func(*Case) error) {
	first := r.next
	r.next += n
	root = cmp.Or(root, r.Dir)
	var last atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for r.ctx.Err() == nil {
				i := int(last.Add(1)) - 1
				if i >= n {
					return
				}
				if r.Case < 0 || r.Case == first+i {
					r.one(root, first+i, i, check)
				}
			}
		})
	}
	wg.Wait()
}

// one runs a case. If its time is up and it does not return although its context has
// ended, it hangs, and there is no way to go on: goroutines cannot be killed.
func (r *Run) one(root string, n, i int, check func(*Case) error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.Limit)
	defer cancel()
	c := &Case{Run: r, N: n, I: i, ctx: ctx, root: root, Rand: rand.New(rand.NewPCG(r.Seed^hash(r.class.ID), uint64(n)))}
	hang := time.AfterFunc(r.Limit+r.Limit/2, func() {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(r.Log, "%s case %d hangs:\n%s\n%s\n", r.class.ID, n, buf[:runtime.Stack(buf, true)], r.again(n))
		os.Exit(ExitHang)
	})
	start := time.Now()
	err := guarded(c, check)
	hang.Stop()
	r.ended(c, err, time.Since(start))
}

// ExitHang is the exit code of a program with a case that hangs.
const ExitHang = 3

// guarded turns a panic into an error.
func guarded(c *Case, check func(*Case) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			buf := make([]byte, 64<<10)
			err = fmt.Errorf("panic: %v\n%s", p, buf[:runtime.Stack(buf, false)])
		}
	}()
	return check(c)
}

func (r *Run) ended(c *Case, err error, took time.Duration) {
	if c.dir != "" {
		if err != nil && r.Keep != "" {
			err = errors.Join(err, keep(c.dir, r.Keep))
		}
		if rerr := os.RemoveAll(c.dir); rerr != nil && err == nil {
			err = rerr
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Cases++
	if r.Verbose {
		fmt.Fprintf(r.Log, "%s case %d: %v, %v\n", r.class.ID, c.N, err, took.Round(time.Microsecond))
	}
	if err == nil {
		return
	}
	if r.result.Failed++; r.result.Failed <= maxTold {
		fmt.Fprintf(r.Log, "%s case %d: %v\n%s\n", r.class.ID, c.N, err, r.again(c.N))
	}
}

// again is the command that has a case again.
func (r *Run) again(n int) string {
	short := ""
	if r.Short {
		short = " -short"
	}
	return fmt.Sprintf("    go run ./internal/torture -class %s -seed %d -case %d%s", r.class.ID, r.Seed, n, short)
}

// keep copies a directory below to, under its own name.
func keep(dir, to string) error {
	return os.CopyFS(filepath.Join(to, filepath.Base(dir)), os.DirFS(dir))
}
