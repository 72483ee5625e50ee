package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/manypen/manypen/journal"
)

// sequence is a running hash of the records that somebody has seen, in order.
// Two readers with the same sum have seen the same sequence.
type sequence struct {
	n   int
	sum hash.Hash
}

func newSequence() *sequence { return &sequence{sum: sha256.New()} }

func (s *sequence) add(r journal.Record) {
	s.n++
	fmt.Fprintf(s.sum, "%v %v %d %d %q %d\n", r.Position, r.Next, r.Writer, r.Seq, r.Key, len(r.Value))
}

func (s *sequence) String() string {
	return fmt.Sprintf("%d %s", s.n, hex.EncodeToString(s.sum.Sum(nil)[:16]))
}

// follow is a follower: it reads along from the beginning until it has seen as
// many records as it is told on in, and then says what it has seen.
func follow(cfg config, in io.Reader, out io.Writer) (err error) {
	j, err := journal.Open(cfg.dir, journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	seen, target := newSequence(), -1
	go func() {
		n := 0
		if _, err := fmt.Fscan(in, &n); err != nil {
			n = 0 // whoever asked is gone
		}
		mu.Lock()
		defer mu.Unlock()
		if target = n; seen.n >= target {
			cancel()
		}
	}()
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			return err
		}
		mu.Lock()
		seen.add(rec)
		enough := target >= 0 && seen.n >= target
		mu.Unlock()
		if enough {
			break
		}
	}
	_, err = fmt.Fprintln(out, seen)
	return err
}

// patience is how long a follower may take to come to the end of a journal to
// which nobody appends any more.
const patience = time.Minute

// followers are the processes that read along.
type followers struct{ all []*follower }

type follower struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.Reader
	once sync.Once
}

func startFollowers(cfg config, errs *os.File) (*followers, error) {
	f := &followers{}
	for range cfg.followers {
		cmd, in, out, err := startSelf(cfg, roleFollower, errs)
		if err != nil {
			f.stop()
			return nil, err
		}
		f.all = append(f.all, &follower{cmd: cmd, in: in, out: out})
	}
	return f, nil
}

// saw returns what each follower has seen when it has come to record n.
func (f *followers) saw(n int) []string {
	var all []string
	for _, p := range f.all {
		// It may have ended already; then the answer below is missing all the same.
		timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
		_, err := fmt.Fprintln(p.in, n)
		line := ""
		if err == nil {
			line, err = bufio.NewReader(p.out).ReadString('\n')
		}
		if err = errors.Join(err, p.end()); err != nil {
			line = "failed: " + err.Error()
		}
		timer.Stop()
		all = append(all, line)
	}
	return all
}

// end closes a follower's input, after which it ends, and waits for that.
func (p *follower) end() (err error) {
	p.once.Do(func() {
		_ = p.in.Close() // all that was to be said is said
		err = p.cmd.Wait()
	})
	return err
}

// stop ends those that are still there.
func (f *followers) stop() {
	for _, p := range f.all {
		_ = p.end() // its result is not wanted any more
	}
}
