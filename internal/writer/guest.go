package writer

import (
	"errors"

	"github.com/manypen/manypen/record"
)

// AppendAs appends a record of another journal: with the writer, the sequence and the
// time that h has, which is a batch of count entries if entries is not nil. The
// sequence of this handle's own records is not touched. It does not ask whether the
// journal has that record already.
//
// A time that no layout allows is moved by a nanosecond, or by a few: for a batch once
// in sixteen thousand, for a record once in 268 million, for that may also be laid out
// as a batch of one. Ack.Time tells.
func (w *Writer) AppendAs(h record.Header, count int, key, value []byte, entries [][]byte) (Ack, error) {
	return w.appendGuest(unit{h: h, count: count, key: key, value: value, entries: entries, kept: true})
}

// AppendGap appends a gap: the records from to h.Seq of h.Writer are not in this
// journal, and the caller knows so. Its time is of no account and may be moved.
func (w *Writer) AppendGap(h record.Header, from uint64) (Ack, error) {
	return w.appendGuest(unit{h: h, kept: true, from: from})
}

func (w *Writer) appendGuest(u unit) (Ack, error) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	ack, err := w.append(&u)
	w.tell()
	w.buf.Release()
	w.noteLoose(ack, err, false)
	return ack, w.located("append", err)
}

// encodeKept lays out a unit so that it keeps its time if there is a way: plain or
// masked, then as a batch of one, plain or masked.
func (w *Writer) encodeKept(h *record.Header, u *unit) ([][]byte, error) {
	f := &w.cur.Frame
	w.buf.KeepTime = true
	defer func() { w.buf.KeepTime = false }()
	if u.entries != nil {
		vec, err := w.buf.EncodeBatch(f, h, uint32(u.count), u.entries)
		if !errors.Is(err, record.ErrLayout) {
			return vec, err
		}
		*h, w.buf.KeepTime = u.h, false
		return w.buf.EncodeBatch(f, h, uint32(u.count), u.entries)
	}
	vec, err := w.buf.Encode(f, h, u.key, u.value)
	if !errors.Is(err, record.ErrLayout) {
		return vec, err
	}
	*h = u.h
	head, err := record.AppendEntry(nil, h.Kind, len(u.key), len(u.value))
	if err != nil {
		return nil, err
	}
	vec, err = w.buf.EncodeBatch(f, h, 1, [][]byte{head, u.key, u.value})
	if err == nil && h.Size() <= w.cur.MaxRecord {
		return vec, nil
	}
	*h, w.buf.KeepTime = u.h, false
	return w.buf.Encode(f, h, u.key, u.value)
}
