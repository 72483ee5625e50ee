package environ

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

// nobody is the user, and the group, that guests without rights are.
const nobody = 65534

var permissions = []named{
	{"a directory that may only be read", true, func(s *site) error {
		j, err := s.begun(5)
		if err != nil {
			return err
		}
		g := normal("guest", 3)
		g.User = nobody
		if err := s.refuse(g); err != nil {
			return err
		}
		return s.put(j, 3) // others are not bothered
	}},
	{"a directory that may not be entered", true, func(s *site) error {
		j, err := s.begun(5)
		if err != nil {
			return err
		}
		if err := os.Chmod(s.dir, 0o700); err != nil {
			return err
		}
		g := normal("guest", 3)
		g.User = nobody
		if err := s.refuse(g); err != nil {
			return err
		}
		return errors.Join(s.put(j, 3), os.Chmod(s.dir, 0o755))
	}},
	{"permissions taken away while it is open", true, func(s *site) error {
		// A process without rights makes a journal of its own, and they are taken while
		// it appends: it is told so when it needs them, or goes on.
		if err := errors.Join(os.Chmod(s.root, 0o777), os.Chmod(filepath.Dir(s.root), 0o755)); err != nil {
			return err
		}
		g := normal("owner", 5)
		g.User = nobody
		if err := s.must(g); err != nil {
			return err
		}
		for i, mode := range []os.FileMode{0o000, 0o500, 0o300, 0o755} {
			if err := os.Chmod(s.dir, mode); err != nil {
				return err
			}
			g := normal(fmt.Sprint("guest ", i), 5)
			g.User = nobody
			refused, err := s.send(g)
			if err != nil {
				return err
			}
			if mode == 0o755 && len(refused) > 0 {
				return fmt.Errorf("with all rights again a guest is refused: %v", refused)
			}
		}
		segments, err := filepath.Glob(filepath.Join(s.dir, "seg.*"))
		for _, path := range segments {
			err = errors.Join(err, os.Chmod(path, 0o444))
		}
		if err != nil {
			return err
		}
		g = normal("reader", 3)
		g.User = nobody
		if err := s.refuse(g); err != nil {
			return err
		}
		for _, path := range segments {
			err = errors.Join(err, os.Chmod(path, 0o644))
		}
		return err
	}},
	{"a file system that may only be read", true, func(s *site) error {
		if _, err := s.begun(5); err != nil {
			return err
		}
		if err := s.close(); err != nil {
			return err
		}
		if err := unix.Mount(s.dir, s.dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		err := unix.Mount("", s.dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		if err == nil {
			_, werr := s.writer(journal.SyncNone)
			err = refused("a writer", werr)
		}
		if err == nil {
			r, rerr := s.reader()
			if err = rerr; err == nil {
				err = errors.Join(s.read(r), s.close())
			}
		}
		return errors.Join(err, unix.Unmount(s.dir, 0))
	}},
	{"umasks from 0000 to 0777", false, func(s *site) error {
		for i, umask := range []int{0o000, 0o022, 0o077, 0o777} {
			dir := filepath.Join(s.root, fmt.Sprint("umask ", i))
			t := &site{c: s.c, root: s.root, dir: dir, told: make(map[string]string), unsure: make(map[string]bool)}
			g := normal("guest", 5)
			g.Umask = umask
			if _, err := t.send(g); err != nil {
				return fmt.Errorf("umask %03o: %w", umask, err)
			}
			if err := t.verdict(s.c.Context()); err != nil {
				return fmt.Errorf("umask %03o: %w", umask, err)
			}
		}
		return nil
	}},
	{"a file system that does not append atomically", true, func(s *site) error {
		bindfs, err := exec.LookPath("bindfs")
		if err != nil {
			s.c.Skip("a file system that does not append atomically: %v", err)
			return nil
		}
		from, to := filepath.Join(s.root, "from"), filepath.Join(s.root, "fuse")
		if err := errors.Join(os.Mkdir(from, 0o755), os.Mkdir(to, 0o755)); err != nil {
			return err
		}
		if out, err := exec.Command(bindfs, from, to).CombinedOutput(); err != nil {
			s.c.Skip("a file system that does not append atomically: %v: %s", err, out)
			return nil
		}
		s.dir = filepath.Join(to, "j")
		err = s.aloneThere()
		// What is there is judged from below, when the mount is gone.
		s.dir = filepath.Join(from, "j")
		return errors.Join(err, s.close(), unix.Unmount(to, 0))
	}},
}

// aloneThere makes sure that a second writer is refused, and that several can write who
// take a lock for each append.
func (s *site) aloneThere() error {
	j, err := s.begun(3)
	if err != nil {
		return err
	}
	_, err = s.writer(journal.SyncNone)
	if err := refused("a second writer", err, journal.ErrUnsafe); err != nil {
		return err
	}
	g := normal("guest", 3)
	if err := s.refuse(g); err != nil {
		return err
	}
	if err := errors.Join(s.put(j, 5), s.close()); err != nil {
		return err
	}
	for range 2 {
		k, err := journal.Open(s.dir, journal.Options{Sync: journal.SyncNone, SegmentSize: segmentSize, Locked: true})
		if err != nil {
			return fmt.Errorf("with a lock for each append: %w", err)
		}
		s.open = append(s.open, k)
	}
	for range 4 {
		for _, k := range s.open {
			if err := s.put(k, 2); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse is send for a guest that has to be refused, and may leave nothing.
func (s *site) refuse(g guest) error {
	told := len(s.told)
	refused, err := s.send(g)
	if err == nil && (len(refused) == 0 || len(s.told) > told) {
		err = fmt.Errorf("guest %s is not refused: %d records, refused: %v", g.Prefix, len(s.told)-told, refused)
	}
	return err
}

var limits = []named{
	{"too few descriptors, from 4 to 24", false, func(s *site) error {
		if _, err := s.begun(3); err != nil {
			return err
		}
		served := 0
		for n := uint64(4); n < 24; n++ {
			g := normal(fmt.Sprint("guest ", n), 8)
			g.NoFile = n
			refused, err := s.send(g)
			if err != nil && regexp.MustCompile(`runtime: (epollcreate|eventfd|netpollinit)`).MatchString(err.Error()) {
				s.c.Count("processes that the runtime of Go ended", 1) // it has no descriptor for itself
				continue
			}
			if err != nil {
				return fmt.Errorf("%d descriptors: %w", n, err)
			}
			if len(refused) == 0 {
				served++
			}
		}
		if served == 0 {
			return errors.New("24 descriptors are not enough for a writer")
		}
		return nil
	}},
	{"files that may not grow", false, func(s *site) error {
		for i, size := range []uint64{0, 1, 100, 4096, 8191, 8192, 8193, 9000, 10_000, 12 << 10, 13_000, 100_000} {
			dir := filepath.Join(s.root, fmt.Sprint("limit ", i))
			t := &site{c: s.c, root: s.root, dir: dir, told: make(map[string]string), unsure: make(map[string]bool)}
			g := normal("guest", 8)
			g.FSize = max(size, 1)
			if _, err := t.send(g); err != nil {
				return fmt.Errorf("files of %d bytes: %w", size, err)
			}
			if err := t.verdict(s.c.Context()); err != nil {
				return fmt.Errorf("files of %d bytes: %w", size, err)
			}
		}
		return nil
	}},
	{"a disk with room for 0 to 40 pages", true, func(s *site) error {
		mnt := filepath.Join(s.root, "mnt")
		if err := os.Mkdir(mnt, 0o755); err != nil {
			return err
		}
		for pages := 1; pages <= 40; pages++ {
			if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size="+strconv.Itoa(pages*os.Getpagesize())); err != nil {
				return err
			}
			t := &site{c: s.c, root: s.root, dir: filepath.Join(mnt, "j"), told: make(map[string]string), unsure: make(map[string]bool)}
			g := normal("guest", 20)
			_, err := t.send(g)
			if err == nil { // and with room again it goes on
				err = unix.Mount("", mnt, "", unix.MS_REMOUNT, "size=64m")
			}
			if err == nil {
				err = t.verdict(s.c.Context())
			}
			if err := errors.Join(err, t.close(), unix.Unmount(mnt, 0)); err != nil {
				return fmt.Errorf("%d pages: %w", pages, err)
			}
		}
		return nil
	}},
}
