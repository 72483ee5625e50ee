package host

import (
	"os"

	"golang.org/x/sys/unix"
)

// SyncData brings the bytes of f, and its size, to disk (S4). A call that a
// signal cut short is repeated, and nothing else is: the kernel reports a failed
// write-back to each open file once and then calls the pages clean, so a second
// try says yes about bytes that are not on disk (C15, C21). After an error the
// caller must not sync this file again, nor trust anybody else who does.
//
// A signal does not interrupt it on the file systems that [FileSystem] calls
// atomic: their waits for the disk end by the disk only.
func SyncData(f *os.File) error {
	return control("fdatasync", f, unix.Fdatasync)
}
