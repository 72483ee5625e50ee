package procs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/fsys"
	"github.com/manypen/manypen/internal/torture/oracle"
)

// Classes returns the classes of this package.
func Classes() []*board.Class { return []*board.Class{killed, ended, rotations} }

const (
	writers  = 4
	perRound = 25 // kills
)

// The order of events is decided by chance, which depends on the seed. At which
// instruction a signal meets a process nobody decides: a case that has failed fails
// again as likely as it did, and not for certain.
var killed = &board.Class{
	ID:     "X6",
	Title:  "one of four real writers killed by SIGKILL, again and again, on ext4, XFS, btrfs, tmpfs",
	Passes: "what was acknowledged is readable, once, in order; a round is a journal with 25 kills",
	Run: func(r *board.Run) (err error) {
		for _, kind := range fsys.Kinds {
			if r.Short && kind != "ext4" && kind != "tmpfs" {
				continue // mkfs takes longer than the kills
			}
			fs, ferr := fsys.Make(r.Dir, kind)
			if ferr != nil {
				r.Skip("%v", ferr)
				r.Pass(r.Size(2500, 50) / perRound) // so that the others keep their numbers
				continue
			}
			r.EachAlone(fs.Dir, r.Size(2500, 50)/perRound, killRound)
			err = errors.Join(err, fs.Close())
		}
		return err
	},
}

// killRound is a journal with four writers, of which one after the other is killed
// when it has told some acknowledgements, and replaced.
func killRound(c *board.Case) error {
	dir, err := journalDir(c)
	if err != nil {
		return err
	}
	durable := c.I%5 == 0
	var all []*process
	another := func() (*process, error) {
		o := orders{Dir: dir, Process: len(all), Seed: c.Rand.Uint64(), Lanes: 1 + c.Rand.IntN(5), Durable: durable,
			Segment: 64 << 10 << c.Rand.IntN(5), Small: 600, Large: 512 << 10, Rare: 40}
		p, err := start(c, o, 1+c.Rand.IntN(60))
		if err == nil {
			all = append(all, p)
		}
		return p, err
	}
	slots := make([]*process, writers)
	for i := range slots {
		if slots[i], err = another(); err != nil {
			return errors.Join(err, killAll(all))
		}
	}
	for range perRound {
		i := c.Rand.IntN(writers)
		err := slots[i].await()
		if err == nil {
			err = slots[i].kill()
		}
		if err == nil {
			slots[i], err = another()
		}
		if err != nil {
			return errors.Join(err, killAll(all))
		}
	}
	for _, p := range slots {
		err = errors.Join(err, p.await(), p.finish())
	}
	if err != nil {
		return err
	}
	c.Count("kills", perRound)
	return verdict(c, dir, all)
}

func journalDir(c *board.Case) (string, error) {
	root, err := c.Dir()
	return filepath.Join(root, "j"), err
}

// killAll ends what still runs after a failure.
func killAll(all []*process) error {
	var errs []error
	for _, p := range all {
		errs = append(errs, p.cmd.kill())
	}
	return errors.Join(errs...)
}

// verdict judges what processes that have ended have left.
func verdict(c *board.Case, dir string, all []*process) error {
	var writers []*acked
	for _, p := range all {
		writers = append(writers, &p.acked)
		c.Count("acknowledged", p.told)
	}
	o, untold, err := check(c.Context(), dir, writers)
	if err != nil {
		return err
	}
	c.Count("whole and not told", untold)
	for _, s := range o.Stretches {
		if s.Class == oracle.Fragment || s.Class == oracle.Pending && s.To > s.From {
			c.Count("torn", 1)
		}
	}
	return nil
}

// ways are how a process may end beside a kill.
var ways = []string{"exit", "panic", "SIGTERM", "killed together"}

var ended = &board.Class{
	ID:     "X7",
	Title:  "os.Exit, panic, SIGTERM, and SIGKILL of all processes at once, while other goroutines write",
	Passes: "what was acknowledged is readable, once, in order",
	Run: func(r *board.Run) error {
		r.EachAlone("", r.Size(1000, 40), endWriters)
		return nil
	},
}

// endWriters lets the first of two writers end in one of the ways; values are so large
// that some of their writes are under way then.
func endWriters(c *board.Case) error {
	dir, err := journalDir(c)
	if err != nil {
		return err
	}
	way := ways[c.I%len(ways)]
	var all []*process
	for i := range 2 {
		o := orders{Dir: dir, Process: i, Seed: c.Rand.Uint64(), Lanes: 3, Segment: 4 << 20, Small: 64 << 10, Large: 1 << 20, Rare: 4}
		if i == 0 && (way == "exit" || way == "panic") {
			o.Die, o.DieAfter = way, 1+c.Rand.IntN(8)
		}
		p, err := start(c, o, 3+c.Rand.IntN(20))
		if err != nil {
			return errors.Join(err, killAll(all))
		}
		all = append(all, p)
	}
	first, second := all[0], all[1]
	err = first.await()
	switch way {
	case "exit", "panic":
		if err == nil {
			<-first.done
		}
		err = errors.Join(err, first.wait(nil), second.await(), second.finish())
		if code := first.cmd.cmd.ProcessState.ExitCode(); code != map[string]int{"exit": 3, "panic": 2}[way] {
			err = errors.Join(err, fmt.Errorf("%s: exit code %d: %s", way, code, first.cmd.errors()))
		}
	case "SIGTERM":
		err = errors.Join(err, first.wait(first.cmd.signal(syscall.SIGTERM)), second.await(), second.finish())
	default:
		err = errors.Join(err, killAll(all))
		err = errors.Join(err, first.wait(nil), second.wait(nil))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", way, err)
	}
	if _, serr := os.Stat(dir); os.IsNotExist(serr) {
		return fmt.Errorf("%s: the writers have ended before they made a journal", way)
	}
	if err := verdict(c, dir, all); err != nil {
		return fmt.Errorf("%s: %w", way, err)
	}
	return nil
}
