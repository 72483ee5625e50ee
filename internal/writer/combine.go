package writer

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/manypen/manypen/record"
)

// Goroutines that meet in front of an append stand in a line. Whoever is done with its
// own append carries out those of all that came meanwhile: their records go one behind
// the other into one buffer and into the segment by one call, and each is judged by its
// own start and end, as if it had been appended alone and nobody in between (decision
// 0019). Then the next in line leads. A record that waits for a sync which several
// goroutines share comes to the line even if nobody is there (decision 0021).
const (
	// combinedRecord is the size up to which a record is worth copying. A larger one
	// waits for the lock and is gathered from where it is.
	combinedRecord = 4 << 10
	// combinedBytes bounds a call, and with it how long the others of a segment wait.
	combinedBytes = 64 << 10
)

// line is where goroutines stand that want to append.
type line struct {
	state   atomic.Int32
	mu      sync.Mutex
	waiting []*waiter // if state is queued
	spare   []*waiter // what waiting was; the leader's
	joint   []byte    // records that are written together; guarded by Writer.mu
	vec     [1][]byte // the same, to be written
}

// States of a line.
const (
	idle   = iota
	busy   // somebody appends, and leads if others come
	queued // somebody waits, or is about to lead; whoever comes joins them
)

// waiter is a goroutine in the line.
type waiter struct {
	unit  unit
	data  []byte // key and value
	waits bool
	h     record.Header // as it was laid out
	ack   Ack
	err   error
	state atomic.Int32
	wake  chan struct{} // for one that is parked
}

// States of a waiter.
const (
	standing = iota
	parked
	served // what has become of its record is known
	leads  // it is to serve the line
)

// yields is how often a waiter lets others run before it sleeps. What it waits for takes
// some microseconds, as does to be woken on a processor that has gone to sleep.
const yields = 32

var waiters = sync.Pool{New: func() any { return &waiter{wake: make(chan struct{}, 1)} }}

// become ends the wait.
func (wt *waiter) become(state int32) {
	if wt.state.Swap(state) == parked {
		wt.wake <- struct{}{}
	}
}

// meet appends u, together with others that wait.
func (w *Writer) meet(u *unit, waits bool) (Ack, error) {
	me := waiters.Get().(*waiter)
	me.unit, me.waits = *u, waits
	// A copy, because another goroutine reads it: should that fail (see Append), it has
	// to be here.
	me.data = append(append(me.data[:0], u.key...), u.value...)
	k := len(u.key)
	me.unit.key, me.unit.value = me.data[:k:k], me.data[k:]
	first := !w.line.stand(me)
	if first && waits && w.sys.step == nil {
		// Those whom the same sync has let go, or who wait for the next one, come now:
		// a call for all of them instead of one each leaves the processors to the sync.
		runtime.Gosched()
	}
	if first || w.waitTurn(me) {
		w.serveLine(me)
	}
	ack, err := me.ack, me.err
	me.unit, me.ack, me.err = unit{}, Ack{}, nil
	me.state.Store(standing)
	waiters.Put(me)
	return ack, err
}

// stand puts a goroutine into the line, and reports whether it has to wait: nobody is
// there to serve it if the line has become idle.
func (l *line) stand(me *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, me)
	for {
		if l.state.CompareAndSwap(idle, queued) {
			return false
		}
		if l.state.Load() == queued || l.state.CompareAndSwap(busy, queued) {
			return true
		}
	}
}

// waitTurn waits for one's turn, and reports whether it is to lead.
func (w *Writer) waitTurn(me *waiter) bool {
	for i := 0; w.sys.step != nil || i < yields; i++ {
		if state := me.state.Load(); state != standing {
			return state == leads
		}
		if w.sys.step != nil {
			w.sys.step("wait")
		} else {
			runtime.Gosched()
		}
	}
	if me.state.CompareAndSwap(standing, parked) {
		<-me.wake
	}
	return me.state.Load() == leads
}

// rounds is how many groups one goroutine serves before it lets another one lead.
const rounds = 8

// serveLine serves everybody who waits, me included, and then the next one leads.
func (w *Writer) serveLine(me *waiter) {
	l := &w.line
	for range rounds {
		w.serveGroup(me)
		if l.state.CompareAndSwap(busy, idle) {
			return
		}
	}
	l.handOn()
}

// handOn has the first of those who wait lead. There is one: the state says so.
func (l *line) handOn() {
	l.mu.Lock()
	next := l.waiting[0]
	l.mu.Unlock()
	next.become(leads)
}

func (w *Writer) serveGroup(me *waiter) {
	l := &w.line
	l.mu.Lock()
	group := l.waiting
	l.waiting, l.spare = l.spare, nil
	l.state.Store(busy)
	l.mu.Unlock()

	w.serve(group)
	for _, wt := range group {
		if wt != me {
			wt.become(served)
		}
	}
	clear(group)
	l.spare = group[:0]
}

// serve appends the units of a group, as many by one call as there is room for.
func (w *Writer) serve(group []*waiter) {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	for rest := group; len(rest) > 0; {
		n := w.together(rest)
		if n == 0 {
			wt := rest[0]
			wt.ack, wt.err = w.append(&wt.unit)
			n = 1
		}
		rest = rest[n:]
	}
	w.tell()
	for _, wt := range group {
		w.noteLoose(wt.ack, wt.err, wt.waits)
		wt.err = w.located("append", wt.err)
	}
}

// together carries out A1 to A5 for the first units of a group, and returns for how many
// of them it is known what has become of them. The one behind them is for append, which
// can tell why, and try again.
func (w *Writer) together(group []*waiter) int {
	// An error comes again when the first one is alone, and is his then.
	if len(group) < 2 || w.findOut() != nil || w.beReady() != nil {
		return 0
	}
	cur := w.cur
	k, mark := w.join(group)
	if k == 0 {
		return 0
	}
	w.at("A2")
	joint := w.line.joint
	w.line.vec[0] = joint
	start, n, err := w.write(cur, w.line.vec[:])
	w.full = w.full || start+n >= cur.Limit
	w.count.wrote(n, mark, int64(len(joint)), start < cur.Limit)
	if errors.Is(err, ErrOutcomeUnknown) {
		w.doubtNumbers(cur, &group[0].unit, k)
		for _, wt := range group[:k] {
			wt.err = cur.ErrorAt("append", start, err)
		}
		return k
	}
	if 0 < n && n < mark {
		w.count.appended.Fragments++
	}
	settled, at, end := 0, start+mark, start+n
	counted := start
	for _, wt := range group[:k] {
		size := wt.h.Size()
		switch {
		case at >= end: // nothing of it was written
			return settled
		case at >= cur.Limit:
			w.count.appended.Voids++ // as are those behind it
			at += size
			continue
		case at+size > end:
			w.count.appended.Fragments++
			wt.unit.torn = &FragmentError{Written: end - at, Want: size, Err: err}
			wt.unit.tornAt = record.Position{Segment: cur.Number, Offset: at}
			return settled
		}
		settled++
		w.seq++
		w.acknowledged(cur, at, size)
		w.count.appended.Appends++
		w.count.appended.Bytes += uint64(at + size - counted) // and of the mark
		counted = at + size
		w.mark.since += size
		wt.ack = Ack{record.Position{Segment: cur.Number, Offset: at}, at + size, wt.h.Seq, wt.h.Time}
		at += size
	}
	return settled
}

// join lays out the first units of a group one behind the other in the line's buffer,
// behind a mark of the returned size if one is due.
func (w *Writer) join(group []*waiter) (k int, mark int64) {
	cur, l := w.cur, &w.line
	l.joint = l.joint[:0]
	for i, wt := range group {
		// Behind the end of the segment, or what it was last, they would be void.
		if used := int64(len(l.joint)); i > 0 && (used+combinedRecord > combinedBytes || cur.last+used >= cur.Limit) {
			break
		}
		wt.h = wt.unit.h
		wt.h.Writer, wt.h.Seq = w.id, w.seq+1+uint64(i)
		vec, err := w.encode(&wt.h, &wt.unit)
		if err != nil {
			break
		}
		if i == 0 {
			vec, mark = w.withMark(&wt.h, vec)
		}
		for _, p := range vec {
			l.joint = append(l.joint, p...)
		}
		k++
	}
	w.mark.release()
	return k, mark
}
