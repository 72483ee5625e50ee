package journal

import (
	"context"
	"errors"
	"io"

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
	// Workers is how many parts of the journal are read at a time; 0 is one for
	// each processor that the program may use. OnDamage and OnProgress are called
	// by the goroutine that called Verify, whatever it is.
	Workers int
}

// Verify reads the whole journal in dir up to its end as it is when Verify is
// called, checks every byte, and proves from the sequences of the writers that
// no record is missing. It needs read permission only and works beside any
// number of writers. What is pruned meanwhile is not looked at, nor missed. What it
// finds is in the report; the error is about what kept it from looking.
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
	return verify(ctx, d, end, opts, chunkSize)
}

func verify(ctx context.Context, d *segment.Dir, end segment.End, opts VerifyOptions, chunk int64) (Report, error) {
	v := newVerifier(d, end, opts, chunk)
	err := v.measure()
	if err == nil {
		err = v.run(ctx)
	}
	return v.report, err
}

func newVerifier(d *segment.Dir, end segment.End, opts VerifyOptions, chunk int64) *verifier {
	v := &verifier{report: newReport(), dir: d, end: end, opts: opts, chunk: chunk, writers: make(map[uint64]*writerState)}
	v.report.UUID = d.UUID
	return v
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
	// prunes counts how often segments were pruned that were to be read next. They may
	// have held anything: of no writer is it known any more what comes next.
	prunes uint64
	// holes are those that a mark further on may lie behind, oldest first.
	holes       []hole
	chunk       int64 // bytes that are read ahead at a time, 0: none
	segments    []sized
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

// writerState is a writer's report, and how many losses and prunes there had been
// when its last record was seen.
type writerState struct {
	WriterReport
	losses uint64
	prunes uint64 // of the verifier, when its last record was seen
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
		v.segments = append(v.segments, sized{n, size})
	}
	v.report.Bytes = v.total
	return nil
}

// run reads what measure has found.
func (v *verifier) run(ctx context.Context) error {
	defer func() {
		for _, w := range v.order {
			v.report.Writers = append(v.report.Writers, w.WriterReport)
		}
	}()
	r := v.dir.NewReader(segment.ReaderOptions{End: &v.end, Skim: true, BlockSize: verifyBlock, Announce: true})
	defer r.Close() // only read from
	ahead := v.readAhead(ctx)
	defer ahead.stop()
	var one tally
	for ev := (record.Event{}); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p := ahead.at(r); p != nil {
			v.begin(r)
			v.merge(&p.tally)
			v.progress(p.to - p.from)
			r.Jump(p.to)
			continue
		}
		err := r.Next(&ev)
		switch {
		case err == segment.ErrOpened:
			continue // the whole of the segment may have been read ahead
		case err == io.EOF:
			v.report.End = r.Position()
			if r.Segment() == v.end.Segment {
				v.report.Pending = max(0, v.end.Size-max(r.Position().Offset, segment.HeaderSize)-v.tail)
			}
			return nil
		case errors.Is(err, ErrPruned):
			v.prunes++
			continue
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
			one.reset()
			one.add(r.Segment(), &ev)
			v.merge(&one)
		}
		v.progress(ev.To - ev.From)
	}
}

func (v *verifier) progress(n int64) {
	if v.opts.OnProgress != nil {
		v.done += n
		v.opts.OnProgress(v.done, v.total)
	}
}

// begin is called with every event. In a segment that a recovery began marks say
// nothing about the holes in front of it: it found them (FORMAT 3.2).
func (v *verifier) begin(r *segment.Reader) {
	n := r.Segment()
	if n == v.segment {
		return
	}
	if v.segment == 0 && n > v.report.First && len(v.report.Problems) == 0 {
		v.prunes++ // between the listing and the first look
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
