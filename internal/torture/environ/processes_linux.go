package environ

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/manypen/manypen/internal/torture/faults"
	"github.com/manypen/manypen/journal"
)

var processes = []named{
	{"two writers with the same pid, in namespaces of their own", true, func(s *site) error {
		var wg sync.WaitGroup
		var errs [2]error
		sites := [2]*site{s, {c: s.c, root: s.root, dir: s.dir, told: make(map[string]string), unsure: make(map[string]bool)}}
		for i, t := range sites {
			wg.Go(func() {
				g := normal(fmt.Sprint("guest ", i), 30)
				g.cloneflags = syscall.CLONE_NEWPID // it is process 1 there
				_, errs[i] = t.send(g)
			})
		}
		wg.Wait()
		for key, at := range sites[1].told {
			s.told[key] = at
		}
		return errors.Join(errs[:]...)
	}},
	{"a pid that is used again after a kill", true, func(s *site) error {
		for i := range 4 {
			g := normal(fmt.Sprint("guest ", i), 5)
			g.cloneflags, g.Last = syscall.CLONE_NEWPID, "kill"
			if err := s.must(g); err != nil {
				return err
			}
		}
		return nil
	}},
	{"another boot of the machine, and the first one again", true, func(s *site) error {
		other := filepath.Join(s.root, "boot_id")
		if err := os.WriteFile(other, []byte("01234567-89ab-cdef-0123-456789abcdef\n"), 0o444); err != nil {
			return err
		}
		for i := range 4 {
			g := normal(fmt.Sprint("guest ", i), 5)
			g.Last = "kill"
			if i%2 == 1 {
				g.BootID, g.cloneflags = other, syscall.CLONE_NEWNS
			}
			if err := s.must(g); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a roller stopped in front of each of its system calls", false, func(s *site) error {
		j, err := s.impatient()
		if err != nil {
			return err
		}
		n, step := 1, 1
		if s.c.Short {
			n, step = 1+s.c.Rand.IntN(15), 15
		}
		for stops := 0; ; n, stops = n+step, stops+1 {
			// Whoever is stopped must not keep others from appending and rolling.
			told, unsure, at, err := faults.Stop(s.c.Context(), s.dir, n, func() error { return s.put(j, 5) })
			if errors.Is(err, errors.ErrUnsupported) {
				return nil // the supervisor is for another kind of processor
			}
			if err != nil {
				return fmt.Errorf("stopped at call %d (%s): %w", n, at, err)
			}
			// All of these processes use the same keys.
			for key := range told {
				s.unsure[key] = true
			}
			for _, key := range unsure {
				s.unsure[key] = true
			}
			if at == "" {
				s.c.Count("calls that rollers were stopped at", stops)
				return s.once()
			}
			// What it wrote is looked at here and removed, so that there are no two of a
			// key in the end.
			if err := s.settled(told); err != nil {
				return fmt.Errorf("stopped at call %d (%s): %w", n, at, err)
			}
			if err := s.afresh(); err != nil {
				return err
			}
			if j, err = s.impatient(); err != nil {
				return err
			}
		}
	}},
	{"a clock that goes back a year, and forward two", false, func(s *site) error {
		j, err := s.begun(3)
		if err != nil {
			return err
		}
		const year = 365 * 24 * time.Hour
		off := []time.Duration{-year, year, -year, 2 * year, 0}
		before := time.Now()
		told, keys, err := faults.Clock(s.c.Context(), s.dir, off)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil // the supervisor is for another kind of processor
		}
		if err != nil {
			return err
		}
		after := time.Now()
		maps.Copy(s.told, told)
		if err := s.put(j, 3); err != nil {
			return err
		}
		for i, key := range keys {
			rec, err := j.Get([]byte(key))
			if err != nil {
				return err
			}
			if at := rec.Time.Add(-off[i%len(off)]); at.Before(before.Add(-time.Second)) || at.After(after.Add(time.Second)) {
				return fmt.Errorf("record %q was appended at %v, with a clock that was off by %v", key, rec.Time, off[i%len(off)])
			}
			if _, err := j.Seek(rec.Time); err != nil {
				return fmt.Errorf("seek %v: %w", rec.Time, err)
			}
		}
		return s.read(j)
	}},
	{"a storm of signals", false, func(s *site) error {
		g := normal("guest", 200)
		g.Signals = true
		if err := s.must(g); err != nil {
			return err
		}
		return nil
	}},
}

// once makes sure that no key of the site itself is lost or there twice; the verdict
// does the rest.
func (s *site) once() error {
	j, err := s.reader()
	if err != nil {
		return err
	}
	own := make(map[string]string)
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return err
		}
		own[string(r.Key)] = r.Position.String()
	}
	for key, at := range s.told {
		if own[key] != at {
			return fmt.Errorf("record %q was acknowledged at %s, and is at %q", key, at, own[key])
		}
	}
	return nil
}

// settled makes sure that what another process was told is so.
func (s *site) settled(told map[string]string) error {
	t := &site{c: s.c, root: s.root, dir: s.dir, told: make(map[string]string)}
	for key, at := range told {
		t.told[key] = at
	}
	for key, at := range s.told {
		t.told[key] = at
	}
	return errors.Join(t.once(), t.close())
}

// afresh judges the journal and removes it.
func (s *site) afresh() error {
	if err := s.verdict(s.c.Context()); err != nil {
		return err
	}
	clear(s.told)
	clear(s.unsure)
	return os.RemoveAll(s.dir)
}

// impatient begins a journal by a writer that does not wait long for who has the sync
// lock and is stopped: it leaves the page to him.
func (s *site) impatient() (*journal.Journal, error) {
	j, err := journal.Open(s.dir, journal.Options{Sync: journal.SyncNone, SegmentSize: segmentSize, LockTimeout: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	s.open = append(s.open, j)
	return j, s.put(j, 2)
}
