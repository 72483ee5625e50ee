package writer

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what a handle has done since it was opened. journal.Stats says what
// each of them means.
type Stats struct {
	Appended
	Syncs, SyncFailures, SyncsShared uint64
	SyncTime, SyncMax                time.Duration
	Groups, Grouped, GroupMax        uint64
	GroupSizes                       [GroupBuckets]uint64
	Pruned                           uint64
}

// Appended is what appends count.
type Appended struct {
	Records, Appends, Bytes       uint64
	ShortWrites, Fragments, Voids uint64
	Marks, Begun                  uint64
}

// GroupBuckets is how many sizes of groups are told apart: 1, 2, up to 4, up to 8 ...
// and more than 64.
const GroupBuckets = 8

// counters are what Stats is made of. appended changes with Writer.mu held: atomic
// additions would cost some hundredths of an append. So that Stats need not wait for
// an append that is under way, a copy of it is made where an append has to look
// around anyway (withMark), and by Stats itself when it finds mu free. The copy is at
// most 64 KiB or 100 ms of appending old, and never goes backwards, for it is made
// with mu held.
type counters struct {
	appended Appended

	copyMu sync.Mutex // held for a copy only
	copied Appended

	syncs, failures, shared   atomic.Uint64
	syncTime, syncMax         atomic.Int64 // nanoseconds; syncMax changes with syncMu held
	groups, grouped, groupMax atomic.Uint64
	groupSizes                [GroupBuckets]atomic.Uint64
	pruned                    atomic.Uint64
}

// publish makes the copy that Stats reads. The caller holds mu.
func (w *Writer) publish() {
	c := &w.count
	c.appended.Records = w.seq + w.guests
	c.copyMu.Lock()
	c.copied = c.appended
	c.copyMu.Unlock()
}

// Stats may be called at any time, and after Close. It waits for nothing.
func (w *Writer) Stats() Stats {
	if w.mu.TryLock() {
		w.publish()
		w.mu.Unlock()
	}
	c := &w.count
	s := Stats{
		Syncs: c.syncs.Load(), SyncFailures: c.failures.Load(), SyncsShared: c.shared.Load(),
		SyncTime: time.Duration(c.syncTime.Load()), SyncMax: time.Duration(c.syncMax.Load()),
		Groups: c.groups.Load(), Grouped: c.grouped.Load(), GroupMax: c.groupMax.Load(),
		Pruned: c.pruned.Load(),
	}
	for i := range s.GroupSizes {
		s.GroupSizes[i] = c.groupSizes[i].Load()
	}
	c.copyMu.Lock()
	defer c.copyMu.Unlock()
	s.Appended = c.copied
	return s
}

// synced counts a call of fdatasync. The caller holds syncMu.
func (c *counters) synced(d time.Duration, err error) {
	c.syncs.Add(1)
	c.syncTime.Add(int64(d))
	c.syncMax.Store(max(c.syncMax.Load(), int64(d)))
	if err != nil {
		c.failures.Add(1)
	}
}

// group counts a batch of n callers that a sync was for. The caller holds syncMu.
func (c *counters) group(n int) {
	c.groups.Add(1)
	c.grouped.Add(uint64(n))
	c.groupMax.Store(max(c.groupMax.Load(), uint64(n)))
	c.groupSizes[min(bits.Len(uint(n-1)), GroupBuckets-1)].Add(1)
}

// wrote counts a write: n of want bytes got into the file, the first mark of them
// are a durability mark's. valid is whether what begins there is in the journal. The
// caller holds mu.
func (c *counters) wrote(n, mark, want int64, valid bool) {
	if n > 0 && n < want {
		c.appended.ShortWrites++
	}
	if valid && mark > 0 && n >= mark {
		c.appended.Marks++
	}
}
