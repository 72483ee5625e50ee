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
	losses      uint64
	done, total int64
	tail        int64 // bytes at the end that will never be a record
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
			v.damage(damageAt(r.Segment(), &ev))
			if ev.From >= r.Position().Offset {
				v.tail += ev.To - ev.From // behind the last position that can be read
			}
		default:
			v.record(r.Segment(), &ev)
		}
		if v.opts.OnProgress != nil {
			v.done += ev.To - ev.From
			v.opts.OnProgress(v.done, v.total)
		}
	}
}

func (v *verifier) damage(d Damage) {
	if d.Class == Hole || d.Class == Corruption {
		v.losses++
	}
	v.report.add(d)
	if v.opts.OnDamage != nil {
		v.opts.OnDamage(d)
	}
}

func (v *verifier) record(n uint64, ev *record.Event) {
	h := &ev.Header
	at := Position{Segment: n, Offset: ev.From}
	count := uint64(1)
	switch {
	case !h.Interpretable():
		v.report.Unknown++
	case h.Kind == record.KindMark:
		v.report.Marks++
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
	t := time.Unix(0, h.Time)
	if v.report.Oldest.IsZero() || t.Before(v.report.Oldest) {
		v.report.Oldest = t
	}
	if t.After(v.report.Newest) {
		v.report.Newest = t
	}
}

// sequence holds a record against what its writer appended before. What was
// pruned in front of the oldest segment is not missing.
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
		w.Missing += h.Seq - expected
		if len(w.Gaps) < MaxListed {
			w.Gaps = append(w.Gaps, Gap{expected, h.Seq - 1, at, v.losses > w.losses})
		}
	}
	w.Last = max(w.Last, h.Seq+count-1)
	w.Records += count
	w.End, w.EndAt, w.losses = at, time.Unix(0, h.Time), v.losses
}
