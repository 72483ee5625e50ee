//go:build !unix

package host

import "os"

// FileSizeSignal is what a process gets that exceeds its file size limit. A
// program that wants the error of the write instead ignores it; nil where there
// is none.
func FileSizeSignal() os.Signal { return nil }

// StatusSignal is by which a user asks a long command how far it is; nil where
// there is none.
func StatusSignal() os.Signal { return nil }
