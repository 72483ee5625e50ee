package journal

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/writer"
	"github.com/manypen/manypen/record"
)

// Stats counts what a handle has done since it was opened. All counters only grow,
// but for Followers, IndexKeys and IndexBytes, which say what is there now. Other
// handles, of this process or of others, count for themselves.
//
// Syncs divided by Records is what a durable record costs: far below one where many
// append at the same time, be it in one process or in several. Grouped divided by
// Groups is how many goroutines of this handle shared a sync on average.
type Stats struct {
	// Appends is the number of records and batches that were appended, Records
	// that of records, each entry of a batch counted. Bytes is what they take up in
	// the journal, Marks the number of durability marks among them, of 68 bytes each.
	//
	// While an append or a sync is under way these and the following six may lag behind by as
	// much as 64 KiB or 100 ms of appending.
	Appends, Records, Bytes, Marks uint64
	// ShortWrites is the number of writes that the system cut short, Fragments of
	// those that left something behind in the journal, Voids of those, short or not,
	// that came too late for their segment and were repeated in the next one.
	ShortWrites, Fragments, Voids uint64
	// SegmentsBegun is the number of segments that this handle has made; others
	// were found made.
	SegmentsBegun uint64

	// Syncs is the number of times the handle had the disk written to
	// (fdatasync), and SyncFailures how many of these failed. SyncsShared is the
	// number of times it wanted to and found that somebody, maybe another
	// process, had done it already.
	Syncs, SyncFailures, SyncsShared uint64
	// SyncTime is how long these syncs took together, SyncMax the longest.
	SyncTime, SyncMax time.Duration
	// Groups is the number of groups of goroutines, of one or more, that a sync of
	// this handle was for; Grouped is how many goroutines that were, and GroupMax
	// how many were in the largest group. GroupSizes counts groups of 1, 2, 3 to 4,
	// 5 to 8, 9 to 16, 17 to 32, 33 to 64 and more.
	Groups, Grouped, GroupMax uint64
	GroupSizes                [8]uint64

	// SegmentsRemoved is the number of segments that Prune, Retain and
	// Options.Retention of this handle have removed; RetentionFailures is how often
	// the latter failed.
	SegmentsRemoved, RetentionFailures uint64

	// Followers is the number of loops over Follow that are running.
	Followers int
	// IndexKeys is the number of keys in the index, 0 if no read has needed one.
	// Deleted keys that are not forgotten yet count. IndexBytes is the memory it
	// takes, but for the keys of the newest segment. While the index catches up both
	// are what they were before.
	IndexKeys, IndexBytes int64
	// Damage is what readers of this handle have met, each time they met it.
	Damage DamageStats
}

// DamageStats counts stretches without a valid record by their class.
type DamageStats struct {
	Fragment, Void, Unused, Dropped, Hole, Corruption ClassReport
}

var _ = [writer.GroupBuckets]uint64(Stats{}.GroupSizes) // are as many

// Stats returns the counters of this handle. Those of writing are zero if it is
// read-only. It makes no system call, waits for no other call, and can be used at any
// time, after Close too. What takes a look at the directory is elsewhere: see Segments.
func (j *Journal) Stats() Stats {
	var s Stats
	if j.w != nil {
		w := j.w.Stats()
		s = Stats{
			Appends: w.Appends, Records: w.Records, Bytes: w.Bytes, Marks: w.Marks,
			ShortWrites: w.ShortWrites, Fragments: w.Fragments, Voids: w.Voids,
			SegmentsBegun: w.Begun,
			Syncs:         w.Syncs, SyncFailures: w.SyncFailures, SyncsShared: w.SyncsShared,
			SyncTime: w.SyncTime, SyncMax: w.SyncMax,
			Groups: w.Groups, Grouped: w.Grouped, GroupMax: w.GroupMax, GroupSizes: w.GroupSizes,
			SegmentsRemoved: w.Pruned,
		}
	}
	s.RetentionFailures = j.retainer.failures.Load()
	s.Followers = int(j.readers.followers.Load())
	s.IndexKeys, s.IndexBytes = j.indexSize()
	s.Damage = j.readers.damage()
	return s
}

// Var returns the statistics as a variable of package expvar, which this package does
// not import because it brings an HTTP server along: its String method returns the
// [Stats] of that moment as a JSON object. Durations are in nanoseconds.
//
//	expvar.Publish("orders", j.Var())
func (j *Journal) Var() fmt.Stringer { return statsVar{j} }

type statsVar struct{ j *Journal }

func (v statsVar) String() string {
	b, err := json.Marshal(v.j.Stats())
	if err != nil {
		panic(err) // a struct of numbers
	}
	return string(b)
}

// readerCounters are the part of Stats that readers of a handle change.
type readerCounters struct {
	followers atomic.Int64
	// As of when they were last looked at.
	indexKeys, indexBytes atomic.Int64

	classes [len(record.Classes) + 1]struct {
		count atomic.Uint64
		bytes atomic.Int64
	}
}

// met counts damage and tells the user of it. It takes the place of Options.OnDamage.
func (r *readerCounters) met(tell func(Damage)) func(Damage) {
	return func(d Damage) {
		c := &r.classes[d.Class]
		c.count.Add(1)
		c.bytes.Add(d.Bytes())
		if tell != nil {
			tell(d)
		}
	}
}

func (r *readerCounters) damage() DamageStats {
	class := func(class DamageClass) ClassReport {
		c := &r.classes[class]
		return ClassReport{Count: c.count.Load(), Bytes: c.bytes.Load()}
	}
	return DamageStats{
		Fragment: class(Fragment), Void: class(Void), Unused: class(Unused), Dropped: class(Dropped),
		Hole: class(Hole), Corruption: class(Corruption),
	}
}

// following counts a follower until the function it returns is called.
func (r *readerCounters) following() (ended func()) {
	r.followers.Add(1)
	return func() { r.followers.Add(-1) }
}

// indexSize is the number of keys in the index and the memory it takes. The lock is
// held while the index reads what was appended; that is not waited for.
func (j *Journal) indexSize() (keys, bytes int64) {
	r := &j.readers
	if j.keys.mu.TryRLock() {
		keys, bytes := j.keys.size()
		r.indexKeys.Store(int64(keys))
		r.indexBytes.Store(int64(bytes))
		j.keys.mu.RUnlock()
	}
	return r.indexKeys.Load(), r.indexBytes.Load()
}
