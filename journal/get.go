package journal

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/manypen/manypen/index"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// keyIndex is the index of the newest record of each key. It is made by the
// first read that needs it and then catches up, so that appending pays nothing.
type keyIndex struct {
	mu     sync.Mutex // one goroutine catches up at a time
	r      *segment.Reader
	places *index.Index[Position]
}

func (x *keyIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.r == nil {
		return nil
	}
	return x.r.Close()
}

// catchUp brings the index up to the end of the journal, and tells of the
// damage it met on the way, after it has let the lock go: the callback may use
// the journal.
func (j *Journal) catchUp() (*index.Index[Position], error) {
	var met []Damage
	places, err := j.feed(&met)
	if j.opt.OnDamage != nil {
		for _, d := range met {
			j.opt.OnDamage(d)
		}
	}
	return places, err
}

// feed reads what was appended since the last time into the index.
func (j *Journal) feed(met *[]Damage) (*index.Index[Position], error) {
	x := &j.keys
	x.mu.Lock()
	defer x.mu.Unlock()
	if j.isClosed() {
		return nil, ErrClosed
	}
	if x.r == nil {
		x.r = j.dir.NewReader(segment.ReaderOptions{Reuse: true})
		x.places = index.New[Position]()
	}
	for ev := (record.Event{}); ; {
		err := x.r.Next(&ev)
		switch {
		case err == io.EOF:
			return x.places, nil
		case err != nil && !passable(err):
			return nil, j.closing(err)
		case err != nil:
			continue // the iterators and verify tell of segments that are gone
		case ev.Class != record.Whole:
			*met = append(*met, damageAt(x.r.Segment(), &ev))
			continue
		}
		each(x.r.Segment(), &ev, Position{}, func(rec Record) bool {
			switch {
			case len(rec.Key) == 0:
			case rec.Kind == KindDelete:
				x.places.Delete(rec.Key)
			default:
				x.places.Put(rec.Key, rec.Position)
			}
			return true
		})
	}
}

// Get returns the newest record of key, by whomever it was appended, or
// ErrNotFound. The first call reads the whole journal to make an index, later
// ones read what was added since. A newer record of the key may have been lost
// to damage, which Options.OnDamage is told of.
func (j *Journal) Get(key []byte) (Record, error) {
	places, err := j.catchUp()
	if err != nil {
		return Record{}, err
	}
	p, ok := places.Get(key)
	if !ok {
		return Record{}, ErrNotFound
	}
	rec, err := j.ReadAt(p)
	if errors.Is(err, ErrPruned) {
		return Record{}, ErrNotFound
	}
	if err == nil && !bytes.Equal(rec.Key, key) {
		// A repaired copy differs from what the index was made from.
		err = &Error{Op: "get", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrCorrupt}
	}
	return rec, err
}

// Range returns the newest record of every key from lo on and below hi, in the
// order of keys, as they are when the loop begins. A nil lo or hi means no
// bound on that side. A record that was pruned meanwhile is left out.
func (j *Journal) Range(lo, hi []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		places, err := j.catchUp()
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, p := range places.Range(lo, hi) {
			rec, err := j.ReadAt(p)
			if errors.Is(err, ErrPruned) {
				continue
			}
			if !yield(rec, err) {
				return
			}
		}
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
	if ev.Header.Kind == record.KindBatch {
		if _, ok := record.NewEntries(ev.Value); !ok {
			return Record{}, &Error{Op: "read", Path: j.dir.Path, Segment: p.Segment, Offset: p.Offset, Err: ErrCorrupt}
		}
	}
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
