package host

import (
	"errors"
	"io/fs"
	"os"
)

// Publish makes a file appear under name, complete and on disk, or not at all.
// If the name exists it is left alone and the error is [fs.ErrExist]: of any
// number of callers one wins, and the others go on with the winner's file. A
// rename would take that file's place instead, and those who have it open would
// wait on an orphan for ever (C3).
//
// The name of the file is durable only after [SyncDir], and after an error other
// than fs.ErrExist it may exist all the same. write gets an empty file open for
// reading and writing and must not close it. It may be called twice, the second
// time with a new empty file, where the first one turns out not to be linkable.
//
// perm goes through the umask, unless exact is set. Kernels before 6.0 forget
// the umask on mounts without ACLs; who depends on it sets exact.
func Publish(dir *os.File, name string, perm os.FileMode, exact bool, write func(*os.File) error) error {
	if err := checkName("publish", name); err != nil {
		return err
	}
	write = synced(write)
	// A file without a name has nothing to leave behind, whenever its maker dies.
	done, err := publishUnnamed(dir, name, perm, exact, write)
	if done {
		return err
	}
	return viaTemp(dir, name, perm, exact, write, linkTemp)
}

// Replace makes a complete file on disk take the place of name, which need not
// exist, in one step: whoever opens name gets the old file or the new one.
// Those who have the old one open keep it, so this is only for a file that
// nobody can add to any more (V5). The rest is as for [Publish].
//
// On Windows it fails while anybody has the old file open.
func Replace(dir *os.File, name string, perm os.FileMode, exact bool, write func(*os.File) error) error {
	if err := checkName("replace", name); err != nil {
		return err
	}
	return viaTemp(dir, name, perm, exact, synced(write), renameTemp)
}

// ReplaceCache is [Replace] for a file that can be made again and tells by itself
// whether it is whole: it does not wait for the disk.
func ReplaceCache(dir *os.File, name string, perm os.FileMode, exact bool, write func(*os.File) error) error {
	if err := checkName("replace", name); err != nil {
		return err
	}
	return viaTemp(dir, name, perm, exact, write, renameTemp)
}

// synced is write and a sync behind it. The order matters: a name given before the
// fsync could survive a power cut that the bytes do not.
func synced(write func(*os.File) error) func(*os.File) error {
	return func(f *os.File) error {
		if err := write(f); err != nil {
			return err
		}
		return f.Sync()
	}
}

// viaTemp fills a file with a temporary name and lets place give it its own.
// place reports whether the temporary name still exists.
func viaTemp(dir *os.File, name string, perm os.FileMode, exact bool, write func(*os.File) error,
	place func(dir *os.File, temp, name string) (left bool, err error),
) error {
	f, temp, err := createTemp(dir, name, perm)
	if err != nil {
		return err
	}
	left := true
	defer func() {
		// Also when write panics. Both may fail only where the outcome is known
		// already: the file is closed, or place has succeeded and what remains
		// is a second name of a good file, as a dying process leaves it.
		_ = f.Close()
		if left {
			_ = RemoveIn(dir, temp)
		}
	}()
	if err := fill(f, perm, exact, write); err != nil {
		return err
	}
	// Windows links and renames no open file; a network file system may have
	// kept an error for this moment.
	if err := f.Close(); err != nil {
		return err
	}
	left, err = place(dir, temp, name)
	return err
}

// fill makes the content of f complete.
func fill(f *os.File, perm os.FileMode, exact bool, write func(*os.File) error) error {
	if exact {
		if err := f.Chmod(perm.Perm()); err != nil {
			return err
		}
	}
	return write(f)
}

// createTemp opens a new file under a temporary name.
func createTemp(dir *os.File, name string, perm os.FileMode) (f *os.File, temp string, err error) {
	// 64 random bits do not meet twice; the bound is for a file system that
	// says "exists" to everything.
	for range 16 {
		temp = tempName()
		f, err = createIn(dir, temp, perm.Perm())
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrExist) {
		// Not fs.ErrExist: to the caller that would say that name exists.
		err = pathError("create", join(dir, name), errNoTemp)
	}
	return f, temp, err
}

var errNoTemp = errors.New("no temporary name is free")
