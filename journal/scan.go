package journal

import (
	"errors"
	"io"
	"iter"
	"math"
	"os"
	"slices"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// ScanOptions says which records [Journal.Scan] gives and in which order. The zero
// value is all of them, oldest first.
type ScanOptions struct {
	// From and To bound what is read: records at From or behind it, and in front of
	// To. Zero positions are no bounds.
	From, To Position
	// Reverse gives the newest record first.
	Reverse bool
	// Reuse makes Key and Value valid only until the loop asks for the next record;
	// [Record.Clone] keeps one. Nothing is allocated for a record then. In reverse
	// it changes nothing.
	Reuse bool
}

// scanBlock is what one read of a scan in reused memory asks for: it stays in the
// processor's second cache.
const scanBlock = 256 << 10

// Scan returns the records that opts names, up to the end of the journal as it is
// when the loop begins. Damage and errors are as for [Journal.Records]; in reverse
// they too come newest first.
func (j *Journal) Scan(opts ScanOptions) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		end, err := j.dir.End()
		if err != nil {
			yield(Record{}, j.closing(err))
			return
		}
		if opts.Reverse {
			b := backward{j: j, opt: opts, end: end, yield: yield}
			b.run()
			return
		}
		ropt := segment.ReaderOptions{From: opts.From, End: &end, Reuse: opts.Reuse}
		if opts.Reuse {
			ropt.BlockSize = scanBlock
		}
		r := j.dir.NewReader(ropt)
		defer r.Close() // only read from
		if !opts.To.IsZero() {
			yield = until(opts.To, yield)
		}
		j.deliver(r, opts.From, yield)
	}
}

// until ends a loop in front of position to.
func until(to Position, yield func(Record, error) bool) func(Record, error) bool {
	return func(rec Record, err error) bool {
		return (err != nil || rec.Position.Before(to)) && yield(rec, err)
	}
}

// backSpan is how much of a segment is read at a time in reverse, at first.
const backSpan = 256 << 10

// backward is one loop in reverse. It reads a stretch at a time, forwards, from the
// first header in it on, and gives what it has found from the end. A header is
// where every reader goes on, so the stretches meet.
type backward struct {
	j      *Journal
	opt    ScanOptions
	end    segment.End
	yield  func(Record, error) bool
	events []record.Event
}

func (b *backward) run() {
	numbers, err := b.j.dir.List()
	if err != nil {
		b.fail(err)
		return
	}
	above := uint64(0)
	for _, n := range slices.Backward(numbers) {
		if n > b.end.Segment || !b.opt.To.IsZero() && n > b.opt.To.Segment {
			continue
		}
		if n < b.opt.From.Segment {
			return
		}
		if above > 0 && n != above-1 && !b.missing(n+1, above) {
			return
		}
		if !b.segment(n) {
			return
		}
		above = n
	}
}

// fail hands out an error, and reports whether the loop may go on. In reverse a
// segment that was pruned meanwhile is where the journal begins now.
func (b *backward) fail(err error) bool {
	return !errors.Is(err, ErrPruned) && b.yield(Record{}, b.j.closing(err)) && passable(err)
}

// missing tells of segments that were taken away in the middle.
func (b *backward) missing(n, next uint64) bool {
	gone := FirstPosition(n)
	return b.fail(&Error{Op: "read", Path: b.j.dir.Path, Segment: n, Offset: gone.Offset,
		Err: &GoneError{From: gone, Oldest: FirstPosition(next), Err: ErrMissing}})
}

// segment gives what is in segment n, and reports whether to go on.
func (b *backward) segment(n uint64) bool {
	f, err := b.j.openSegment(n)
	if err != nil {
		return b.fail(err)
	}
	defer f.Close() // only read from
	size := b.end.Size
	if n != b.end.Segment {
		if size, err = f.Size(); err != nil {
			return b.fail(f.ErrorAt("read", 0, err))
		}
	}
	// The last stretch reaches to whatever is said of the segment's end.
	hi, stop := size, int64(math.MaxInt64)
	if to := b.opt.To; n == to.Segment && to.Offset < hi {
		hi, stop = to.Offset+1, to.Offset+1 // the record there may be a batch that To is inside of
	}
	for span := int64(backSpan); ; span *= 2 {
		lo := hi - span
		start := int64(0) // with the header
		if lo > segment.HeaderSize {
			if start, _, err = f.Find(lo, hi, size); err != nil {
				return b.fail(err)
			}
			if start < 0 {
				continue // a longer record, or damage
			}
		}
		if !b.stretch(n, start, stop) {
			return false
		}
		if start == 0 || n == b.opt.From.Segment && start <= b.opt.From.Offset {
			return true
		}
		hi, stop, span = start, start, backSpan/2
	}
}

// stretch gives what begins in [start, stop) of segment n.
func (b *backward) stretch(n uint64, start, stop int64) bool {
	r := b.j.dir.NewReader(segment.ReaderOptions{From: Position{Segment: n, Offset: start}, End: &b.end})
	defer r.Close() // only read from
	b.events = b.events[:0]
	var failed error
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF || r.Segment() != n || err == nil && ev.From >= stop {
			break
		}
		if failed = err; err != nil {
			break
		}
		b.events = append(b.events, ev)
	}
	if failed != nil && !b.fail(failed) {
		return false
	}
	for _, ev := range slices.Backward(b.events) {
		if b.j.isClosed() {
			return b.fail(os.ErrClosed)
		}
		if !b.event(n, &ev) {
			return false
		}
	}
	clear(b.events) // they hold on to values
	return true
}

// event gives one record, the entries of a batch, or damage.
func (b *backward) event(n uint64, ev *record.Event) bool {
	if ev.Class != record.Whole {
		return b.j.damaged(damageAt(n, ev), b.yield)
	}
	var entries []Record
	each(n, ev, b.opt.From, func(rec Record) bool {
		if !rec.Position.Before(b.opt.From) && (b.opt.To.IsZero() || rec.Position.Before(b.opt.To)) {
			entries = append(entries, rec)
		}
		return true
	})
	for _, rec := range slices.Backward(entries) {
		if !b.yield(rec, nil) {
			return false
		}
	}
	return true
}
