package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// KernelRelease is what the kernel calls itself, such as "6.18.5".
func KernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil { // only for a bad address
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// LimitFileSize lets this process, and those it starts, write no file beyond size
// bytes: a write that crosses the limit is cut there, a further one gets EFBIG.
// Ignore [FileSizeSignal] first. There is no way back.
func LimitFileSize(size int64) error {
	limit := unix.Rlimit{Cur: uint64(size), Max: uint64(size)}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
}
