//go:build !linux

package host

import (
	"errors"
	"os"
)

// LockedByte cannot be told here: errors.ErrUnsupported.
func LockedByte(*os.File, int64) (locked bool, err error) { return false, errors.ErrUnsupported }
