package journal

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/manypen/manypen/index"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// keyIndex is the index of a handle. It is made by the first read that needs it and
// then catches up, so that appending pays nothing.
//
// Segments that take no record any more have a run each, in a sidecar file or, where
// there is none, in memory. What is in the newest segment is in a tree. The newest
// record of a key is found by a table over both.
type keyIndex struct {
	mu     sync.RWMutex // held for writing to catch up
	loaded bool
	table  *index.Table
	runs   []*keyRun // oldest first
	tree   *index.Tree
	newest uint64 // the segment that tree is about
	r      *segment.Reader
	caught bool // r had come to the end

	// cold are the runs whose entries are in sidecars and not in the table yet.
	cold      []*keyRun
	coldReads atomic.Int64

	// reread is set for good when a sidecar has been found to say what its segment
	// does not hold, which is damaged then: everything is read.
	reread atomic.Bool
}

// keyRun is the keys of one segment.
type keyRun struct {
	n       uint64
	upto    int64 // of a run of the beginning of a segment: where that ends
	sidecar bool  // what the table has of it came from there
	cold    *segment.SidecarInfo
	mu      sync.Mutex
	run     *index.Run // nil: not read yet
}

// keyView is the index at one moment.
type keyView struct {
	table *index.Table
	runs  []*keyRun
	tree  *index.Tree
	cold  []*keyRun
}

// Places in the index are positions of units, as one word.
const placeBits = 36

func placeOf(p Position) index.Place {
	return index.Place{At: p.Segment<<placeBits | uint64(p.Offset), Index: uint32(p.Index)}
}

func positionOf(p index.Place) Position {
	return Position{Segment: p.At >> placeBits, Offset: int64(p.At & (1<<placeBits - 1)), Index: int(p.Index)}
}

func (x *keyIndex) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.reset()
}

// size is the number of keys, and what they take in memory: the table, and the runs
// that are there. The caller holds mu.
func (x *keyIndex) size() (keys, size int) {
	if x.table == nil {
		return 0, 0
	}
	keys, size = x.table.Len()
	for _, k := range x.cold {
		keys += int(k.cold.Entries()) / index.EntrySize
	}
	for _, k := range x.runs {
		if !k.mu.TryLock() {
			continue // it is being read
		}
		if k.run != nil {
			size += k.run.Size()
		}
		k.mu.Unlock()
	}
	return keys, size
}

// reset makes the next reader begin anew.
func (x *keyIndex) reset() error {
	var err error
	if x.r != nil {
		err = x.r.Close()
	}
	x.loaded, x.caught, x.table, x.runs, x.tree, x.r, x.cold = false, false, nil, nil, nil, nil, nil
	x.coldReads.Store(0)
	return err
}

// distrustAll is called when a sidecar that was good cannot be read any more. One that
// somebody has removed is made again; for one that has changed everything is read.
func (j *Journal) distrustAll(err error) error {
	x := &j.keys
	x.mu.Lock()
	defer x.mu.Unlock()
	if !errors.Is(err, fs.ErrNotExist) {
		x.reread.Store(true)
	}
	return x.reset()
}

// distrust is called when the record at p is not what the index with that table says,
// which err is about. It reports whether it is worth a second try: all segments are
// read then.
func (j *Journal) distrust(table *index.Table, p Position, err error) (again bool, _ error) {
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNoRecord) && !errors.Is(err, ErrMissing) &&
		!errors.Is(err, ErrForeign) {
		return false, nil
	}
	x := &j.keys
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.table != table {
		return true, nil // another goroutine was here
	}
	i, ok := slices.BinarySearchFunc(x.runs, p.Segment, func(k *keyRun, n uint64) int { return cmp.Compare(k.n, n) })
	if !ok || !x.runs[i].sidecar || x.reread.Swap(true) {
		return false, nil
	}
	if j.w != nil {
		_ = j.dir.RemoveSidecar(p.Segment) // so that others need not find out; they would
	}
	return true, x.reset()
}

// catchUp brings the index up to the end of the journal, and tells of the
// damage it met on the way, after it has let the lock go: the callback may use
// the journal.
func (j *Journal) catchUp() (keyView, error) {
	if j.opt.NoIndex {
		return keyView{}, &Error{Op: "get", Path: j.dir.Path, Err: ErrNoIndex}
	}
	x := &j.keys
	x.mu.RLock()
	if x.caught && !j.isClosed() && x.r.Quiet() {
		view := keyView{x.table, x.runs, x.tree, x.cold}
		x.mu.RUnlock()
		return view, nil
	}
	x.mu.RUnlock()
	var met []Damage
	view, err := j.feed(&met)
	if j.opt.OnDamage != nil {
		for _, d := range met {
			j.opt.OnDamage(d)
		}
	}
	return view, err
}

// feed reads what was appended since the last time into the index.
func (j *Journal) feed(met *[]Damage) (keyView, error) {
	x := &j.keys
	x.mu.Lock()
	defer x.mu.Unlock()
	if j.isClosed() {
		return keyView{}, ErrClosed
	}
	if !x.loaded {
		if err := j.load(met); err != nil {
			return keyView{}, errors.Join(j.closing(err), x.reset())
		}
		x.loaded = true
	}
	x.caught = false
	for ev := (record.Event{}); ; {
		err := x.r.Next(&ev)
		if err == segment.ErrOpened {
			err = j.turn()
			if err == nil {
				continue
			}
		}
		switch {
		case err == io.EOF:
			x.caught = true
			return keyView{x.table, x.runs, x.tree, x.cold}, nil
		case err != nil && !passable(err):
			return keyView{}, j.closing(err)
		case err != nil: // the iterators and verify tell of segments that are gone
			j.forget(err)
		case ev.Class != record.Whole:
			*met = append(*met, damageAt(x.r.Segment(), &ev))
		default:
			keysOf(x.r.Segment(), &ev, func(key []byte, p index.Place) {
				x.tree.Add(key, p)
				x.table.Put(index.Hash(key), p.At, p.Dead)
			})
		}
	}
}

// forget closes what is open of pruned segments when the index has missed some of
// them: what was in those may have deleted a key, or replaced its value, and
// nobody must get the old one because its file is still open here.
func (j *Journal) forget(err error) {
	var gone *GoneError
	if errors.As(err, &gone) && errors.Is(err, ErrPruned) {
		j.files.dropBelow(gone.Oldest.Segment)
	}
}

// spoils reports whether a segment with ev in it gets no sidecar: damage may be
// undone, from a copy for instance, and what a newer version has written may have
// keys that this one cannot see.
func spoils(ev *record.Event) bool {
	return ev.Class == record.Hole || ev.Class == record.Corruption || ev.Class == record.Whole && !ev.Header.Interpretable()
}

// keysOf calls f with every record of ev that has a key.
func keysOf(n uint64, ev *record.Event, f func(key []byte, p index.Place)) {
	h := &ev.Header
	if h.Kind != record.KindBatch && h.Interpretable() && !h.Kind.Note() {
		if h.KeyLen > 0 {
			p := placeOf(Position{Segment: n, Offset: ev.From})
			p.Dead = h.Kind == KindDelete
			f(ev.Key, p)
		}
		return
	}
	each(n, ev, Position{}, func(rec Record) bool {
		if len(rec.Key) > 0 {
			p := placeOf(rec.Position)
			p.Dead = rec.Kind == KindDelete
			f(rec.Key, p)
		}
		return true
	})
}

// turn is called when the reader has opened another segment: the one before gets a
// run. What was pruned is forgotten.
func (j *Journal) turn() error {
	x := &j.keys
	if keys, _ := x.tree.Len(); keys > 0 {
		run := index.RunOf(x.tree.Cursor(nil), x.newest<<placeBits)
		x.runs = append(slices.Clip(x.runs), &keyRun{n: x.newest, run: run, upto: math.MaxInt64})
		x.tree = index.NewTree()
	}
	x.newest = x.r.Segment()
	numbers, err := j.dir.List()
	if err != nil || len(numbers) == 0 {
		return err
	}
	oldest := numbers[0]
	x.table.Forget(oldest << placeBits)
	for len(x.runs) > 0 && x.runs[0].n < oldest {
		x.runs = x.runs[1:]
	}
	for len(x.cold) > 0 && x.cold[0].n < oldest {
		x.cold = x.cold[1:]
	}
	return nil
}
