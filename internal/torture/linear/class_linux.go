package linear

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// Classes returns the class of this package.
func Classes() []*board.Class {
	return []*board.Class{{
		ID:     "LIN",
		Title:  "appends, batches, deletes, gets, scans and follows of five processes at once, one killed",
		Passes: "one order explains what every call returned (porcupine)",
		Run: func(r *board.Run) error {
			r.EachAlone("", r.Size(1000, 12), func(c *board.Case) error { return run(c) })
			return nil
		},
	}}
}

// run is a case: four writers and a reader; in two of three cases one writer is killed
// after some calls, and another one takes its place. What chance decides is what they
// call; when, the system decides.
func run(c *board.Case) error {
	root, err := c.Dir()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "j")
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	if err == nil {
		err = j.Close() // so that the reader finds one
	}
	if err != nil {
		return err
	}
	calls := 30 + c.Rand.IntN(60)
	killAfter := 0
	if c.I%3 != 0 {
		killAfter = 1 + c.Rand.IntN(4*calls)
	}
	var mu sync.Mutex
	var all []*call
	var errs []error
	var wg sync.WaitGroup
	start := func(process int, mode string, killAfter int) {
		notes, err := runChild(c, dir, process, calls, mode, killAfter)
		mu.Lock()
		defer mu.Unlock()
		all, errs = append(all, notes...), append(errs, err)
	}
	for p := range writers {
		wg.Go(func() {
			if p > 0 || killAfter == 0 {
				start(p, "write", 0)
				return
			}
			start(p, "write", killAfter)
			start(writers+1, "write", 0)
		})
	}
	wg.Go(func() { start(writers, "read", 0) })
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	o, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	if n := o.Bytes(oracle.Corruption) + o.Bytes(oracle.Hole); n > 0 {
		return fmt.Errorf("%d bytes are corrupt or missing: %v", n, o.Stretches)
	}
	ops, err := history(o, all)
	if err != nil {
		return err
	}
	c.Count("calls", len(ops))
	c.Count("records", len(o.Records))
	return check(c.Context(), ops)
}

// runChild runs a process and returns what it noted. With killAfter it is killed when
// it has noted that many lines.
func runChild(c *board.Case, dir string, process, calls int, mode string, killAfter int) ([]*call, error) {
	cmd, err := board.Child(c.Context(), role, dir, fmt.Sprint(process), fmt.Sprint(c.Seed+uint64(c.N)), fmt.Sprint(calls), mode)
	if err != nil {
		return nil, err
	}
	var told bytes.Buffer
	cmd.Stderr = &told
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	killed := false
	lines := 0
	r := io.TeeReader(out, watch(func(b []byte) {
		if lines += bytes.Count(b, []byte("\n")); killAfter > 0 && lines >= killAfter && !killed {
			killed = cmd.Process.Kill() == nil
		}
	}))
	notes, err := readNotes(process, r)
	werr := cmd.Wait()
	if killed {
		c.Count("kills", 1)
		werr = nil // that it was killed
	}
	if err := errors.Join(err, werr); err != nil {
		return nil, fmt.Errorf("process %d: %w: %s", process, err, told.Bytes())
	}
	return notes, nil
}

// watch is a writer that calls a function with everything that is written.
type watch func([]byte)

func (w watch) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}
