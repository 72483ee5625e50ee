package vio

import (
	"math"
	"os"
	"runtime"
)

// maxCall is MaxBytes as the running kernel has it. Linux moves at most
// MAX_RW_COUNT = INT_MAX & PAGE_MASK bytes (include/linux/fs.h) and cuts the
// rest off in silence. The constant is that number for pages of 4 KiB; kernels
// of arm64 and ppc64 may have larger ones, and there a vector between the two
// limits would end in a short write that could have been refused.
var maxCall = callLimit(runtime.GOOS, os.Getpagesize())

func callLimit(goos string, pageSize int) int64 {
	if goos != "linux" && goos != "android" {
		return MaxBytes
	}
	return min(MaxBytes, int64(math.MaxInt32&^(pageSize-1)))
}
