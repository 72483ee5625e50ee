//go:build !windows

package host

import "os"

// SyncDir makes the names in dir durable: nobody appends to a segment before
// that (I6), or a power cut could take the name, and with it records that
// readers have seen, and give the number away again (C20, C30). An error is
// returned whatever it is. A file system that cannot sync a directory does not
// promise that its names last, and the caller must hear that.
func SyncDir(dir *os.File) error { return dir.Sync() }
