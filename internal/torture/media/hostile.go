package media

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// attacker is the writer in the records of an attacker. No handle has it.
const attacker = 0xbadbadbadbadbad

var hostile = &board.Class{
	ID:     "X12",
	Title:  "contents that hold records, marks, gaps, batches and headers of this segment and others, the outer record torn or damaged",
	Passes: "nothing of them ever surfaces, and their neighbours are kept",
	Run: func(r *board.Run) error {
		r.Each("", r.Size(10_000, 300), func(c *board.Case) error { return attack(c) })
		return nil
	},
}

// attack appends records by the real writer, of which one in three has hostile
// content; then it tears or damages one of these.
func attack(c *board.Case) error {
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	p, err := newPen(dir, 2, journal.Options{Sync: journal.SyncNone, SegmentSize: 32 << 10})
	if err != nil {
		return err
	}
	bait, err := newBait(dir, c.Rand)
	if err != nil {
		return err
	}
	var carriers []int
	for n := range 9 {
		switch {
		case n%3 != 1:
			err = p.put([]byte("neighbour"), fill(c.Rand, c.Rand.IntN(200)))
		default:
			carriers = append(carriers, len(p.all))
			err = bait.put(p)
		}
		if err != nil {
			return err
		}
	}
	if c.Rand.IntN(2) == 0 { // so that the segment is final, by a successor
		for p.last().Segment == 1 {
			if err := p.put([]byte("filler"), fill(c.Rand, 4000)); err != nil {
				return err
			}
		}
	}
	s, err := p.finish()
	if err != nil {
		return err
	}
	t, victim := ruin(c.Rand, s, s.appended[carriers[c.Rand.IntN(len(carriers))]])
	// A whole batch is one record: its entries are lost together.
	must := func(i int) bool {
		return s.appended[i].Segment != victim.Segment || s.appended[i].Offset != victim.Offset
	}
	got, j, err := judged(c.Context(), t, dir, must)
	if err != nil {
		return err
	}
	return surfaced(got, j)
}

// ruin does something to a record, or nothing. It returns the record that was touched.
func ruin(rng *rand.Rand, s *scene, victim oracle.Record) (*scene, oracle.Record) {
	b := bytes.Clone(s.files[segName(victim.Segment)])
	at := victim.Offset + rng.Int64N(victim.End-victim.Offset)
	switch rng.IntN(4) {
	case 0:
		return s, oracle.Record{}
	case 1: // one bit
		b[at] ^= 1 << rng.IntN(8)
	case 2: // torn, and the next ones behind it; not what is void, which would move below the limit
		end := victim.End
		for _, r := range s.appended {
			if r.Segment == victim.Segment {
				end = max(end, r.End)
			}
		}
		b = append(b[:at], b[victim.End:end]...)
	case 3: // the beginning is gone: the end of the carrier stands alone
		if at == victim.Offset {
			return s, oracle.Record{}
		}
		clear(b[victim.Offset:at])
	}
	return s.with(segName(victim.Segment), b), victim
}

// surfaced looks for the attacker in everything that is told.
func surfaced(got *judge.Reading, j *oracle.Journal) error {
	for _, s := range j.Segments {
		for _, f := range s.Frames {
			if f.Writer == attacker {
				return fmt.Errorf("a record of kind %d that was content surfaces at %d:%d", f.Kind, f.Segment, f.From)
			}
		}
	}
	for _, w := range got.Report.Writers {
		if w.ID == attacker {
			return fmt.Errorf("verify has heard of the attacker: %+v", w)
		}
	}
	if got.Report.Unknown != 0 || got.Report.GapNotes != 0 {
		return fmt.Errorf("verify counts %d records of unknown kind and %d gaps; nobody has appended one", got.Report.Unknown, got.Report.GapNotes)
	}
	return nil
}
