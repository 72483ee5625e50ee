package host

import (
	"os"
	"syscall"
)

// identify adds what tells one file from another: the server and its number
// for the file. Plan 9 has neither links nor numeric owners.
func identify(st *Stat, info os.FileInfo) {
	if dir, ok := info.Sys().(*syscall.Dir); ok {
		st.Dev = uint64(dir.Type)<<32 | uint64(dir.Dev)
		st.Ino = dir.Qid.Path
	}
}
