//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package host

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// publishUnnamed says that files without a name do not exist here.
func publishUnnamed(*os.File, string, os.FileMode, bool, func(*os.File) error) (done bool, err error) {
	return false, nil
}

func createIn(dir *os.File, name string, perm os.FileMode) (*os.File, error) {
	path, err := within("create", dir, name)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// linking makes "look, then rename" one step among the goroutines of this
// process, which is all there are where files cannot be linked.
var linking sync.Mutex

func linkTemp(dir *os.File, temp, name string) (left bool, err error) {
	err = os.Link(join(dir, temp), join(dir, name))
	if err == nil || errors.Is(err, fs.ErrExist) {
		return true, err
	}
	linking.Lock()
	defer linking.Unlock()
	if _, err := os.Lstat(join(dir, name)); err == nil {
		return true, pathError("link", join(dir, name), fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	return renameTemp(dir, temp, name)
}

func renameTemp(dir *os.File, temp, name string) (left bool, err error) {
	err = os.Rename(join(dir, temp), join(dir, name))
	return err != nil, err
}
