package journal

import (
	"errors"
	"io"
	"math"
	"runtime"
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
	ropt := segment.ReaderOptions{Skim: true, BlockSize: verifyBlock, Announce: true}
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
	ropt.From.Segment = end.Segment
	x.r = j.dir.NewReader(ropt)
	if len(numbers) == 0 {
		return nil
	}
	if j.w != nil {
		// What is left of segments that somebody has pruned and not tidied up after.
		if err := j.dir.OrphanSidecars(numbers[0]); err != nil {
			return err
		}
	}
	loaders := make([]runLoader, len(numbers))
	workers := runtime.GOMAXPROCS(0)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(numbers) && !j.isClosed(); i = int(next.Add(1)) - 1 {
				loaders[i] = runLoader{j: j, n: numbers[i], end: end}
				loaders[i].load()
			}
		})
	}
	wg.Wait()
	if j.isClosed() {
		return ErrClosed
	}
	lists := make([]index.List, 0, len(numbers))
	for i := range loaders {
		l := &loaders[i]
		*met = append(*met, l.met...)
		if l.err != nil {
			return l.err
		}
		if len(l.entries) > 0 {
			lists = append(lists, index.List{Entries: l.entries, Base: l.n << placeBits})
			x.runs = append(x.runs, &keyRun{n: l.n, run: l.run, sidecar: l.run == nil})
		}
	}
	x.table.Load(lists, workers)
	return nil
}

// runLoader makes the run of one sealed segment.
type runLoader struct {
	j       *Journal
	n       uint64
	end     segment.End
	entries []byte
	run     *index.Run // nil: it is in the sidecar
	met     []Damage
	err     error
}

func (l *runLoader) load() {
	if !l.j.keys.reread.Load() {
		if s, err := l.j.dir.ReadEntries(l.n); err == nil {
			l.entries = s.Entries
			return
		} // whatever is wrong with the sidecar, the segment has it all
	}
	l.err = l.scan()
}

// sidecarLag is how far behind the newest segment the first one is that gets a
// sidecar. Those in front of it may not be on disk, and a recovery may cut them.
const sidecarLag = 2

// scan reads the segment, and leaves a sidecar if that is possible.
func (l *runLoader) scan() error {
	r := l.j.dir.NewReader(segment.ReaderOptions{
		From: Position{Segment: l.n}, End: &l.end, Skim: true, BlockSize: verifyBlock,
	})
	defer r.Close() // only read from
	var b index.Builder
	var t tally
	t.reset()
	spoilt := false
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF || r.Segment() != l.n {
			break // the end, or gone or passed over: who reads it is told
		}
		if err != nil {
			return err
		}
		spoilt = spoilt || spoils(&ev)
		if ev.Class != record.Whole {
			l.met = append(l.met, damageAt(l.n, &ev))
			continue
		}
		t.add(l.n, &ev)
		keysOf(l.n, &ev, func(key []byte, p index.Place) {
			p.At &= 1<<placeBits - 1
			b.Add(key, p)
		})
	}
	l.run = b.Run(l.n << placeBits)
	l.entries = l.run.Entries()
	if spoilt || l.j.w == nil || l.n+sidecarLag > l.end.Segment {
		return nil
	}
	return l.j.keepRun(l.n, &t, l.entries, l.run)
}

// keepRun writes the sidecar of segment n.
func (j *Journal) keepRun(n uint64, t *tally, entries []byte, run *index.Run) error {
	f, err := j.openSegment(n)
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
		Entries: entries, Run: run.Bytes(),
	}
	st, err := host.StatFile(f.F)
	if err != nil {
		return err
	}
	// Without a sidecar, on a full disk for instance, the segment will be read once
	// more. That is no reason to fail who asks for a record.
	_ = j.dir.WriteSidecar(n, &s, st.Mode.Perm()&0o666)
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
	if !j.keys.reread.Load() {
		if s, err := j.dir.ReadRun(k.n); err == nil {
			if run, ok := index.ParseRun(s.Run, k.n<<placeBits); ok {
				k.run = run
				return run, nil
			}
		}
	}
	l := runLoader{j: j, n: k.n, end: segment.End{Segment: math.MaxUint64}}
	if err := l.scan(); err != nil {
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
