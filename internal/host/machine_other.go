//go:build !linux

package host

import (
	"errors"
	"runtime"
)

// KernelRelease is what the kernel calls itself; here it is not asked.
func KernelRelease() string { return runtime.GOOS }

// LimitFileSize reports [errors.ErrUnsupported].
func LimitFileSize(int64) error { return errors.ErrUnsupported }
