package journal

import (
	"time"

	"github.com/manypen/manypen/record"
)

// tally is what a stretch of whole records adds to a report. It knows nothing of
// what lies in front, so that several stretches can be tallied at a time; what
// depends on order is left in items.
type tally struct {
	records, deletes, batches, unknown uint64
	payload, longest                   int64
	oldest, newest                     int64 // times; oldest > newest: none
	items                              []item
	last                               map[uint64]int // the item of each writer that may grow
	recent                             int            // the item that has grown last
	spoilt                             bool           // see spoils
}

// item is a run of records of one writer whose sequences follow each other, a mark,
// or a gap.
type item struct {
	writer      uint64
	first, last uint64   // sequences; of a mark, that of its writer's last record
	at, end     Position // of its first and its last record
	atTime      int64
	endTime     int64
	note        Kind     // mark or gap; 0: a run
	known       bool     // a note of a form that this version knows
	durable     Position // what a mark carries
}

func (t *tally) reset() {
	clear(t.last)
	*t = tally{items: t.items[:0], last: t.last, recent: -1, oldest: 1<<63 - 1, newest: -1 << 63}
	if t.last == nil {
		t.last = make(map[uint64]int)
	}
}

// add counts the whole record of ev, or the entries of a batch.
func (t *tally) add(n uint64, ev *record.Event) {
	h := &ev.Header
	t.longest = max(t.longest, h.Size())
	if h.Interpretable() && h.Kind.Note() {
		t.note(n, ev)
		return
	}
	t.oldest, t.newest = min(t.oldest, h.Time), max(t.newest, h.Time)
	count := uint64(1)
	switch {
	case !h.Interpretable():
		t.unknown++
	case h.Kind == record.KindBatch:
		t.batches++
		entries, _ := record.NewEntries(ev.Value) // the scanner has checked it
		count = uint64(entries.Len())
		before := t.records
		each(n, ev, Position{}, func(rec Record) bool {
			t.record(rec.Kind, len(rec.Key)+len(rec.Value))
			return true
		})
		t.unknown += count - (t.records - before) // entries of other kinds
	default:
		t.record(h.Kind, h.KeyLen+h.ValueLen)
	}
	t.run(n, ev, count)
}

// note takes a mark or a gap.
func (t *tally) note(n uint64, ev *record.Event) {
	h := &ev.Header
	it := item{writer: h.Writer, last: h.Seq, at: Position{Segment: n, Offset: ev.From}, note: h.Kind}
	if h.Kind == record.KindMark {
		it.durable, it.known = record.ParseMark(h, ev.Value)
	} else {
		it.first, it.known = record.ParseGap(h, ev.Value)
		// Whatever of the writer comes behind it is another run: what a gap covers
		// depends on what was seen in front of it.
		delete(t.last, h.Writer)
		t.recent = -1
	}
	t.items = append(t.items, it)
}

func (t *tally) record(kind Kind, payload int) {
	t.records++
	if kind == KindDelete {
		t.deletes++
	}
	t.payload += int64(payload)
}

// run notes count sequences from h.Seq on.
func (t *tally) run(n uint64, ev *record.Event, count uint64) {
	h := &ev.Header
	i := t.recent
	if i < 0 || t.items[i].writer != h.Writer {
		var ok bool
		if i, ok = t.last[h.Writer]; !ok {
			i = -1
		}
	}
	at := Position{Segment: n, Offset: ev.From}
	if i < 0 || t.items[i].last+1 != h.Seq {
		i = len(t.items)
		t.items = append(t.items, item{writer: h.Writer, first: h.Seq, at: at, atTime: h.Time})
		t.last[h.Writer] = i
	}
	it := &t.items[i]
	it.last, it.end, it.endTime = h.Seq+count-1, at, h.Time
	t.recent = i
}

// merge adds a tally to the report: the stretch lies behind all that was merged.
func (v *verifier) merge(t *tally) {
	r := &v.report
	r.Records += t.records
	r.Deletes += t.deletes
	r.Batches += t.batches
	r.Unknown += t.unknown
	r.Payload += t.payload
	r.Longest = max(r.Longest, t.longest)
	if t.oldest <= t.newest {
		if at := time.Unix(0, t.oldest); r.Oldest.IsZero() || at.Before(r.Oldest) {
			r.Oldest = at
		}
		if at := time.Unix(0, t.newest); at.After(r.Newest) {
			r.Newest = at
		}
	}
	for i := range t.items {
		it := &t.items[i]
		switch {
		case it.note == 0:
			v.sequence(it)
		case !it.known:
			r.Unknown++
		case it.note == record.KindGap:
			v.absent(it)
		default:
			v.mark(it)
		}
		if it.note != record.KindMark {
			continue
		}
		if w := v.writers[it.writer]; w != nil && it.last > w.Last {
			if w.prunes == v.prunes {
				v.gap(w, it.last, it.at)
			}
			w.Last, w.losses, w.prunes = it.last, v.losses, v.prunes
		}
	}
}

// absent takes note of a gap: what it covers is not missing.
func (v *verifier) absent(it *item) {
	v.report.GapNotes++
	w, expected := v.writer(it)
	if it.first > expected {
		w.Last = expected - 1
		v.gap(w, it.first-1, it.at)
	}
	if it.last < expected {
		return // all of it was there before
	}
	w.Absent += it.last - max(it.first, expected) + 1
	w.Last, w.losses = it.last, v.losses
}

// mark takes note of a durability mark: a hole in front of the position it
// carries was no loss of what had not been synced.
func (v *verifier) mark(it *item) {
	v.report.Marks++
	if v.report.Mark.Before(it.durable) {
		v.report.Mark = it.durable
	}
	for len(v.holes) > 0 && v.holes[0].at.Before(it.durable) {
		h := v.holes[0]
		v.holes = v.holes[1:]
		v.report.BelowMark.Count++
		v.report.BelowMark.Bytes += h.size
		if h.listed >= 0 {
			v.report.Damage[h.listed].BelowMark = true
		}
	}
}

// gap notes that the records of w behind its last one are missing, up to number to.
func (v *verifier) gap(w *writerState, to uint64, at Position) {
	w.Missing += to - w.Last
	if len(w.Gaps) < MaxListed {
		w.Gaps = append(w.Gaps, Gap{w.Last + 1, to, at, v.losses > w.losses})
	}
}

// writer returns the state of the writer of it, and the sequence that it should
// go on with.
func (v *verifier) writer(it *item) (w *writerState, expected uint64) {
	if w = v.writers[it.writer]; w != nil {
		expected = w.Last + 1
		if w.prunes != v.prunes {
			w.prunes = v.prunes
			expected = max(expected, it.first)
		}
		return w, expected
	}
	w = &writerState{prunes: v.prunes}
	w.ID = it.writer
	v.writers[it.writer] = w
	v.order = append(v.order, w)
	if v.report.First > 1 || v.prunes > 0 {
		return w, it.first
	}
	return w, 1
}

// sequence holds a run of records against what its writer appended before. What
// was pruned in front of the oldest segment is not missing.
func (v *verifier) sequence(it *item) {
	w, expected := v.writer(it)
	if w.Records == 0 {
		w.First, w.Begin, w.BeginAt = it.first, it.at, time.Unix(0, it.atTime)
	}
	count := it.last - it.first + 1
	switch {
	case it.first < expected:
		w.Repeated += min(count, expected-it.first)
	case it.first > expected:
		w.Last = expected - 1
		v.gap(w, it.first-1, it.at)
	}
	w.Last = max(w.Last, it.last)
	w.Records += count
	w.End, w.EndAt, w.losses = it.end, time.Unix(0, it.endTime), v.losses
}
