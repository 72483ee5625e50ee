// Package bench measures a machine's floor, which is the least that system calls
// can do a job with, and how far above it the journal does the same job.
//
// Both take turns in short slices, so that whatever else the machine does hits both;
// the figure that counts is the ratio of two slices of one round. What a slice has
// appended is read back and counted, outside the time that is measured: nobody is
// fast by leaving something out.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/journal"
)

// Options says what to measure.
type Options struct {
	Size      int           // bytes of a value; a key has 16
	Time      time.Duration // that all slices take together, roughly
	Processes int           // that append together; with 1 that is left out
	// NoSync and Sync choose what to measure: appends that are not synced, and those
	// that are on disk when they return. With neither, only reading is measured.
	NoSync, Sync bool
	// Program is how to start further processes, which play [Roles].
	Program child.Program
	// OnStep is told how many of the slices are done.
	OnStep func(done, total int64)
}

// Rounds is how often everything is measured, behind one round that warms up.
const Rounds = 7

// sliceBytes bounds what one slice appends.
const sliceBytes = 128 << 20

// Line is what was measured of one job.
type Line struct {
	Name  string
	About string // what the journal does, and what the floor does
	// Floor and Journal are nanoseconds a record, the medians of all rounds; Ratio is
	// the median of the rounds' ratios of the journal to the floor. Low and High are
	// the lowest and the highest of these: how far apart they are says how quiet the
	// machine was.
	Floor, Journal, Ratio, Low, High float64
	Records                          int64 // that the journal did, in all rounds
}

// job is one way to spend time with records.
type job struct {
	name, about    string
	floor, journal func(*slice) error
}

// slice is a turn of one contestant: it does as many records as it can for a time.
type slice struct {
	ctx   context.Context
	dir   string // empty, of its own
	opt   *Options
	sync  bool
	limit time.Duration
	bytes int // that it may append
	stock *stock

	// What came of it.
	records int64
	took    time.Duration
}

// Run measures in the directory dir, which must exist and be empty, and leaves it to
// be removed.
func Run(ctx context.Context, dir string, opt Options) ([]Line, error) {
	if opt.Processes > 1 {
		if err := shares(filepath.Join(dir, "shares")); err != nil {
			return nil, err
		}
	}
	jobs := opt.jobs()
	st, err := fill(ctx, filepath.Join(dir, "stock"), opt.Size, opt.Time/4)
	if err != nil {
		return nil, err
	}
	lines, err := opt.rounds(ctx, dir, jobs, st)
	return lines, errors.Join(err, st.close())
}

func (opt *Options) rounds(ctx context.Context, dir string, jobs []job, st *stock) ([]Line, error) {
	turns := int64(len(jobs) * 2 * (Rounds + 1))
	done := int64(0)
	// turn is one contestant's slice, in nanoseconds a record.
	turn := func(j *job, do func(*slice) error) (float64, int64, error) {
		if opt.OnStep != nil {
			opt.OnStep(done, turns)
		}
		done++
		s := slice{ctx: ctx, dir: filepath.Join(dir, "slice"), opt: opt, limit: opt.Time / time.Duration(turns), bytes: sliceBytes, stock: st}
		err := os.Mkdir(s.dir, 0o700)
		if err == nil {
			err = errors.Join(do(&s), os.RemoveAll(s.dir))
		}
		switch {
		case ctx.Err() != nil:
			return 0, 0, ctx.Err()
		case err != nil:
			return 0, 0, fmt.Errorf("%s: %w", j.name, err)
		case s.records == 0 || s.took <= 0:
			return 0, 0, fmt.Errorf("%s: nothing was done in %v", j.name, s.took)
		}
		return float64(s.took.Nanoseconds()) / float64(s.records), s.records, nil
	}
	floors, journals := make([][]float64, len(jobs)), make([][]float64, len(jobs))
	lines := make([]Line, len(jobs))
	for round := range Rounds + 1 {
		for i := range jobs {
			j := &jobs[i]
			var f, ns float64
			var n int64
			var err error
			if round%2 == 0 { // nobody is always the first
				f, _, err = turn(j, j.floor)
			}
			if err == nil {
				ns, n, err = turn(j, j.journal)
			}
			if err == nil && round%2 == 1 {
				f, _, err = turn(j, j.floor)
			}
			if err != nil {
				return nil, err
			}
			if round > 0 {
				floors[i], journals[i] = append(floors[i], f), append(journals[i], ns)
				lines[i].Records += n
			}
		}
	}
	for i := range jobs {
		lines[i].Name, lines[i].About = jobs[i].name, jobs[i].about
		lines[i].compare(floors[i], journals[i])
	}
	return lines, nil
}

// compare takes the medians of what was measured round by round.
func (l *Line) compare(floors, journals []float64) {
	var ratios []float64
	for n := range floors {
		ratios = append(ratios, journals[n]/floors[n])
	}
	l.Floor, l.Journal, l.Ratio = median(floors), median(journals), median(ratios)
	l.Low, l.High = slices.Min(ratios), slices.Max(ratios)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// shares reports an error where a second writer is refused.
func shares(dir string) error {
	first, err := journal.Open(dir, options(false))
	if err != nil {
		return err
	}
	second, err := journal.Open(dir, options(false))
	if err == nil {
		err = second.Close()
	} else if errors.Is(err, journal.ErrUnsafe) {
		err = fmt.Errorf("%w (--processes 1 measures what one can do here)", err)
	}
	return errors.Join(err, first.Close())
}

// loop calls do until the time of the slice is up, or it has appended enough, and
// counts the records, of which do does per.
func (s *slice) loop(per int, do func(n int64) error) error {
	// A look at the clock costs a tenth of a small append.
	group := max(1, min(64, (64<<10)/(s.opt.Size*per+1)))
	if s.sync {
		group = 1
	}
	most := int64(max(1, s.bytes/(s.opt.Size+rawSize)))
	start := time.Now()
	for n := int64(0); ; {
		for range group {
			if err := do(n); err != nil {
				return err
			}
			n += int64(per)
		}
		if took := time.Since(start); took >= s.limit || n >= most || s.ctx.Err() != nil {
			s.records, s.took = n, took
			return s.ctx.Err()
		}
	}
}
