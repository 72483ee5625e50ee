package portable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// read prints what there is to read, in a form that is the same on every machine. The
// first lines are those of describe, so that the oracle can be asked for them.
func read(dir string, out io.Writer) error {
	var damage []string
	j, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) {
		damage = append(damage, fmt.Sprintf("damage %v %d %v\n", d.From, d.To.Offset, d.Class))
	}})
	if err != nil {
		return err
	}
	p := printer{out: out}
	p.read(j)
	for _, d := range damage {
		p.print("%s", d)
	}
	damage = nil
	p.print("-\n")
	p.keys(j)
	infos, err := j.Segments()
	p.note(err)
	for _, s := range infos {
		p.print("segment %d %d %d %v\n", s.Number, s.Size, s.Limit, s.Sealed)
		if c := s.Content; c != nil {
			p.print("sidecar %d %d %d %d\n", c.Records, c.Deletes, c.Oldest.UnixNano(), c.Newest.UnixNano())
		}
	}
	rep, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	p.note(err)
	p.print("verify %x %v %d %d %d %d %d %d %d %v\n", rep.UUID, rep.End, rep.Records, rep.Deletes, rep.Batches, rep.GapNotes, rep.Payload,
		rep.Missing(), rep.Absent(), rep.Corrupt())
	return errors.Join(p.err, j.Close())
}

// printer keeps the first error.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) print(format string, args ...any) {
	_, err := fmt.Fprintf(p.out, format, args...)
	p.note(err)
}

func (p *printer) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *printer) read(j *journal.Journal) {
	for r, err := range j.Records(journal.Position{}) {
		if p.note(err); err == nil {
			p.print("record %v %d %d %x %d %q %q\n", r.Position, r.Kind, r.Time.UnixNano(), r.Writer, r.Seq, r.Key, r.Value)
		}
	}
}

// describe is the first lines that read must print, by the oracle.
func describe(j *oracle.Journal) []byte {
	var out []byte
	for _, r := range j.Records {
		out = fmt.Appendf(out, "record %v %d %d %x %d %q %q\n", r.Position, r.Kind, r.Time, r.Writer, r.Seq, r.Key, r.Value)
	}
	for _, d := range j.Stretches {
		out = fmt.Appendf(out, "damage %d:%d %d %s\n", d.Segment, d.From, d.To, d.Class)
	}
	return append(out, "-\n"...)
}

// keys looks every key up.
func (p *printer) keys(j *journal.Journal) {
	all := make(map[string]bool)
	for r, err := range j.Records(journal.Position{}) {
		p.note(err)
		all[string(r.Key)] = len(r.Key) > 0
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		r, err := j.Get([]byte(key))
		if errors.Is(err, journal.ErrNotFound) || errors.Is(err, journal.ErrEmptyKey) {
			p.print("get %q: none\n", key)
			continue
		}
		p.note(err)
		p.print("get %q: %v\n", key, r.Position)
	}
	for r, err := range j.Range(nil, nil) {
		p.note(err)
		p.print("range %q %v\n", r.Key, r.Position)
	}
	for r, err := range j.History([]byte("key 1")) {
		p.note(err)
		p.print("history %v %d\n", r.Position, r.Kind)
	}
	n, err := j.Count([]byte("key 2"), nil)
	p.note(err)
	p.print("count %d\n", n)
	if at, err := j.Seek(middle); err == nil {
		p.print("seek %v\n", at)
	} else {
		p.note(err)
	}
}
