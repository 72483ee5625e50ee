//go:build !linux

package host

import (
	"errors"
	"os"
	"time"
)

// DirWatch is not to be had here.
type DirWatch struct{}

// WatchDir reports [errors.ErrUnsupported].
func WatchDir(dir *os.File) (*DirWatch, error) {
	return nil, pathError("watch", nameOf(dir), errors.ErrUnsupported)
}

// Wait is never called.
func (*DirWatch) Wait(time.Duration) error { return errors.ErrUnsupported }

// Nudge is never called.
func (*DirWatch) Nudge() {}

// Close is never called.
func (*DirWatch) Close() error { return nil }
