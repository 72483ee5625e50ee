package fuzzdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// keys: everything that looks for keys gives what the records say, unless a sidecar
// says something else behind right checksums; then what is given must be in the journal
// nevertheless.
func (v *visit) keys() error {
	sure, counts := false, false
	if v.e.journal != nil && v.e.exact() {
		t := v.e.trusted(v.a)
		sure, counts = t >= trustStale, t == trustAll
	}
	newest := make(map[string]journal.Record)
	for _, r := range v.records {
		if len(r.Key) > 0 {
			newest[string(r.Key)] = r
		}
	}
	var live []journal.Record
	for _, key := range slices.Sorted(maps.Keys(newest)) {
		want := newest[key]
		if want.Kind == journal.KindData {
			live = append(live, want)
		}
		got, err := v.j.Get([]byte(key))
		switch {
		case err != nil && typed("Get", err) != nil:
			return typed("Get", err)
		case err == nil:
			err = v.known(got)
			if err == nil && string(got.Key) != key {
				err = fmt.Errorf("the record at %v has another key, %q", got.Position, got.Key)
			}
			if err != nil {
				return fmt.Errorf("get(%q): %w", key, err)
			}
		}
		if !sure {
			continue
		}
		if deleted := want.Kind == journal.KindDelete; deleted != errors.Is(err, journal.ErrNotFound) || !deleted && (err != nil || !equal(got, want)) {
			return fmt.Errorf("get(%q): %v %v, %v; the newest one is %v %v", key, got.Kind, got.Position, err, want.Kind, want.Position)
		}
	}
	return v.ranges(live, sure, counts)
}

// known reports whether a record is one of those that Records gives.
func (v *visit) known(r journal.Record) error {
	i, ok := slices.BinarySearchFunc(v.records, r.Position, func(r journal.Record, p journal.Position) int {
		switch {
		case r.Position.Before(p):
			return -1
		case p.Before(r.Position):
			return 1
		}
		return 0
	})
	// A reader that has ended early has not come by everything that is there.
	if !ends(v.errs) && (!ok || !equal(v.records[i], r)) {
		return fmt.Errorf("the record at %v is none that Records gives", r.Position)
	}
	return nil
}

// ranges is keys for what walks through them. Count reads no records: counts says whether
// it must be right all the same.
func (v *visit) ranges(live []journal.Record, sure, counts bool) error {
	got, _, errs, err := v.collect("Range", v.j.Range(nil, nil))
	if err != nil {
		return err
	}
	for _, r := range got {
		if err := v.known(r); err != nil {
			return fmt.Errorf("range: %w", err)
		}
	}
	if sure && (len(errs) > 0 || !slices.EqualFunc(got, live, equal)) {
		return fmt.Errorf("range gives %d records and %v; there are %d keys", len(got), errs, len(live))
	}
	n, err := v.j.Count(nil, nil)
	if err != nil {
		if err := typed("Count", err); err != nil {
			return err
		}
	}
	if counts && (err != nil || n != len(live)) {
		return fmt.Errorf("count: %d, %v; there are %d keys", n, err, len(live))
	}
	for _, prefix := range []string{"a", "n"} {
		got, _, errs, err := v.collect("Prefix", v.j.Prefix([]byte(prefix)))
		if err != nil {
			return err
		}
		want := slices.DeleteFunc(slices.Clone(live), func(r journal.Record) bool { return !bytes.HasPrefix(r.Key, []byte(prefix)) })
		if sure && (len(errs) > 0 || !slices.EqualFunc(got, want, equal)) {
			return fmt.Errorf("prefix(%q) gives %d records and %v; want %d", prefix, len(got), errs, len(want))
		}
	}
	return v.history("a", sure)
}

func (v *visit) history(key string, sure bool) error {
	got, _, errs, err := v.collect("History", v.j.History([]byte(key)))
	if err != nil || !sure {
		return err
	}
	slices.Reverse(got)
	want := slices.DeleteFunc(slices.Clone(v.records), func(r journal.Record) bool { return string(r.Key) != key })
	if len(errs) > 0 || !slices.EqualFunc(got, want, equal) {
		return fmt.Errorf("history(%q) gives %d records and %v; want %d", key, len(got), errs, len(want))
	}
	return nil
}

// verify: the report has the same numbers.
func (v *visit) verify() error {
	var told []oracle.Stretch
	rep, err := journal.Verify(context.Background(), v.dir, journal.VerifyOptions{
		Workers: 1, OnDamage: func(d journal.Damage) { told = append(told, stretchOf(d)) },
	})
	if err != nil {
		if terr := typed("Verify", err); terr != nil {
			return terr
		}
	}
	if (err != nil) != ends(v.errs) || len(rep.Problems) != len(v.errs) {
		return fmt.Errorf("verify: %v, problems %v; Records gives %v", err, rep.Problems, v.errs)
	}
	if rep.Records != uint64(len(v.records)) || !slices.Equal(told, v.told) {
		return fmt.Errorf("verify counts %d records and tells of %v; Records gives %d and %v", rep.Records, told, len(v.records), v.told)
	}
	if v.e.journal == nil || !v.e.exact() {
		return nil
	}
	return v.counts(&rep)
}

// counts holds the report against the oracle.
func (v *visit) counts(rep *journal.Report) error {
	c := count(v.e)
	deletes := 0
	for _, r := range v.e.records {
		if r.Kind == oracle.Delete {
			deletes++
		}
	}
	got := tally{int(rep.Deletes), int(rep.Batches), int(rep.Marks), int(rep.GapNotes), int(rep.Unknown)}
	if want := (tally{deletes, c.batches, c.marks, c.gaps, c.unknown}); got != want {
		return fmt.Errorf("verify counts %+v; the oracle %+v", got, want)
	}
	want := classes(v.e.damage)
	for class, n := range rep.Classes {
		if w := want[oracle.Class(class.String())]; n.Count != uint64(w[0]) || n.Bytes != w[1] {
			return fmt.Errorf("verify counts %d stretches of %v with %d bytes; the oracle %d with %d", n.Count, class, n.Bytes, w[0], w[1])
		}
	}
	if c.simple && v.e.errors == 0 {
		for _, w := range rep.Writers {
			if missing := v.e.journal.Missing()[w.ID]; w.Repeated == 0 && uint64(missing) != w.Missing {
				return fmt.Errorf("verify misses %d records of writer %d; the oracle %d", w.Missing, w.ID, missing)
			}
		}
	}
	return nil
}

// tally is how many there are of several kinds.
type tally struct{ deletes, batches, marks, gaps, unknown int }

// counted is what the oracle's records of all kinds count up to.
type counted struct {
	tally
	// simple says that the sequences are such that a set of them says what is missing.
	simple bool
}

func count(e *expected) (c counted) {
	c.simple = true
	for _, s := range e.journal.Segments {
		if e.foreign(s) {
			c.simple = false
			continue
		}
		for i := range s.Frames {
			c.frame(&s.Frames[i])
		}
	}
	for _, r := range e.records {
		c.simple = c.simple && r.Seq > 0 && r.Seq < 1<<16
	}
	return c
}

func (c *counted) frame(f *oracle.Frame) {
	switch {
	case !f.Interpreted:
		c.unknown++
	case f.Kind == oracle.Batch:
		c.batches++
		c.unknown += strangeEntries(f)
	case f.Kind == oracle.Mark && (len(f.Value) != 16 || int64(le.Uint64(f.Value[8:])) < 0): // no offset is that high
		c.unknown++
	case f.Kind == oracle.Mark:
		c.marks++
	case f.Kind == oracle.Gap && (len(f.Value) != 8 || le.Uint64(f.Value) == 0 || le.Uint64(f.Value) > f.Seq):
		c.unknown++
	case f.Kind == oracle.Gap:
		c.gaps++
	}
	// What a mark, a gap or something unknown says of a sequence, the oracle's set
	// does not know.
	c.simple = c.simple && f.Interpreted && f.Kind != oracle.Mark && f.Kind != oracle.Gap && strangeEntries(f) == 0
}

// strangeEntries is how many entries of a batch are of a kind that nobody knows.
func strangeEntries(f *oracle.Frame) (n int) {
	if !f.Interpreted || f.Kind != oracle.Batch {
		return 0
	}
	for rest := f.Value[4:]; len(rest) >= 8; rest = rest[8+int(le.Uint16(rest[2:]))+int(le.Uint32(rest[4:])):] {
		if rest[0] != oracle.Data && rest[0] != oracle.Delete {
			n++
		}
	}
	return n
}

// repair: the copy has every record that can be read, and nothing is wrong with it.
func (v *visit) repair() error {
	to := filepath.Join(v.w.root, "copy")
	defer os.RemoveAll(to) // the next one finds it if it is still there
	rep, err := journal.Repair(context.Background(), v.dir, to, journal.RepairOptions{SegmentSize: 12 << 10, MaxRecord: 4 << 10, Workers: 1})
	if err != nil {
		if slices.ContainsFunc(v.records, func(r journal.Record) bool { return r.Writer == 0 || r.Seq == 0 }) {
			return nil // it says that these cannot be had in any journal
		}
		if ends(v.errs) {
			return typed("Repair", err)
		}
		return fmt.Errorf("repair: %w", err)
	}
	if ends(v.errs) {
		return fmt.Errorf("repair says nothing of %w", v.errs[len(v.errs)-1])
	}
	copied, err := oracle.Read(to)
	if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return v.sameCopy(copied, &rep)
}

// sameCopy: the records of the copy are those of the source but for the ones that a
// writer had before. Only a time may be some nanoseconds later.
func (v *visit) sameCopy(copied *oracle.Journal, rep *journal.RepairReport) error {
	last := make(map[uint64]uint64)
	n := 0
	for _, r := range v.records {
		if r.Seq <= last[r.Writer] {
			continue
		}
		last[r.Writer] = r.Seq
		if n == len(copied.Records) {
			return fmt.Errorf("repair: the copy has %d records, and %v is not among them", n, r.Position)
		}
		c := &copied.Records[n]
		n++
		if c.Kind != byte(r.Kind) || c.Writer != r.Writer || c.Seq != r.Seq || !bytes.Equal(c.Key, r.Key) || !bytes.Equal(c.Value, r.Value) ||
			c.Time-r.Time.UnixNano() < 0 || c.Time-r.Time.UnixNano() > 100 {
			return fmt.Errorf("repair: in place of %v the copy has %+v", r.Position, c)
		}
	}
	if n != len(copied.Records) || rep.Copy.Corrupt() || rep.Copy.Missing() > 0 || copied.Bytes(oracle.Corruption)+copied.Bytes(oracle.Hole) > 0 {
		return fmt.Errorf("repair: the copy has %d records, want %d; it is corrupt (%v) or lacks %d", len(copied.Records), n, rep.Copy.Corrupt(), rep.Copy.Missing())
	}
	return nil
}
