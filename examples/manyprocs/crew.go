package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/manypen/manypen/journal"
)

// window is how many files a worker has in hand. Its orders fit into a pipe, so
// that handing them out never waits.
const window = 8

// identity names a record for ever: no two records of a journal share it.
type identity struct{ writer, seq uint64 }

// ack is what a worker said of one record.
type ack struct {
	identity
	at  journal.Position
	key string
}

// crew runs the workers. All of it happens in the goroutine of run; the others
// only pass on what workers say.
//
// A worker ends when its orders do, and its orders end only when all files are
// acknowledged. So whoever is chosen to be killed is alive when that happens:
// the number of kills is exact, and no timing can change it.
type crew struct {
	cfg    config
	files  int
	errs   *os.File
	rand   *rand.Rand
	events chan event

	queue []string // files that nobody has in hand
	live  []*worker
	acks  []ack
	// points are the numbers of acknowledged records at which somebody is to be
	// killed, in order; aim says that the next one waits for a large record.
	points []int
	aim    bool

	dead    map[uint64]bool // writers that were killed
	kills   int
	started int
}

// worker is one process.
type worker struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	writer uint64
	inHand []string // handed out and not acknowledged, in order
	doomed bool     // it is being killed
}

// event is a line that a worker said, or its end.
type event struct {
	from  *worker
	line  string
	ended bool
	err   error
}

func newCrew(cfg config, files []string, errs *os.File) *crew {
	r := rand.New(rand.NewPCG(cfg.seed, 0))
	c := &crew{
		cfg: cfg, files: len(files), errs: errs, rand: r,
		events: make(chan event), queue: slices.Clone(files), dead: make(map[uint64]bool),
	}
	r.Shuffle(len(c.queue), func(a, b int) { c.queue[a], c.queue[b] = c.queue[b], c.queue[a] })
	for range cfg.kills {
		c.points = append(c.points, 1+r.IntN(max(1, len(files)*3/4)))
	}
	slices.Sort(c.points)
	return c
}

// run returns when all files are acknowledged and all workers have ended.
func (c *crew) run() (err error) {
	defer func() {
		if err != nil {
			c.abandon()
		}
	}()
	for range c.cfg.procs {
		if err := c.start(); err != nil {
			return err
		}
	}
	for len(c.live) > 0 {
		if c.done() {
			for _, w := range c.live {
				_ = w.orders.Close() // the worker ends
			}
		}
		e := <-c.events
		if e.ended {
			err = c.ended(e.from, e.err)
		} else {
			err = c.heard(e.from, e.line)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// done reports whether there is nothing left to do for any worker.
func (c *crew) done() bool {
	return len(c.acks) == c.files && len(c.points) == 0 &&
		!slices.ContainsFunc(c.live, func(w *worker) bool { return w.doomed })
}

// start starts a worker.
func (c *crew) start() error {
	cmd, orders, said, err := startSelf(c.cfg, roleWorker, c.errs)
	if err != nil {
		return err
	}
	w := &worker{cmd: cmd, orders: orders}
	c.live = append(c.live, w)
	c.started++
	go func() {
		// What a worker said before it was killed is still in the pipe; it has
		// ended only when all of that is read.
		for r := bufio.NewReader(said); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			c.events <- event{from: w, line: line}
		}
		c.events <- event{from: w, ended: true, err: cmd.Wait()}
	}()
	return nil
}

// startSelf starts this program in another role. Its standard error is a file,
// which any number of processes may write.
func startSelf(cfg config, role string, errs *os.File) (*exec.Cmd, io.WriteCloser, io.Reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	cmd := exec.Command(self, cfg.flags()...)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	return cmd, in, out, cmd.Start()
}

// heard takes a line that a worker said.
func (c *crew) heard(w *worker, line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case lineWriter:
		if _, err := fmt.Sscanf(rest, "%d", &w.writer); err != nil {
			return fmt.Errorf("worker said %q: %w", line, err)
		}
	case lineBegin:
		if c.aim && !w.doomed {
			// Anywhere between its preparations and its end.
			c.kill(w, time.Duration(c.rand.IntN(500))*time.Microsecond)
		}
		return nil
	case lineAck:
		if err := c.acknowledged(w, rest); err != nil {
			return fmt.Errorf("worker said %q: %w", line, err)
		}
		c.consider(w)
	default:
		return fmt.Errorf("worker said %q", line)
	}
	return c.handOut(w)
}

func (c *crew) acknowledged(w *worker, text string) error {
	a := ack{identity: identity{writer: w.writer}}
	var at string
	if _, err := fmt.Sscanf(text, "%s %d %q", &at, &a.seq, &a.key); err != nil {
		return err
	}
	var err error
	if a.at, err = journal.ParsePosition(at); err != nil {
		return err
	}
	if len(w.inHand) == 0 || w.inHand[0] != a.key {
		return errors.New("it was not asked for that")
	}
	w.inHand = w.inHand[1:]
	c.acks = append(c.acks, a)
	return nil
}

// consider kills somebody if it is time to: by turns the worker that has just
// acknowledged, which is busy with its next file by now, and the one that next
// begins a large record.
func (c *crew) consider(w *worker) {
	if len(c.points) == 0 || len(c.acks) < c.points[0] || w.doomed {
		return
	}
	last := len(c.acks) == c.files // nobody will begin anything any more
	if len(c.points)%2 == 1 && !last {
		c.aim = true
		return
	}
	c.kill(w, 0)
}

// kill kills a worker in a moment.
func (c *crew) kill(w *worker, in time.Duration) {
	w.doomed = true
	c.aim = false
	c.points = c.points[1:]
	time.AfterFunc(in, func() { _ = w.cmd.Process.Kill() }) // how it ends, Wait tells
}

// handOut fills a worker's hands.
func (c *crew) handOut(w *worker) error {
	for !w.doomed && len(w.inHand) < window && len(c.queue) > 0 {
		key := c.queue[0]
		c.queue = c.queue[1:]
		w.inHand = append(w.inHand, key)
		if _, err := fmt.Fprintf(w.orders, "%q\n", key); err != nil {
			return fmt.Errorf("order to a worker: %w", err)
		}
	}
	return nil
}

// ended takes the end of a worker. One that was killed is replaced, and what it
// had not acknowledged is handed out again.
func (c *crew) ended(w *worker, err error) error {
	c.live = slices.DeleteFunc(c.live, func(v *worker) bool { return v == w })
	_ = w.orders.Close() // nobody reads it
	if !w.doomed {
		if err != nil {
			return fmt.Errorf("a worker failed: %w", err)
		}
		return nil
	}
	if err == nil {
		return errors.New("a worker was killed and ended well")
	}
	c.kills++
	c.dead[w.writer] = true
	c.queue = append(c.queue, w.inHand...)
	if len(c.acks) < c.files || len(c.points) > 0 {
		if err := c.start(); err != nil {
			return err
		}
	}
	if len(c.acks) == c.files && len(c.points) > 0 {
		for _, v := range c.live {
			c.consider(v)
		}
	}
	return c.refill()
}

// refill gives work to those who were idle when files came back.
func (c *crew) refill() error {
	for _, w := range c.live {
		if w.writer == 0 {
			continue // it has not opened the journal yet, and will say so
		}
		if err := c.handOut(w); err != nil {
			return err
		}
	}
	return nil
}

// abandon ends all workers after a failure.
func (c *crew) abandon() {
	for _, w := range c.live {
		_ = w.cmd.Process.Kill() // it may have ended; Wait tells
	}
	for n := len(c.live); n > 0; {
		if e := <-c.events; e.ended {
			n--
		}
	}
}
