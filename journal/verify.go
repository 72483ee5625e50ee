package journal

import (
	"context"
	"io"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// VerifyOptions configures Verify. The zero value is ready.
type VerifyOptions struct {
	// OnDamage is called for every stretch without a valid record, in order.
	OnDamage func(Damage)
	// OnProgress is called now and then with the bytes read and the bytes that
	// there are.
	OnProgress func(done, total int64)
}

// Verify reads the whole journal in dir up to its end as it is when Verify is
// called, checks every byte, and proves from the sequences of the writers that
// no record is missing. It needs read permission only and works beside any
// number of writers. What it finds is in the report; the error is about what
// kept it from looking.
func Verify(ctx context.Context, dir string, opts VerifyOptions) (Report, error) {
	d, err := openDir(dir)
	if err != nil {
		return newReport(), err
	}
	defer d.Close() // only read from
	end, err := d.End()
	if err != nil {
		return newReport(), err
	}
	v := verifier{report: newReport(), dir: d, end: end, opts: opts, writers: make(map[uint64]*writerState)}
	v.report.UUID = d.UUID
	err = v.run(ctx)
	for _, w := range v.order {
		v.report.Writers = append(v.report.Writers, w.WriterReport)
	}
	return v.report, err
}

type verifier struct {
	report  Report
	dir     *segment.Dir
	end     segment.End
	opts    VerifyOptions
	writers map[uint64]*writerState
	order   []*writerState
	// losses counts the stretches so far in which a record may have been lost.
	losses uint64
	// holes are those that a mark further on may lie behind, oldest first.
	holes       []hole
	segment     uint64 // of the last event
	done, total int64
	tail        int64 // bytes at the end that will never be a record
}

// hole is where a hole begins and which of Report.Damage it is, -1 if it was not
// listed.
type hole struct {
	at     Position
	size   int64
	listed int
}

// writerState is a writer's report, and how many losses there had been when its
// last record was seen.
type writerState struct {
	WriterReport
	losses uint64
}

// measure finds out what there is to read.
func (v *verifier) measure() error {
	numbers, err := v.dir.List()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n > v.end.Segment {
			break
		}
		size, err := v.dir.SizeOf(n)
		if err != nil {
			return err
		}
		if n == v.end.Segment {
			size = v.end.Size
		}
		if v.report.Segments == 0 {
			v.report.First = n
		}
		v.report.Segments++
		v.report.Last = n
		v.total += size
	}
	v.report.Bytes = v.total
	return nil
}

func (v *verifier) run(ctx context.Context) error {
	if err := v.measure(); err != nil {
		return err
	}
	r := v.dir.NewReader(segment.ReaderOptions{End: &v.end, Reuse: true, BlockSize: 1 << 20})
	defer r.Close() // only read from
	for ev := (record.Event{}); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := r.Next(&ev)
		switch {
		case err == io.EOF:
			v.report.End = r.Position()
			if r.Segment() == v.end.Segment {
				v.report.Pending = max(0, v.end.Size-max(r.Position().Offset, segment.HeaderSize)-v.tail)
			}
			return nil
		case err != nil:
			v.losses++
			if len(v.report.Problems) < MaxListed {
				v.report.Problems = append(v.report.Problems, err)
			}
			if !passable(err) {
				return err
			}
			continue
		case ev.Class != record.Whole:
			v.begin(r)
			v.damage(damageAt(r.Segment(), &ev))
			if ev.From >= r.Position().Offset {
				v.tail += ev.To - ev.From // behind the last position that can be read
			}
		default:
			v.begin(r)
			v.record(r.Segment(), &ev)
		}
		if v.opts.OnProgress != nil {
			v.done += ev.To - ev.From
			v.opts.OnProgress(v.done, v.total)
		}
	}
}

// begin is called with every event. In a segment that a recovery began marks say
// nothing about the holes in front of it: it found them (FORMAT 3.2).
func (v *verifier) begin(r *segment.Reader) {
	n := r.Segment()
	if n == v.segment {
		return
	}
	v.segment = n
	rolled, doubted := r.Origin()
	if !rolled {
		v.holes = nil
	}
	if doubted {
		v.report.Doubted = append(v.report.Doubted, n)
	}
}

// mark takes note of a durability mark: a hole in front of the position it
// carries was no loss of what had not been synced.
func (v *verifier) mark(h *record.Header, value []byte) {
	at, ok := record.ParseMark(h, value)
	if !ok {
		v.report.Unknown++
		return
	}
	v.report.Marks++
	if v.report.Mark.Before(at) {
		v.report.Mark = at
	}
	for len(v.holes) > 0 && v.holes[0].at.Before(at) {
		h := v.holes[0]
		v.holes = v.holes[1:]
		v.report.BelowMark.Count++
		v.report.BelowMark.Bytes += h.size
		if h.listed >= 0 {
			v.report.Damage[h.listed].BelowMark = true
		}
	}
}

func (v *verifier) damage(d Damage) {
	if d.Class == Hole || d.Class == Corruption {
		v.losses++
	}
	v.report.add(d)
	if d.Class == Hole {
		h := hole{d.From, d.Bytes(), len(v.report.Damage) - 1}
		if v.report.Damage[h.listed] != d {
			h.listed = -1
		}
		v.holes = append(v.holes, h)
		if len(v.holes) > MaxListed {
			v.holes = v.holes[:MaxListed]
		}
	}
	if v.opts.OnDamage != nil {
		v.opts.OnDamage(d)
	}
}

func (v *verifier) record(n uint64, ev *record.Event) {
	h := &ev.Header
	at := Position{Segment: n, Offset: ev.From}
	count := uint64(1)
	t := time.Unix(0, h.Time)
	if v.report.Oldest.IsZero() || t.Before(v.report.Oldest) {
		v.report.Oldest = t
	}
	if t.After(v.report.Newest) {
		v.report.Newest = t
	}
	switch {
	case !h.Interpretable():
		v.report.Unknown++
	case h.Kind == record.KindMark:
		v.mark(h, ev.Value)
		if w := v.writers[h.Writer]; w != nil && h.Seq > w.Last {
			v.gap(w, h.Seq, at)
			w.Last, w.losses = h.Seq, v.losses
		}
		return
	case h.Kind == record.KindBatch:
		v.report.Batches++
		entries, _ := record.NewEntries(ev.Value) // the scanner has checked it
		count = uint64(entries.Len())
	}
	v.sequence(h, at, count)
	each(n, ev, Position{}, func(rec Record) bool {
		v.report.Records++
		if rec.Kind == KindDelete {
			v.report.Deletes++
		}
		v.report.Payload += int64(len(rec.Key) + len(rec.Value))
		return true
	})
}

// gap notes that the records of w behind its last one are missing, up to number to.
func (v *verifier) gap(w *writerState, to uint64, at Position) {
	w.Missing += to - w.Last
	if len(w.Gaps) < MaxListed {
		w.Gaps = append(w.Gaps, Gap{w.Last + 1, to, at, v.losses > w.losses})
	}
}

// sequence holds a record, or the count records of a batch, against what its
// writer appended before. What was pruned in front of the oldest segment is not
// missing.
func (v *verifier) sequence(h *record.Header, at Position, count uint64) {
	w := v.writers[h.Writer]
	expected := uint64(1)
	if w == nil {
		w = &writerState{}
		w.ID, w.First, w.Begin, w.BeginAt = h.Writer, h.Seq, at, time.Unix(0, h.Time)
		v.writers[h.Writer] = w
		v.order = append(v.order, w)
		if v.report.First > 1 {
			expected = h.Seq
		}
	} else {
		expected = w.Last + 1
	}
	switch {
	case h.Seq < expected:
		w.Repeated += count
	case h.Seq > expected:
		w.Last = expected - 1
		v.gap(w, h.Seq-1, at)
	}
	w.Last = max(w.Last, h.Seq+count-1)
	w.Records += count
	w.End, w.EndAt, w.losses = at, time.Unix(0, h.Time), v.losses
}
