package writer

import (
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/record"
)

// A handle looks at most this often whether there is a new position to carry: a
// mark costs 68 bytes, a thousandth of what lies between two of them at least.
const (
	markBytes = 64 << 10
	markTime  = int64(100 * time.Millisecond)
)

// marker is what a handle knows about its marks. Guarded by Writer.mu.
type marker struct {
	pos    control.Pos // what is known to be on disk, as of the last mark
	looked int64       // when it was looked at last, by the time of a record
	since  int64       // bytes that were appended since
	buf    record.Buffer
	vec    [][]byte
}

// restart is called when there is another page: what it begins with was not
// synced in its time, and says nothing about what was lost before.
func (m *marker) restart(syn control.Pos) {
	m.pos, m.looked, m.since = syn, time.Now().UnixNano(), 0
}

// withMark puts a mark in front of the record of h in vec, if one is due, and
// returns its size. A mark that does not get into the journal is not repeated:
// the next one says more.
func (w *Writer) withMark(h *record.Header, vec [][]byte) ([][]byte, int64) {
	m := &w.mark
	// A clock that was set back makes the difference negative, and the mark due.
	if m.since < markBytes && uint64(h.Time-m.looked) < uint64(markTime) {
		return vec, 0
	}
	m.looked, m.since = h.Time, 0
	w.publish()
	syn := w.page.Syn()
	if syn <= m.pos || !w.page.Believable() || syn.Segment() > w.cur.Number || w.cur.MaxRecord < record.MarkSize {
		return vec, 0
	}
	m.pos = syn
	at := record.Position{Segment: syn.Segment(), Offset: syn.Offset()}
	if at.Offset == control.End {
		at = record.Position{Segment: syn.Segment() + 1}
	}
	mh := record.Header{Time: h.Time, Writer: w.id, Seq: w.seq}
	mark, err := m.buf.EncodeMark(&w.cur.Frame, &mh, at)
	if err != nil {
		return vec, 0 // it cannot be laid out (Buffer.Encode); no reason to refuse a record that can
	}
	m.vec = append(append(m.vec[:0], mark...), vec...)
	return m.vec, mh.Size()
}

// release drops every reference to the memory of callers.
func (m *marker) release() { clear(m.vec) }
