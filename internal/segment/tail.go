package segment

import (
	"io"

	"github.com/manypen/manypen/record"
)

// judgeEnd looks once at what is pending at the end of a snapshot. Bytes below
// the size are final even while the write that puts them there goes on, so what
// is being written, or was torn, is the beginning of a record, perhaps with the
// zeros of a seal behind it. Anything else will never become a record, whatever
// follows: without this look, damage to the last record of a journal would be
// silent until somebody appends. (Linux before 6.8 on arm64 could show the size
// of an append before its bytes.)
//
// It reports whether there is damage to tell of.
func (r *Reader) judgeEnd() (bool, error) {
	if r.judged || r.scan.Offset() >= r.scan.Size() {
		return false, io.EOF
	}
	r.judged = true
	// As if nothing could be added any more. Of the verdicts only corruption does
	// not depend on that; what lies in front of it is dead with it, what lies
	// behind it may still be the beginning of a record.
	again := func() *record.Scanner {
		s := record.NewScanner(r.file.F, record.ScannerOptions{
			Frame: r.file.Frame, Limit: r.file.Limit, From: r.scan.Offset(), Reuse: true, BlockSize: r.opt.BlockSize,
		})
		s.See(r.scan.Size(), true)
		return s
	}
	s := again()
	for ev := (record.Event{}); s.Offset() < r.scan.Size(); {
		err := s.Next(&ev)
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, r.file.ErrorAt("read", s.Offset(), err)
		}
		if ev.Class == record.Corruption {
			r.tailEnd = ev.To
		}
	}
	if r.tailEnd == 0 {
		return false, io.EOF
	}
	r.tail = again() // a second pass, for there may be more pieces than memory
	return true, nil
}
