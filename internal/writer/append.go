package writer

import (
	"errors"
	"fmt"
	"io"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// Ack says where an acknowledged record stands.
type Ack struct {
	Position record.Position // of its first byte
	End      int64           // offset behind its last byte
	Seq      uint64          // of the record, or of a batch's first entry
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
	w.lock(&w.mu)
	defer w.mu.Unlock()
	ack, err := w.append(&h, 1, key, value, nil)
	w.tell()
	w.noteLoose(ack, err, waits)
	return ack, err
}

// AppendBatch appends a batch of count entries, which are encoded already.
func (w *Writer) AppendBatch(h record.Header, count int, entries [][]byte, waits bool) (Ack, error) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	ack, err := w.append(&h, count, nil, nil, entries)
	w.tell()
	w.buf.Release()
	w.noteLoose(ack, err, waits)
	return ack, err
}

func (w *Writer) noteLoose(ack Ack, err error, waits bool) {
	if err == nil && !waits {
		w.loose = ack.Pos()
	}
}

// append carries out A1 to A5 for one unit: a record, or a batch if there are
// entries.
func (w *Writer) append(h *record.Header, count int, key, value []byte, entries [][]byte) (Ack, error) {
	// The number is used up only when the whole record is in the journal: a
	// void one keeps it, a fragment leaves it to the next record (ENGINE 3).
	h.Writer, h.Seq = w.id, w.seq+1
	var torn *FragmentError
	var tornAt record.Position
	for {
		if err := w.beReady(); err != nil { // A1
			return Ack{}, err
		}
		cur := w.cur
		vec, err := w.encode(h, count, key, value, entries)
		if err != nil {
			return Ack{}, err
		}
		mark := int64(0)
		if torn == nil {
			vec, mark = w.withMark(h, vec)
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
			w.stale = true
			return Ack{}, cur.ErrorAt("append", start, err)
		case err == nil && !void: // A4: wholly there, and it starts below the limit
			w.seq += uint64(count)
			w.count.appended.Appends++
			w.count.appended.Bytes += uint64(n + mark)
			w.mark.since += n
			return Ack{record.Position{Segment: cur.Number, Offset: start}, start + n, h.Seq}, nil
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

// dirError places an error in a segment that need not be the current one.
func (p *pin) dirError(at record.Position, err error) error {
	if at.Segment == p.Number {
		return p.ErrorAt("append", at.Offset, err)
	}
	return placed("append", at, err)
}

func (w *Writer) encode(h *record.Header, count int, key, value []byte, entries [][]byte) ([][]byte, error) {
	var vec [][]byte
	var err error
	if entries == nil {
		vec, err = w.buf.Encode(&w.cur.Frame, h, key, value)
	} else {
		vec, err = w.buf.EncodeBatch(&w.cur.Frame, h, uint32(count), entries)
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
	n, err = vio.Appendv(p.F, vec) // A2
	w.mark.release()
	var call *vio.Error
	if errors.As(err, &call) {
		err = call.Err // the caller says where and how much
	}
	if n == 0 {
		return 0, 0, err
	}
	w.at("A3")
	// A3. The offset of an O_APPEND descriptor is the end of its own last
	// write, whatever others have appended since (KERNEL 3.4).
	end, serr := p.F.Seek(0, io.SeekCurrent)
	if serr != nil {
		return p.last, 0, fmt.Errorf("%w: %w", ErrOutcomeUnknown, serr)
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
