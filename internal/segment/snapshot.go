package segment

import (
	"errors"
	"io/fs"
	"os"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/vio"
)

// Snapshot fills the empty directory to with every record that is in the journal
// now, and makes it durable. Sealed segments get a second name and cost no copy,
// since nobody changes them any more; where the file system has no second names,
// or to is on another one, they are copied as the last one is.
//
// It takes the newest first: a record in it means that the one before takes none
// any more, so that what is taken of that later is all of it.
func (d *Dir) Snapshot(to *Dir) error {
	for {
		numbers, err := d.List()
		if err != nil {
			return err
		}
		if taken, err := d.snapshotSegments(to, numbers); err != nil {
			return err
		} else if taken > 0 || len(numbers) == 0 {
			break
		} // else all of them have been removed meanwhile, and there are others
	}
	st, err := host.StatFile(d.F)
	if err != nil {
		return err
	}
	to.UUID = d.UUID
	return to.WriteID(false, st.Mode.Perm()&0o666, true) // syncs the directory too
}

// snapshotSegments takes over numbers, and returns how many it has. What is gone
// meanwhile, retention has removed.
func (d *Dir) snapshotSegments(to *Dir, numbers []uint64) (taken int, err error) {
	var empty []uint64 // the newest, as long as there is no record in them
	for i := len(numbers) - 1; i >= 0; i-- {
		n := numbers[i]
		sealed, size, err := d.snapshotSegment(to, n, i == len(numbers)-1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, d.errorAt("snapshot", n, 0, err)
		}
		if !sealed {
			// This is where the journal ends. Behind a segment that was copied in
			// the middle an empty one would look like a loss.
			for _, k := range empty {
				if err := host.RemoveIn(to.F, Name(k)); err != nil {
					return 0, to.errorAt("snapshot", k, 0, err)
				}
			}
			taken -= len(empty)
			empty = nil
		}
		if taken++; taken == len(empty)+1 && size <= HeaderSize {
			empty = append(empty, n)
		} else {
			empty = nil
		}
	}
	return taken, nil
}

// snapshotSegment takes segment n over and tells its size and whether it was
// sealed. The newest never counts as sealed: it may be full and not sealed yet, and who
// opens the snapshot must not seal it for the journal it comes from.
func (d *Dir) snapshotSegment(to *Dir, n uint64, newest bool) (sealed bool, size int64, err error) {
	for again := true; again; {
		s, err := d.Open(n, os.O_RDONLY)
		if err != nil {
			return false, 0, err
		}
		if size, err = s.Size(); err == nil {
			sealed = !newest && size >= s.Limit
			again, err = s.snapshot(to, size, sealed)
		}
		if err = errors.Join(err, s.Close()); err != nil {
			return false, 0, err
		}
	}
	return sealed, size, nil
}

func (s *File) snapshot(to *Dir, size int64, sealed bool) (again bool, err error) {
	if sealed {
		switch err := host.LinkIn(s.dir.F, to.F, Name(s.Number)); {
		case errors.Is(err, fs.ErrNotExist):
			// Removed; or a repaired copy has taken the name over between the look
			// at it and the link, which the kernel does not give to a file that
			// has lost its last one.
			if again, eerr := s.dir.Exists(s.Number); again || eerr != nil {
				return again, eerr
			}
			return false, err
		case err == nil:
			return s.linked(to)
		}
	}
	return false, host.Publish(to.F, Name(s.Number), s.Inode.Mode.Perm(), true, func(f *os.File) error {
		_, err := vio.CopyRange(f, 0, s.F, 0, size)
		return err
	})
}

// linked makes sure that the second name is of the file that is open here, which
// a repair may have replaced in between, and that it is on disk.
func (s *File) linked(to *Dir) (again bool, err error) {
	st, err := host.StatIn(to.F, Name(s.Number))
	if err != nil {
		return false, err
	}
	if !st.SameFile(s.Inode) {
		return true, host.RemoveIn(to.F, Name(s.Number))
	}
	return false, host.SyncData(s.F)
}
