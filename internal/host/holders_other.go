//go:build !linux

package host

import (
	"errors"
	"os"
)

// LockDirHolders cannot be told here: errors.ErrUnsupported.
func LockDirHolders(*os.File) (holders []string, err error) { return nil, errors.ErrUnsupported }
