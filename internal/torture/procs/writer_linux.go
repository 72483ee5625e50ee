// Package procs holds the classes of the scoreboard in which real processes die, are
// stopped and begin segments.
package procs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

const role = "writer"

// Roles returns what processes of these classes are.
func Roles() board.Roles { return board.Roles{role: child} }

// orders is what a writer process is told.
type orders struct {
	Dir     string
	Process int // no two of a journal have the same
	Seed    uint64
	Lanes   int // goroutines that append, each one record after the other
	Durable bool
	Segment int64
	Small   int // most bytes of a value,
	Large   int // and of one in Rare
	Rare    int
	// Die says how the process ends itself when lane 0 has appended DieAfter records:
	// "exit" or "panic"; "" not at all.
	Die      string
	DieAfter int
}

// child appends until its input ends. It tells each record that was acknowledged, in
// one write of a line: LANE NUMBER POSITION.
func child(args []string) int {
	var o orders
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &o) != nil {
		fmt.Fprintf(os.Stderr, "orders %q\n", args)
		return 2
	}
	if err := o.work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (o *orders) work() error {
	opt := journal.Options{Sync: journal.SyncNone, SegmentSize: o.Segment, NoIndex: true}
	if o.Durable {
		opt.Sync = journal.SyncAlways
	}
	j, err := journal.Open(o.Dir, opt)
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() {
		// Whatever it is that ends the input, there is nobody left to work for.
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	var wg sync.WaitGroup
	errs := make([]error, o.Lanes)
	for lane := range o.Lanes {
		wg.Go(func() { errs[lane] = o.lane(j, lane, stop) })
	}
	wg.Wait()
	return errors.Join(errors.Join(errs...), j.Close())
}

func (o *orders) lane(j *journal.Journal, lane int, stop chan struct{}) error {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		if lane == 0 && o.Die != "" && n >= o.DieAfter {
			if o.Die == "panic" {
				panic("as ordered")
			}
			os.Exit(3)
		}
		at, err := j.Append(name(o.Process, lane, n), o.value(lane, n))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(os.Stdout, "%d %d %v\n", lane, n, at); err != nil {
			return err
		}
	}
}

// name is the key of a record.
func name(process, lane, n int) []byte { return fmt.Appendf(nil, "%d/%d/%d", process, lane, n) }

// value is the content of a record, which can be told from its name and the seed.
func (o *orders) value(lane, n int) []byte {
	h := fnv.New64a()
	h.Write(name(o.Process, lane, n)) // never fails
	rng := rand.New(rand.NewPCG(o.Seed, h.Sum64()))
	size := rng.IntN(o.Small + 1)
	if o.Rare > 0 && rng.IntN(o.Rare) == 0 {
		size = o.Large/2 + rng.IntN(o.Large/2)
	}
	b := make([]byte, size)
	word := byte(rng.Uint32())
	for i := range b {
		b[i] = word + byte(i*i>>3)
	}
	return b
}

// acked is the records of one writer process that were acknowledged.
type acked struct {
	orders
	at    []map[int]string // by lane and number: the position as it was told
	ended bool             // by itself, so that everything it did was told
}

// process is a writer that runs.
type process struct {
	acked
	cmd     *exec
	mu      sync.Mutex
	told    int           // acknowledgements so far
	reached chan struct{} // closed when told reaches want
	want    int
	done    chan struct{} // its output has ended
	err     error         // of reading it
}

// start starts a writer; reached is closed when it has told want acknowledgements, or
// has ended.
func start(c *board.Case, o orders, want int) (*process, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	p := &process{acked: acked{orders: o, at: make([]map[int]string, o.Lanes)}, want: want,
		reached: make(chan struct{}), done: make(chan struct{})}
	for i := range p.at {
		p.at[i] = make(map[int]string)
	}
	if p.cmd, err = run(c, role, string(text)); err != nil {
		return nil, err
	}
	go p.listen()
	return p, nil
}

func (p *process) listen() {
	defer close(p.done)
	hit := false
	r := bufio.NewReader(p.cmd.out)
	for {
		line, err := r.ReadString('\n')
		if err != nil { // a line that was cut off was not told
			if err != io.EOF {
				p.err = err
			}
			break
		}
		var lane, n int
		var at string
		if _, err := fmt.Sscanf(line, "%d %d %s", &lane, &n, &at); err != nil || lane >= len(p.at) {
			p.err = fmt.Errorf("writer %d says %q: %w", p.Process, line, err)
			break
		}
		p.mu.Lock()
		p.at[lane][n] = at
		p.told++
		if p.told >= p.want && !hit {
			hit = true
			close(p.reached)
		}
		p.mu.Unlock()
	}
	if !hit {
		close(p.reached)
	}
}

// count is how many acknowledgements were told so far.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// finish tells the writer to end and waits for it.
func (p *process) finish() error {
	p.ended = true
	return p.wait(p.cmd.in.Close())
}

// wait waits for the end of the process, which was killed or told to end, and returns
// what was wrong with it.
func (p *process) wait(err error) error {
	<-p.done
	werr := p.cmd.wait()
	if !p.ended {
		werr = nil // that it was killed, or has died as it was told
	}
	if err := errors.Join(err, p.err, werr); err != nil {
		return fmt.Errorf("writer %d: %w: %s", p.Process, err, p.cmd.errors())
	}
	return nil
}

// kill kills the writer and waits for it.
func (p *process) kill() error { return p.wait(p.cmd.kill()) }

// patience bounds waiting for what must come by itself; who waits longer has found a
// deadlock.
const patience = 60 * time.Second

// await waits until the writer has told what was asked of it, or has ended.
func (p *process) await() error {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-p.reached:
		return nil
	case <-t.C:
		return fmt.Errorf("writer %d is stuck: %d acknowledgements in %v", p.Process, p.count(), patience)
	}
}
