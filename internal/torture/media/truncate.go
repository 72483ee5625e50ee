package media

import (
	"errors"
	"fmt"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// Classes returns the classes of this package.
func Classes() []*board.Class {
	return []*board.Class{truncated, torn, flipped, blocks, power, hostile}
}

// never and always say which records have to be there.
func never(int) bool  { return false }
func always(int) bool { return true }

// whole says that record i has to be there if its bytes are as they were.
func whole(appended []oracle.Record, touched func(segment uint64, from, to int64) bool) func(i int) bool {
	return func(i int) bool {
		r := &appended[i]
		return !touched(r.Segment, r.Offset, r.End)
	}
}

// rolled makes a journal of three segments by two handles: the first two full, the
// third begun. after, unless it is nil, is called behind every append.
func rolled(r *board.Run, size int64, after func(*pen) error) (*scene, error) {
	dir, err := r.Scratch()
	if err != nil {
		return nil, err
	}
	p, err := newPen(dir, 2, journal.Options{Sync: journal.SyncNone, SegmentSize: size})
	if err != nil {
		return nil, err
	}
	rng := r.Rand("content")
	for n := 0; n == 0 || p.last().Segment < 3 || n%16 != 0; n++ {
		if err := p.put([]byte(fmt.Sprintf("key %d", n)), fill(rng, 40+rng.IntN(int(size/80)))); err != nil {
			return nil, err
		}
		if after != nil {
			if err := after(p); err != nil {
				return nil, err
			}
		}
	}
	s, err := p.finish()
	if err != nil {
		return nil, err
	}
	// The classes rely on it: a segment that was closed early is judged otherwise.
	j, err := s.oracle()
	if err == nil && (!j.Segments[0].Full || !j.Segments[1].Full) {
		err = errors.New("a segment was closed before it was full")
	}
	return s, err
}

var truncated = &board.Class{
	ID:     "X1",
	Title:  "a segment of 64 KiB cut off at every byte, as the last one and in the middle",
	Passes: "all whole records are kept, and those of the other segments; a writer goes on",
	Run: func(r *board.Run) error {
		const size = 64 << 10
		middle, err := rolled(r, size, nil)
		if err != nil {
			return err
		}
		last := middle.with(segName(3), nil)
		last.appended = nil
		for _, a := range middle.appended {
			if a.Segment < 3 {
				last.appended = append(last.appended, a)
			}
		}
		for _, s := range []*scene{last, middle} {
			full := s.files[segName(2)]
			r.Each("", r.Size(size, 400), func(c *board.Case) error {
				n := c.I
				if c.Short {
					n = c.Rand.IntN(size)
				}
				dir, err := c.Dir()
				if err != nil {
					return err
				}
				cut := s.with(segName(2), full[:n])
				must := whole(s.appended, func(segment uint64, _, to int64) bool { return segment == 2 && to > int64(n) })
				_, j, err := judged(c.Context(), cut, dir, must)
				if err != nil || n%64 != 0 {
					return err
				}
				c.Count("writers that went on", 1)
				_, err = judge.GoesOn(c.Context(), dir, j.Records)
				return err
			})
		}
		return nil
	},
}

const (
	tornRecords = 200
	tornSize    = 120 // of each record, in bytes
)

var torn = &board.Class{
	ID:     "X2",
	Title:  "each of 200 records torn at every byte, later ones behind it",
	Passes: "only that record is lost, what is left of it is a fragment, and its writer's sequence shows it",
	Run: func(r *board.Run) error {
		dir, err := r.Scratch()
		if err != nil {
			return err
		}
		p, err := newPen(dir, 2, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
		if err != nil {
			return err
		}
		rng := r.Rand("content")
		for range tornRecords + 2 { // so that each writer has one behind every torn one
			if err := p.put(fill(rng, 8), fill(rng, tornSize-oracle.Overhead-8)); err != nil {
				return err
			}
		}
		s, err := p.finish()
		if err != nil {
			return err
		}
		b := s.files[segName(1)]
		r.Each("", r.Size(tornRecords*tornSize, 600), func(c *board.Case) error {
			i := c.I
			if c.Short {
				i = c.Rand.IntN(tornRecords * tornSize)
			}
			return tear(c, s, b, i/tornSize, i%tornSize)
		})
		return nil
	},
}

// tear takes record n off behind its first bytes, as a short write leaves it.
func tear(c *board.Case, s *scene, b []byte, n, cut int) error {
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	a := &s.appended[n]
	at := int(a.Offset)
	t := s.with(segName(1), append(append([]byte{}, b[:at+cut]...), b[a.End:]...))
	got, _, err := judged(c.Context(), t, dir, func(i int) bool { return i != n })
	if err != nil {
		return err
	}
	switch {
	case got.Report.Missing() != 1:
		return fmt.Errorf("record %d, cut at %d: %d records are missing", n, cut, got.Report.Missing())
	case cut == 0 && len(got.Damage) > 0:
		return fmt.Errorf("record %d, without a byte of it: damage %v", n, got.Damage)
	case cut > 0 && (len(got.Damage) != 1 || got.Damage[0].Class != journal.Fragment || got.Damage[0].Bytes() != int64(cut)):
		return fmt.Errorf("record %d, cut at %d: damage %v, want a fragment", n, cut, got.Damage)
	}
	return nil
}
