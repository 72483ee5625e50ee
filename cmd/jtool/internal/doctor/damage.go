package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/journal"
)

// flipped is what was seen of a journal with one changed byte.
type flipped struct {
	at         journal.Position // of the record that the byte is in
	offset     int64            // of the byte
	from, to   int64            // the record, in bytes of its segment
	damage     []journal.Damage // that a reader reported, but for what is normal
	lost       []int            // records that were not read
	wrong      int              // records that were read with other bytes
	victim     int              // the record that the byte is in
	gaps       []journal.Gap    // that Verify found
	corrupt    bool             // Verify
	strictly   bool             // a strict reader stopped with a CorruptionError at the place
	incomplete string           // what else happened
}

// original is a record of the journal that is damaged.
type original struct {
	key      string
	seq      uint64
	at, next journal.Position
}

// damage flips one byte of a journal after the other and puts it right again.
func (l *lab) damage() error {
	dir := filepath.Join(l.dir, "journal")
	all, err := l.writeOriginals(dir)
	if err != nil {
		return err
	}
	var seen []flipped
	for range l.count(60, 20) {
		// Behind the last record there is nothing by which a torn one is told from a
		// damaged one.
		victim := l.rng.IntN(len(all) - 1)
		r := all[victim]
		end := r.next.Offset
		if r.next.Segment != r.at.Segment {
			end = r.at.Offset + 1 // only its first byte is known for sure
		}
		f := flipped{at: r.at, victim: victim, from: r.at.Offset, to: end, offset: r.at.Offset + l.rng.Int64N(end-r.at.Offset)}
		path := filepath.Join(dir, segmentName(r.at.Segment))
		if err := flip(path, f.offset); err != nil {
			return err
		}
		if err := l.look(&f, dir, all); err != nil {
			return err
		}
		if err := flip(path, f.offset); err != nil {
			return err
		}
		seen = append(seen, f)
	}
	l.add(judgeDamage(seen, len(all), all)...)
	return nil
}

func segmentName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

// writeOriginals makes a journal of several segments.
func (l *lab) writeOriginals(dir string) (all []original, err error) {
	opts := journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10}
	j, err := journal.Open(dir, opts)
	if err != nil {
		return nil, err
	}
	for n := range 150 {
		size := l.rng.IntN(3000)
		key := keyOf("record", n+1, size)
		if _, err := j.Append([]byte(key), valueOf(key, size)); err != nil {
			return nil, errors.Join(err, j.Close())
		}
	}
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		all = append(all, original{string(r.Key), r.Seq, r.Position, r.Next})
	}
	return all, j.Close()
}

// flip changes the lowest bit of a byte.
func flip(path string, off int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	if err == nil {
		b[0] ^= 1
		_, err = f.WriteAt(b[:], off)
	}
	return errors.Join(err, f.Close())
}

// look reads the damaged journal in all ways.
func (l *lab) look(f *flipped, dir string, all []original) error {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) {
		// How a segment ends differs between file systems.
		if d.Class == journal.Corruption || d.Class == journal.Hole || d.Class == journal.Fragment {
			f.damage = append(f.damage, d)
		}
	}})
	if err != nil {
		return err
	}
	read := make(map[journal.Position]bool)
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			f.incomplete = err.Error()
			break
		}
		read[r.Position] = true
		if !genuine(string(r.Key), r.Value) {
			f.wrong++
		}
	}
	for n, o := range all {
		if !read[o.at] {
			f.lost = append(f.lost, n)
		}
	}
	f.wrong += max(0, len(read)+len(f.lost)-len(all)) // those that nobody appended
	if err := j.Close(); err != nil {
		return err
	}
	report, err := journal.Verify(l.ctx, dir, journal.VerifyOptions{})
	if err != nil {
		return err
	}
	f.corrupt = report.Corrupt()
	for _, w := range report.Writers {
		f.gaps = append(f.gaps, w.Gaps...)
	}
	if j, err = journal.Open(dir, journal.Options{ReadOnly: true, Strict: true}); err != nil {
		return err
	}
	for _, err := range j.Records(journal.Position{}) {
		var stopped *journal.CorruptionError
		if errors.As(err, &stopped) {
			f.strictly = f.covers(stopped.Damage)
		}
		if err != nil {
			break
		}
	}
	return j.Close()
}

// covers reports whether a stretch has the byte in it.
func (f *flipped) covers(d journal.Damage) bool {
	return d.From.Segment == f.at.Segment && d.From.Offset <= f.offset && f.offset < d.To.Offset
}

func judgeDamage(seen []flipped, records int, all []original) []Finding {
	more, silent, example := 0, 0, ""
	for _, f := range seen {
		if len(f.lost) != 1 || f.lost[0] != f.victim || f.wrong > 0 || f.incomplete != "" {
			more++
		}
		told := len(f.damage) == 1 && f.damage[0].Class == journal.Corruption && f.covers(f.damage[0])
		gap := len(f.gaps) == 1 && f.gaps[0].From == all[f.victim].seq && f.gaps[0].To == all[f.victim].seq && f.gaps[0].Explained
		if !told || !gap || !f.corrupt || !f.strictly {
			if silent++; example == "" {
				example = fmt.Sprintf("; the first in %v: %s", f.at, describe(f.damage))
			}
		}
	}
	return []Finding{
		found(4, verdict(more > 0 || len(seen) == 0), "%d times one byte of a journal of %d records was changed: %d times something else than that record was lost, or read with other bytes",
			len(seen), records, more),
		found(5, verdict(silent > 0 || len(seen) == 0), "%d times one byte was changed: %d times it was not told as corruption of that place, with the number of the record that is missing, by readers, a strict reader and a verification%s",
			len(seen), silent, example),
	}
}
