//go:build !linux

package host

import "os"

// Seal makes the size of a segment at least limit by a zero byte at capOffset,
// above every byte that a valid record can have, through a second descriptor
// that comes from name in dir. f is the segment. Whether it also waits for
// appends of other processes is not known here; see [Shared].
func Seal(f *os.File, dir *os.File, name string, limit, capOffset int64) error {
	if err := checkSeal(f, limit, capOffset); err != nil {
		return err
	}
	return sealByte(f, dir, name, capOffset)
}
