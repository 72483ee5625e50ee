package procs

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

var rotations = &board.Class{
	ID:     "X11",
	Title:  "the models of the protocol, and segments begun by four processes that are stopped, continued and killed at random",
	Passes: "each model passes and finds its holes again; nothing is lost or comes twice, and nobody waits for ever",
	Run: func(r *board.Run) error {
		models(r)
		const each = 10_000
		if r.Short {
			r.EachAlone("", 2, func(c *board.Case) error { return rotate(c, 1000) })
			return nil
		}
		r.EachAlone("", 100, func(c *board.Case) error { return rotate(c, each) })
		return nil
	},
}

// models runs docs/model/run, which says of each run whether it came out as expected:
// that a model passes, and that it does not with a rule left out.
func models(r *board.Run) {
	if r.Short {
		r.Skip("the models: they have a step of their own in .ci/run")
		r.Pass(1)
		return
	}
	root, err := board.ModuleRoot(r.Context())
	if err != nil {
		r.Skip("the models: %v", err)
		r.Pass(1)
		return
	}
	script := filepath.Join(root, "docs", "model", "run")
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := osexec.LookPath(tool); err != nil {
			r.Skip("the models: %v", err)
			r.Pass(1)
			return
		}
	}
	limit := r.Limit
	r.Limit = time.Hour
	r.EachAlone("", 1, func(c *board.Case) error {
		cmd := osexec.CommandContext(c.Context(), "bash", script)
		cmd.Env = append(os.Environ(), "LIMIT=900") // whatever else the machine does
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		sum := regexp.MustCompile(`# (\d+) runs, (\d+) holes found, (\d+) states, \d+ s; 0 not as expected`).FindSubmatch(out)
		if sum == nil {
			return fmt.Errorf("no summary: %s", out)
		}
		for i, what := range []string{"runs of models", "holes found", "states"} {
			n, err := strconv.Atoi(string(sum[i+1]))
			if err != nil {
				return err
			}
			c.Count(what, n)
		}
		return nil
	})
	r.Limit = limit
}

// tour is a journal that writers rotate, a follower reads and a pruner keeps short.
type tour struct {
	c       *board.Case
	dir     string
	all     []*process
	slots   []*process
	reader  *journal.Journal // follows
	pruner  *journal.Journal
	places  []place
	end     chan struct{} // closed when the last record was followed
	segment atomic.Uint64 // of the last record that was followed
	records atomic.Int64
}

// endKey is the key of the last record, behind those of the writers.
const endKey = "end"

// place is a record that was followed.
type place struct {
	at, key string
	sum     uint64 // xxhash64 of its value
}

// rotate makes n segments.
func rotate(c *board.Case, n uint64) (err error) {
	t := &tour{c: c, end: make(chan struct{})}
	if t.dir, err = journalDir(c); err != nil {
		return err
	}
	opt := journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10, NoIndex: true}
	if t.pruner, err = journal.Open(t.dir, opt); err != nil {
		return err
	}
	opt.ReadOnly = true
	if t.reader, err = journal.Open(t.dir, opt); err != nil {
		return errors.Join(err, t.pruner.Close())
	}
	ctx, stop := context.WithCancel(c.Context())
	followed := make(chan error, 1)
	go func() {
		var wg sync.WaitGroup
		var ferr, perr error
		wg.Go(func() { perr = t.prune(ctx) })
		ferr = t.follow(ctx)
		wg.Wait()
		followed <- errors.Join(ferr, perr)
	}()
	err = t.drive(n, followed)
	err = errors.Join(err, t.settle(err == nil, stop, followed))
	err = errors.Join(err, t.reader.Close(), t.pruner.Close())
	if err != nil {
		return err
	}
	c.Count("rotations", int(t.segment.Load()))
	c.Count("records", int(t.records.Load()))
	return t.judge()
}

func (t *tour) another() (*process, error) {
	o := orders{Dir: t.dir, Process: len(t.all), Seed: t.c.Rand.Uint64(), Lanes: 1 + t.c.Rand.IntN(2), Segment: 12 << 10, Small: 2000}
	p, err := start(t.c, o, 1+t.c.Rand.IntN(500))
	if err == nil {
		t.all = append(t.all, p)
	}
	return p, err
}

// drive stops, continues and kills writers until there are n segments.
func (t *tour) drive(n uint64, followed chan error) error {
	for range writers {
		p, err := t.another()
		if err != nil {
			return err
		}
		t.slots = append(t.slots, p)
	}
	last, since := int64(0), time.Now()
	for t.segment.Load() < n {
		if err := t.disturb(); err != nil {
			return err
		}
		select {
		case err := <-followed:
			followed <- err
			return fmt.Errorf("the follower has ended: %w", err)
		default:
		}
		if now := t.records.Load(); now > last {
			last, since = now, time.Now()
		} else if time.Since(since) > patience {
			return fmt.Errorf("nothing was appended, or followed, for %v, though nobody is stopped", patience)
		}
	}
	return nil
}

// disturb does one thing to one of the writers.
func (t *tour) disturb() error {
	i := t.c.Rand.IntN(writers)
	p := t.slots[i]
	switch n := t.c.Rand.IntN(100); {
	case n < 90:
		if err := p.cmd.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		time.Sleep(time.Duration(t.c.Rand.IntN(4000)) * time.Microsecond)
		t.c.Count("stops", 1)
		return p.cmd.signal(syscall.SIGCONT)
	default:
		select {
		case <-p.reached:
		default:
			return nil // let it work first
		}
		err := p.kill()
		if err == nil {
			t.slots[i], err = t.another()
		}
		t.c.Count("kills", 1)
		return err
	}
}

// follow reads along, in the order of the journal.
func (t *tour) follow(ctx context.Context) error {
	for r, err := range t.reader.Follow(ctx, journal.Position{}) {
		if err != nil {
			return err
		}
		if string(r.Key) == endKey {
			close(t.end)
			break
		}
		t.places = append(t.places, place{r.Position.String(), string(r.Key), xxhash.Sum64(r.Value)})
		t.records.Add(1)
		t.segment.Store(r.Position.Segment)
	}
	<-ctx.Done()
	return nil
}

// prune removes what was followed, all the time.
func (t *tour) prune(ctx context.Context) error {
	const keep = 20 // segments
	for ctx.Err() == nil {
		n := t.segment.Load()
		if n <= keep {
			time.Sleep(time.Millisecond)
			continue
		}
		err := t.pruner.Prune(journal.Position{Segment: n - keep})
		if err != nil && !errors.Is(err, journal.ErrTimeout) { // a writer with the lock is stopped
			return err
		}
		if err != nil {
			t.c.Count("prunes timed out", 1)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// settle ends the writers, and the follower when it has read all that they were told.
func (t *tour) settle(good bool, stop func(), followed chan error) error {
	defer stop()
	if !good {
		stop()
		err := killAll(t.all)
		for _, p := range t.slots {
			err = errors.Join(err, p.wait(nil))
		}
		return errors.Join(err, <-followed)
	}
	var errs []error
	for _, p := range t.slots {
		errs = append(errs, p.finish())
	}
	if _, err := t.pruner.Append([]byte(endKey), nil); err != nil {
		errs = append(errs, err)
		stop()
	}
	select {
	case <-t.end:
	case err := <-followed:
		return errors.Join(append(errs, err)...)
	case <-time.After(patience):
		errs = append(errs, errors.New("the follower does not reach the last record"))
	}
	stop()
	return errors.Join(append(errs, <-followed)...)
}

// judge holds what was followed against what was told, and looks at what is left.
func (t *tour) judge() error {
	var writers []*acked
	for _, p := range t.all {
		writers = append(writers, &p.acked)
	}
	l := newLedger(writers)
	for _, r := range t.places {
		var process, lane, n int
		if _, err := fmt.Sscanf(r.key, "%d/%d/%d", &process, &lane, &n); err != nil {
			return fmt.Errorf("%s: key %.40q: %w", r.at, r.key, err)
		}
		w := l.writers[process]
		if w == nil || lane >= w.Lanes {
			return fmt.Errorf("%s: nobody has appended the key %.40q", r.at, r.key)
		}
		value := w.value(lane, n)
		if xxhash.Sum64(value) != r.sum {
			return fmt.Errorf("%s: key %s: the value is not what was appended", r.at, r.key)
		}
		if err := l.record(r.at, []byte(r.key), value); err != nil {
			return err
		}
		if err := l.told(r.at, []byte(r.key)); err != nil {
			return err
		}
	}
	if _, err := l.all(); err != nil {
		return err
	}
	o, err := sound(t.c.Context(), t.dir)
	if err == nil {
		t.c.Count("segments left", len(o.Segments))
	}
	return err
}
