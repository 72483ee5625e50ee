//go:build !linux || vio_portable

package vio

func (a *Appender) look() error { return nil }

// Append is [Appendv], and returns the file position behind the call: for a file that is
// open with [os.O_APPEND] that is the end of its own last write, whatever other writers
// have appended since. end is -1 if n is 0, or if the position cannot be had: then err
// is why, and the n bytes are in the file nevertheless.
func (a *Appender) Append(bufs [][]byte) (n, end int64, err error) { return a.slow(bufs) }
