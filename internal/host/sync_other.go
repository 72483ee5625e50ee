//go:build !linux

package host

import "os"

// SyncData brings the bytes of f, and its size, to disk. After an error a
// second try may say yes about bytes that are not there.
func SyncData(f *os.File) error { return f.Sync() }
