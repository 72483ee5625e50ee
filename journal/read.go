package journal

import (
	"errors"
	"io"
	"iter"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// Records returns the records from position from on, in journal order, up to
// the end of the journal as it is when the loop begins. The zero position
// begins with the oldest record; one inside a record, behind it.
//
// Damage does not end the sequence and is not part of it; see
// [Options].OnDamage. With an error comes a zero Record. After ErrPruned,
// ErrMissing or ErrForeign a loop that goes on gets what follows the gap; after
// any other error there is nothing more.
func (j *Journal) Records(from Position) iter.Seq2[Record, error] {
	return j.Scan(ScanOptions{From: from})
}

// deliver hands out what r has to give, and reports whether it came to the end
// of that, so that the loop may go on later.
func (j *Journal) deliver(r *segment.Reader, from Position, yield func(Record, error) bool) bool {
	var ev record.Event
	var rec Record
	for passed := false; ; {
		if j.isClosed() {
			yield(Record{}, ErrClosed)
			return false
		}
		err := r.Next(&ev)
		switch {
		case err == io.EOF:
			return true
		case err != nil:
			if !yield(Record{}, j.closing(err)) || !passable(err) {
				return false
			}
		case ev.Class != record.Whole:
			if !j.damaged(damageAt(r.Segment(), &ev), yield) {
				return false
			}
		case ev.Header.Kind == KindData || ev.Header.Kind == KindDelete:
			if !ev.Header.Interpretable() {
				continue
			}
			rec.of(r.Segment(), &ev)
			if passed = passed || !rec.Position.Before(from); passed && !yield(rec, nil) {
				return false
			}
		default:
			if !each(r.Segment(), &ev, from, func(rec Record) bool { return yield(rec, nil) }) {
				return false
			}
		}
	}
}

// damaged tells of damage, and reports whether the loop may go on.
func (j *Journal) damaged(d Damage, yield func(Record, error) bool) bool {
	if j.opt.OnDamage != nil {
		j.opt.OnDamage(d)
	}
	if j.opt.Strict && d.Class == Corruption {
		yield(Record{}, &CorruptionError{d})
		return false
	}
	return true
}

// passable reports whether a reader can go on behind an error.
func passable(err error) bool {
	return errors.Is(err, ErrPruned) || errors.Is(err, ErrMissing) || errors.Is(err, ErrForeign)
}

func damageAt(n uint64, ev *record.Event) Damage {
	return Damage{From: Position{Segment: n, Offset: ev.From}, To: Position{Segment: n, Offset: ev.To}, Class: ev.Class}
}

// each calls f with every record of the event, which is one unless it is a
// batch, from position from on. Marks, gaps and what this version cannot interpret
// are no records to a user. It returns false as soon as f does.
func each(n uint64, ev *record.Event, from Position, f func(Record) bool) bool {
	var rec Record
	rec.of(n, ev)
	if !ev.Header.Interpretable() || ev.Header.Kind.Note() {
		return true
	}
	if ev.Header.Kind != record.KindBatch {
		// One with an index lies behind a record that is no batch.
		return rec.Position.Before(from) || f(rec)
	}
	entries, _ := record.NewEntries(ev.Value) // checked when the event was made
	for last := rec.Next; ; rec.Position.Index, rec.Seq = rec.Position.Index+1, rec.Seq+1 {
		e, ok := entries.Next()
		if !ok {
			return true
		}
		if rec.Next = last; entries.Len() > 0 {
			rec.Next = rec.Position
			rec.Next.Index++
		}
		rec.Kind, rec.Key, rec.Value = e.Kind, e.Key, e.Value
		if (e.Kind == KindData || e.Kind == KindDelete) && !rec.Position.Before(from) && !f(rec) {
			return false
		}
	}
}

// of makes rec the event of a whole record. It is assigned to piece by piece because a
// record is 144 bytes, and a scan of small ones feels each copy.
func (rec *Record) of(n uint64, ev *record.Event) {
	rec.Position = Position{Segment: n, Offset: ev.From}
	rec.Next = Position{Segment: n, Offset: ev.To}
	rec.Time = time.Unix(0, ev.Header.Time)
	rec.Writer, rec.Seq = ev.Header.Writer, ev.Header.Seq
	rec.Kind, rec.Key, rec.Value = ev.Header.Kind, ev.Key, ev.Value
}
