package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Seal closes a segment: when it has returned nil every append that began
// below limit has ended, and every later one, by whatever process, starts at
// limit or above and is void (R2'). It is the size that says so, which only
// grows; there is no flag that could be lost, and nothing to undo on an error.
//
// f is the segment, open for writing; O_APPEND does no harm. The seal is
// fallocate of the byte in front of limit, which makes the size max(size,
// limit) and changes no byte.
//
// It must never be left out because the size is beyond limit already: it takes
// the inode lock, and so waits for an append that crosses limit and is still
// under way. Without the wait a reader who sees the next segment takes that
// record for torn, and then it is acknowledged (C12, C38).
//
// Where the file system cannot allocate, a zero byte at capOffset takes its
// place, through a second descriptor that comes from name in dir; capOffset is
// above every byte that a valid record can have. Both ways may be mixed. It is
// this call and not posix_fallocate because libc imitates that one by writing
// where appenders write.
//
// A full disk gives ENOSPC, and xfs may say so where nothing would have to be
// allocated; the segment stays as it was.
func Seal(f *os.File, dir *os.File, name string, limit, capOffset int64) error {
	if err := checkSeal(f, limit, capOffset); err != nil {
		return err
	}
	if allocates {
		err := control("fallocate", f, func(fd int) error { return unix.Fallocate(fd, 0, limit-1, 1) })
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
			return err
		}
	}
	return sealByte(f, dir, name, capOffset)
}

// allocates is a variable so that a test can have a file system without fallocate.
var allocates = true
