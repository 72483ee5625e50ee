package environ

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/manypen/manypen/journal"
)

// controls are the ways to ruin the control file, beneath a writer that has it mapped
// and in front of others that come.
var controls = []named{
	{"the control file deleted while in use", false, inUse(os.Remove)},
	{"the control file zeroed while in use", false, inUse(func(path string) error {
		return change(path, func(b []byte) { clear(b) })
	})},
	{"the control file cut off while in use", false, inUse(func(path string) error { return os.Truncate(path, 0) })},
	{"the control file cut in the middle while in use", false, inUse(func(path string) error { return os.Truncate(path, 100) })},
	{"the control file of another version", false, inUse(func(path string) error {
		return change(path, func(b []byte) { b[8] ^= 0xFF })
	})},
	{"the control file full of nonsense", false, inUse(func(path string) error {
		return change(path, func(b []byte) {
			for i := range b {
				b[i] = byte(i*i + 7)
			}
		})
	})},
	{"the control file replaced by a copy while in use", false, inUse(func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(path+".new", b, 0o644), os.Rename(path+".new", path))
	})},
	{"the control file replaced by an older copy", false, func(s *site) error {
		j, err := s.begun(2)
		if err != nil {
			return err
		}
		path, old, err := s.controlBytes()
		if err != nil {
			return err
		}
		if err := s.put(j, 20); err != nil {
			return err
		}
		if err := os.WriteFile(path, old, 0o644); err != nil {
			return err
		}
		return s.goOn(j)
	}},
	{"a directory, a fifo and a dangling link in the place of the control file", false, func(s *site) error {
		for _, make := range []func(string) error{
			func(path string) error { return os.Mkdir(path, 0o755) },
			func(path string) error { return syscall.Mkfifo(path, 0o644) },
			func(path string) error { return os.Symlink("nowhere", path) },
		} {
			if _, err := s.begun(2); err != nil {
				return err
			}
			path, err := s.control()
			if err != nil {
				return err
			}
			if err := errors.Join(s.close(), os.Remove(path), make(path)); err != nil {
				return err
			}
			if j, err := s.writer(journal.SyncNone); err != nil {
				// Nobody may write; readers are not kept from reading.
				err = refused("a writer", err)
				r, rerr := s.reader()
				if err := errors.Join(err, rerr); err != nil {
					return err
				}
				if err := s.read(r); err != nil {
					return err
				}
			} else if err := s.put(j, 5); err != nil {
				return err
			}
			if err := errors.Join(s.close(), os.RemoveAll(path)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"a control file for every boot that ever was", false, func(s *site) error {
		j, err := s.begun(2)
		if err != nil {
			return err
		}
		_, b, err := s.controlBytes()
		if err != nil {
			return err
		}
		for i := range 200 {
			other := filepath.Join(s.dir, fmt.Sprintf("ctl.%08x-0405-0607-0809-0a0b0c0d0eff", i))
			if err := os.WriteFile(other, b, 0o644); err != nil {
				return err
			}
		}
		return s.goOn(j)
	}},
}

// inUse ruins the control file while a writer has it mapped.
func inUse(ruin func(path string) error) func(*site) error {
	return func(s *site) error {
		j, err := s.begun(5)
		if err != nil {
			return err
		}
		path, err := s.control()
		if err != nil {
			return err
		}
		if err := ruin(path); err != nil {
			return err
		}
		return s.goOn(j)
	}
}

// goOn lets a writer that was there go on, and others come: a second handle, a process,
// a reader.
func (s *site) goOn(j *journal.Journal) error {
	if err := s.put(j, 7); err != nil {
		return err
	}
	if err := j.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	k, err := s.writer(journal.SyncAlways)
	if err != nil {
		return err
	}
	if err := s.put(k, 3); err != nil {
		return err
	}
	if err := s.must(normal("guest", 7)); err != nil {
		return err
	}
	if err := s.put(j, 3); err != nil {
		return err
	}
	r, err := s.reader()
	if err != nil {
		return err
	}
	return s.read(r)
}

// control is the path of the control file.
func (s *site) control() (string, error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, "ctl.*"))
	if err == nil && len(paths) != 1 {
		err = fmt.Errorf("control files: %v", paths)
	}
	if err != nil {
		return "", err
	}
	return paths[0], nil
}

// controlBytes is the control file, and what is in it.
func (s *site) controlBytes() (path string, b []byte, err error) {
	if path, err = s.control(); err == nil {
		b, err = os.ReadFile(path)
	}
	return path, b, err
}

// change changes a file in its place.
func change(path string, f func(b []byte)) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f(b)
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(b, 0)
	return errors.Join(err, w.Close())
}
