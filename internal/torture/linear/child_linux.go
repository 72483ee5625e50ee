package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

const (
	role    = "linear"
	workers = 2 // goroutines of a process that make calls, beside the follower
	keys    = 6
	writers = 4 // processes; one more is started for one that is killed
)

// Roles returns what processes of this class are.
func Roles() board.Roles { return board.Roles{role: child} }

// child makes calls and notes them on standard output:
//
//	DIR PROCESS SEED CALLS MODE
//
// MODE is "write", or "read" for a process whose handle is read-only.
func child(args []string) int {
	if err := work(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("arguments %q", args)
	}
	process, err1 := strconv.Atoi(args[1])
	seed, err2 := strconv.ParseUint(args[2], 10, 64)
	calls, err3 := strconv.Atoi(args[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	write := args[4] == "write"
	j, err := journal.Open(args[0], journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10, ReadOnly: !write})
	if err != nil {
		return err
	}
	p := &worker{j: j, process: process, write: write}
	ctx, stop := context.WithCancel(context.Background())
	var wg, follower sync.WaitGroup
	follower.Go(func() { p.fail(p.follow(ctx)) })
	for c := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(process*clients+c)))
			for range calls {
				if err := p.one(rng, c+1); err != nil {
					p.fail(err)
					return
				}
			}
		})
	}
	wg.Wait()
	stop()
	follower.Wait()
	return errors.Join(p.err, j.Close())
}

// worker is what the goroutines of a process share.
type worker struct {
	j       *journal.Journal
	process int
	write   bool

	mu   sync.Mutex
	last int // call
	err  error
}

func (p *worker) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

// now reads the clock that all processes of the machine share.
func now() (int64, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano(), err
}

// note makes one call. It is noted that the call begins before it does, so that
// nothing is done that is not noted, and a line is one write to a pipe, so that
// lines of goroutines do not mix.
func (p *worker) note(client int, kind string, keys []string, do func(id int) (result string, err error)) error {
	p.mu.Lock()
	p.last++
	id := p.last
	p.mu.Unlock()
	begin, err := now()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, "c %d %d %d %s %s\n", id, begin, client, kind, strings.Join(keys, " ")); err != nil {
		return err
	}
	result, err := do(id)
	if err != nil {
		return fmt.Errorf("%s %v: %w", kind, keys, err)
	}
	if result == "" {
		return nil // it has come to nothing
	}
	end, err := now()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "r %d %d %s\n", id, end, result)
	return err
}

// one makes a call by chance.
func (p *worker) one(rng *rand.Rand, client int) error {
	k := rng.IntN(keys)
	key := fmt.Sprintf("k%d", k)
	n := rng.IntN(100)
	switch {
	case n < 6:
		return p.note(client, opScan, nil, func(int) (string, error) { return p.scan() })
	case n < 40 || !p.write:
		if n%4 == 0 { // one that is deleted now and then
			key = fmt.Sprintf("d%d.%d", rng.IntN(writers), 1+rng.IntN(workers))
		}
		return p.note(client, opGet, []string{key}, func(int) (string, error) { return p.get(key) })
	case n < 55:
		// Who deletes a key can be told from the key: a delete has no value that says
		// whose it is.
		key := fmt.Sprintf("d%d.%d", p.process, client)
		if n < 47 {
			return p.append(client, key)
		}
		return p.note(client, opDelete, []string{key}, func(int) (string, error) {
			at, err := p.j.Delete([]byte(key))
			return at.String(), err
		})
	case n < 65:
		return p.batch(client, key, fmt.Sprintf("k%d", (k+1)%keys))
	}
	return p.append(client, key)
}

func (p *worker) append(client int, key string) error {
	return p.note(client, opAppend, []string{key}, func(id int) (string, error) {
		at, err := p.j.Append([]byte(key), []byte(value(p.process, id)))
		return at.String(), err
	})
}

func (p *worker) batch(client int, keys ...string) error {
	return p.note(client, opBatch, keys, func(id int) (string, error) {
		var b journal.Batch
		for _, key := range keys {
			b.Put([]byte(key), []byte(value(p.process, id)))
		}
		at, err := p.j.AppendBatch(&b)
		return at.String(), err
	})
}

func (p *worker) get(key string) (string, error) {
	r, err := p.j.Get([]byte(key))
	if errors.Is(err, journal.ErrNotFound) {
		return "none", nil
	}
	return r.Position.String(), err
}

func (p *worker) scan() (string, error) {
	n := 0
	for _, err := range p.j.Records(journal.Position{}) {
		if err != nil {
			return "", err
		}
		n++
	}
	return strconv.Itoa(n), nil
}

// follow reads along until ctx ends, each record a call of client 0.
func (p *worker) follow(ctx context.Context) error {
	var at journal.Position
	for ctx.Err() == nil {
		err := p.note(0, opNext, nil, func(int) (string, error) {
			for r, err := range p.j.Follow(ctx, at) {
				at = r.Next
				return r.Position.String(), err
			}
			return "", nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
