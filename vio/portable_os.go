//go:build windows || plan9

package vio

import (
	"errors"
	"io"
	"os"
)

// write is os.File.Write or WriteAt, which on these systems is one call for up
// to MaxBytes: it would go on only after a write that was short without an
// error, and neither system has such for files.
func write(f *os.File, b []byte, p place) (n int, err error) {
	if p.off == Current {
		n, err = f.Write(b)
	} else {
		n, err = f.WriteAt(b, p.off)
	}
	return n, bare(err)
}

// read is os.File.Read or ReadAt. The latter makes a second call where the first
// came up short, and only there.
func read(f *os.File, b []byte, p place) (n int, err error) {
	if p.off == Current {
		n, err = f.Read(b)
	} else {
		n, err = f.ReadAt(b, p.off)
	}
	if n > 0 || errors.Is(err, io.EOF) {
		return n, nil // what is missing shows in the next read
	}
	return n, bare(err)
}

// bare takes the cause out of the os package's error: Error names the file.
func bare(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// checkOpen returns an error if f is closed. Plan 9 has no RawConn, but its
// Write returns before any system call for nothing to write; that of Windows
// does not.
func checkOpen(f *os.File) error {
	rc, err := f.SyscallConn()
	if err != nil {
		_, err = f.Write(nil)
		return bare(err)
	}
	if rc.Control(func(uintptr) {}) != nil {
		return os.ErrClosed
	}
	return nil
}
