package faults

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// cut says where a write is cut short.
type cut int

const (
	whole        cut = iota // it is not
	lessOne                 // the last byte is missing
	inHeader                // of the record, or whatever is written: 20 bytes are there
	behindFirst             // at the edges between the pieces of a writev, which are
	behindSecond            // header, key, value and checksum of a record
	behindThird
)

// A fault is how a system call fails: with an error and without effect, or, if it is
// a write, by writing less than it was asked to.
type fault struct {
	name  string
	errno unix.Errno
	cut   cut
}

// allFaults are those of X8. The edges come in the order of the pieces.
var allFaults = []fault{
	{name: "EIO", errno: unix.EIO}, {name: "ENOSPC", errno: unix.ENOSPC}, {name: "EDQUOT", errno: unix.EDQUOT},
	{name: "EFBIG", errno: unix.EFBIG}, {name: "EINTR", errno: unix.EINTR}, {name: "ENOMEM", errno: unix.ENOMEM},
	{name: "short by 1", cut: lessOne}, {name: "short in the header", cut: inHeader},
	{name: "short behind the header", cut: behindFirst}, {name: "short behind the key", cut: behindSecond},
	{name: "short behind the value", cut: behindThird},
}

// soft reports whether a fault is no error to be told: a signal.
func (f fault) soft() bool { return f.errno == unix.EINTR }

// A plan is which calls of a process fail. The calls that count are those that could
// fail as its fault says; nth counts them from 1 over all threads, and 0 is no fault.
type plan struct {
	fault  fault
	nth    int
	sticky bool // the nth one and all later ones
	// pause, if it is not nil, is called when the nth call begins, which is carried out
	// then; the process stands still meanwhile. There is no fault then.
	pause func() error
	// killBehind, if it is not 0, kills the process when a call of that number has
	// returned an error by itself, before the process can see it. nth is 0 then.
	killBehind uint64
	// clock is how far the clock is off, by the steps that the process has told of; the
	// last one stays. nth is 0 then.
	clock []time.Duration
}

func (p plan) String() string {
	if p.nth == 0 {
		return "no fault"
	}
	often := "once"
	if p.sticky {
		often = "sticky"
	}
	return fmt.Sprintf("%s %s at call %d", p.fault.name, often, p.nth)
}

// burst is how many calls in a row a signal interrupts. For ever would be a hang in
// every program that does what one does about EINTR, and is not what signals do.
const burst = 10

// hits reports whether the call with this number fails.
func (p plan) hits(number int) bool {
	switch {
	case p.nth == 0 || number < p.nth:
		return false
	case p.sticky && p.fault.errno == unix.EINTR:
		return number < p.nth+burst
	}
	return p.sticky || number == p.nth
}

// length is how many of the bytes of a write are written, whose pieces have these
// sizes. It reports false if the write cannot be cut there: it has no such edge, or
// nothing or everything would be written.
func (c cut) length(pieces []int64) (int64, bool) {
	total := int64(0)
	for _, n := range pieces {
		total += n
	}
	n := int64(0)
	switch c {
	case lessOne:
		n = total - 1
	case inHeader:
		n = 20
	case behindFirst, behindSecond, behindThird:
		edge := int(c-behindFirst) + 1
		if edge >= len(pieces) {
			return 0, false
		}
		for _, p := range pieces[:edge] {
			n += p
		}
	}
	return n, n > 0 && n < total
}

// outcome is how a traced process has ended.
type outcome struct {
	status  unix.WaitStatus
	calls   int      // that counted
	order   []string // their names
	hits    []string // names of the calls that failed
	torn    bool     // a record was cut short
	shifted int      // times that were shifted
	killed  string   // with plan.killBehind: the error of the call
	told    []byte   // standard output
	said    []byte   // standard error
}
