package media

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// delivered judges records by what was appended, whatever damage there is: each is one
// that was appended, in that order and none twice, and all are there that have to be.
func delivered(records []journal.Record, appended []oracle.Record, must func(i int) bool) error {
	next := 0
	for k := range records {
		r := &records[k]
		i := next
		for i < len(appended) && !same(r, &appended[i]) {
			i++
		}
		if i == len(appended) {
			if k := slices.IndexFunc(appended, func(a oracle.Record) bool { return same(r, &a) }); k >= 0 {
				return fmt.Errorf("the record at %v comes twice, or out of order: it was appended at %v", r.Position, appended[k].Position)
			}
			return fmt.Errorf("the record at %v, writer %x, sequence %d, was never appended", r.Position, r.Writer, r.Seq)
		}
		for ; next < i; next++ {
			if must(next) {
				return lost(&appended[next])
			}
		}
		next++
	}
	for ; next < len(appended); next++ {
		if must(next) {
			return lost(&appended[next])
		}
	}
	return nil
}

func lost(r *oracle.Record) error {
	return fmt.Errorf("the record that was appended at %v, writer %x, sequence %d, is lost", r.Position, r.Writer, r.Seq)
}

// same reports whether a record that was read is the one that was appended. Where it
// is does not matter: what lies in front of it may have been taken away.
func same(r *journal.Record, a *oracle.Record) bool {
	return r.Writer == a.Writer && r.Seq == a.Seq && byte(r.Kind) == a.Kind && r.Time.UnixNano() == a.Time &&
		bytes.Equal(r.Key, a.Key) && bytes.Equal(r.Value, a.Value)
}

// judged reads a scene in dir and judges it: by the oracle, and by what has to be there.
func judged(ctx context.Context, s *scene, dir string, must func(i int) bool) (*judge.Reading, *oracle.Journal, error) {
	if err := s.store(dir); err != nil {
		return nil, nil, err
	}
	r, err := judge.Read(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	j, err := s.oracle()
	if err != nil {
		return nil, nil, err
	}
	if err := judge.Agree(r, j); err != nil {
		return nil, nil, err
	}
	return r, j, delivered(r.Records, s.appended, must)
}
