package fuzzdir

import (
	"errors"
	"fmt"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// maxSealed is the highest limit of a segment that a writer is let at. A recovery makes
// a segment as long as its limit and reads all of it; the format allows 32 GiB.
const maxSealed = 1 << 20

// writable reports whether a writer may be tried: every limit is known and low.
func (v *visit) writable() bool {
	if v.e.journal == nil || !v.e.exact() || len(v.e.journal.Segments) == 0 {
		return false
	}
	for _, s := range v.e.journal.Segments {
		if s.Lost || s.Limit > maxSealed || s.Size > maxSealed {
			return false
		}
	}
	return true
}

// write: a writer that opens the journal and appends loses nothing that was read
// before, and what it leaves is read as the oracle says.
func (v *visit) write() error {
	j, err := journal.Open(v.dir, journal.Options{SegmentSize: 12 << 10, MaxRecord: 4 << 10, Sync: journal.SyncNone, NoIndex: true})
	if err != nil {
		return typed("open for writing", err)
	}
	var written []journal.Position
	for i := range 3 {
		p, err := j.Append([]byte("new"), fmt.Appendf(nil, "behind the damage %d", i))
		if err != nil {
			return errors.Join(typed("Append", err), j.Close())
		}
		written = append(written, p)
	}
	if err := j.Close(); err != nil {
		return fmt.Errorf("close a writer: %w", err)
	}
	return v.after(written)
}

// after reads the directory that a writer has left.
func (v *visit) after(written []journal.Position) error {
	a, err := v.w.load()
	if err != nil {
		return err
	}
	e, err := expect(a)
	if err != nil {
		return fmt.Errorf("behind a writer: %w", err)
	}
	size := a.Size()
	next := visit{w: v.w, a: a, e: e, dir: v.dir, most: int(size/8) + 64}
	if opened, err := next.open(); !opened || err != nil {
		return fmt.Errorf("behind a writer: opened %v, %v", opened, err)
	}
	err = next.walk(0)
	if err = errors.Join(err, next.j.Close()); err != nil {
		return fmt.Errorf("behind a writer: %w", err)
	}
	have := make(map[oracle.Position]bool)
	for _, r := range next.records {
		have[place(r.Position)] = true
	}
	for _, r := range v.records {
		if !have[place(r.Position)] {
			return fmt.Errorf("%v was read before a writer came, and is not any more", r.Position)
		}
	}
	for _, p := range written {
		if !have[place(p)] {
			return fmt.Errorf("%v was appended, and is not read", p)
		}
	}
	return nil
}

func place(p journal.Position) oracle.Position {
	return oracle.Position{Segment: p.Segment, Offset: p.Offset, Index: p.Index}
}
