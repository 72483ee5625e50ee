package journal

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/manypen/manypen/index"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// Get returns the newest record of key, by whomever it was appended, or
// ErrNotFound. The first call makes the index, see [Options].NoIndex; later ones
// read what was added since. A newer record of the key may have been lost to
// damage: Options.OnDamage is told of what is met while a segment is read, which is
// not done where its sidecar says what is in it.
func (j *Journal) Get(key []byte) (Record, error) {
	for {
		view, err := j.catchUp()
		if err != nil {
			return Record{}, err
		}
		rec, p, err := j.lookUp(&view, key)
		if errors.Is(err, errSidecar) {
			if err := j.distrustAll(err); err != nil {
				return Record{}, j.closing(err)
			}
			continue
		}
		if err == nil || errors.Is(err, ErrNotFound) {
			return rec, err
		}
		if again, derr := j.distrust(view.table, p, err); !again {
			return Record{}, errors.Join(err, derr)
		}
	}
}

// lookUp finds the newest record of key, and tells where it looked.
func (j *Journal) lookUp(view *keyView, key []byte) (Record, Position, error) {
	hash := index.Hash(key)
	place, _, _ := view.table.Get(hash) // 0: none
	if len(view.cold) > 0 {
		newest, err := j.coldGet(view, hash, place)
		if err == nil {
			err = j.warmUp()
		}
		if err != nil {
			return Record{}, Position{}, fmt.Errorf("%w: %w", errSidecar, err)
		}
		place = newest
	}
	if place == 0 {
		return Record{}, Position{}, ErrNotFound
	}
	p := positionOf(index.Place{At: place})
	rec, err := j.inUnit(p, key)
	if errors.Is(err, errOtherKey) {
		// Two keys of one hash, or a sidecar that lies: look in the order of keys.
		if rec, p, err = j.search(view, key); errors.Is(err, errOtherKey) {
			err = &Error{Op: "get", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrCorrupt}
		}
	}
	switch {
	case errors.Is(err, ErrPruned), err == nil && rec.Kind == KindDelete:
		return Record{}, p, ErrNotFound // if the newest place was pruned, all were
	case err != nil:
		return Record{}, p, err
	}
	return rec, p, nil
}

// errSidecar is internal: a sidecar cannot be read any more.
var errSidecar = errors.New("sidecar is gone")

// errOtherKey is internal: the record is not of the key that was asked for.
var errOtherKey = errors.New("record of another key")

// inUnit returns the last record of key in the record or batch at p.
func (j *Journal) inUnit(p Position, key []byte) (found Record, err error) {
	ev, err := j.readUnit(p)
	if err != nil {
		return found, err
	}
	err = errOtherKey
	each(p.Segment, &ev, Position{}, func(rec Record) bool {
		if bytes.Equal(rec.Key, key) {
			found, err = rec, nil
		}
		return true
	})
	return found, err
}

// search finds the newest record of key without the table.
func (j *Journal) search(view *keyView, key []byte) (Record, Position, error) {
	places := view.tree.Places(key)
	for i := len(view.runs) - 1; i >= 0 && len(places) == 0; i-- {
		run, err := view.runs[i].load(j)
		if err != nil {
			return Record{}, Position{}, j.closing(err)
		}
		places = run.Places(key)
	}
	if len(places) == 0 {
		return Record{}, Position{}, ErrNotFound
	}
	p := positionOf(places[len(places)-1])
	rec, err := j.inUnit(p, key)
	return rec, p, err
}

// Range returns the newest record of every key from lo on and below hi, in the
// order of keys, as they are when the loop begins. A nil lo or hi means no
// bound on that side. A record that was pruned meanwhile is left out.
func (j *Journal) Range(lo, hi []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for again := true; again; {
			lo, again = j.rangeOnce(lo, hi, yield)
		}
	}
}

// rangeOnce is Range with the index as it is now. It reports where to begin anew if
// that turns out to be wrong.
func (j *Journal) rangeOnce(lo, hi []byte, yield func(Record, error) bool) (next []byte, again bool) {
	merged, table, err := j.merge(lo, hi)
	if err != nil {
		yield(Record{}, err)
		return nil, false
	}
	for key, place := range merged {
		if place.Dead {
			continue
		}
		p := positionOf(place)
		rec, err := j.ReadAt(p)
		if err == nil && !bytes.Equal(rec.Key, key) {
			err = &Error{Op: "get", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrCorrupt}
		}
		if errors.Is(err, ErrPruned) {
			continue
		}
		if err != nil {
			again, derr := j.distrust(table, p, err)
			if again {
				return bytes.Clone(key), true
			}
			rec, err = Record{}, errors.Join(err, derr)
		}
		if !yield(rec, err) {
			return nil, false
		}
	}
	return nil, false
}

// merge returns the keys from lo on and below hi with their newest places, and the
// table of the index that they are from.
func (j *Journal) merge(lo, hi []byte) (iter.Seq2[[]byte, index.Place], *index.Table, error) {
	view, err := j.catchUp()
	if err != nil {
		return nil, nil, err
	}
	runs, err := view.loadRuns(j)
	if err != nil {
		return nil, nil, j.closing(err)
	}
	cursors := make([]index.Cursor, 0, len(runs)+1)
	for _, run := range runs {
		cursors = append(cursors, run.Cursor(lo))
	}
	return index.Merge(append(cursors, view.tree.Cursor(lo)), hi), view.table, nil
}

// Prefix returns the newest record of every key that begins with prefix, as Range
// does.
func (j *Journal) Prefix(prefix []byte) iter.Seq2[Record, error] {
	return j.Range(prefix, behindPrefix(prefix))
}

// behindPrefix is the least key above all that begin with prefix, nil if there is
// none.
func behindPrefix(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xFF {
			hi := bytes.Clone(prefix[:i+1])
			hi[i]++
			return hi
		}
	}
	return nil
}

// Count returns the number of keys from lo on and below hi that Range would give,
// without reading their records: damage to one of them does not show.
func (j *Journal) Count(lo, hi []byte) (int, error) {
	merged, _, err := j.merge(lo, hi)
	if err != nil {
		return 0, err
	}
	oldest, _, err := j.SegmentRange()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, place := range merged {
		if !place.Dead && positionOf(place).Segment >= oldest {
			n++
		}
	}
	return n, nil
}

// History returns all records of key that are left, deletions among them, newest
// first, as they are when the loop begins.
func (j *Journal) History(key []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for below, again := (index.Place{At: 1<<64 - 1}), true; again; {
			below, again = j.historyOnce(key, below, yield)
		}
	}
}

// historyOnce is History with the index as it is now, in front of place below.
func (j *Journal) historyOnce(key []byte, below index.Place, yield func(Record, error) bool) (_ index.Place, again bool) {
	view, err := j.catchUp()
	if err != nil {
		yield(Record{}, err)
		return below, false
	}
	places := view.tree.Places(key)
	for i := len(view.runs); ; {
		for _, place := range slices.Backward(places) {
			if !below.After(place) {
				continue
			}
			p := positionOf(place)
			rec, err := j.ReadAt(p)
			if err == nil && !bytes.Equal(rec.Key, key) {
				err = &Error{Op: "get", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrCorrupt}
			}
			if errors.Is(err, ErrPruned) {
				return below, false // and so are all that are older
			}
			if err != nil {
				again, derr := j.distrust(view.table, p, err)
				if again {
					return below, true
				}
				rec, err = Record{}, errors.Join(err, derr)
			}
			if !yield(rec, err) {
				return below, false
			}
			below = place
		}
		if i--; i < 0 {
			return below, false
		}
		run, err := view.runs[i].load(j)
		if err != nil {
			yield(Record{}, j.closing(err))
			return below, false
		}
		places = run.Places(key)
	}
}

// ReadAt returns the record at p, or ErrNoRecord, ErrPruned or ErrCorrupt.
func (j *Journal) ReadAt(p Position) (Record, error) {
	if j.isClosed() {
		return Record{}, ErrClosed
	}
	if p.IsZero() {
		for rec, err := range j.Records(p) {
			return rec, err
		}
		return Record{}, &Error{Op: "read", Path: j.dir.Path, Err: ErrNoRecord}
	}
	ev, err := j.readUnit(p)
	if err != nil {
		return Record{}, err
	}
	var found Record
	if each(p.Segment, &ev, p, func(rec Record) bool {
		found = rec
		return rec.Position != p
	}) {
		return Record{}, &Error{Op: "read", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrNoRecord}
	}
	return found, nil
}

// readUnit reads the record or batch that begins at p. The name of a segment
// may have passed to a repaired copy since it was opened (D6): look there
// before the record is given up.
func (j *Journal) readUnit(p Position) (record.Event, error) {
	for repaired := false; ; {
		f, err := j.files.get(p.Segment)
		if err != nil {
			return record.Event{}, j.closing(err)
		}
		ev, err := f.ReadAt(p.Offset)
		switch {
		case err == nil:
			return ev, nil
		case errors.Is(err, os.ErrClosed) && !j.isClosed():
			continue // another goroutine made room in the pool
		case repaired || j.isClosed():
			return ev, j.closing(err)
		}
		st, serr := host.StatIn(j.dir.F, segment.Name(p.Segment))
		if serr != nil || st.SameFile(f.Inode) {
			return ev, err
		}
		j.files.drop(p.Segment)
		repaired = true
	}
}

// openSegment opens a segment for reading and tells a pruned one from one that
// is missing or does not exist yet.
func (j *Journal) openSegment(n uint64) (*segment.File, error) {
	f, err := j.dir.OpenToRead(n)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	numbers, lerr := j.dir.List()
	if lerr != nil {
		return nil, lerr
	}
	why := ErrMissing
	switch {
	case len(numbers) == 0 || n > numbers[len(numbers)-1]:
		why = ErrNoRecord
	case n < numbers[0]:
		why = ErrPruned
	}
	return nil, &Error{Op: "read", Path: j.dir.Path, Segment: n, Err: why}
}
