package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/journal"
)

// content is what can take the place of a block.
type content struct {
	name string
	of   func(c *board.Case, s *disk, b []byte, at, n int) []byte
}

// disk is a scene, and what else its second segment's blocks may have held.
type disk struct {
	*scene
	half    []byte // the segment as it was when it was half full
	foreign []byte // the same segment of another journal with the same contents
}

var contents = []content{
	{"zeros", func(_ *board.Case, _ *disk, _ []byte, _, n int) []byte { return make([]byte, n) }},
	{"noise", func(c *board.Case, _ *disk, _ []byte, _, n int) []byte { return fill(c.Rand, n) }},
	// What the disk had there when it was another segment's.
	{"older content", func(_ *board.Case, s *disk, _ []byte, at, n int) []byte { return s.files[segName(1)][at : at+n] }},
	{"another journal's", func(_ *board.Case, s *disk, _ []byte, at, n int) []byte { return s.foreign[at : at+n] }},
	// A write that was lost: the block is as it was when the segment was half full.
	{"its own past", func(_ *board.Case, s *disk, _ []byte, at, n int) []byte {
		b := make([]byte, n)
		copy(b, s.half[min(at, len(s.half)):])
		return b
	}},
	{"its neighbour", func(_ *board.Case, _ *disk, b []byte, at, n int) []byte {
		if at += n; at+n > len(b) {
			at -= 2 * n
		}
		return b[at : at+n]
	}},
}

var blocks = &board.Class{
	ID:     "X4",
	Title:  "every block of 512 B and of 4 KiB of a segment of 1 MiB replaced by zeros, noise, older content of three kinds, its neighbour",
	Passes: "only records that it touches are lost, nothing is invented, and what comes twice is reported as corruption",
	Run: func(r *board.Run) error {
		const size = 1 << 20
		s, err := disks(r, size)
		if err != nil {
			return err
		}
		const small, large = size / 512, size / 4096
		all := (small + large) * len(contents)
		r.Each("", r.Size(all, 160), func(c *board.Case) error {
			i := c.I
			if c.Short {
				i = c.Rand.IntN(all)
			}
			with := contents[i%len(contents)]
			i /= len(contents)
			if i < small {
				return replace(c, s, i*512, 512, with)
			}
			return replace(c, s, (i-small)*4096, 4096, with)
		})
		return nil
	},
}

// disks makes the journal, and another one with the same contents.
func disks(r *board.Run, size int64) (*disk, error) {
	d := &disk{}
	var err error
	d.scene, err = rolled(r, size, func(p *pen) error {
		if at := p.last(); d.half != nil || at.Segment != 2 || at.Offset < size/2 {
			return nil
		}
		var err error
		d.half, err = os.ReadFile(filepath.Join(p.dir, segName(2)))
		return err
	})
	if err != nil {
		return nil, err
	}
	other, err := rolled(r, size, nil)
	if err != nil {
		return nil, err
	}
	d.foreign = other.files[segName(2)]
	return d, nil
}

// replace puts other content in the place of n bytes of segment 2.
func replace(c *board.Case, s *disk, at, n int, with content) error {
	dir, err := c.Dir()
	if err != nil {
		return err
	}
	full := s.files[segName(2)]
	b := bytes.Clone(full)
	copy(b[at:at+n], with.of(c, s, full, at, n))
	lo, hi := int64(at), int64(at+n)
	for lo < hi && b[lo] == full[lo] { // what is as it was is not touched
		lo++
	}
	for hi > lo && b[hi-1] == full[hi-1] {
		hi--
	}
	t := s.with(segName(2), b)
	// A record of the block beside it is genuine, and comes twice. That is not taken
	// for granted: it has to be told apart from here on.
	t.appended = nil
	must := whole(s.appended, func(segment uint64, from, to int64) bool { return segment == 2 && lo < hi && from < hi && lo < to })
	if err := t.store(dir); err != nil {
		return err
	}
	got, err := judge.Read(c.Context(), dir)
	if err != nil {
		return fmt.Errorf("%s at %d: %w", with.name, at, err)
	}
	j, err := t.oracle()
	if err != nil {
		return err
	}
	if err := judge.Agree(got, j); err != nil {
		return fmt.Errorf("%s at %d: %w", with.name, at, err)
	}
	inside := func(r *journal.Record) bool {
		return r.Position.Segment == 2 && r.Position.Offset >= lo && r.Position.Offset < hi
	}
	rest, again := got.Records[:0:0], 0
	for i := range got.Records {
		if r := &got.Records[i]; !inside(r) {
			rest = append(rest, *r)
		} else if again++; with.name != "its neighbour" {
			return fmt.Errorf("%s at %d: a record of writer %x stands at %v", with.name, at, r.Writer, r.Position)
		} else if err := delivered([]journal.Record{*r}, s.appended, never); err != nil {
			return fmt.Errorf("%s at %d: %w", with.name, at, err)
		}
	}
	c.Count("records twice", again)
	if err := delivered(rest, s.appended, must); err != nil {
		return fmt.Errorf("%s at %d: %w", with.name, at, err)
	}
	if again > 0 && !got.Report.Corrupt() {
		return fmt.Errorf("%s at %d: %d records are there twice, and verify does not call the journal corrupt", with.name, at, again)
	}
	return nil
}
