//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package host

import (
	"errors"
	"os"
)

// Mapping is the beginning of a file as shared memory; no file has one here.
type Mapping struct{}

// MapShared reports [errors.ErrUnsupported].
func MapShared(f *os.File, _ int) (*Mapping, error) {
	return nil, pathError("mmap", nameOf(f), errors.ErrUnsupported)
}

// Bytes returns nil.
func (*Mapping) Bytes() []byte { return nil }

// Close reports [os.ErrClosed].
func (*Mapping) Close() error { return os.ErrClosed }
