package journal

import (
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/manypen/manypen/index"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// load makes the index of all segments but the newest. Each is made from its sidecar
// if there is a good one, and several at a time.
func (j *Journal) load(met *[]Damage) error {
	x := &j.keys
	x.table, x.tree = new(index.Table), index.NewTree()
	end, err := j.dir.End()
	if err != nil {
		return err
	}
	numbers, err := j.dir.List()
	if err != nil {
		return err
	}
	for len(numbers) > 0 && numbers[len(numbers)-1] >= end.Segment {
		numbers = numbers[:len(numbers)-1]
	}
	if j.w != nil && len(numbers) > 0 {
		// What is left of segments that somebody has pruned and not tidied up after.
		// It is only in the way: who asks for a record need not fail because of it.
		_ = j.dir.OrphanSidecars(numbers[0])
	}
	boot, err := host.BootID()
	if err != nil {
		boot = [16]byte{} // there is none here: see runLoader.keep
	}
	loaders := make([]runLoader, len(numbers))
	workers := runtime.GOMAXPROCS(0)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(numbers) && !j.isClosed(); i = int(next.Add(1)) - 1 {
				loaders[i] = runLoader{j: j, n: numbers[i], newest: end.Segment, boot: boot}
				loaders[i].load()
			}
		})
	}
	x.r = j.dir.NewReader(segment.ReaderOptions{
		From: Position{Segment: end.Segment}, Skim: true, BlockSize: verifyBlock, Announce: true,
	})
	tail, tailMet, err := j.loadTail()
	wg.Wait()
	if err == nil && j.isClosed() {
		err = ErrClosed
	}
	if err != nil {
		return err
	}
	lists := make([]index.List, 0, len(numbers))
	for i := range loaders {
		l := &loaders[i]
		*met = append(*met, l.met...)
		if l.err != nil {
			return l.err
		}
		if len(l.entries) > 0 {
			lists = append(lists, index.ListOf(l.entries, l.n<<placeBits))
		}
		k := &keyRun{n: l.n, run: l.run, sidecar: l.sidecar, cold: l.cold, upto: math.MaxInt64}
		x.runs = append(x.runs, k)
		if l.cold != nil {
			x.cold = append(x.cold, k)
		}
	}
	*met = append(*met, tailMet...)
	if tail != nil {
		x.runs = append(x.runs, tail)
	}
	return x.table.Load(lists, workers)
}

// loadTail reads what there is of the newest segment.
func (j *Journal) loadTail() (run *keyRun, met []Damage, err error) {
	x := &j.keys
	for ev := (record.Event{}); ; {
		err := x.r.Next(&ev)
		switch {
		case err == segment.ErrOpened && run == nil:
			x.newest = x.r.Segment()
			run = &keyRun{n: x.newest}
		case err == segment.ErrOpened: // it was the newest
			x.newest = x.r.Segment()
			run.upto = math.MaxInt64
			return run, met, nil
		case err == io.EOF:
			if run != nil {
				run.upto = x.r.Position().Offset
			}
			return run, met, nil
		case err != nil && !passable(err):
			return run, met, err
		case err != nil:
			j.forget(err)
		case ev.Class != record.Whole:
			met = append(met, damageAt(x.r.Segment(), &ev))
		default:
			keysOf(x.r.Segment(), &ev, x.put)
		}
		if j.isClosed() {
			return run, met, ErrClosed
		}
	}
}

func (x *keyIndex) put(key []byte, p index.Place) { x.table.Put(index.Hash(key), p.At, p.Dead) }

// runLoader brings one sealed segment into the index.
type runLoader struct {
	j      *Journal
	n      uint64
	newest uint64
	boot   [16]byte
	upto   int64 // where to end in the segment, 0: nowhere

	sidecar bool
	cold    *segment.SidecarInfo // entries that are read when they are wanted
	entries []byte               // for the table
	run     *index.Run           // nil: later, when it is wanted
	met     []Damage
	err     error
}

func (l *runLoader) load() {
	if !l.j.keys.reread.Load() {
		if s, err := l.j.dir.SidecarInfo(l.n); err == nil {
			if s.Parts() > 1 {
				l.cold, l.sidecar = &s, true
				return
			}
			if l.entries, err = l.j.dir.ReadPart(l.n, &s, 0, nil); err == nil {
				l.sidecar = true
				return
			}
		} // whatever is wrong with the sidecar, the segment has it all
	}
	if l.j.w == nil {
		// Putting keys in order takes longer than reading them, and is only wanted
		// where somebody walks through them.
		l.err = l.scan(nil, l.j.keys.put)
		return
	}
	l.err = l.make()
}

// make makes the run, and leaves it in a sidecar if that is possible.
func (l *runLoader) make() error {
	var b index.Builder
	var t tally
	t.reset()
	err := l.scan(&t, func(key []byte, p index.Place) {
		p.At &= 1<<placeBits - 1
		b.Add(key, p)
	})
	if err != nil {
		return err
	}
	l.run = b.Run(l.n << placeBits)
	l.entries = l.run.Entries()
	if l.j.w == nil || t.spoilt || l.upto > 0 {
		return nil
	}
	return l.keep(&t)
}

// scan reads the segment.
func (l *runLoader) scan(t *tally, put func(key []byte, p index.Place)) error {
	r := l.j.dir.NewReader(segment.ReaderOptions{
		From: Position{Segment: l.n}, End: &segment.End{Segment: math.MaxUint64}, Skim: true, BlockSize: verifyBlock,
	})
	defer r.Close() // only read from
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF || r.Segment() != l.n || l.upto > 0 && ev.From >= l.upto {
			return nil // the end, or gone or passed over: who reads it is told
		}
		if err != nil {
			return err
		}
		if t != nil {
			t.spoilt = t.spoilt || spoils(&ev)
		}
		if ev.Class != record.Whole {
			l.met = append(l.met, damageAt(l.n, &ev))
			continue
		}
		if t != nil {
			t.add(l.n, &ev)
		}
		keysOf(l.n, &ev, put)
	}
}

// sidecarLag is how far behind the newest segment the first one is that is on disk
// for certain, and that no recovery will cut.
const sidecarLag = 2

// keep writes the sidecar.
func (l *runLoader) keep(t *tally) error {
	f, err := l.j.openSegment(l.n)
	if err != nil {
		return passed(err)
	}
	defer f.Close() // only read from
	size, err := f.Size()
	if err != nil {
		return err
	}
	s := segment.Sidecar{
		SidecarInfo: segment.SidecarInfo{
			Size: size, Limit: f.Limit, Records: t.records, Deletes: t.deletes, Oldest: t.oldest, Newest: t.newest,
		},
		Entries: l.entries, Run: l.run.Bytes(),
	}
	if segment.SidecarParts(int64(len(l.entries))) > 1 {
		for n := range index.Parts {
			s.Ends = append(s.Ends, int64(index.FromPart(l.entries, n+1)))
		}
	}
	if l.n+sidecarLag > l.newest {
		if l.boot == ([16]byte{}) {
			return nil // there is no telling what a crash will leave
		}
		s.Boot = l.boot
	}
	st, err := host.StatFile(f.F)
	if err != nil {
		return err
	}
	// Without a sidecar, on a full disk for instance, the segment will be read once
	// more. That is no reason to fail who asks for a record.
	_ = l.j.dir.WriteSidecar(l.n, &s, st.Mode.Perm()&0o666)
	return nil
}

// passed is nil for an error that says that a segment is gone.
func passed(err error) error {
	if passable(err) || errors.Is(err, ErrNoRecord) {
		return nil
	}
	return err
}

// load reads the run of a segment if it is not in memory.
func (k *keyRun) load(j *Journal) (*index.Run, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.run != nil {
		return k.run, nil
	}
	if k.sidecar && !j.keys.reread.Load() {
		if b, err := j.dir.ReadRun(k.n); err == nil {
			if run, ok := index.ParseRun(b, k.n<<placeBits); ok {
				k.run = run
				return run, nil
			}
		}
	}
	l := runLoader{j: j, n: k.n, newest: k.n, upto: k.upto}
	if err := l.make(); err != nil {
		return nil, err
	}
	k.run = l.run
	return k.run, nil
}

// loadRuns reads the runs of all segments, several at a time.
func (v *keyView) loadRuns(j *Journal) ([]*index.Run, error) {
	runs := make([]*index.Run, len(v.runs))
	errs := make([]error, len(v.runs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(runs); i = int(next.Add(1)) - 1 {
				runs[i], errs[i] = v.runs[i].load(j)
			}
		})
	}
	wg.Wait()
	return runs, errors.Join(errs...)
}

// coldShare is which part of the work of filling the table from the cold sidecars may
// be spent on looking into them before it is done. Who opens a journal for a few keys
// should not pay for all; who asks for many has paid an eighth more.
const coldShare = 8

// coldGet looks for a newer record of the keys with this hash than place, in those
// sidecars whose entries are not in the table. An error is about a sidecar.
func (j *Journal) coldGet(view *keyView, hash, place uint64) (uint64, error) {
	part := index.PartOf(hash)
	for _, k := range slices.Backward(view.cold) {
		if place>>placeBits >= k.n {
			break // it is newer than all that is there
		}
		j.keys.coldReads.Add(1)
		b, err := j.coldPart(k, part, nil)
		if err != nil {
			return 0, err
		}
		if p, ok := index.Find(b, hash, k.n<<placeBits); ok {
			return p, nil
		}
	}
	return place, nil
}

// coldPart reads a part of the entries of a cold sidecar, nothing if the segment has
// been pruned.
func (j *Journal) coldPart(k *keyRun, n int, buf []byte) ([]byte, error) {
	b, err := j.dir.ReadPart(k.n, k.cold, n, buf)
	if err == nil {
		return b, nil
	}
	there, serr := j.dir.Exists(k.n)
	if serr == nil && !there {
		return nil, nil
	}
	return nil, errors.Join(err, serr)
}

// warmUp fills the table from the cold sidecars once enough was asked for.
func (j *Journal) warmUp() error {
	x := &j.keys
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.cold) == 0 || j.isClosed() || x.coldReads.Load() < int64(len(x.cold))*index.Parts/coldShare {
		return nil
	}
	lists := make([]index.List, 0, len(x.cold))
	for _, k := range x.cold {
		lists = append(lists, index.List{Base: k.n << placeBits, Part: func(n int, buf []byte) ([]byte, error) {
			return j.coldPart(k, n, buf)
		}})
	}
	if err := x.table.Load(lists, runtime.GOMAXPROCS(0)); err != nil {
		return err
	}
	x.cold = nil
	return nil
}
