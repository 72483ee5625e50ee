// Package environ holds the class of the scoreboard in which the environment is not
// what a journal is used to: other machines, users, limits, and files that somebody
// else touches.
package environ

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// site is a journal in an environment of its own, and what became of the records that
// were appended to it.
type site struct {
	c    *board.Case
	root string // an empty directory
	dir  string // of the journal, in root

	n      int               // keys so far
	told   map[string]string // where a record was acknowledged, by key
	unsure map[string]bool   // records whose outcome is not known
	open   []*journal.Journal
}

const segmentSize = 12 << 10

func newSite(c *board.Case) (*site, error) {
	root, err := c.Dir()
	if err != nil {
		return nil, err
	}
	return &site{c: c, root: root, dir: filepath.Join(root, "j"), told: make(map[string]string), unsure: make(map[string]bool)}, nil
}

// close closes what cases have left open.
func (s *site) close() error {
	var errs []error
	for _, j := range s.open {
		errs = append(errs, j.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

func (s *site) writer(sync journal.SyncPolicy) (*journal.Journal, error) {
	j, err := journal.Open(s.dir, journal.Options{Sync: sync, SegmentSize: segmentSize})
	if err == nil {
		s.open = append(s.open, j)
	}
	return j, err
}

func (s *site) reader() (*journal.Journal, error) {
	j, err := journal.Open(s.dir, journal.Options{ReadOnly: true})
	if err == nil {
		s.open = append(s.open, j)
	}
	return j, err
}

// put appends n records, two of which fill a segment, and stops at the first error.
func (s *site) put(j *journal.Journal, n int) error {
	for range n {
		s.n++
		key := fmt.Sprintf("site %d", s.n)
		at, err := j.Append([]byte(key), make([]byte, 2000))
		switch {
		case err == nil:
			s.told[key] = at.String()
		case errors.Is(err, journal.ErrOutcomeUnknown):
			s.unsure[key] = true
			fallthrough
		default:
			return err
		}
	}
	return nil
}

// begun makes the journal by a writer that stays, with n records.
func (s *site) begun(n int) (*journal.Journal, error) {
	j, err := s.writer(journal.SyncNone)
	if err != nil {
		return nil, err
	}
	return j, s.put(j, n)
}

// read is what a reader finds, by key; it also makes sure that what was acknowledged is
// there, once.
func (s *site) read(j *journal.Journal) error {
	seen := make(map[string]string)
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return err
		}
		if seen[string(r.Key)] != "" {
			return fmt.Errorf("record %q is handed out twice", r.Key)
		}
		seen[string(r.Key)] = r.Position.String()
	}
	for key, at := range s.told {
		if seen[key] != at {
			return fmt.Errorf("record %q was acknowledged at %s, and a reader finds it at %q", key, at, seen[key])
		}
	}
	return nil
}

// verdict judges what is on the disk: everything that was acknowledged is there, once,
// in its place; what failed is not; there is no damage; the journal goes on.
func (s *site) verdict(ctx context.Context) error {
	if err := s.close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if _, err := os.Stat(s.dir); os.IsNotExist(err) && len(s.told) == 0 {
		return nil
	}
	o, err := oracle.Read(s.dir)
	if err != nil {
		if len(s.told) == 0 {
			return nil // no journal has come of it
		}
		return err
	}
	seen := make(map[string]bool)
	for _, r := range o.Records {
		key := string(r.Key)
		switch {
		case seen[key]:
			return fmt.Errorf("record %q is there twice, again at %v", key, r.Position)
		case s.told[key] == "" && !s.unsure[key]:
			return fmt.Errorf("record %q at %v was not appended, or its append failed", key, r.Position)
		case s.told[key] != "" && s.told[key] != r.String():
			return fmt.Errorf("record %q was acknowledged at %s and is at %v", key, s.told[key], r.Position)
		}
		seen[key] = true
	}
	for key, at := range s.told {
		if !seen[key] {
			return fmt.Errorf("record %q was acknowledged at %s, and is lost", key, at)
		}
	}
	for _, st := range o.Stretches {
		if st.Class == oracle.Corruption || st.Class == oracle.Hole || st.Class == oracle.Dropped {
			return fmt.Errorf("%s from %d to %d in segment %d", st.Class, st.From, st.To, st.Segment)
		}
	}
	r, err := judge.Read(ctx, s.dir)
	if err != nil {
		return err
	}
	if err := judge.Agree(r, o); err != nil {
		return err
	}
	_, err = judge.GoesOn(ctx, s.dir, o.Records)
	return err
}

// refused makes sure that err is an error that says where, and one of the given kinds
// if there are any.
func refused(what string, err error, kinds ...error) error {
	if err == nil {
		return fmt.Errorf("%s is not refused", what)
	}
	var located *journal.Error
	if !errors.As(err, &located) || located.Path == "" {
		return fmt.Errorf("%s: the error does not say where: %w", what, err)
	}
	for _, k := range kinds {
		if errors.Is(err, k) {
			return nil
		}
	}
	if len(kinds) > 0 {
		return fmt.Errorf("%s: another error than expected: %w", what, err)
	}
	return nil
}
