//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"os"

	"golang.org/x/sys/unix"
)

func createIn(dir *os.File, name string, perm os.FileMode) (*os.File, error) {
	fd := -1
	err := controlIn("openat", dir, name, func(dirfd int) (err error) {
		fd, err = unix.Openat(dirfd, name,
			unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm))
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), join(dir, name)), nil
}

// linkTemp gives the file temp a second name; removing the first is left to
// the caller.
func linkTemp(dir *os.File, temp, name string) (left bool, err error) {
	err = controlIn("linkat", dir, name, func(dirfd int) error {
		return unix.Linkat(dirfd, temp, dirfd, name, 0)
	})
	if err == nil || !noWay(err) {
		return true, err
	}
	// FAT has no links; some systems forbid them to ordinary programs.
	if renameNew(dir, temp, name) == nil {
		return false, nil
	}
	return true, err
}

func renameTemp(dir *os.File, temp, name string) (left bool, err error) {
	err = controlIn("renameat", dir, name, func(dirfd int) error {
		return unix.Renameat(dirfd, temp, dirfd, name)
	})
	return err != nil, err
}
