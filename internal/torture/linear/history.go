// Package linear is the class of the scoreboard that asks whether what several
// processes do to one journal, and see of it, can be put into one order: whether the
// journal is linearizable (Herlihy and Wing, 1990). Processes record when each call
// began and returned, and what it returned; porcupine looks for the order.
package linear

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// What a call does, as it stands in the notes of a process.
const (
	opAppend = "append" // of one key; the result is a position
	opBatch  = "batch"  // of two keys; the result is the position of the first
	opDelete = "delete" // of a key; the result is a position
	opGet    = "get"    // of a key; the result is a position, or "none"
	opScan   = "scan"   // of everything; the result is the number of records
	opNext   = "next"   // the next record of a follower; the result is its position
)

// call is a call that a process has begun, and if it has returned what it returned.
type call struct {
	process int
	id      int // of the call in its process
	client  int // of the process: one that makes one call after the other
	kind    string
	keys    []string
	begin   int64 // nanoseconds of the clock that all processes of a machine share
	end     int64 // 0: it has not returned, for its process was killed
	result  string
}

// value is what call id of a process stores, so that its records can be found again.
func value(process, id int) string { return fmt.Sprintf("%d.%d", process, id) }

// readNotes reads the notes of one process, which may end in the middle of a line:
//
//	c ID NS CLIENT KIND [KEY...]
//	r ID NS RESULT
func readNotes(process int, r io.Reader) ([]*call, error) {
	var calls []*call
	byID := make(map[int]*call)
	s := bufio.NewReader(r)
	for {
		line, err := s.ReadString('\n')
		if err == io.EOF {
			return calls, nil // what is in line was cut off by a kill
		}
		if err != nil {
			return nil, err
		}
		f := strings.Fields(line)
		if len(f) < 4 {
			return nil, fmt.Errorf("process %d notes %q", process, line)
		}
		id, err1 := strconv.Atoi(f[1])
		ns, err2 := strconv.ParseInt(f[2], 10, 64)
		if err := cmp.Or(err1, err2); err != nil {
			return nil, fmt.Errorf("process %d notes %q: %w", process, line, err)
		}
		switch c := byID[id]; {
		case f[0] == "r" && c != nil && c.end == 0:
			c.end, c.result = ns, f[3]
		case f[0] == "c" && c == nil && len(f) >= 5:
			client, err := strconv.Atoi(f[3])
			if err != nil {
				return nil, fmt.Errorf("process %d notes %q: %w", process, line, err)
			}
			c = &call{process: process, id: id, client: client, kind: f[4], keys: f[5:], begin: ns}
			byID[id] = c
			calls = append(calls, c)
		default:
			return nil, fmt.Errorf("process %d notes %q out of order", process, line)
		}
	}
}

// op is a call in terms of the journal as it was at the end: its records have ranks,
// from 0, in the order of the journal.
type op struct {
	*call
	end   int64 // when it had returned for certain
	rank  int   // of the first record that it appended or has seen, -1 for none
	count int   // how many it appended, or has seen in all
	log   *contents
}

// contents is the journal at the end.
type contents struct {
	rank  map[string]int   // by position
	key   map[string][]int // the ranks of a key's records, ascending
	alive []bool           // by rank: it is not a delete
	total int
}

// latest is the rank of the newest record of key among the first n, or -1 if there is
// none, or if that one deletes.
func (l *contents) latest(key string, n int) int {
	ranks := l.key[key]
	i, _ := slices.BinarySearch(ranks, n)
	if i == 0 || !l.alive[ranks[i-1]] {
		return -1
	}
	return ranks[i-1]
}

// history turns calls into operations on the journal as the oracle has read it. A call
// that has not returned is one of them if its records are there, and was none if not.
// A record that nobody appended, and one that was acknowledged and is not there, is an
// error.
func history(j *oracle.Journal, calls []*call) ([]op, error) {
	log := &contents{rank: make(map[string]int), key: make(map[string][]int), total: len(j.Records)}
	owner := make(map[string][]int) // ranks by value
	for i, r := range j.Records {
		log.rank[r.Position.String()] = i
		log.key[string(r.Key)] = append(log.key[string(r.Key)], i)
		log.alive = append(log.alive, r.Kind == oracle.Data)
		if r.Kind == oracle.Data {
			owner[string(r.Value)] = append(owner[string(r.Value)], i)
		}
	}
	claimed := make([]bool, len(j.Records))
	slices.SortStableFunc(calls, func(a, b *call) int { return cmp.Compare(a.begin, b.begin) })
	var ops []op
	for _, returned := range []bool{true, false} { // what has returned has the first claim
		for _, c := range calls {
			if (c.end != 0) != returned {
				continue
			}
			o, err := log.operation(j, c, owner, claimed)
			if err != nil {
				return nil, err
			}
			if o != nil {
				ops = append(ops, *o)
			}
		}
	}
	for i, c := range claimed {
		if !c {
			return nil, fmt.Errorf("nobody has appended %v, key %q, value %q", j.Records[i].Position, j.Records[i].Key, j.Records[i].Value)
		}
	}
	return ops, nil
}

// operation is what a call did, nil if it did nothing that anybody can see.
func (l *contents) operation(j *oracle.Journal, c *call, owner map[string][]int, claimed []bool) (*op, error) {
	o := &op{call: c, rank: -1, log: l, end: c.end}
	lost := c.end == 0
	if lost {
		o.end = math.MaxInt64 // it may take effect at any time
	}
	switch c.kind {
	case opGet, opScan, opNext:
		if lost {
			return nil, nil
		}
		return o, l.seen(o)
	case opDelete:
		// It has no value to be known by; only one client deletes a key.
		for _, i := range l.key[c.keys[0]] {
			if l.alive[i] || claimed[i] || !lost && j.Records[i].String() != c.result {
				continue
			}
			o.rank, o.count = i, 1
			break
		}
	default:
		ranks := owner[value(c.process, c.id)]
		if len(ranks) > 0 {
			o.rank, o.count = ranks[0], len(ranks)
		}
		for i, r := range ranks {
			if r != o.rank+i || i >= len(c.keys) || string(j.Records[r].Key) != c.keys[i] {
				return nil, fmt.Errorf("%s of process %d, call %d, is at %v, key %q", c.kind, c.process, c.id, j.Records[r].Position, j.Records[r].Key)
			}
		}
	}
	if o.rank < 0 {
		if lost {
			return nil, nil
		}
		return nil, fmt.Errorf("%s of process %d, call %d, was acknowledged at %s and is not there", c.kind, c.process, c.id, c.result)
	}
	if o.count != len(c.keys) {
		return nil, fmt.Errorf("%s of process %d, call %d, is there %d times instead of %d", c.kind, c.process, c.id, o.count, len(c.keys))
	}
	for i := range o.count {
		if claimed[o.rank+i] {
			return nil, fmt.Errorf("two calls have appended %v", j.Records[o.rank+i].Position)
		}
		claimed[o.rank+i] = true
	}
	if at := j.Records[o.rank].String(); !lost && at != c.result {
		return nil, fmt.Errorf("%s of process %d, call %d, was acknowledged at %s and is at %s", c.kind, c.process, c.id, c.result, at)
	}
	return o, nil
}

// seen fills in what a call that reads has seen.
func (l *contents) seen(o *op) error {
	switch o.kind {
	case opScan:
		n, err := strconv.Atoi(o.result)
		o.count = n
		return err
	case opGet:
		if o.result == "none" {
			return nil
		}
	}
	rank, ok := l.rank[o.result]
	if !ok {
		return fmt.Errorf("%s of process %d, call %d, has seen a record at %s, and there is none", o.kind, o.process, o.id, o.result)
	}
	o.rank = rank
	return nil
}
