package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
)

// Snapshot makes the directory path, which must not exist or be empty, a journal
// of its own with every record that is in this one now: those that were
// acknowledged before the call to anybody, and maybe some that come meanwhile.
// Writers go on and wait for nothing.
//
// Segments that take no records any more are shared by a second name (a hard
// link) and cost nothing; only the one that is written is copied. Where that is
// not possible, because path lies on another file system, all are copied. When
// Snapshot returns nil the snapshot is on disk. It appears under its name whole;
// a process that dies in between leaves a directory .manypen-snapshot-* beside
// it, which may be deleted.
//
// The snapshot has the identity (UUID) of the journal. It can be opened, written
// and pruned without any effect on the journal, and the other way round. A copy
// made with cp -r while writers are at work opens too, and has all records that
// were acknowledged before it began.
func (j *Journal) Snapshot(path string) error {
	if j.isClosed() {
		return ErrClosed
	}
	if j.w != nil {
		// A failed sync that nobody has answered for yet would be copied along.
		if err := j.w.Sync(); err != nil {
			return err
		}
	}
	path = filepath.Clean(path) // or the parent of "name/" would be itself
	names, err := os.ReadDir(path)
	empty := err == nil && len(names) == 0
	if !empty && !errors.Is(err, os.ErrNotExist) {
		return &Error{Op: "snapshot", Path: path, Err: fmt.Errorf("%w: name a directory that does not exist", os.ErrExist)}
	}
	parent := filepath.Dir(path)
	temp, err := os.MkdirTemp(parent, ".manypen-snapshot-*")
	if err != nil {
		return err
	}
	if err := j.snapshotTo(temp); err != nil {
		return errors.Join(j.closing(err), os.RemoveAll(temp))
	}
	if empty { // os.Rename would refuse
		if err := os.Remove(path); err != nil {
			return errors.Join(err, os.RemoveAll(temp))
		}
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(host.SyncDir(d), d.Close())
}

func (j *Journal) snapshotTo(temp string) error {
	st, err := host.StatFile(j.dir.F)
	if err != nil {
		return err
	}
	to, err := segment.OpenDir(temp)
	if err != nil {
		return err
	}
	// At the end: a directory that nobody may write into cannot be filled.
	return errors.Join(j.dir.Snapshot(to), os.Chmod(temp, st.Mode.Perm()), to.Close())
}
