//go:build aix || illumos || js || solaris || wasip1

package host

import (
	"os"
	"syscall"
)

func identify(st *Stat, info os.FileInfo) {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.Dev, st.Ino, st.Links = uint64(sys.Dev), uint64(sys.Ino), uint64(sys.Nlink)
		st.UID, st.GID = int(sys.Uid), int(sys.Gid)
	}
}
