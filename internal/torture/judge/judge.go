// Package judge holds what the library makes of a journal against what the oracle does.
package judge

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// Reading is what the library makes of a directory.
type Reading struct {
	Records []journal.Record
	Damage  []journal.Damage
	Report  journal.Report
}

// Read reads a journal from its beginning to its end and verifies it.
func Read(ctx context.Context, dir string) (*Reading, error) {
	r := &Reading{}
	j, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) { r.Damage = append(r.Damage, d) }})
	if err != nil {
		return nil, err
	}
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		r.Records = append(r.Records, rec)
	}
	if err := j.Close(); err != nil {
		return nil, err
	}
	r.Report, err = journal.Verify(ctx, dir, journal.VerifyOptions{})
	if err == nil && len(r.Report.Problems) > 0 {
		err = fmt.Errorf("verify: %v", r.Report.Problems)
	}
	return r, err
}

// Agree holds what the library says against what the oracle says of the same files, to
// the last byte and class.
func Agree(r *Reading, j *oracle.Journal) error {
	for i, want := range j.Records {
		if i >= len(r.Records) {
			return fmt.Errorf("the reader ends before %v", want.Position)
		}
		if got := &r.Records[i]; got.Position.String() != want.String() || byte(got.Kind) != want.Kind || got.Writer != want.Writer ||
			got.Seq != want.Seq || got.Time.UnixNano() != want.Time || !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) {
			return fmt.Errorf("the reader hands out %v of writer %x, %d, where the oracle has %v of writer %x, %d",
				got.Position, got.Writer, got.Seq, want.Position, want.Writer, want.Seq)
		}
	}
	if n := len(j.Records); len(r.Records) > n {
		return fmt.Errorf("the reader hands out %v, which the oracle does not have", r.Records[n].Position)
	}
	want := stretches(j)
	if err := sameDamage("the reader", r.Damage, want); err != nil {
		return err
	}
	if err := sameDamage("verify", r.Report.Damage, want[:min(len(want), journal.MaxListed)]); err != nil {
		return err
	}
	if got, want := r.Report.Records, uint64(len(j.Records)); got != want {
		return fmt.Errorf("verify counts %d records of %d", got, want)
	}
	missing := 0
	for _, n := range j.Missing() {
		missing += n
	}
	if got := r.Report.Missing(); got != uint64(missing) {
		return fmt.Errorf("verify misses %d records, and the oracle %d", got, missing)
	}
	return nil
}

// stretches is what a reader has to report, in the order in which it does: damaged
// header pages first.
func stretches(j *oracle.Journal) []oracle.Stretch {
	var all []oracle.Stretch
	for _, s := range j.Segments {
		all = append(all, s.Pages()...)
		for _, st := range j.Stretches {
			if st.Segment == s.Number && st.Class != oracle.Pending {
				all = append(all, st)
			}
		}
	}
	return append(all, j.Told...)
}

func sameDamage(who string, got []journal.Damage, want []oracle.Stretch) error {
	for i, w := range want {
		if i >= len(got) {
			return fmt.Errorf("%s does not report the %s from %d to %d in segment %d", who, w.Class, w.From, w.To, w.Segment)
		}
		if g := got[i]; g.From.Segment != w.Segment || g.From.Offset != w.From || g.To.Offset != w.To || g.Class.String() != string(w.Class) {
			return fmt.Errorf("%s reports %v from %v to %v; it is %s from %d to %d in segment %d", who, g.Class, g.From, g.To, w.Class, w.From, w.To, w.Segment)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("%s reports %v from %v to %v; the oracle knows nothing of it", who, got[len(want)].Class, got[len(want)].From, got[len(want)].To)
	}
	return nil
}

// Agreed is what the oracle reads in dir, if the library reads the same.
func Agreed(ctx context.Context, dir string) (*oracle.Journal, error) {
	j, err := oracle.Read(dir)
	if err != nil {
		return nil, err
	}
	r, err := Read(ctx, dir)
	if err != nil {
		return nil, err
	}
	return j, Agree(r, j)
}

// GoesOn opens the journal in dir as a writer does after a crash, and appends a record.
// Everything that was read before must still be there, and the new record behind it. It
// returns what is there then.
func GoesOn(ctx context.Context, dir string, before []oracle.Record) (*oracle.Journal, error) {
	w, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	if err != nil {
		return nil, fmt.Errorf("a writer: %w", err)
	}
	at, err := w.Append([]byte("new"), []byte("record"))
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("a writer: %w", err)
	}
	after, err := Agreed(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("after a writer: %w", err)
	}
	n := len(after.Records) - 1
	if n < 0 || after.Records[n].String() != at.String() {
		return nil, fmt.Errorf("after a writer %d records end in another one than the record at %v", n+1, at)
	}
	if err := SameRecords(after.Records[:n], before); err != nil {
		return nil, fmt.Errorf("after a writer: %w", err)
	}
	return after, nil
}

// SameRecords reports where two readings of a journal differ.
func SameRecords(got, want []oracle.Record) error {
	for i := range want {
		if i >= len(got) {
			return fmt.Errorf("the record at %v, one of %d, is not there", want[i].Position, len(want)-len(got))
		}
		if !equal(&got[i], &want[i]) {
			return fmt.Errorf("there is a record at %v, of writer %x and with sequence %d, in the place of the one at %v, %x, %d",
				got[i].Position, got[i].Writer, got[i].Seq, want[i].Position, want[i].Writer, want[i].Seq)
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("the record at %v is one too many", got[len(want)].Position)
	}
	return nil
}

func equal(a, b *oracle.Record) bool {
	return a.Position == b.Position && a.Kind == b.Kind && a.Time == b.Time && a.Writer == b.Writer && a.Seq == b.Seq &&
		bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}
