package journal

import (
	"fmt"
	"os"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/internal/writer"
	"github.com/manypen/manypen/record"
)

// SyncPolicy says when an append is durable.
type SyncPolicy int

const (
	// SyncAlways: an append returns when its record is on disk. Appends that
	// wait at the same time, in any process, share one fdatasync.
	SyncAlways SyncPolicy = iota
	// SyncInterval: appends return at once, and what was appended is synced
	// every Options.SyncInterval. A loss of power takes at most what is younger.
	SyncInterval
	// SyncNone: appends return at once, and the kernel writes when it likes.
	// Nothing is lost by the death of processes; a loss of power can take the
	// last two segments. Call Sync where it matters.
	SyncNone
)

func (p SyncPolicy) String() string {
	switch p {
	case SyncAlways:
		return "always"
	case SyncInterval:
		return "interval"
	case SyncNone:
		return "none"
	}
	return fmt.Sprintf("SyncPolicy(%d)", int(p))
}

// Recovery says what to do with records that survived a crash of the machine
// while some in front of them, which nobody had synced, did not.
type Recovery int

const (
	// RecoverAll keeps every record. What is missing between them is reported as
	// damage.
	RecoverAll Recovery = iota
	// RecoverPrefix ends what was appended before the crash at the first loss, for
	// who replays the journal into a state machine: what is left is what was there
	// at some moment. Records behind the loss stay on disk and are reported as
	// [Dropped]; no reader is given them any more. None of them had been
	// acknowledged as durable, but for the case that docs/decisions/0011 names.
	// Damage in front of the last durability mark is no loss in this sense: it hit
	// what had been on disk, and is reported like everywhere else.
	RecoverPrefix
)

// Defaults of Options.
const (
	DefaultSegmentSize  = 64 << 20
	DefaultMaxRecord    = 256 << 20
	DefaultSyncInterval = 100 * time.Millisecond
	DefaultLockTimeout  = 30 * time.Second
)

// Options configures a handle. The zero value is ready to use and the safest.
type Options struct {
	// Sync is when an append is durable; SyncAlways by default.
	Sync SyncPolicy
	// SyncInterval is the time between two syncs under the policy of that
	// name, 100 ms by default.
	SyncInterval time.Duration

	// SegmentSize is the offset in bytes at which a segment this handle makes
	// takes no further record, 64 MiB by default, at least 12 KiB and at most
	// 32 GiB. Segments that exist keep their own.
	SegmentSize int64
	// MaxRecord is the most bytes that key and value of one record may have in
	// the segments this handle makes, and all entries of a batch together with
	// 8 bytes for each: 256 MiB by default, at most 1 GiB less 52 bytes. A
	// reader needs that much memory to read such a record.
	MaxRecord int64

	// ReadOnly opens the journal without making or changing anything: no write
	// permission is needed, and any number of writers may be at work.
	ReadOnly bool

	// NoIndex keeps the handle from making an index: Get, Range, Prefix, Count and
	// History fail with ErrNoIndex. Without it the first of them makes one, which a
	// handle that only appends or scans never does.
	//
	// What is in segments that take no more records comes from a sidecar file beside
	// each of them, if there is one; else the segment is read, and the sidecar left
	// for others unless the handle is read-only. The first look-ups look into the
	// sidecars; after some all keys' hashes are in memory, 22 bytes each. Range,
	// Prefix, Count and History read the sidecars' second part, which takes some 12
	// bytes a key beyond the key itself.
	NoIndex bool

	// Mode is the permission of the files this handle makes, exactly; the
	// directory gets search permission in addition. By default it is 0644 less
	// the umask. Processes of several users that write one journal need a mode
	// that lets all of them write.
	Mode os.FileMode

	// Recovery is what becomes of records behind a loss, when this handle is the
	// first one to open the journal after the machine went down.
	Recovery Recovery

	// OnDamage is called by readers of this handle for every stretch without a
	// valid record, in the goroutine that reads. It must not use the iterator
	// that called it.
	OnDamage func(Damage)
	// Strict makes iterators stop at corruption with a CorruptionError. By
	// default they go on behind it.
	Strict bool

	// Retention is what the journal keeps: everything by default. This handle
	// applies it when it is opened, when it has begun a new segment, and when the
	// system has refused an append, in a goroutine of its own: appends do not wait
	// for it. Between two segments nothing is removed; see [Journal.Retain]. A
	// read-only handle removes nothing.
	Retention Retention
	// OnRetention is called in that goroutine each time after Retention has removed
	// something or failed. It must not close the journal. What has failed is tried
	// again the next time. Without OnRetention the error of the last time is
	// returned by Close; Stats counts all of them.
	OnRetention func(removed []SegmentInfo, err error)

	// Locked makes every append take a lock of its segment, which allows
	// several writers on one host where the file system does not append
	// atomically (NFS, CIFS, 9p, FUSE). All of them must set it. A writer that
	// is stopped while it holds the lock then stops the others.
	Locked bool
	// LockTimeout bounds every wait for another process's lock, 30 s by default.
	LockTimeout time.Duration
}

// withDefaults checks the options and fills in what is zero.
func (o Options) withDefaults() (Options, error) {
	set := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	set(&o.SegmentSize, DefaultSegmentSize)
	set(&o.MaxRecord, DefaultMaxRecord)
	set((*int64)(&o.SyncInterval), int64(DefaultSyncInterval))
	set((*int64)(&o.LockTimeout), int64(DefaultLockTimeout))
	switch {
	case o.Sync < SyncAlways || o.Sync > SyncNone:
		return o, fmt.Errorf("journal: Options.Sync is %v; want SyncAlways, SyncInterval or SyncNone", o.Sync)
	case o.Recovery < RecoverAll || o.Recovery > RecoverPrefix:
		return o, fmt.Errorf("journal: Options.Recovery is %d; want RecoverAll or RecoverPrefix", o.Recovery)
	case o.SyncInterval < 0:
		return o, fmt.Errorf("journal: Options.SyncInterval is %v; want a positive duration", o.SyncInterval)
	case o.LockTimeout < 0:
		return o, fmt.Errorf("journal: Options.LockTimeout is %v; want a positive duration", o.LockTimeout)
	case o.SegmentSize < segment.MinLimit || o.SegmentSize > segment.MaxLimit:
		return o, fmt.Errorf("journal: Options.SegmentSize is %d bytes; want %d to %d", o.SegmentSize, segment.MinLimit, int64(segment.MaxLimit))
	case o.MaxRecord < 0 || o.MaxRecord > record.MaxSize-record.Overhead:
		return o, fmt.Errorf("journal: Options.MaxRecord is %d bytes; want 1 to %d", o.MaxRecord, record.MaxSize-record.Overhead)
	case o.Mode&^os.ModePerm != 0:
		return o, fmt.Errorf("journal: Options.Mode is %v; want permission bits only", o.Mode)
	}
	return o, o.Retention.check()
}

// writer returns the options of the writing half.
func (o Options) writer() writer.Options {
	w := writer.Options{
		Limits:  segment.Limits{Limit: o.SegmentSize, MaxRecord: o.MaxRecord + record.Overhead},
		Perm:    o.Mode,
		Exact:   o.Mode != 0,
		Locked:  o.Locked,
		Prefix:  o.Recovery == RecoverPrefix,
		Timeout: o.LockTimeout,
	}
	if o.Mode == 0 {
		w.Perm = 0o644
	}
	return w
}
