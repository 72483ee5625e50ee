//go:build !linux || vio_portable

package vio

import "os"

// copyRange copies n bytes, more than 0. err is io.EOF where src ends, and at
// the file that it is about.
func copyRange(dst *os.File, dstOff int64, src *os.File, srcOff, n int64) (copied int64, at *os.File, err error) {
	return copyByHand(dst, dstOff, src, srcOff, n)
}

// appends reports whether f was opened with O_APPEND. WriteAt refuses these
// files, and makes no system call for no bytes.
func appends(f *os.File) (bool, error) {
	if _, err := f.WriteAt(nil, 0); err != nil {
		return true, checkOpen(f)
	}
	return false, nil
}

func sameFile(a, b *os.File) (bool, error) {
	ai, err := stat(a)
	if err != nil {
		return false, err
	}
	bi, err := stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(ai, bi), nil
}

// stat tells a closed file from others: Windows calls its handle invalid.
func stat(f *os.File) (os.FileInfo, error) {
	fi, err := f.Stat()
	if err != nil && checkOpen(f) != nil {
		return nil, os.ErrClosed
	}
	return fi, fileCause(err)
}
