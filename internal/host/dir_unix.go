//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OpenIn opens the regular file name of dir. It follows no symbolic link, and
// it neither creates nor truncates: a segment comes into being only through
// [Publish], and nothing ever shortens one.
func OpenIn(dir *os.File, name string, flag int) (*os.File, error) {
	const op = "openat"
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	path := join(dir, name)
	if err := checkFlag(op, path, flag); err != nil {
		return nil, err
	}
	fd := -1
	err := controlIn(op, dir, name, func(dirfd int) (err error) {
		// Without O_NONBLOCK a FIFO under that name would hang the caller.
		fd, err = unix.Openat(dirfd, name, flag|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := settle(fd, flag); err != nil {
		_ = unix.Close(fd) // nothing was written; what settle says is the news
		return nil, pathError(op, path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// settle checks that fd is a regular file and takes O_NONBLOCK off it again,
// which has done its work and makes package os treat the file as a pipe.
func settle(fd, flag int) error {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errNotRegular
	}
	return retry(func() error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flag&unix.O_APPEND)
		return err
	})
}

// retry repeats a call that a signal interrupted, on a descriptor that nobody
// else knows yet.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// RemoveIn removes the name of a file, which lives on for those who have it open.
func RemoveIn(dir *os.File, name string) error {
	const op = "unlinkat"
	if err := checkName(op, name); err != nil {
		return err
	}
	return controlIn(op, dir, name, func(dirfd int) error {
		return unix.Unlinkat(dirfd, name, 0)
	})
}

// LinkIn gives the file name of from the same name in to. Both must be on one
// file system; fs.ErrExist means that to has the name.
func LinkIn(from, to *os.File, name string) error {
	const op = "linkat"
	if err := checkName(op, name); err != nil {
		return err
	}
	return controlIn(op, from, name, func(fromfd int) error {
		return control(op, to, func(tofd int) error {
			return unix.Linkat(fromfd, name, tofd, name, 0)
		})
	})
}

// ExistsIn reports whether dir has an entry of that name, be it a dangling link.
func ExistsIn(dir *os.File, name string) (bool, error) {
	_, err := StatIn(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// StatIn is [StatFile] for an entry of dir; a symbolic link is not followed.
func StatIn(dir *os.File, name string) (Stat, error) {
	const op = "fstatat"
	if err := checkName(op, name); err != nil {
		return Stat{}, err
	}
	var st unix.Stat_t
	err := controlIn(op, dir, name, func(dirfd int) error {
		return unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return Stat{}, err
	}
	return fromUnix(&st), nil
}

// StatFile describes an open file as it is now.
func StatFile(f *os.File) (Stat, error) {
	var st unix.Stat_t
	if err := control("fstat", f, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return Stat{}, err
	}
	return fromUnix(&st), nil
}

func fromUnix(st *unix.Stat_t) Stat {
	return Stat{
		Size: st.Size,
		// Signed, or narrower, on some systems.
		Dev: uint64(st.Dev), Ino: uint64(st.Ino), Links: uint64(st.Nlink),
		Mode: fileMode(uint32(st.Mode)),
		UID:  int(st.Uid), GID: int(st.Gid),
	}
}

func fileMode(mode uint32) os.FileMode {
	m := os.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFBLK:
		m |= os.ModeDevice
	case unix.S_IFCHR:
		m |= os.ModeDevice | os.ModeCharDevice
	case unix.S_IFDIR:
		m |= os.ModeDir
	case unix.S_IFIFO:
		m |= os.ModeNamedPipe
	case unix.S_IFLNK:
		m |= os.ModeSymlink
	case unix.S_IFSOCK:
		m |= os.ModeSocket
	}
	if mode&unix.S_ISUID != 0 {
		m |= os.ModeSetuid
	}
	if mode&unix.S_ISGID != 0 {
		m |= os.ModeSetgid
	}
	if mode&unix.S_ISVTX != 0 {
		m |= os.ModeSticky
	}
	return m
}

// ListIn returns the names in dir, in no order. A name that is there from
// before the call until after it is among them; one that comes or goes
// meanwhile may be. It reads through a description of its own: the position in
// dir belongs to everybody who has that handle, and a listing that another one
// has moved on would miss names.
func ListIn(dir *os.File) ([]string, error) {
	const op = "openat"
	fd := -1
	err := control(op, dir, func(dirfd int) (err error) {
		fd, err = unix.Openat(dirfd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	own := os.NewFile(uintptr(fd), dir.Name())
	defer own.Close()
	names, err := own.Readdirnames(-1)
	if err != nil {
		return nil, err // a part of the names is worse than none
	}
	return names, nil
}
