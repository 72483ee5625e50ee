package journal

import (
	"context"
	"runtime"
	"sync"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// A verification is bound by one processor's hashing, so several read ahead, a
// chunk each. A segment can be entered anywhere: no record has a header inside, so
// the first header in a chunk is where the reader of the chunk in front comes out.
//
// What they find is used only where the one reader that knows all rules arrives at
// the very offset at which a chunk's records began, and only as far as nothing but
// whole records followed each other there. Whatever else there is, a damaged
// stretch, a segment that is gone or another one by now, he reads himself.

const (
	chunkSize   = 4 << 20
	verifyBlock = 256 << 10
)

// sized is a segment and its size.
type sized struct {
	n    uint64
	size int64
}

// chunk is what of segment n one goroutine reads at a time: what begins in [lo, hi).
type chunk struct {
	n      uint64
	lo, hi int64
	size   int64 // of the segment
}

// part is what was found in a chunk: whole records in [from, to).
type part struct {
	chunk
	tally
	from, to int64
	done     chan struct{} // closed when the rest is there
}

// aheadReader is the goroutines and what they have found, in order.
type aheadReader struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	parts  chan *part // in order; those that are under way have not closed done
	head   *part
}

func (v *verifier) readAhead(ctx context.Context) *aheadReader {
	workers := v.opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	// The reader's own goroutine waits while the others work. One of them is all
	// the same: it reads while the reader merges.
	a := &aheadReader{cancel: cancel, parts: make(chan *part, 4*workers)}
	work := make(chan *part)
	a.wg.Go(func() {
		defer close(a.parts)
		defer close(work)
		for _, s := range v.segments {
			for lo := int64(segment.HeaderSize); lo < s.size && v.chunk > 0; lo += v.chunk {
				p := &part{chunk: chunk{s.n, lo, min(lo+v.chunk, s.size), s.size}, from: -1, done: make(chan struct{})}
				select {
				case a.parts <- p:
				case <-ctx.Done():
					return
				}
				select {
				case work <- p:
				case <-ctx.Done():
					close(p.done)
					return
				}
			}
		}
	})
	for range workers {
		a.wg.Go(func() {
			w := aheadWorker{dir: v.dir}
			defer w.close()
			for p := range work {
				w.read(ctx, p)
				close(p.done)
			}
		})
	}
	return a
}

func (a *aheadReader) stop() {
	a.cancel()
	a.wg.Wait()
}

// at returns the part that begins where r stands, or nil.
func (a *aheadReader) at(r *segment.Reader) *part {
	n, off, ok := r.Between()
	if !ok {
		return nil
	}
	for {
		if a.head == nil {
			if a.head, ok = <-a.parts; !ok {
				return nil
			}
		}
		p := a.head
		switch {
		case p.n > n || p.n == n && p.lo > off:
			return nil
		case p.n == n && p.hi > off:
			<-p.done
			if p.from > off {
				return nil
			}
			if p.from == off && p.to > off {
				a.head = nil
				return p
			}
		}
		a.head = nil // it lies behind, or has nothing
	}
}

// aheadWorker is one goroutine and the segment that it has open.
type aheadWorker struct {
	dir  *segment.Dir
	file *segment.File
}

func (w *aheadWorker) close() {
	if w.file != nil {
		w.file.Close() // only read from
		w.file = nil
	}
}

// read fills p, and leaves it empty after any error: who reads that stretch in
// order meets it too, and tells of it.
func (w *aheadWorker) read(ctx context.Context, p *part) {
	if w.file == nil || w.file.Number != p.n {
		w.close()
		f, err := w.dir.OpenToRead(p.n)
		if err != nil {
			return
		}
		w.file = f
	}
	from := p.lo
	if from > segment.HeaderSize {
		var err error
		if from, _, err = w.file.Find(p.lo, p.hi, p.size); err != nil || from < 0 {
			return
		}
	}
	s := w.file.Scanner(record.ScannerOptions{From: from, Until: p.hi, Skim: true, BlockSize: verifyBlock})
	s.See(p.size, false)
	p.tally.reset()
	n := 0
	for ev := (record.Event{}); s.Offset() < p.hi; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return
		}
		if err := s.Next(&ev); err != nil || ev.Class != record.Whole {
			break
		}
		p.tally.add(p.n, &ev)
		p.to = ev.To
	}
	p.from = from
}
