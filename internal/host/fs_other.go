//go:build !linux

package host

import (
	"errors"
	"os"
)

// FileSystemOf says on which file system f lies. Nothing is known of this
// system's kinds, so none is atomic.
func FileSystemOf(f *os.File) (FileSystem, error) {
	if _, err := f.Stat(); err != nil { // a closed file is an error here as well
		return FileSystem{}, err
	}
	return FileSystem{Name: "unknown"}, nil
}

// NoCopyOnWrite does nothing: only btrfs has and needs it.
func NoCopyOnWrite(*os.File) {}

// BootID reports [errors.ErrUnsupported].
func BootID() ([16]byte, error) {
	return [16]byte{}, pathError("read", "boot id", errors.ErrUnsupported)
}
