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
// It stops behind the first segment that is not sealed: a later one gets records
// only when that one takes none any more, which is after the call began.
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

// snapshotSegments takes over numbers, and returns how many it has.
func (d *Dir) snapshotSegments(to *Dir, numbers []uint64) (taken int, err error) {
	for i, n := range numbers {
		sealed, err := d.snapshotSegment(to, n, i == len(numbers)-1)
		if errors.Is(err, fs.ErrNotExist) {
			// Retention has removed it, and all before it: a hole behind them
			// would be no snapshot.
			for _, k := range numbers[i-taken : i] {
				if err := host.RemoveIn(to.F, Name(k)); err != nil {
					return 0, to.errorAt("snapshot", k, 0, err)
				}
			}
			taken = 0
			continue
		}
		if err != nil {
			return 0, d.errorAt("snapshot", n, 0, err)
		}
		if taken++; !sealed {
			break
		}
	}
	return taken, nil
}

// snapshotSegment takes segment n over and reports whether it was sealed. The
// newest never counts as sealed: it may be full and not sealed yet, and who
// opens the snapshot must not seal it for the journal it comes from.
func (d *Dir) snapshotSegment(to *Dir, n uint64, newest bool) (sealed bool, err error) {
	for {
		s, err := d.Open(n, os.O_RDONLY)
		if err != nil {
			return false, err
		}
		sealed, again, err := s.snapshot(to, newest)
		if err = errors.Join(err, s.Close()); err != nil || !again {
			return sealed, err
		}
	}
}

func (s *File) snapshot(to *Dir, newest bool) (sealed, again bool, err error) {
	size, err := s.Size()
	if err != nil {
		return false, false, err
	}
	sealed = !newest && size >= s.Limit
	if sealed {
		switch err := host.LinkIn(s.dir.F, to.F, Name(s.Number)); {
		case errors.Is(err, fs.ErrNotExist):
			return sealed, false, err
		case err == nil:
			return s.linked(to)
		}
	}
	err = host.Publish(to.F, Name(s.Number), s.Inode.Mode.Perm(), true, func(f *os.File) error {
		_, err := vio.CopyRange(f, 0, s.F, 0, size)
		return err
	})
	return sealed, false, err
}

// linked makes sure that the second name is of the file that is open here, which
// a repair may have replaced in between, and that it is on disk.
func (s *File) linked(to *Dir) (sealed, again bool, err error) {
	st, err := host.StatIn(to.F, Name(s.Number))
	if err != nil {
		return true, false, err
	}
	if !st.SameFile(s.Inode) {
		return true, true, host.RemoveIn(to.F, Name(s.Number))
	}
	return true, false, host.SyncData(s.F)
}
