package media

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

var flipped = &board.Class{
	ID:     "X3",
	Title:  "every bit of 8 KiB of records flipped",
	Passes: "at most the record with the bit is lost, and reported as corruption",
	Run: func(r *board.Run) error {
		s, err := rolled(r, 64<<10, nil)
		if err != nil {
			return err
		}
		const first, bits = oracle.HeaderSize, 8 << 10 * 8
		full := s.files[segName(2)]
		r.Each("", r.Size(bits, 800), func(c *board.Case) error {
			bit := c.I
			if c.Short {
				bit = c.Rand.IntN(bits)
			}
			dir, err := c.Dir()
			if err != nil {
				return err
			}
			at := first + int64(bit/8)
			b := bytes.Clone(full)
			b[at] ^= 1 << (bit % 8)
			var hit oracle.Record
			must := whole(s.appended, func(segment uint64, from, to int64) bool { return segment == 2 && from <= at && at < to })
			for i := range s.appended {
				if !must(i) {
					hit = s.appended[i]
				}
			}
			got, _, err := judged(c.Context(), s.with(segName(2), b), dir, must)
			if err != nil {
				return err
			}
			if n := got.Report.Missing(); n != 1 {
				return fmt.Errorf("bit %d of byte %d: %d records are missing", bit%8, at, n)
			}
			d := slices.DeleteFunc(got.Damage, func(d journal.Damage) bool { return d.Class == journal.Void }) // of full segments
			if len(d) == 0 || d[0].From.Offset != hit.Offset || d[len(d)-1].To.Offset != hit.End {
				return fmt.Errorf("bit %d of byte %d: damage %v, want the record from %d to %d", bit%8, at, d, hit.Offset, hit.End)
			}
			for _, s := range d {
				if s.Class != journal.Corruption {
					return fmt.Errorf("bit %d of byte %d: damage %v, want corruption", bit%8, at, d)
				}
			}
			if !got.Report.Corrupt() {
				return fmt.Errorf("bit %d of byte %d: verify does not call the journal corrupt", bit%8, at)
			}
			return nil
		})
		return erased(r)
	},
}

// erased is the exception of section 6.4 of docs/FORMAT.md: of the last record of a
// segment that was closed early, a checksum that ends in zeros looks like one that was
// never written to its end. It is called a fragment; with any bit of it flipped instead
// it is corruption. The record alone is lost by either.
func erased(r *board.Run) error {
	s, err := early(r)
	if err != nil {
		return err
	}
	var last oracle.Record
	for _, a := range s.appended {
		if a.Segment == 1 {
			last = a
		}
	}
	r.Each("", 8+64, func(c *board.Case) error {
		dir, err := c.Dir()
		if err != nil {
			return err
		}
		b, want := bytes.Clone(s.files[segName(1)]), journal.Fragment
		if c.I < 8 {
			clear(b[last.End-int64(c.I)-1 : last.End])
		} else {
			want = journal.Corruption
			b[last.End-8+int64(c.I-8)/8] ^= 1 << (c.I % 8)
			if b[last.End-1] == 0 { // its only bit: that is a zero at the end
				want = journal.Fragment
			}
		}
		must := whole(s.appended, func(_ uint64, from, _ int64) bool { return from == last.Offset })
		got, _, err := judged(c.Context(), s.with(segName(1), b), dir, must)
		if err != nil {
			return err
		}
		if len(got.Damage) == 0 || got.Damage[0].Class != want || got.Damage[0].From.Offset != last.Offset {
			return fmt.Errorf("checksum changed, %d: damage %v, want %v from %d on", c.I, got.Damage, want, last.Offset)
		}
		c.Count("changed checksums called "+want.String(), 1)
		return nil
	})
	return nil
}

// early makes a journal whose first segment was closed by a recovery before it was
// full: what a writer does that finds no control file of this boot.
func early(r *board.Run) (*scene, error) {
	dir, err := r.Scratch()
	if err != nil {
		return nil, err
	}
	p, err := newPen(dir, 2, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	if err != nil {
		return nil, err
	}
	rng := r.Rand("early")
	for n := range 20 {
		if err := p.put([]byte(fmt.Sprint(n)), fill(rng, 300)); err != nil {
			return nil, err
		}
	}
	s, err := p.finish()
	if err != nil {
		return nil, err
	}
	after, err := r.Scratch()
	if err != nil {
		return nil, err
	}
	if err := s.store(after); err != nil {
		return nil, err
	}
	q, err := newPen(after, 1, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	if err != nil {
		return nil, err
	}
	q.all = p.all
	if err := q.put([]byte("new"), []byte("record")); err != nil {
		return nil, err
	}
	if s, err = q.finish(); err != nil {
		return nil, err
	}
	j, err := s.oracle()
	if err == nil && (len(j.Segments) != 2 || j.Segments[0].Full || j.Segments[0].Size < j.Segments[0].Limit) {
		err = fmt.Errorf("the recovery did not close the first segment: %d segments", len(j.Segments))
	}
	return s, err
}
