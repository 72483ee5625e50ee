package jtoolcmd

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"time"
)

// bucket is what falls into one line of a histogram.
type bucket struct{ count, bytes int64 }

func (b *bucket) add(count, bytes int64) { b.count, b.bytes = b.count+count, b.bytes+bytes }

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// maxRateBuckets bounds the memory for a journal of any length.
const maxRateBuckets = 16 << 10

// rateSteps are the intervals that records are counted by as they are read, each a
// multiple of the one in front, so that buckets can be merged exactly.
var rateSteps = []time.Duration{
	time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond,
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
	time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour,
	day, week, 13 * week, 52 * week, 520 * week, 5200 * week, 10400 * week,
}

// roundIntervals are those that people like to see.
var roundIntervals = []time.Duration{
	time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, week, 2 * week, 4 * week,
	13 * week, 26 * week, 52 * week, 104 * week, 260 * week, 520 * week, 1040 * week, 2600 * week, 5200 * week, 10400 * week,
}

// rates counts records by time, in bounded memory, wherever their clocks jump: only
// buckets that are not empty are kept, and they are merged into longer ones when
// there are too many.
type rates struct {
	interval int64 // nanoseconds
	fixed    bool  // by the user: merging doubles it
	limit    int   // of the number of buckets
	buckets  map[int64]bucket
}

// newRates counts by interval, or by one that follows from the records if it is 0.
func newRates(interval time.Duration) *rates {
	r := &rates{interval: int64(interval), fixed: interval > 0, limit: maxRateBuckets, buckets: make(map[int64]bucket)}
	if !r.fixed {
		r.interval = int64(rateSteps[0])
	}
	return r
}

func (r *rates) add(ns, bytes int64) {
	k := floorDiv(ns, r.interval)
	b := r.buckets[k]
	b.add(1, bytes)
	r.buckets[k] = b
	for len(r.buckets) > r.limit && r.coarser() {
	}
}

// coarser merges buckets into longer ones. It is false if there is nothing longer:
// there are four buckets at most then.
func (r *rates) coarser() bool {
	if r.fixed {
		if r.interval > math.MaxInt64/2 {
			return false
		}
		r.merge(r.interval * 2)
		return true
	}
	for _, step := range rateSteps {
		if int64(step) > r.interval {
			r.merge(int64(step))
			return true
		}
	}
	return false
}

// merge makes the interval longer, to a multiple of what it is.
func (r *rates) merge(interval int64) {
	ratio := interval / r.interval
	merged := make(map[int64]bucket, len(r.buckets)/int(min(ratio, 1024))+1)
	for k, b := range r.buckets {
		m := merged[floorDiv(k, ratio)]
		m.add(b.count, b.bytes)
		merged[floorDiv(k, ratio)] = m
	}
	r.interval, r.buckets = interval, merged
}

// floorDiv is a/b, rounded down below zero too, for b above 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// keys are the buckets that are not empty, in order.
func (r *rates) keys() []int64 { return slices.Sorted(maps.Keys(r.buckets)) }

// maxEmpty is how many empty buckets in a row have lines of their own.
const maxEmpty = 3

// lines is how many lines the buckets would have by an interval, which is a
// multiple of theirs.
func (r *rates) lines(keys []int64, interval int64) int {
	n, last := 0, int64(0)
	for _, k := range keys {
		k = floorDiv(k, interval/r.interval)
		if n > 0 {
			if k == last {
				continue
			}
			// Modulo 2^64, as the buckets may be further apart than 2^63.
			if empty := uint64(k) - uint64(last) - 1; empty > maxEmpty {
				n++
			} else {
				n += int(empty)
			}
		}
		n, last = n+1, k
	}
	return n
}

// fit merges the buckets so that they have at most n lines. The interval follows
// from the time that all records but the outermost take: a clock that was in 1970
// for a moment shall not put everything else into one bucket.
func (r *rates) fit(n int) {
	keys := r.keys()
	if r.fixed {
		for r.lines(keys, r.interval) > n && r.coarser() {
			keys = r.keys()
		}
		return
	}
	lo, hi := r.middle(keys)
	for _, d := range roundIntervals {
		interval := int64(d)
		if interval < r.interval || interval%r.interval != 0 {
			continue
		}
		ratio := interval / r.interval
		if d == roundIntervals[len(roundIntervals)-1] || uint64(floorDiv(hi, ratio))-uint64(floorDiv(lo, ratio)) < uint64(n) && r.lines(keys, interval) <= n {
			r.merge(interval)
			return
		}
	}
}

// outermost is which part of the records is left out at each end: one of 200.
const outermost = 200

// middle returns the first and the last bucket of the records that are not
// outermost.
func (r *rates) middle(keys []int64) (lo, hi int64) {
	var total, sum int64
	for _, b := range r.buckets {
		total += b.count
	}
	found := false
	for _, k := range keys {
		before := sum
		sum += r.buckets[k].count
		if sum > total/outermost && !found {
			lo, found = k, true
		}
		if before < total-total/outermost {
			hi = k
		}
	}
	return lo, hi
}

// powers counts numbers by powers of two: bucket 0 has the zeros, bucket k those
// from 2^(k-1) on and below 2^k.
type powers [65]bucket

func (p *powers) add(n uint64, bytes int64) { p[bits.Len64(n)].add(1, bytes) }

// bounds returns the first and the last bucket that is not empty; none if lo > hi.
func (p *powers) bounds() (lo, hi int) {
	lo, hi = len(p), -1
	for k := range p {
		if p[k].count > 0 {
			lo, hi = min(lo, k), k
		}
	}
	return lo, hi
}

// powerFrom is the least number of bucket k.
func powerFrom(k int) uint64 {
	if k == 0 {
		return 0
	}
	return 1 << (k - 1)
}

// powerTo is the least number above bucket k: 2^64 for the last one.
func powerTo(k int) string {
	if k == 64 {
		return "18446744073709551616"
	}
	return strconv.FormatUint(1<<k, 10)
}

// gaps counts the times between one record and the next.
type gaps struct {
	powers
	back         bucket // the clock of the later one was behind
	furthestBack uint64
	shortest     uint64
	longest      uint64
	last         int64
	started      bool
}

func (g *gaps) add(ns, bytes int64) {
	from := g.last
	g.last = ns
	if !g.started {
		g.started = true
		return
	}
	if ns < from {
		g.back.add(1, bytes)
		g.furthestBack = max(g.furthestBack, uint64(from)-uint64(ns))
		return
	}
	d := uint64(ns) - uint64(from) // of up to 64 bits, modulo 2^64
	if lo, hi := g.bounds(); lo > hi || d < g.shortest {
		g.shortest = d
	}
	g.longest = max(g.longest, d)
	g.powers.add(d, bytes)
}
