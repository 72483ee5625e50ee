// Package host is what the journal protocol needs from the operating system
// besides vectored I/O: locks, files that appear complete or not at all, the
// seal of a segment, syncing, a shared mapping, and knowing where one is.
//
// It knows nothing of segments, records or control files. Each function states
// what the protocol relies on and why a simpler call would not do; the names in
// brackets (R2', R5, S4, C3 ...) are the rules and counterexamples of the
// protocol's description.
//
// Linux is the system the protocol is made for. Elsewhere every function exists
// and serves a journal that a single process uses; [Shared] tells the two apart.
//
// A directory is named by an open handle and a file by its name inside it, so
// that renaming the directory, or mounting something over its path, cannot make
// two steps of one operation act on different places. The handles come from
// [os.Open]. All functions may be called at the same time from any number of
// goroutines, and a handle that is closed meanwhile stays open until the call
// has ended; a call on a closed one reports [os.ErrClosed]. Every descriptor is
// close-on-exec (F1): a child that inherited one would keep the locks on it
// after its parent's death (C28).
package host

import (
	"io/fs"
	"os"
	"runtime"
)

// Shared reports whether several processes may write one journal at all on
// this system. The protocol leans on how Linux file systems order appends,
// positioned writes and fallocate, and on locks that belong to an open file
// description; nothing of that has been measured anywhere else.
const Shared = runtime.GOOS == "linux"

// FileSystem says on what kind of file system a file lies.
type FileSystem struct {
	// Name is the common name, "ext4" for the whole ext family, or the magic
	// number in hexadecimal where the kind is not known.
	Name string

	// Atomic reports whether the bytes of one appending write are contiguous
	// whichever processes append at the same time. It is true only of kinds
	// whose kernel code holds the inode lock from choosing the offset to the
	// last byte; a network file system does so within one client at best.
	Atomic bool
}

// Stat is what fstat tells about a file, without the parts that nobody needs.
type Stat struct {
	Size int64
	Dev  uint64
	Ino  uint64

	// Links is 0 once the open file has lost its last name (D1').
	Links uint64

	Mode     os.FileMode
	UID, GID int // -1 where files have no numeric owners
}

// SameFile reports whether both describe one inode.
func (s Stat) SameFile(t Stat) bool { return s.Dev == t.Dev && s.Ino == t.Ino }

// nameOf is f's path for an error, also if f is nil.
func nameOf(f *os.File) string {
	if f == nil {
		return ""
	}
	return f.Name()
}

// pathError adds what was done to which file; a nil err stays nil.
func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
