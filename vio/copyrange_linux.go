//go:build linux && !vio_portable

package vio

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// kernelCopies says whether copy_file_range(2) can be trusted: before Linux 5.3
// it had bugs (its man page, VERSIONS and BUGS; golang/go issue 42400).
var kernelCopies = sync.OnceValue(func() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false // the buffer always works
	}
	return copiesSince(unix.ByteSliceToString(u.Release[:]))
})

func copiesSince(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 3
}

// copyRange copies n bytes, more than 0. err is io.EOF where src ends, and at
// the file that it is about.
//
// Whatever stops copy_file_range(2), plain reads and writes are tried next:
// they can do it (EXDEV, EINVAL, ENOSYS, EOPNOTSUPP; EPERM from a seccomp
// filter, EIO from SMB; or 0 bytes of a file of /proc), or their error is the
// same and tells which file it is about.
func copyRange(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (copied int64, at *os.File, err error) {
	for kernelCopies() && copied < n {
		m, err := copyFileRange(dst, dstOff+copied, src, srcOff+copied, n-copied)
		if err == unix.EINTR {
			continue // before the first byte, for then it would be a count
		}
		if err != nil || m == 0 {
			break
		}
		copied += int64(m)
	}
	if copied == n {
		return copied, nil, nil
	}
	m, at, err := copyByHand(dst, dstOff+copied, src, srcOff+copied, n-copied)
	return copied + m, at, err
}

// copyFileRange is one copy_file_range(2) of at most n bytes. The two RawConns
// keep both descriptors from being closed and used again meanwhile.
func copyFileRange(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (m int, err error) {
	from, err := src.SyscallConn()
	if err != nil {
		return 0, err
	}
	to, err := dst.SyscallConn()
	if err != nil {
		return 0, err
	}
	var terr, cause error
	err = from.Control(func(in uintptr) {
		terr = to.Control(func(out uintptr) {
			m, cause = unix.CopyFileRange(int(in), &srcOff, int(out), &dstOff, int(min(n, maxCall)), 0)
		})
	})
	switch {
	case err != nil:
		return 0, err
	case terr != nil:
		return 0, terr
	case cause != nil:
		return 0, cause // m is -1 then
	}
	return m, nil
}

// appends reports whether f has O_APPEND now; fcntl(2) can set it at any time.
func appends(f *os.File) (bool, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var flags int
	var cause error
	if err := rc.Control(func(fd uintptr) { flags, cause = unix.FcntlInt(fd, unix.F_GETFL, 0) }); err != nil {
		return false, connError(f, err, 0)
	}
	return flags&unix.O_APPEND != 0, cause
}

func sameFile(a, b *os.File) (bool, error) {
	ai, err := identity(a)
	if err != nil {
		return false, err
	}
	bi, err := identity(b)
	return ai == bi, err
}

// fileID is what os.SameFile compares, which allocates.
type fileID struct{ dev, ino uint64 }

func identity(f *os.File) (fileID, error) {
	var st unix.Stat_t
	err := fstat(f, &st)
	return fileID{uint64(st.Dev), uint64(st.Ino)}, err
}

// fstat is os.File.Stat without the allocation.
func fstat(f *os.File, st *unix.Stat_t) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var cause error
	if err := rc.Control(func(fd uintptr) { cause = unix.Fstat(int(fd), st) }); err != nil {
		return connError(f, err, 0)
	}
	return cause
}
