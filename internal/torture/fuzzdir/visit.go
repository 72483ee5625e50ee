package fuzzdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// visit is one directory that is being read.
type visit struct {
	w    *Workspace
	a    *Archive
	e    *expected
	dir  string
	j    *journal.Journal
	most int // records, errors and stretches that a loop may give: more is no end

	damage []oracle.Stretch // what OnDamage was called with since it was emptied
	// What a loop over Records has given.
	records []journal.Record
	told    []oracle.Stretch
	errs    []error
}

func (v *visit) met(d journal.Damage) { v.damage = append(v.damage, stretchOf(d)) }

func stretchOf(d journal.Damage) oracle.Stretch {
	return oracle.Stretch{Segment: d.From.Segment, From: d.From.Offset, To: d.To.Offset, Class: oracle.Class(d.Class.String())}
}

// errEndless says that a loop gives more than there can be.
var errEndless = errors.New("it comes to no end")

// collect runs a loop to its end.
func (v *visit) collect(what string, loop iter.Seq2[journal.Record, error]) (recs []journal.Record, told []oracle.Stretch, errs []error, err error) {
	v.damage = nil
	for rec, rerr := range loop {
		if rerr != nil {
			if err := typed(what, rerr); err != nil {
				return nil, nil, nil, err
			}
			errs = append(errs, rerr)
		} else {
			recs = append(recs, rec.Clone())
		}
		if len(recs)+len(errs)+len(v.damage) > v.most {
			return nil, nil, nil, fmt.Errorf("%s: %w", what, errEndless)
		}
	}
	return recs, v.damage, errs, nil
}

// ends reports whether the last error is one behind which nothing comes.
func ends(errs []error) bool {
	if len(errs) == 0 {
		return false
	}
	last := errs[len(errs)-1]
	return !errors.Is(last, journal.ErrMissing) && !errors.Is(last, journal.ErrPruned) && !errors.Is(last, journal.ErrForeign)
}

// walk reads with the handle that is open.
func (v *visit) walk(ways Ways) (err error) {
	if v.records, v.told, v.errs, err = v.collect("Records", v.j.Records(journal.Position{})); err != nil {
		return err
	}
	if err := v.ordered(); err != nil {
		return err
	}
	if v.e.why == "" {
		if err := v.judge(); err != nil {
			return err
		}
	}
	for _, way := range []struct {
		of   Ways
		read func() error
	}{{Reverse, v.reverse}, {Reuse, v.reuse}, {Points, v.points}, {Keys, v.keys}, {Follow, v.follow}} {
		if ways&way.of == 0 {
			continue
		}
		if err := way.read(); err != nil {
			return err
		}
	}
	return nil
}

// ordered: positions only grow.
func (v *visit) ordered() error {
	var last journal.Position
	for i := range v.records {
		r := &v.records[i]
		if i > 0 && !last.Before(r.Position) || !r.Position.Before(r.Next) {
			return fmt.Errorf("records: %v, which ends at %v, comes behind %v", r.Position, r.Next, last)
		}
		last = r.Position
	}
	return nil
}

// judge holds what Records has given against the oracle: every record, every stretch
// and its class, every segment that is not there.
func (v *visit) judge() error {
	if err := sameRecords("Records", v.records, v.e.records); err != nil {
		return err
	}
	if !slices.Equal(v.told, v.e.damage) {
		return fmt.Errorf("records tells of %v; the oracle of %v", v.told, v.e.damage)
	}
	if len(v.errs) != v.e.errors {
		return fmt.Errorf("records gives the errors %v; want %d", v.errs, v.e.errors)
	}
	if v.e.stop > 0 && !errors.Is(v.errs[len(v.errs)-1], journal.ErrVersion) {
		return fmt.Errorf("records ends with %w; want that segment %d is of a newer version", v.errs[len(v.errs)-1], v.e.stop)
	}
	return nil
}

func sameRecords(what string, got []journal.Record, want []oracle.Record) error {
	for i := range min(len(got), len(want)) {
		if err := sameRecord(&got[i], &want[i]); err != nil {
			return fmt.Errorf("%s: record %d: %w", what, i, err)
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s gives %d records, the oracle %d", what, len(got), len(want))
	}
	return nil
}

func sameRecord(got *journal.Record, want *oracle.Record) error {
	p, q := got.Position, want.Position
	if p.Segment != q.Segment || p.Offset != q.Offset || p.Index != q.Index || byte(got.Kind) != want.Kind ||
		got.Time.UnixNano() != want.Time || got.Writer != want.Writer || got.Seq != want.Seq ||
		!bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) ||
		got.Next.Index == 0 && got.Next.Offset != want.End {
		return fmt.Errorf("%v %v of %d/%d, %q = %.40q; the oracle has %v %d of %d/%d, %q = %.40q",
			p, got.Kind, got.Writer, got.Seq, got.Key, got.Value, q, want.Kind, want.Writer, want.Seq, want.Key, want.Value)
	}
	return nil
}

func equal(a, b journal.Record) bool {
	return a.Position == b.Position && a.Next == b.Next && a.Kind == b.Kind && a.Writer == b.Writer && a.Seq == b.Seq &&
		a.Time.Equal(b.Time) && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}

// reverse: the same from the end.
func (v *visit) reverse() error {
	back, told, errs, err := v.collect("Scan in reverse", v.j.Scan(journal.ScanOptions{Reverse: true}))
	if err != nil {
		return err
	}
	if !ends(v.errs) && !ends(errs) {
		slices.Reverse(back)
		slices.Reverse(told)
		if !slices.EqualFunc(back, v.records, equal) || len(errs) != len(v.errs) {
			return fmt.Errorf("scan in reverse gives %d records and %v; Records %d and %v", len(back), errs, len(v.records), v.errs)
		}
		if !slices.Equal(sorted(told), sorted(v.told)) {
			return fmt.Errorf("scan in reverse tells of %v; Records of %v", told, v.told)
		}
	}
	return nil
}

// reuse: the same in memory that is used again.
func (v *visit) reuse() error {
	again, told, errs, err := v.collect("Scan with Reuse", v.j.Scan(journal.ScanOptions{Reuse: true}))
	if err != nil {
		return err
	}
	if !slices.EqualFunc(again, v.records, equal) || !slices.Equal(told, v.told) || len(errs) != len(v.errs) {
		return fmt.Errorf("scan with Reuse gives %d records, %v and %v; Records %d, %v and %v",
			len(again), told, errs, len(v.records), v.told, v.errs)
	}
	return nil
}

// points: ReadAt gives every record at its place and none elsewhere, and Seek finds the
// first one of a time.
func (v *visit) points() error {
	if v.e.journal != nil && v.e.exact() {
		if err := v.nowhere(); err != nil {
			return err
		}
	}
	for i := range v.records {
		r := v.records[i]
		if got, err := v.j.ReadAt(r.Position); err != nil || !equal(got, r) {
			return fmt.Errorf("readAt(%v): %v, %v", r.Position, got.Position, err)
		}
		between := r.Position
		between.Offset++
		got, err := v.j.ReadAt(between)
		if err == nil {
			return fmt.Errorf("readAt(%v) gives a record at %v", between, got.Position)
		}
		if err := typed("ReadAt", err); err != nil {
			return err
		}
		if i == 0 || i == len(v.records)*3/4 { // each one opens all segments
			if err := v.seek(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// nowhere: where the oracle has no record of the user ReadAt has none.
func (v *visit) nowhere() error {
	var places []journal.Position
	for _, d := range v.e.damage {
		places = append(places, journal.Position{Segment: d.Segment, Offset: d.From})
	}
	for _, s := range v.e.journal.Segments {
		for i := range s.Frames {
			if f := &s.Frames[i]; !f.Interpreted || f.Kind == oracle.Mark || f.Kind == oracle.Gap {
				places = append(places, journal.Position{Segment: s.Number, Offset: f.From})
			}
		}
	}
	for _, p := range places {
		got, err := v.j.ReadAt(p)
		if err == nil {
			return fmt.Errorf("readAt(%v) gives %v %q; the oracle has no record there", p, got.Position, got.Value)
		}
		if err := typed("ReadAt", err); err != nil {
			return err
		}
	}
	return nil
}

// seek looks for the time of record i.
func (v *visit) seek(i int) error {
	at := v.records[i].Time
	p, err := v.j.Seek(at)
	if err != nil {
		return typed("Seek", err)
	}
	if v.e.journal == nil || !v.e.exact() || !v.e.calm() {
		return nil
	}
	first := slices.IndexFunc(v.records, func(r journal.Record) bool { return !r.Time.Before(at) })
	if want := v.records[first].Position; p != want {
		return fmt.Errorf("seek(%d) finds %v; the first record of that time is %v", at.UnixNano(), p, want)
	}
	return nil
}

// patience is how long a follower may take to give what is there. It is no measure of
// speed: who does not give it waits for ever.
const patience = 20 * time.Second

// follow: a follower gets the same records and errors, and is told of the same damage
// but for what may still become a record.
func (v *visit) follow() error {
	n := len(v.records) + len(v.errs)
	if n == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v.damage = nil
	var got []journal.Record
	var errs []error
	for rec, err := range v.j.Follow(ctx, journal.Position{}) {
		if err == nil {
			got = append(got, rec)
		} else {
			errs = append(errs, err)
		}
		if len(got)+len(errs) == n {
			break
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("follow gives %d records and %v, and waits; Records gives %d and %v", len(got), errs, len(v.records), v.errs)
	}
	if !slices.EqualFunc(got, v.records, equal) || len(errs) != len(v.errs) {
		return fmt.Errorf("follow gives %d records and %v, or others; Records %d and %v", len(got), errs, len(v.records), v.errs)
	}
	if v.e.why == "" && !slices.Equal(v.damage, v.e.damage[:min(len(v.damage), len(v.e.damage)-v.e.tail)]) {
		return fmt.Errorf("follow tells of %v; the oracle of %v", v.damage, v.e.damage)
	}
	return nil
}
