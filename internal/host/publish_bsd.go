//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package host

import (
	"errors"
	"os"
)

// publishUnnamed says that files without a name cannot be linked here.
func publishUnnamed(*os.File, string, os.FileMode, bool, func(*os.File) error) (done bool, err error) {
	return false, nil
}

// noWay is false: a failed link has no other way to go to.
func noWay(error) bool { return false }

func renameNew(*os.File, string, string) error { return errors.ErrUnsupported }
