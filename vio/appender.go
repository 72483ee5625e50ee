package vio

import (
	"io"
	"os"
)

// An Appender appends to one file, and says where. It does what [Appendv] and a call of
// [os.File.Seek] do, and on Linux with less around the two system calls: of a record of
// 100 bytes a tenth of the time (docs/BENCHMARKS.md, "Around the call").
//
// What it leaves out is what keeps a descriptor from being closed while it is in use. So
// nobody may close the file while Append runs, and no two calls of Append may overlap:
// callers hold a lock.
type Appender struct {
	f  *os.File
	fd uintptr // on Linux
}

// NewAppender returns an Appender for f, which must be open for writing with
// [os.O_APPEND]. It need not be closed.
func NewAppender(f *os.File) (*Appender, error) {
	a := &Appender{f: f}
	err := openError("newappender", f)
	if err == nil {
		err = a.look()
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// nowhere is an end that is not known.
const nowhere = -1

// slow is Append for every file and every vector.
func (a *Appender) slow(bufs [][]byte) (n, end int64, err error) {
	n, err = writeCall("append", a.f, bufs, place{off: Current}, whole)
	if n == 0 {
		return 0, nowhere, err
	}
	end, serr := a.f.Seek(0, io.SeekCurrent)
	if serr != nil {
		want, _ := Len(bufs)
		return n, nowhere, newError("append", a.f, n, want, fileCause(serr))
	}
	return n, end, err
}
