package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/internal/host"
)

// Two processes pass a number to and fro in a page that both have mapped: this one
// writes the first word and waits for the second, the child the other way round.
const (
	pageSize = 4096
	// wakeLimit is how long one waits for the other, on a machine with much to do.
	wakeLimit = 10 * time.Second
	// oneWait is how long one call waits; wakes that are lost are counted by it.
	oneWait = 2 * time.Second
)

// board is a shared page.
type board struct {
	m     *host.Mapping
	words *[2]uint32
}

func openBoard(path string) (*board, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	m, err := host.MapShared(f, pageSize)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &board{m, (*[2]uint32)(unsafe.Pointer(&m.Bytes()[0]))}, nil // a page boundary
}

// await waits until a word has a value, and reports how often it slept for nothing.
func (b *board) await(ctx context.Context, n int, want uint32) (overslept int, err error) {
	for start := time.Now(); ; {
		got := atomic.LoadUint32(&b.words[n])
		switch {
		case got == want:
			return overslept, nil
		case ctx.Err() != nil:
			return overslept, ctx.Err()
		case time.Since(start) > wakeLimit:
			return overslept, fmt.Errorf("word %d is %d after %v, want %d", n, got, wakeLimit, want)
		}
		slept := time.Now()
		if err := host.WaitWord(&b.words[n], got, oneWait); err != nil {
			return overslept, err
		}
		if time.Since(slept) >= oneWait && atomic.LoadUint32(&b.words[n]) == want {
			overslept++
		}
	}
}

func (b *board) set(n int, value uint32) error {
	atomic.StoreUint32(&b.words[n], value)
	return host.WakeWord(&b.words[n])
}

// roleShared answers numbers in a shared page: shared FILE COUNT.
func roleShared(ctx context.Context, c *child.Conn, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("shared takes 2 arguments, not %q", args)
	}
	count, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	b, err := openBoard(args[0])
	if err != nil {
		return err
	}
	lost := 0
	for n := uint32(1); n <= uint32(count) && err == nil; n++ {
		var overslept int
		overslept, err = b.await(ctx, 0, n)
		lost += overslept
		if err == nil {
			err = b.set(1, n)
		}
	}
	return errors.Join(err, c.Say("lost %d", lost), b.m.Close())
}

// roleLock takes the lock of a byte, says so, and keeps it: lock FILE.
func roleLock(_ context.Context, c *child.Conn, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("lock takes 1 argument, not %q", args)
	}
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // the process ends anyway
	ok, err := host.TryLockByte(f, 0, true)
	if err == nil {
		err = c.Say("locked %v", ok)
	}
	if err == nil {
		c.Hear() // until it is killed, or its parent is gone
	}
	return err
}

// sharedEvidence is what two processes saw of each other.
type sharedEvidence struct {
	unmapped  bool // there are no shared mappings here
	rounds    int  // that were to be made
	done      int
	lost      int           // wakes that did not come
	wake      time.Duration // one way, median
	trouble   string
	locks     int // taken by processes that were killed then
	shut      int // of them, how many kept this process out while they lived
	freed     int // of them, how many could be had afterwards
	freedTook time.Duration
}

func (l *lab) shared() error {
	if !host.Shared {
		l.find(6, NotTested, "what processes share: this system is not one for several writers")
		return nil
	}
	var ev sharedEvidence
	if err := errors.Join(l.pass(&ev), l.locks(&ev)); err != nil {
		return err
	}
	if ev.done > 0 {
		l.figure("waking a process by a futex, one way, median", nanoseconds(ev.wake), "ns")
	}
	l.add(judgeShared(&ev)...)
	return nil
}

// pass passes numbers to and fro.
func (l *lab) pass(ev *sharedEvidence) error {
	ev.rounds = l.count(400, 100)
	path := filepath.Join(l.dir, "page")
	if err := os.WriteFile(path, make([]byte, pageSize), 0o600); err != nil {
		return err
	}
	b, err := openBoard(path)
	if err != nil {
		// Not every file system can share a mapping; a journal has a private page then.
		ev.unmapped, ev.trouble = true, err.Error()
		return nil
	}
	defer b.m.Close() // nothing is written back that anybody reads
	p, err := l.start("shared", path, strconv.Itoa(ev.rounds))
	if err != nil {
		return err
	}
	var took []time.Duration
	for n := uint32(1); n <= uint32(ev.rounds) && ev.trouble == ""; n++ {
		start := time.Now()
		err := b.set(0, n)
		overslept := 0
		if err == nil {
			overslept, err = b.await(l.ctx, 1, n)
		}
		ev.lost += overslept
		if err != nil {
			ev.trouble = err.Error()
			break
		}
		took = append(took, time.Since(start)/2)
	}
	if ev.done = len(took); ev.done > 0 {
		ev.wake = median(took)
	}
	if ev.trouble != "" {
		return l.ctx.Err()
	}
	said, err := p.Expect("lost")
	if err != nil {
		return err
	}
	lost, err := strconv.Atoi(said)
	ev.lost += lost
	return err
}

// locks kills processes that hold a lock.
func (l *lab) locks(ev *sharedEvidence) error {
	path := filepath.Join(l.dir, "lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written
	var took []time.Duration
	for range l.count(5, 2) {
		p, err := l.start("lock", path)
		if err != nil {
			return err
		}
		said, err := p.Expect("locked")
		if err != nil {
			return err
		}
		if said == "true" {
			ev.locks++
		}
		got, err := host.TryLockByte(f, 0, true)
		if err != nil {
			return err
		}
		if !got {
			ev.shut++
		}
		start := time.Now()
		if err := p.Kill(); err != nil {
			return err
		}
		if err := p.Wait(); !child.Killed(err) {
			return errors.Join(errors.New("the holder of a lock ended by itself"), err)
		}
		// The kernel lets the locks of a process go before its parent hears of its end.
		if got, err = host.TryLockByte(f, 0, true); err != nil {
			return err
		}
		if got {
			ev.freed++
			took = append(took, time.Since(start))
		}
		if err := host.UnlockByte(f, 0); err != nil {
			return err
		}
	}
	if len(took) > 0 {
		ev.freedTook = slices.Max(took)
	}
	return nil
}

func judgeShared(ev *sharedEvidence) []Finding {
	held := fmt.Sprintf("%d processes were killed while each held a lock: %d kept another one out, %d locks were free afterwards, within %v",
		ev.locks, ev.shut, ev.freed, round(ev.freedTook))
	locks := aside(found(6, verdict(ev.locks == 0 || ev.shut != ev.locks || ev.freed != ev.locks), "%s", held))
	if ev.unmapped {
		return []Finding{found(2, NotTested, "a page that processes share cannot be had: %s", ev.trouble), locks}
	}
	wrong := ev.done != ev.rounds || ev.trouble != ""
	text := fmt.Sprintf("%d times of %d a process saw in a shared page what another one had written", 2*ev.done, 2*ev.rounds)
	if ev.trouble != "" {
		text += ": " + ev.trouble
	}
	return []Finding{
		aside(found(2, verdict(wrong), "sync for several processes: %s", text)),
		aside(found(6, verdict(ev.lost > 0 || wrong), "of %d sleeping processes %d were not woken", 2*ev.done, ev.lost)),
		locks,
	}
}
