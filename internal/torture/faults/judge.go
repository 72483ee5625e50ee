// Package faults holds the classes of the scoreboard in which the system fails: a
// system call returns an error, a write is cut short, a recovery is hit while it goes
// on, a disk has no room for what was written to it.
//
// Calls fail in a process of its own that this one traces (ptrace), in the order in
// which the process makes them. What it was told by the library it tells this one,
// which holds it against what the oracle finds.
package faults

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// state is what is known of an attempt to append.
type state int

const (
	begun   state = iota // whoever made it has died in it
	done                 // it was acknowledged
	failed               // an error said that it is not in the journal
	unknown              // an error said that it may be
)

func (s state) String() string {
	return [...]string{"not ended", "acknowledged", "failed", "unknown"}[s]
}

// entry is a record as it was handed to the library.
type entry struct {
	kind       byte
	key, value []byte
}

func (e entry) id() string { return fmt.Sprintf("%d %q %q", e.kind, e.key, e.value) }

// attempt is one record or one batch that was to be appended.
type attempt struct {
	entries []entry
	state   state
	at      string // of the first entry, if it was acknowledged
}

// book is what was attempted, in this order by one process after the other. No two
// entries are the same.
type book struct {
	attempts []attempt
	pruned   uint64 // segments below this one may be gone
	mustGo   bool   // and have to be
}

// judge holds what the oracle has found against the book: what was acknowledged is
// there once, in order, where it was said to be; what has failed is not; a batch is
// there as a whole or not at all; nothing was invented; no byte is damaged but by
// torn writes.
func (b *book) judge(j *oracle.Journal) error {
	type place struct{ attempt, entry int }
	places := make(map[string]place)
	for i, a := range b.attempts {
		for k, e := range a.entries {
			places[e.id()] = place{i, k}
		}
	}
	count := make([]int, len(b.attempts))
	last := place{-1, 0}
	for i := range j.Records {
		r := &j.Records[i]
		p, ok := places[entry{r.Kind, r.Key, r.Value}.id()]
		if !ok {
			return fmt.Errorf("the record at %v, key %.20q, was never appended", r.Position, r.Key)
		}
		a := &b.attempts[p.attempt]
		switch {
		case p == last:
			return fmt.Errorf("the record at %v is there twice", r.Position)
		case p.attempt < last.attempt || p.attempt == last.attempt && p.entry != last.entry+1 || p.attempt > last.attempt && p.entry != 0:
			return fmt.Errorf("the record at %v, entry %d of attempt %d, stands behind entry %d of attempt %d", r.Position, p.entry, p.attempt, last.entry, last.attempt)
		case a.state == failed:
			return fmt.Errorf("the record at %v is there, and its append has failed", r.Position)
		case a.state == done && p.entry == 0 && r.Position.String() != a.at:
			return fmt.Errorf("the record at %v was acknowledged at %s", r.Position, a.at)
		}
		count[p.attempt]++
		last = p
	}
	for i, a := range b.attempts {
		switch n := count[i]; {
		case n == len(a.entries):
		case n > 0:
			return fmt.Errorf("%d of the %d entries of attempt %d are there", n, len(a.entries), i)
		case a.state == done && !b.gone(&a, j):
			return fmt.Errorf("attempt %d, which was acknowledged at %s, is lost", i, a.at)
		}
	}
	return b.sound(j)
}

// gone reports whether an acknowledged record may be missing because it was pruned.
func (b *book) gone(a *attempt, j *oracle.Journal) bool {
	segment, _, _ := strings.Cut(a.at, ":")
	n, err := strconv.ParseUint(segment, 10, 64)
	return err == nil && len(j.Segments) > 0 && n < j.Segments[0].Number && n < b.pruned
}

// sound is judge for what is not a record.
func (b *book) sound(j *oracle.Journal) error {
	if len(j.Segments) > 0 {
		first := j.Segments[0].Number
		if want := max(b.pruned, 1); first > want || b.mustGo && first != want {
			return fmt.Errorf("the first segment is %d, and what lies in front of segment %d was pruned", first, want)
		}
		for i, s := range j.Segments {
			if s.Number != first+uint64(i) {
				return fmt.Errorf("segment %d is missing", first+uint64(i))
			}
			if bad := s.Pages(); len(bad) > 0 {
				return fmt.Errorf("the header of segment %d is damaged: %v", s.Number, bad)
			}
		}
	}
	if err := undamaged(j); err != nil {
		return err
	}
	seen := make(map[[2]uint64]bool)
	for i := range j.Records {
		r := &j.Records[i]
		if seen[[2]uint64{r.Writer, r.Seq}] {
			return fmt.Errorf("writer %x has two records with sequence %d, one at %v", r.Writer, r.Seq, r.Position)
		}
		seen[[2]uint64{r.Writer, r.Seq}] = true
	}
	if missing := j.Missing(); len(missing) > 0 {
		return fmt.Errorf("sequences are missing: %v", missing)
	}
	return nil
}

// undamaged reports a stretch that no torn write explains.
func undamaged(j *oracle.Journal) error {
	for _, list := range [][]oracle.Stretch{j.Stretches, j.Told} {
		for _, s := range list {
			if s.Class == oracle.Hole || s.Class == oracle.Corruption {
				return fmt.Errorf("%s from %d to %d in segment %d", s.Class, s.From, s.To, s.Segment)
			}
		}
	}
	return nil
}
