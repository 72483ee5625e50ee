package procs

import (
	"bytes"
	"context"
	"fmt"

	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
)

// ledger holds the records of a journal, as they come, against what writers were told.
type ledger struct {
	writers map[int]*acked
	next    map[[2]int]int // of each process and lane: the number that comes next
}

func newLedger(writers []*acked) *ledger {
	l := &ledger{writers: make(map[int]*acked), next: make(map[[2]int]int)}
	for _, w := range writers {
		l.writers[w.Process] = w
	}
	return l
}

// record takes the next record of the journal: it is one that a writer appended, whole,
// where that was told it is, and the one that comes next in its lane.
func (l *ledger) record(at string, key, value []byte) error {
	var process, lane, n int
	if _, err := fmt.Sscanf(string(key), "%d/%d/%d", &process, &lane, &n); err != nil {
		return fmt.Errorf("%s: key %.40q: %w", at, key, err)
	}
	w := l.writers[process]
	if w == nil || lane < 0 || lane >= len(w.at) || !bytes.Equal(key, name(process, lane, n)) {
		return fmt.Errorf("%s: nobody has appended the key %.40q", at, key)
	}
	if !bytes.Equal(value, w.value(lane, n)) {
		return fmt.Errorf("%s: key %s: the value is not what was appended", at, key)
	}
	id := [2]int{process, lane}
	if want := l.next[id]; n != want {
		return fmt.Errorf("%s: record %d of lane %d of writer %d, which comes behind %d", at, n, lane, process, want-1)
	}
	l.next[id]++
	return nil
}

// told compares a record with what its writer was told, when that is known.
func (l *ledger) told(at string, key []byte) error {
	var process, lane, n int
	if _, err := fmt.Sscanf(string(key), "%d/%d/%d", &process, &lane, &n); err != nil {
		return err
	}
	w := l.writers[process]
	if told, ok := w.at[lane][n]; ok && told != at {
		return fmt.Errorf("key %s was acknowledged at %s and is at %s", key, told, at)
	} else if !ok && (w.ended || n != len(w.at[lane])) {
		// A record that its writer did not live to hear of is the last one of its lane.
		return fmt.Errorf("%s: nobody was told of key %s, and %d of its lane were", at, key, len(w.at[lane]))
	}
	return nil
}

// all makes sure that nothing is missing that was acknowledged. It returns how many
// records there are whose writers did not live to hear of them.
func (l *ledger) all() (untold int, err error) {
	for _, w := range l.writers {
		for lane, at := range w.at {
			n := l.next[[2]int{w.Process, lane}]
			if n < len(at) {
				return 0, fmt.Errorf("record %d of lane %d of writer %d was acknowledged at %s, and is lost", n, lane, w.Process, at[n])
			}
			untold += n - len(at)
		}
	}
	return untold, nil
}

// sound judges the journal in dir, which nobody writes any more, as far as it needs no
// knowledge of what was appended: what is no record is a fragment, void, unused or
// pending; no sequence is missing; and the library says the same.
func sound(ctx context.Context, dir string) (*oracle.Journal, error) {
	o, err := oracle.Read(dir)
	if err != nil {
		return nil, err
	}
	for _, s := range o.Stretches {
		if s.Class == oracle.Corruption || s.Class == oracle.Hole || s.Class == oracle.Dropped {
			return nil, fmt.Errorf("%s from %d to %d in segment %d", s.Class, s.From, s.To, s.Segment)
		}
	}
	for w, n := range o.Missing() {
		return nil, fmt.Errorf("%d records of writer %x are missing", n, w)
	}
	r, err := judge.Read(ctx, dir)
	if err != nil {
		return nil, err
	}
	return o, judge.Agree(r, o)
}

// check judges a journal of which nothing was removed.
func check(ctx context.Context, dir string, writers []*acked) (o *oracle.Journal, untold int, err error) {
	if o, err = sound(ctx, dir); err != nil {
		return nil, 0, err
	}
	l := newLedger(writers)
	for _, r := range o.Records {
		if err := l.record(r.String(), r.Key, r.Value); err != nil {
			return nil, 0, err
		}
		if err := l.told(r.String(), r.Key); err != nil {
			return nil, 0, err
		}
	}
	untold, err = l.all()
	return o, untold, err
}
