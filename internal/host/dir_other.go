//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package host

import (
	"errors"
	"io/fs"
	"os"
)

// There is no openat here, so entries are reached by the path that the
// directory was opened with; it must stay where it is.

// OpenIn opens the regular file name of dir. It neither creates nor truncates.
func OpenIn(dir *os.File, name string, flag int) (*os.File, error) {
	const op = "open"
	path, err := within(op, dir, name)
	if err != nil {
		return nil, err
	}
	if err := checkFlag(op, path, flag); err != nil {
		return nil, err
	}
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, pathError(op, path, errNotRegular)
	}
	return os.OpenFile(path, flag, 0)
}

// within checks the name and that dir has not been closed, and joins them.
func within(op string, dir *os.File, name string) (path string, err error) {
	if err := checkName(op, name); err != nil {
		return "", err
	}
	if _, err := dir.Stat(); err != nil {
		return "", err
	}
	return join(dir, name), nil
}

// RemoveIn removes the name of a file. Windows refuses while it is open.
func RemoveIn(dir *os.File, name string) error {
	path, err := within("remove", dir, name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}

// LinkIn gives the file name of from the same name in to. Both must be on one
// file system; fs.ErrExist means that to has the name.
func LinkIn(from, to *os.File, name string) error {
	const op = "link"
	old, err := within(op, from, name)
	if err != nil {
		return err
	}
	path, err := within(op, to, name)
	if err != nil {
		return err
	}
	return os.Link(old, path)
}

// ExistsIn reports whether dir has an entry of that name, be it a dangling link.
func ExistsIn(dir *os.File, name string) (bool, error) {
	path, err := within("lstat", dir, name)
	if err != nil {
		return false, err
	}
	_, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// ListIn returns the names in dir, in no order, through a description of its own.
func ListIn(dir *os.File) ([]string, error) {
	if _, err := dir.Stat(); err != nil {
		return nil, err
	}
	own, err := os.Open(dir.Name())
	if err != nil {
		return nil, err
	}
	defer own.Close()
	names, err := own.Readdirnames(-1)
	if err != nil {
		return nil, err // a part of the names is worse than none
	}
	return names, nil
}
