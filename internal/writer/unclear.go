package writer

import (
	"io"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// unclear is an append whose bytes may be in a segment: the system has written them and
// did not say where. It was of some records one behind the other, or of a batch.
type unclear struct {
	segment uint64
	records int
	each    uint64 // sequences that a record uses
}

// doubtNumbers is called after an append to cur of unknown outcome, of n records like u.
func (w *Writer) doubtNumbers(cur *pin, u *unit, n int) {
	w.stale = true
	if !u.kept { // a sequence of another journal is not ours to use up
		w.unclear = &unclear{segment: cur.Number, records: n, each: uint64(u.count)}
	}
}

// findOut looks whether the unclear append is in the journal, and takes its sequences
// for used if so. A number that is used twice would look like a forgery, and one that is
// left out like a loss. As long as it cannot be found out nothing more is appended. The
// caller holds mu.
func (w *Writer) findOut() error {
	u := w.unclear
	if u == nil || w.closed {
		return nil
	}
	there, err := w.dir.Exists(u.segment)
	if err != nil {
		return err
	}
	// Nobody can tell any more what was in a segment that retention has removed, and a
	// sequence that is missing there is missed by nobody.
	found := u.records
	if there {
		if found, err = w.countFound(u); err != nil {
			return err
		}
	}
	w.seq += uint64(found) * u.each
	w.unclear = nil
	return nil
}

// countFound counts the next records of this writer that stand in the segment of u. Whatever
// a writev has written is there as soon as the call has returned.
func (w *Writer) countFound(u *unclear) (n int, err error) {
	f, err := w.dir.OpenToRead(u.segment)
	if err != nil {
		return 0, err
	}
	defer f.Close() // only read from
	size, err := f.Size()
	if err != nil {
		return 0, f.ErrorAt("read", 0, err)
	}
	scan := f.Scanner(record.ScannerOptions{From: segment.HeaderSize, Reuse: true})
	scan.See(size, true) // nothing that comes later is of interest
	for ev := (record.Event{}); n < u.records; {
		err := scan.Next(&ev)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, f.ErrorAt("read", scan.Offset(), err)
		}
		if h := &ev.Header; ev.Class == record.Whole && h.Writer == w.id && !h.Kind.Note() && h.Seq == w.seq+uint64(n)*u.each+1 {
			n++
		}
	}
	return n, nil
}
