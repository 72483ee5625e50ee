package media

import (
	"fmt"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

const (
	crashPoints = 64 // an append each, some of which roll
)

// crash is a journal at the moment at which the power goes.
type crash struct {
	*scene
	durable oracle.Position // up to here everything was synced
	blocks  []oracle.Block  // that were not, the newest last
}

var power = &board.Class{
	ID:     "X5",
	Title:  "the power goes after each of 64 appends, and any of the last 10 unsynced blocks are lost",
	Passes: "the durable part is intact and comes first, nothing is invented or comes twice, a writer goes on",
	Run: func(r *board.Run) error {
		crashes, err := crashScenes(r)
		if err != nil {
			return err
		}
		r.Each("", r.Size(crashPoints<<oracle.LostBlocks, 800), func(c *board.Case) error {
			i := c.I
			if c.Short {
				i = c.Rand.IntN(crashPoints << oracle.LostBlocks)
			}
			return lose(c, crashes[i>>oracle.LostBlocks], i&(1<<oracle.LostBlocks-1))
		})
		return nil
	},
}

// crashScenes is the journal after each append behind a sync. Segments are small, so
// that what is lost can be at the end of one and at the beginning of the next.
func crashScenes(r *board.Run) ([]*crash, error) {
	dir, err := r.Scratch()
	if err != nil {
		return nil, err
	}
	p, err := newPen(dir, 2, journal.Options{Sync: journal.SyncNone, SegmentSize: 48 << 10})
	if err != nil {
		return nil, err
	}
	rng := r.Rand("content")
	// Small ones, of which a block has several, and ones of several blocks, so that soon
	// after a sync there are LostBlocks of them that it does not cover.
	put := func() error {
		n := 40 + rng.IntN(900)
		if rng.IntN(3) > 0 {
			n = 2000 + rng.IntN(7000)
		}
		return p.put([]byte("key"), fill(rng, n))
	}
	for range 30 {
		if err := put(); err != nil {
			return nil, err
		}
	}
	var durable oracle.Position
	var all []*crash
	for n := range crashPoints {
		if n%(crashPoints/2) == 0 {
			if durable, err = synced(p); err != nil {
				return nil, err
			}
		}
		if err := put(); err != nil {
			return nil, err
		}
		s, err := p.scene()
		if err != nil {
			return nil, err
		}
		all = append(all, &crash{s, durable, oracle.Unsynced(func(n uint64) []byte { return s.files[segName(n)] }, durable)})
	}
	return all, p.close()
}

// synced makes everything durable, and returns up to where that is.
func synced(p *pen) (oracle.Position, error) {
	if err := p.handles[0].Sync(); err != nil {
		return oracle.Position{}, err
	}
	s, err := p.scene()
	if err != nil {
		return oracle.Position{}, err
	}
	last := s.appended[len(s.appended)-1]
	return oracle.Position{Segment: last.Segment, Offset: last.End}, nil
}

// lose takes the blocks away that kept does not have as a set of bits, and judges
// what is left. A file system may have written a file's size before its blocks, or
// not, or something between.
func lose(c *board.Case, s *crash, kept int) error {
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	t := s.with(idName, s.files[idName])
	for n := s.durable.Segment; s.files[segName(n)] != nil; n++ {
		b := append([]byte{}, s.files[segName(n)]...)
		size := int64(oracle.HeaderSize) // of what has got to the disk
		if n == s.durable.Segment {
			size = s.durable.Offset
		}
		first := int64(len(b))
		for i, l := range s.blocks {
			if l.Segment != n {
				continue
			}
			first = min(first, l.From)
			if kept&(1<<i) == 0 {
				clear(b[l.From:l.To])
			} else {
				size = max(size, l.To)
			}
		}
		size = max(size, first) // what lies in front of the newest blocks was written long ago
		switch c.Rand.IntN(3) {
		case 0:
			b = b[:size]
		case 1:
			b = b[:size+c.Rand.Int64N(int64(len(b))-size+1)]
		}
		t.files[segName(n)] = b
	}
	must := func(i int) bool {
		r := &s.appended[i]
		return r.Segment < s.durable.Segment || r.Segment == s.durable.Segment && r.End <= s.durable.Offset
	}
	got, j, err := judged(c.Context(), t, dir, must)
	if err != nil {
		return err
	}
	durable := 0
	for i := range s.appended {
		if must(i) {
			durable++
		}
	}
	for i := range durable {
		if !same(&got.Records[i], &s.appended[i]) {
			return fmt.Errorf("the record at %v comes before the durable ones have ended", got.Records[i].Position)
		}
	}
	if c.I%16 != 0 {
		return nil
	}
	c.Count("writers that went on", 1)
	_, err = judge.GoesOn(c.Context(), dir, j.Records)
	return err
}
