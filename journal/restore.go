package journal

import (
	"fmt"
	"time"

	"github.com/manypen/manypen/internal/writer"
	"github.com/manypen/manypen/record"
)

// RestoreOptions configures a Restorer. The zero value is ready.
type RestoreOptions struct {
	// OnAppend is called with every record once it is in the journal, in order, and
	// with where it is there. An error ends the work of the Restorer.
	OnAppend func(rec Record, ack Ack) error
}

// RestoreStats counts what a Restorer has done.
type RestoreStats struct {
	// Records were appended, Batches times several of them as one.
	Records, Batches uint64
	// Repeated is the number of records that were left out because their writer had
	// one with that sequence, or a higher one, before.
	Repeated uint64
	// Absent is the number of records that the journal now knows not to have.
	Absent uint64
	// Moved is the number of records that had to get a time a nanosecond, or a few,
	// later than they had: those of one batch in sixteen thousand, and one record in
	// 268 million. The format has reasons (FORMAT.md, section 3).
	Moved uint64
}

// Restorer appends records of another journal as they were there: with their time,
// writer and sequence, and those of one batch as one batch. Where the sequence of a
// writer jumps it leaves a note in the journal, so that Verify reports the records in
// between as absent and not as missing.
//
// It is for journals that have no records of these writers: it knows only what was
// appended by itself. Others may append to the journal meanwhile. A Restorer must not
// be used by several goroutines at a time.
type Restorer struct {
	j     *Journal
	opts  RestoreOptions
	last  map[uint64]uint64 // the highest sequence of each writer, be it of a gap
	time  time.Time         // of the last record
	stats RestoreStats
	err   error // after which nothing more can be done

	// What is held back, because what belongs to it may follow.
	first Record
	index int // of the last entry in its batch
	batch Batch
	recs  []Record // for OnAppend only
}

// Restore returns a Restorer that appends to the journal.
func (j *Journal) Restore(opts RestoreOptions) (*Restorer, error) {
	if err := j.writable(); err != nil {
		return nil, err
	}
	return &Restorer{j: j, opts: opts, last: make(map[uint64]uint64)}, nil
}

// Stats counts what was done up to now. What is held back does not count yet.
func (r *Restorer) Stats() RestoreStats { return r.stats }

// Append appends a record. Its Position says only what it shared a batch with: entries
// of one batch have the same Segment and Offset, and come one after the other; the zero
// Position belongs to none. Next, unless it is zero, tells whether there are more; a
// record that may be followed by others of its batch is held back until it is known,
// or until Flush. Its key and value must stay as they are for so long.
//
// Append does not wait for the disk, whatever the policy of the journal is: call
// Journal.Sync at the end. A record that cannot be is refused; after any other error
// the Restorer returns nothing else.
func (r *Restorer) Append(rec Record) error {
	if r.err != nil {
		return r.err
	}
	if err := restorable(&rec); err != nil {
		return err
	}
	if r.continues(&rec) {
		return r.hold(rec)
	}
	if err := r.Flush(); err != nil {
		return err
	}
	if rec.Seq <= r.last[rec.Writer] {
		r.stats.Repeated++
		return nil
	}
	r.first = rec
	if rec.Position.Index == 0 && (rec.Position.IsZero() || !rec.Next.IsZero() && !sameUnit(rec.Position, rec.Next)) {
		if r.opts.OnAppend == nil {
			return r.unit(1, nil, nil)
		}
		return r.unit(1, nil, []Record{rec})
	}
	return r.hold(rec)
}

// restorable returns why a record cannot be one of any journal.
func restorable(rec *Record) error {
	switch {
	case rec.Kind != KindData && rec.Kind != KindDelete:
		return fmt.Errorf("a record of kind %v cannot be restored; want data or delete", rec.Kind)
	case rec.Writer == 0 || rec.Seq == 0:
		return fmt.Errorf("a record of writer %d with sequence %d cannot be restored; both begin at 1", rec.Writer, rec.Seq)
	case !time.Unix(0, rec.Time.UnixNano()).Equal(rec.Time):
		return fmt.Errorf("a record of the time %v cannot be restored; want one between the years 1678 and 2262", rec.Time)
	}
	return nil
}

func sameUnit(a, b Position) bool { return a.Segment == b.Segment && a.Offset == b.Offset }

// continues reports whether rec is the next entry of the batch that is held back. One
// that has lost entries in between, of a kind that nobody knows or because they were
// not asked for, becomes several: a batch has no holes in its sequence.
func (r *Restorer) continues(rec *Record) bool {
	n := r.batch.Len()
	return n > 0 && sameUnit(rec.Position, r.first.Position) && rec.Position.Index == r.index+1 &&
		rec.Writer == r.first.Writer && rec.Seq == r.first.Seq+uint64(n) && rec.Time.Equal(r.first.Time)
}

// hold takes rec for the next entry of a batch.
func (r *Restorer) hold(rec Record) error {
	r.batch.add(rec.Kind, rec.Key, rec.Value)
	r.index = rec.Position.Index
	if r.opts.OnAppend != nil {
		r.recs = append(r.recs, rec)
	}
	r.err = r.batch.err
	return r.err
}

// Flush appends what is held back. It makes nothing durable; see Journal.Sync.
func (r *Restorer) Flush() error {
	n := r.batch.Len()
	if r.err != nil || n == 0 {
		return r.err
	}
	var entries [][]byte
	if n > 1 { // one alone need not be a batch
		var err error
		if entries, err = r.batch.encoded(); err != nil {
			r.err = err
			return err
		}
	}
	err := r.unit(n, entries, r.recs)
	r.batch.Reset()
	clear(r.recs)
	r.recs = r.recs[:0]
	return err
}

// Absent says that the journal the records come from had records of a writer up to
// number last, whatever became of them: what is beyond the last one that was appended
// is noted as absent.
func (r *Restorer) Absent(writer, last uint64) error {
	if err := r.Flush(); err != nil {
		return err
	}
	return r.gap(writer, last)
}

// gap notes that the records of a writer up to number last are not here.
func (r *Restorer) gap(writer, last uint64) error {
	have := r.last[writer]
	if last <= have {
		return nil
	}
	h := record.Header{Time: r.time.UnixNano(), Writer: writer, Seq: last}
	if r.time.IsZero() {
		h.Time = time.Now().UnixNano()
	}
	a, err := r.j.w.AppendGap(h, have+1)
	if _, err = r.j.acknowledge(a, err, false); err != nil {
		r.err = err
		return err
	}
	r.last[writer] = last
	r.stats.Absent += last - have
	return nil
}

// unit appends the record r.first, or the batch of n entries that begins with it. What
// it consists of is told to OnAppend.
func (r *Restorer) unit(n int, entries [][]byte, recs []Record) error {
	rec := &r.first
	r.time = rec.Time
	if err := r.writable(); err != nil {
		return err
	}
	if err := r.gap(rec.Writer, rec.Seq-1); err != nil {
		return err
	}
	h := record.Header{Kind: rec.Kind, Time: rec.Time.UnixNano(), Writer: rec.Writer, Seq: rec.Seq}
	var a writer.Ack
	var err error
	if entries != nil {
		a, err = r.j.w.AppendAs(h, n, nil, nil, entries)
	} else {
		a, err = r.j.w.AppendAs(h, 1, rec.Key, rec.Value, nil)
	}
	ack, err := r.j.acknowledge(a, err, false)
	if err != nil {
		r.err = err
		return err
	}
	r.last[rec.Writer] = rec.Seq + uint64(n) - 1
	r.stats.Records += uint64(n)
	if n > 1 {
		r.stats.Batches++
	}
	if a.Time != h.Time {
		r.stats.Moved += uint64(n)
	}
	if r.opts.OnAppend == nil {
		return nil
	}
	for _, rec := range recs {
		if r.err = r.opts.OnAppend(rec, ack); r.err != nil {
			return r.err
		}
		ack.Position.Index++
		ack.Seq++
	}
	return nil
}

func (r *Restorer) writable() error {
	r.err = r.j.writable()
	return r.err
}
