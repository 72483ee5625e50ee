package faults

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/fsys"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
)

// cell is an entry of the matrix of the failed sync.
type cell struct {
	kind fsys.FullKind
	who  string // acts first after the failure
	// cold: the kernel has forgotten the pages whose write-back failed. Warm, it still
	// shows them to everybody, as if nothing had happened.
	cold bool
}

func (c cell) String() string {
	return c.kind.Type + "/" + c.who + map[bool]string{true: "/cold", false: "/warm"}[c.cold]
}

// The process that got the error, one with records in the same file, one that opens
// the file when the error has been reported already, and all these if the process
// that got it has died before it could tell.
var whos = []string{"leader", "follower", "later", "killed"}

// surviving are the file systems that go on when there is room again.
func surviving() []fsys.FullKind {
	return slices.DeleteFunc(slices.Clone(fsys.FullKinds), func(k fsys.FullKind) bool { return !k.Survives })
}

func cells() (all []cell) {
	for _, kind := range surviving() {
		for _, who := range whos {
			for _, cold := range []bool{false, true} {
				all = append(all, cell{kind, who, cold})
			}
		}
	}
	return all
}

var disk = &board.Class{
	ID:     "X10",
	Title:  "a sync fails on a full disk, which has room again afterwards: 24 cells of who acts first, and where",
	Passes: "nobody was told that a record is durable which is not on the disk; everybody goes on",
	Run: func(r *board.Run) error {
		if os.Getuid() != 0 {
			r.Skip("mounting file systems needs root")
			return nil
		}
		var able []cell
		broken := make(map[string]error)
		for _, kind := range surviving() {
			if err := probe(r, kind); err != nil {
				broken[kind.Type] = err
				r.Skip("8 cells on %s: %v", kind.Type, err)
			}
		}
		tracing := canTrace()
		for _, c := range cells() {
			switch {
			case broken[c.kind.Type] != nil:
			case c.who == "killed" && tracing != nil:
				r.Skip("%v: %v", c, tracing)
			default:
				able = append(able, c)
			}
		}
		if len(able) == 0 {
			return nil
		}
		r.Each("", r.Size(len(able), min(len(able), 8)), func(c *board.Case) error {
			i := c.I
			if c.Short {
				i = c.Rand.IntN(len(able))
			}
			told, err := able[i].run(c)
			if c.Verbose {
				fmt.Fprintf(c.Log, "X10 case %d is %v: %s\n", c.N, able[i], told)
			}
			if err != nil {
				return fmt.Errorf("%v: %w", able[i], err)
			}
			return nil
		})
		return nil
	},
}

// probe says why a file system cannot be had here.
func probe(r *board.Run, kind fsys.FullKind) error {
	if _, err := exec.LookPath("mkfs." + kind.Type); err != nil {
		return err
	}
	root, err := r.Scratch()
	if err != nil {
		return err
	}
	d, err := fsys.MakeFull(root, kind)
	return errors.Join(err, d.Close())
}

// matrix is a cell under way.
type matrix struct {
	*fsys.Full
	ctx     context.Context
	journal string // directory
	ledger  *ledger
	actors  []*actor
	cancel  []func()
	said    shared // standard error of all of them
	log     strings.Builder
}

// shared is text that several goroutines write.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// run carries out a cell, and returns in a line what everybody was told.
func (c cell) run(bc *board.Case) (told string, err error) {
	root, err := bc.Dir()
	if err != nil {
		return "", err
	}
	m := &matrix{ctx: bc.Context(), ledger: newLedger()}
	m.Full, err = fsys.MakeFull(root, c.kind)
	m.journal = filepath.Join(m.Dir, "journal")
	defer func() {
		if p := recover(); p != nil {
			s, ok := p.(stop)
			if !ok {
				panic(p)
			}
			err = fmt.Errorf("%w; what was said:\n%s", s.error, m.log.String())
		}
		m.dismiss()
		err = errors.Join(err, m.Close())
	}()
	if err != nil {
		return "", err
	}
	told = m.play(c)
	bc.Count("records acknowledged", len(m.ledger.durable))
	return told, nil
}

// dismiss ends the processes that a cell has left behind.
func (m *matrix) dismiss() {
	for _, cancel := range m.cancel {
		cancel()
	}
	for _, a := range m.actors {
		switch {
		case a.died != nil:
			<-a.died
			_ = errors.Join(a.in.Close(), a.close.Close()) // nobody is at the other end
		case a.cmd != nil && a.cmd.Process != nil:
			_ = a.cmd.Process.Kill() // it may have ended
			_ = a.cmd.Wait()         // which is what was wanted
		}
	}
}

func (m *matrix) play(c cell) string {
	founder := m.hire("founder")
	founder.must("append", "appendsync")
	// The leader has not synced anything: doomed, it would not survive it.
	var leader *actor
	if c.who == "killed" {
		leader = m.doom("leader")
	} else {
		leader = m.hire("leader")
	}
	mustf(leader.enter(), "the leader cannot open the journal")
	follower := m.hire("follower")
	follower.must("append", "sync")
	founder.leave()
	must(m.Fill())
	told := m.fail(c, leader, follower)
	must(m.MakeRoom())
	// The one in question acts first, then everybody.
	later := m.hire("later")
	first, all := []*actor{later}, []*actor{leader, follower, later}
	switch c.who {
	case "leader":
		first = []*actor{leader}
	case "follower":
		first = []*actor{follower}
	case "killed":
		first, all = []*actor{later, follower}, all[1:]
	}
	var early map[string]string
	for _, a := range first {
		told += "; " + a.try("sync", "append", "appendsync", "sync")
		if early == nil {
			// What others do after that may save what was lost.
			must(m.Snapshot())
			early = maps.Clone(m.ledger.durable)
		}
	}
	must(m.Healthy())
	for _, a := range all {
		// Who appends first has left the file that failed when it syncs.
		got := a.try("append", "sync", "appendsync", "sync")
		told += "; " + got
		mustf(strings.HasSuffix(got, "done"), "the file system is well, and the journal is not: %s", got)
	}
	for _, a := range all {
		a.leave()
	}
	m.judge(early)
	return told
}

// fail lets the leader sync while the disk is full, with records of both that are not
// on it. It must be told of a failure, or the rest is about nothing.
func (m *matrix) fail(c cell, leader, follower *actor) (told string) {
	follower.must("append", "append")
	leader.must("append")
	written := len(m.visible()) + 1 // and the leader's next one
	if c.who == "killed" {
		told = "leader dies of: " + leader.dieInSync()
	} else {
		got := leader.act("appendsync")
		mustf(got == "unknown", "with the disk full the leader is told: %s", got)
		told = "leader is told " + got
	}
	if c.cold {
		paths, err := filepath.Glob(filepath.Join(m.journal, "seg.*"))
		must(err)
		must(m.Drop(paths))
	}
	kept := len(m.visible())
	mustf(!c.cold || kept < written, "all %d records are on the disk that had no room for them", kept)
	return told + fmt.Sprintf(", %d of %d records are readable then", kept, written)
}

// visible is what can be read now. Nobody writes: all wait for an order.
func (m *matrix) visible() []oracle.Record {
	j, err := oracle.Read(m.journal)
	must(err)
	return j.Records
}

// judge reads what is on the disk, in the end and as it was when the first one had
// acted, lets a writer go on with the former, and holds it all against the ledger.
func (m *matrix) judge(early map[string]string) {
	must(m.Remount())
	m.check(m.ledger.durable)
	fresh := m.hire("fresh")
	fresh.must("append", "appendsync", "append", "sync")
	fresh.leave()
	must(m.Remount())
	m.check(m.ledger.durable)
	must(m.UseSnapshot())
	m.check(early)
}

// check reads what is on the disk and holds it against a ledger.
func (m *matrix) check(durable map[string]string) {
	j, err := judge.Agreed(m.ctx, m.journal)
	must(err)
	must(m.ledger.check(j, durable))
}
