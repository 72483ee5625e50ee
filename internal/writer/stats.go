package writer

import "sync/atomic"

// Stats counts what a handle has done since it was opened.
type Stats struct {
	// Records is the number of records that were appended, each entry of a
	// batch counted; Bytes is what they take up in the journal.
	Records, Bytes uint64
	// Fragments is the number of writes that the system cut short, and Voids of
	// those that came too late for their segment and were repeated in the next.
	Fragments, Voids uint64
	// Rolls is the number of times the handle went on to another segment, Pruned how
	// many segments it has removed, and Marks how many durability marks it has
	// appended.
	Rolls, Pruned, Marks uint64
	// Syncs is the number of times the handle had the disk written to
	// (fdatasync), and SyncFailures how many of these failed. SyncsShared is the
	// number of times it wanted to and found that somebody, maybe another
	// process, had done it already.
	Syncs, SyncFailures, SyncsShared uint64
	// Groups is the number of groups of this handle's goroutines that waited for one
	// sync together, GroupMembers how many goroutines they were, and LargestGroup
	// the most in one.
	Groups, GroupMembers, LargestGroup uint64
}

// counters are what Stats is made of. Those of appends change with mu held: an
// atomic addition would cost a hundredth of an append.
type counters struct {
	bytes, fragments, voids, rolls, marks uint64
	syncs, failures, shared, pruned       atomic.Uint64
}

// Stats may be called at any time, and after Close. It waits for an append that
// is under way.
func (w *Writer) Stats() Stats {
	w.lock(&w.mu)
	defer w.mu.Unlock()
	c, g := &w.count, &w.group
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{
		Records: w.seq, Bytes: c.bytes, Fragments: c.fragments, Voids: c.voids,
		Rolls: c.rolls, Pruned: c.pruned.Load(), Marks: c.marks,
		Syncs: c.syncs.Load(), SyncFailures: c.failures.Load(), SyncsShared: c.shared.Load(),
		Groups: g.groups, GroupMembers: g.members, LargestGroup: g.largest,
	}
}
