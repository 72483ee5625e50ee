//go:build !linux || vio_portable

package vio

import (
	"errors"
	"os"
)

func knownAnswers(*os.File) (answers, bool) { return answers{}, true }
func answersFor(*os.File) (answers, bool)   { return answers{}, true }
func refused(error) bool                    { return false }
func wouldWait(*os.File, place) error       { return nil }

// syncAfter does for a write what the refused flags would have done. The os
// package has no fdatasync.
func syncAfter(f *os.File, _ Flags) error {
	err := f.Sync()
	if err != nil {
		// A pipe has nothing to sync, and says so in ways that differ.
		if fi, serr := f.Stat(); serr == nil && !fi.Mode().IsRegular() {
			return nil
		}
	}
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err // Error names the file
	}
	return err
}

// writeCall is every write that makes one system call.
func writeCall(op string, f *os.File, bufs [][]byte, p place, m mode) (int64, error) {
	return writeSlow(op, f, bufs, p, m)
}
