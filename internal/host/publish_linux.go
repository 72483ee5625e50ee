package host

import (
	"errors"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// The first two ways of [Publish] are variables so that a test can take each
// of them away on a system that has both.
var (
	unnamedFiles = true            // O_TMPFILE
	procFD       = "/proc/self/fd" // where open files have names
)

// publishUnnamed publishes a file that had no name before. done is false where
// that cannot be done here; nothing is left of the attempt then.
func publishUnnamed(dir *os.File, name string, perm os.FileMode, exact bool, write func(*os.File) error) (done bool, err error) {
	if !unnamedFiles {
		return false, nil
	}
	fd := -1
	err = controlIn("openat", dir, name, func(dirfd int) (err error) {
		fd, err = unix.Openat(dirfd, ".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, uint32(perm.Perm()))
		return err
	})
	switch {
	case noWay(err), errors.Is(err, unix.EISDIR):
		// EISDIR is what a kernel before 3.11 says: it takes the flag for
		// O_DIRECTORY. If the reason is another one the next way meets it too.
		return false, nil
	case err != nil:
		return true, err
	}
	f := os.NewFile(uintptr(fd), join(dir, name))
	// The bytes are synced before the link; a close has nothing to add.
	defer f.Close()
	if err := fill(f, perm, exact, write); err != nil {
		return true, err
	}
	err = linkUnnamed(f, dir, name)
	if noWay(err) {
		return false, nil
	}
	return true, err
}

// linkUnnamed gives f its name: through /proc, which anybody may, else by the
// descriptor, which older kernels allow to the privileged only.
func linkUnnamed(f, dir *os.File, name string) error {
	const op = "linkat"
	link := func(call func(fd, dirfd int) error) error {
		var linked error
		err := control(op, f, func(fd int) error {
			linked = controlIn(op, dir, name, func(dirfd int) error { return call(fd, dirfd) })
			return nil
		})
		if err != nil {
			return err // f is closed
		}
		return linked
	}
	err := link(func(fd, dirfd int) error {
		return unix.Linkat(unix.AT_FDCWD, procFD+"/"+strconv.Itoa(fd), dirfd, name, unix.AT_SYMLINK_FOLLOW)
	})
	if noWay(err) {
		err = link(func(fd, dirfd int) error {
			return unix.Linkat(fd, "", dirfd, name, unix.AT_EMPTY_PATH)
		})
	}
	return err
}

// noWay reports whether err can mean that this way of making a file is not
// open here, and not that making it failed.
func noWay(err error) bool {
	var errno unix.Errno
	return errors.As(err, &errno) && slices.Contains([]unix.Errno{
		unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, // the file system or the kernel cannot
		unix.EPERM, unix.EACCES, // links are forbidden, or missing (FAT); /proc is not for us
		unix.ENOENT, unix.ENOTDIR, unix.EXDEV, // no /proc, or something else in its place
	}, errno)
}

// renameNew renames without ever replacing.
func renameNew(dir *os.File, from, to string) error {
	return controlIn("renameat2", dir, to, func(dirfd int) error {
		return unix.Renameat2(dirfd, from, dirfd, to, unix.RENAME_NOREPLACE)
	})
}
