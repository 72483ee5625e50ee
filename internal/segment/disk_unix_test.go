//go:build unix

package segment

import (
	"os"
	"syscall"
	"testing"
)

// allocated is the space that a file takes on the disk.
func allocated(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
