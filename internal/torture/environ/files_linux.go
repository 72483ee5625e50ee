package environ

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/manypen/manypen/journal"
)

var files = []named{
	{"a segment removed under a follower and a Get", false, func(s *site) error {
		j, err := s.begun(8)
		if err != nil {
			return err
		}
		r, err := s.reader()
		if err != nil {
			return err
		}
		if _, err := r.Get([]byte("site 1")); err != nil {
			return err
		}
		next, stop := pull(s.c.Context(), r)
		defer stop()
		if _, err := next(); err != nil {
			return err
		}
		path, aside := filepath.Join(s.dir, "seg.000000002"), filepath.Join(s.root, "aside")
		if err := os.Rename(path, aside); err != nil {
			return err
		}
		gone := 0
		for {
			rec, err := next()
			if err != nil {
				if err := refused("reading on", err, journal.ErrMissing, journal.ErrPruned); err != nil {
					return err
				}
				gone++
				continue
			}
			if string(rec.Key) == "site 8" {
				break
			}
		}
		if gone > 1 {
			return fmt.Errorf("one segment is missing, and the follower was told %d times", gone)
		}
		// The reader may have the file open, or have read it: both are right. Two records
		// fill a segment: the third was in it.
		if _, err := r.Get([]byte("site 3")); err != nil && !errors.Is(err, journal.ErrNotFound) {
			if err := refused("Get", err, journal.ErrMissing, journal.ErrPruned); err != nil {
				return err
			}
		}
		if err := s.put(j, 3); err != nil {
			return err
		}
		return os.Rename(aside, path) // so that the verdict finds a journal
	}},
	{"journal.id removed while in use", false, identity(os.Remove)},
	{"journal.id emptied while in use", false, identity(func(path string) error { return os.Truncate(path, 0) })},
	{"journal.id with a flipped bit", false, identity(func(path string) error {
		return change(path, func(b []byte) { b[25] ^= 1 })
	})},
	{"a segment replaced by an older copy under a reader", false, func(s *site) error {
		j, err := s.begun(2)
		if err != nil {
			return err
		}
		r, err := s.reader()
		if err != nil {
			return err
		}
		next, stop := pull(s.c.Context(), r)
		defer stop()
		if _, err := next(); err != nil {
			return err
		}
		path := filepath.Join(s.dir, "seg.000000001")
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := s.put(j, 4); err != nil {
			return err
		}
		now, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := errors.Join(os.WriteFile(path+"~", old, 0o644), os.Rename(path+"~", path)); err != nil {
			return err
		}
		for range 5 {
			if _, err := next(); err != nil {
				if err := refused("reading on", err); err != nil {
					return err
				}
			}
		}
		return errors.Join(os.WriteFile(path+"~", now, 0o644), os.Rename(path+"~", path))
	}},
	{"strange names in the directory", false, func(s *site) error {
		j, err := s.begun(3)
		if err != nil {
			return err
		}
		for _, name := range []string{"seg.x", "seg.1", "seg.0000000001", "seg.999999999", "seg.000000000", "seg.-00000001", "idx.000000001", "idx.x",
			"tmp.", "tmp.1", "ctl.", "ctl.x", "seg.000000001~", ".hidden", "\xff\xfe", strings.Repeat("n", 255), "seg.000000001\n"} {
			if err := os.WriteFile(filepath.Join(s.dir, name), []byte("strange"), 0o644); err != nil {
				return err
			}
		}
		return errors.Join(os.Symlink("loop", filepath.Join(s.dir, "loop")), s.goOn(j))
	}},
	{"a fifo, a directory and a link to a loop in the place of later segments", false, func(s *site) error {
		for i, put := range []func(string) error{
			func(path string) error { return syscall.Mkfifo(path, 0o644) },
			func(path string) error { return os.Mkdir(path, 0o755) },
			func(path string) error { return os.Symlink(filepath.Base(path), path) },
		} {
			j, err := s.begun(1)
			if err != nil {
				return err
			}
			last, err := filepath.Glob(filepath.Join(s.dir, "seg.*"))
			if err != nil {
				return err
			}
			var n int
			if _, err := fmt.Sscanf(filepath.Base(last[len(last)-1]), "seg.%d", &n); err != nil {
				return err
			}
			path := filepath.Join(s.dir, fmt.Sprintf("seg.%09d", n+1))
			if err := put(path); err != nil {
				return err
			}
			if err := s.put(j, 5); err != nil {
				if err := refused(fmt.Sprint("append ", i), err); err != nil {
					return err
				}
			}
			if err := errors.Join(s.close(), os.Remove(path)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"the directory renamed while in use", false, func(s *site) error {
		j, err := s.begun(3)
		if err != nil {
			return err
		}
		moved := s.dir + " moved"
		if err := os.Rename(s.dir, moved); err != nil {
			return err
		}
		s.dir = moved
		return s.goOn(j)
	}},
	{"the directory removed while in use, and another journal in its place", false, func(s *site) error {
		j, err := s.begun(3)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
		clear(s.told) // they went with it
		for range 5 {
			// To what is not there any more records can be appended until a segment is
			// full, as to every file that is open; then it is an error.
			if err = s.put(j, 1); err != nil {
				break
			}
		}
		if err := refused("appending to what was removed", err); err != nil {
			return err
		}
		clear(s.told)
		clear(s.unsure)
		if err := j.Close(); err != nil {
			return err
		}
		s.open = nil
		k, err := s.begun(3)
		if err != nil {
			return err
		}
		return s.goOn(k)
	}},
	{"a segment of another journal", false, func(s *site) error {
		if _, err := s.begun(5); err != nil {
			return err
		}
		other := &site{c: s.c, root: s.root, dir: filepath.Join(s.root, "other"), told: make(map[string]string), unsure: make(map[string]bool)}
		_, err := other.begun(9)
		if err := errors.Join(err, other.close(), s.close()); err != nil {
			return err
		}
		segments, err := filepath.Glob(filepath.Join(s.dir, "seg.*"))
		if err != nil {
			return err
		}
		stranger := filepath.Join(s.dir, fmt.Sprintf("seg.%09d", len(segments)+1))
		if err := os.Link(filepath.Join(other.dir, "seg.000000003"), stranger); err != nil {
			return err
		}
		j, err := s.writer(journal.SyncNone)
		if err == nil {
			err = s.put(j, 4)
		}
		if err != nil {
			if err := refused("a writer", err); err != nil {
				return err
			}
		}
		r, err := s.reader()
		if err != nil {
			return err
		}
		strange := 0
		for rec, err := range r.Records(journal.Position{}) {
			if err != nil {
				if err := refused("reading", err, journal.ErrForeign); err != nil {
					return err
				}
				strange++
			} else if s.told[string(rec.Key)] != rec.Position.String() {
				return fmt.Errorf("record %q at %v is not of this journal", rec.Key, rec.Position)
			}
		}
		if strange != 1 {
			return fmt.Errorf("a reader tells %d times of the strange segment", strange)
		}
		// What the other journal lost by that name it has lost by nobody's writing.
		if err := other.verdict(s.c.Context()); err != nil {
			return fmt.Errorf("the other journal: %w", err)
		}
		return errors.Join(s.close(), os.RemoveAll(s.dir), forgetAll(s))
	}},
}

// forgetAll says that the journal was taken away, and with it what was in it.
func forgetAll(s *site) error {
	clear(s.told)
	clear(s.unsure)
	return nil
}

// identity ruins journal.id while a writer has the journal open. Every segment repeats
// what it says.
func identity(ruin func(path string) error) func(*site) error {
	return func(s *site) error {
		j, err := s.begun(5)
		if err != nil {
			return err
		}
		if err := ruin(filepath.Join(s.dir, "journal.id")); err != nil {
			return err
		}
		return s.goOn(j)
	}
}

// pull returns the records of a follower one by one.
func pull(ctx context.Context, j *journal.Journal) (next func() (journal.Record, error), stop func()) {
	type item struct {
		rec journal.Record
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	items := make(chan item)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for rec, err := range j.Follow(ctx, journal.Position{}) {
			select {
			case items <- item{rec, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	next = func() (journal.Record, error) {
		select {
		case i := <-items:
			return i.rec, i.err
		case <-ctx.Done():
			return journal.Record{}, ctx.Err()
		}
	}
	return next, func() {
		cancel()
		<-done
	}
}
