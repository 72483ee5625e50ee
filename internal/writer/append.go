package writer

import (
	"errors"
	"fmt"
	"io"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/invariant"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// Ack says where an acknowledged record stands.
type Ack struct {
	Position record.Position // of its first byte
	End      int64           // offset behind its last byte
	Seq      uint64          // of the record, or of a batch's first entry
	Time     int64           // that the record has got
}

// Pos is the end of the record as a position to sync to.
func (a Ack) Pos() control.Pos { return control.At(a.Position.Segment, a.End) }

// FragmentError says that only a part of a record was written: a fragment is
// left at the position of the segment.Error around it. Nothing of it will ever
// be read, and the append may be tried again.
type FragmentError struct {
	Written, Want int64 // bytes
	Err           error // what the system said when the record was tried again
}

func (e *FragmentError) Error() string {
	return fmt.Sprintf("wrote %d of %d bytes and left a fragment: %v", e.Written, e.Want, e.Err)
}

// Unwrap makes errors.Is find the cause, and io.ErrShortWrite in any case.
func (e *FragmentError) Unwrap() []error { return []error{e.Err, io.ErrShortWrite} }

// Append appends one record of h's kind and time. waits says that the caller will
// ask for this very record by SyncTo: then it is not Sync that has to tell of it.
func (w *Writer) Append(h record.Header, key, value []byte, waits bool) (Ack, error) {
	u := unit{h: h, count: 1, key: key, value: value}
	small := record.Overhead+len(key)+len(value) <= combinedRecord
	// Who waits for the disk together with others has time to be written with them, too.
	if small && (waits && w.group.shared() || !w.line.state.CompareAndSwap(idle, busy)) {
		return w.meet(&u, waits)
	}
	w.lock(&w.mu)
	// Deferred, for key or value may lie in a mapped file that somebody has cut off: then
	// to read them is a panic, which the caller may recover from (debug.SetPanicOnFault).
	ended := false
	defer func() { w.done(small, ended) }()
	// Each function between here and the system call costs (vio.Appender).
	ack, err := w.append(&u)
	w.tell()
	w.noteLoose(ack, err, waits)
	if err != nil {
		err = w.located("append", err)
	}
	ended = true
	return ack, err
}

// done ends an append that was under way alone, and sees to those who came meanwhile.
// Without ended it is a panic that ends it.
func (w *Writer) done(small, ended bool) {
	w.mu.Unlock()
	switch {
	case !small || w.line.state.CompareAndSwap(busy, idle):
	case ended:
		w.serveLine(nil)
	default:
		w.line.handOn()
	}
}

// AppendBatch appends a batch of count entries, which are encoded already.
func (w *Writer) AppendBatch(h record.Header, count int, entries [][]byte, waits bool) (Ack, error) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	ack, err := w.append(&unit{h: h, count: count, entries: entries})
	w.tell()
	w.buf.Release()
	w.noteLoose(ack, err, waits)
	return ack, w.located("append", err)
}

// located adds to an error of the system what it ended and where, unless it says so.
func (w *Writer) located(op string, err error) error { return segment.Placed(op, w.dir.Path, err) }

func (w *Writer) noteLoose(ack Ack, err error, waits bool) {
	if err == nil && !waits {
		w.loose = ack.Pos()
	}
}

// unit is what one append is about: a record, or a batch if there are entries.
type unit struct {
	h          record.Header
	count      int
	key, value []byte
	entries    [][]byte
	kept       bool   // h keeps its writer, sequence and time: it is of another journal
	from       uint64 // of a gap: its first sequence

	torn   *FragmentError // what an earlier try has left, nil if nothing
	tornAt record.Position
}

// append carries out A1 to A5 for one unit.
func (w *Writer) append(u *unit) (Ack, error) {
	if err := w.number(u); err != nil {
		return Ack{}, err
	}
	torn, tornAt := u.torn, u.tornAt
	for {
		if err := w.beReady(); err != nil { // A1
			return Ack{}, err
		}
		cur := w.cur
		h := u.h // each segment has a layout of its own
		vec, err := w.encode(&h, u)
		if err != nil {
			return Ack{}, err
		}
		mark := int64(0)
		if torn == nil {
			vec, mark = w.withMark(&h, vec)
		}
		w.at("A2")
		start, n, err := w.write(cur, vec) // A2, A3
		// A5. With n == 0 nothing is known about the size, and start is 0.
		w.full = w.full || start+n >= cur.Limit
		want := mark + h.Size()
		w.count.wrote(n, mark, want, start < cur.Limit)
		if n > mark { // of the record, which is judged by its own start (C13)
			start, n, want = start+mark, n-mark, want-mark
		}
		void := start >= cur.Limit
		switch {
		case errors.Is(err, ErrOutcomeUnknown):
			w.doubtNumbers(cur, u, 1)
			return Ack{}, cur.ErrorAt("append", start, err)
		case err == nil && !void: // A4: wholly there, and it starts below the limit
			if u.kept {
				w.guest = true
				w.guests += uint64(u.count)
			} else {
				w.seq += uint64(u.count)
			}
			w.acknowledged(cur, start, n)
			w.count.appended.Appends++
			w.count.appended.Bytes += uint64(n + mark)
			w.mark.since += n
			return Ack{record.Position{Segment: cur.Number, Offset: start}, start + n, h.Seq, h.Time}, nil
		case void:
			w.count.appended.Voids++
			continue // whole or torn, nobody will read it: append it to the next segment
		case n == 0 && torn != nil:
			torn.Err = err
			return Ack{}, cur.dirError(tornAt, torn)
		case n == 0:
			return Ack{}, cur.ErrorAt("append", cur.last, err)
		}
		w.count.appended.Fragments++
		if torn != nil {
			return Ack{}, cur.dirError(tornAt, torn)
		}
		// A short write. Never go on with the rest: another process may have
		// appended in between. The whole record may be tried again, since this
		// one can not become whole any more; once, so that a full disk is not
		// filled with fragments, and the second try tells the cause.
		torn = &FragmentError{Written: n, Want: want, Err: err}
		tornAt = record.Position{Segment: cur.Number, Offset: start}
	}
}

// number gives u the next sequence. It is used up only when the whole record is in the
// journal: a void one keeps it, a fragment leaves it to the next record (ENGINE 3).
func (w *Writer) number(u *unit) error {
	if err := w.findOut(); err != nil || u.kept {
		return err
	}
	u.h.Writer, u.h.Seq = w.id, w.seq+1
	return nil
}

// acknowledged checks what an acknowledgement of [start, start+n) relies on: that the
// next one stands behind it, and that the descriptor it was written through is one that
// a sync goes by (I13).
func (w *Writer) acknowledged(cur *pin, start, n int64) {
	if !invariant.Enabled {
		return
	}
	invariant.Held(&w.mu, "mu")
	switch {
	case start < segment.HeaderSize || start >= cur.Limit:
		invariant.Violated("%d is no place for a record below the limit %d", start, cur.Limit)
	case start+n > cur.last:
		invariant.Violated("a record ends at %d, and the last write at %d", start+n, cur.last)
	case w.cur != cur:
		invariant.Violated("segment %d was written to, and %d is current", cur.Number, w.cur.Number)
	case w.seq == 0 && !w.guest:
		invariant.Violated("a record has no sequence")
	}
}

// dirError places an error in a segment that need not be the current one.
func (p *pin) dirError(at record.Position, err error) error {
	if at.Segment == p.Number {
		return p.ErrorAt("append", at.Offset, err)
	}
	return placed("append", at, err)
}

func (w *Writer) encode(h *record.Header, u *unit) ([][]byte, error) {
	var vec [][]byte
	var err error
	switch {
	case u.from != 0:
		vec, err = w.buf.EncodeGap(&w.cur.Frame, h, u.from)
	case u.kept:
		vec, err = w.encodeKept(h, u)
	case u.entries == nil:
		vec, err = w.buf.Encode(&w.cur.Frame, h, u.key, u.value)
	default:
		vec, err = w.buf.EncodeBatch(&w.cur.Frame, h, uint32(u.count), u.entries)
	}
	if err == nil && h.Size() > w.cur.MaxRecord {
		// In the caller's terms: what a record costs beyond is not his business.
		err = &record.SizeError{What: "record", Size: h.Size() - record.Overhead, Limit: w.cur.MaxRecord - record.Overhead}
	}
	return vec, err
}

// write is A2 and A3: one system call, and then where it has put the bytes.
// start is valid if n is not 0.
func (w *Writer) write(p *pin, vec [][]byte) (start, n int64, err error) {
	if w.opt.Locked {
		if err := host.LockByte(p.F, 0); err != nil {
			return 0, 0, err
		}
		defer func() {
			if uerr := host.UnlockByte(p.F, 0); uerr != nil {
				err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, uerr)
			}
		}()
	}
	// The offset of an O_APPEND descriptor is the end of its own last write, whatever
	// others have appended since (KERNEL 3.4).
	n, end, err := p.out.Append(vec) // A2, A3
	w.mark.release()
	if err != nil {
		var call *vio.Error // on the heap, because errors.As takes its address: only here
		if errors.As(err, &call) {
			err = call.Err // the caller says where and how much
		}
	}
	if n == 0 {
		return 0, 0, err
	}
	w.at("A3")
	if end < 0 {
		return p.last, 0, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	start = end - n
	if start < p.last {
		// Somebody else moves this offset, or nothing was written although the
		// system said so (C27).
		return p.last, 0, fmt.Errorf("%w: the file offset went from %d to %d after %d bytes", ErrOutcomeUnknown, p.last, end, n)
	}
	p.last = end
	return start, n, err
}
