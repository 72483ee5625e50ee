package journal

import (
	"errors"
	"fmt"
	"time"

	"github.com/manypen/manypen/internal/writer"
	"github.com/manypen/manypen/record"
)

// Ack is what is known of a record that was appended.
type Ack struct {
	// Position is where the record stands, or a batch's first entry.
	Position Position
	// Seq is the record's number among those of this handle, or that of a
	// batch's first entry.
	Seq uint64
}

// Append appends a record and returns where it stands. The key may be empty.
// Neither slice is retained. Under SyncAlways the record is durable then.
//
// After an error the record is not in the journal and the append may be tried
// again, with one exception: with ErrOutcomeUnknown it may be there. The error
// of a full disk is a [FragmentError] or has errno ENOSPC; appends succeed
// again, in every process, once there is space.
func (j *Journal) Append(key, value []byte) (Position, error) {
	ack, err := j.AppendAck(key, value)
	return ack.Position, err
}

// AppendAck is Append, and tells the sequence of the record too.
func (j *Journal) AppendAck(key, value []byte) (Ack, error) {
	return j.appendOne(KindData, key, value, j.opt.Sync == SyncAlways)
}

// AppendSync is AppendAck under SyncAlways, whatever the policy of the handle
// is: one record waits for the disk, and others need not. What lies in front of
// it in the journal is durable then too, whoever appended it.
func (j *Journal) AppendSync(key, value []byte) (Ack, error) {
	return j.appendOne(KindData, key, value, true)
}

// Delete appends a tombstone of key: Get will not find it any more. Records in
// front of it stay in the journal.
func (j *Journal) Delete(key []byte) (Position, error) {
	if len(key) == 0 {
		return Position{}, ErrEmptyKey
	}
	ack, err := j.appendOne(KindDelete, key, nil, j.opt.Sync == SyncAlways)
	return ack.Position, err
}

func (j *Journal) appendOne(kind Kind, key, value []byte, durable bool) (Ack, error) {
	if err := j.writable(); err != nil {
		return Ack{}, err
	}
	if durable {
		j.durable.RLock()
		defer j.durable.RUnlock()
	}
	h := record.Header{Kind: kind, Time: time.Now().UnixNano()}
	a, err := j.w.Append(h, key, value, durable)
	return j.acknowledge(a, err, durable)
}

// AppendBatch appends all entries of b as one record: readers see all of them
// or none, whatever happens. It returns the position of the first. The batch
// can be used again after Reset.
func (j *Journal) AppendBatch(b *Batch) (Position, error) {
	return j.appendBatch(b, j.opt.Sync == SyncAlways)
}

// AppendBatchSync is to AppendBatch what AppendSync is to Append.
func (j *Journal) AppendBatchSync(b *Batch) (Position, error) {
	return j.appendBatch(b, true)
}

func (j *Journal) appendBatch(b *Batch, durable bool) (Position, error) {
	if err := j.writable(); err != nil {
		return Position{}, err
	}
	entries, err := b.encoded()
	if err != nil {
		return Position{}, err
	}
	if durable {
		j.durable.RLock()
		defer j.durable.RUnlock()
	}
	h := record.Header{Time: time.Now().UnixNano()}
	a, err := j.w.AppendBatch(h, b.Len(), entries, durable)
	ack, err := j.acknowledge(a, err, durable)
	return ack.Position, err
}

// acknowledge makes the record durable if that is asked for.
func (j *Journal) acknowledge(a writer.Ack, err error, durable bool) (Ack, error) {
	switch {
	case err != nil:
		j.retainAfter(err)
		return Ack{}, err
	case durable:
		if err := j.w.SyncTo(a.Pos()); err != nil {
			// The record is in the journal, whatever kept it from the disk.
			if !errors.Is(err, ErrOutcomeUnknown) {
				err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
			}
			return Ack{}, err
		}
	case j.opt.Sync == SyncInterval:
		j.dirty.Store(true)
	}
	return Ack{a.Position, a.Seq}, nil
}

// Sync makes everything durable that is in the journal, whoever appended it. It
// is cheap if another process has synced meanwhile.
func (j *Journal) Sync() error {
	if err := j.writable(); err != nil {
		if errors.Is(err, ErrReadOnly) {
			return nil // it has nothing to sync
		}
		return err
	}
	return j.w.Sync()
}

// syncEvery is the goroutine behind SyncInterval.
func (j *Journal) syncEvery(interval time.Duration) {
	defer j.syncer.Done()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-j.closed:
			return
		case <-tick.C:
		}
		if !j.dirty.Swap(false) {
			continue
		}
		if err := j.w.Sync(); err != nil {
			if errors.Is(err, ErrTimeout) {
				j.dirty.Store(true) // nothing has failed yet: try again
			}
			j.behind.Store(&err)
		}
	}
}

// Prune removes whole segments that lie in front of before, oldest first; the
// newest is never removed. Readers that are in them go on to their end, those that
// come later get ErrPruned with the oldest position that is left, and a handle of
// another process may read what it has open a little longer.
//
// What is removed is synced first, for what is durable is always a prefix of the
// journal. If that fails, what is known to be on disk is removed nevertheless and the
// error is returned. On a full disk Prune works like everywhere else; only a journal
// that has to be recovered first, at the first opening after the machine went down,
// needs the space of a segment header for that. Several processes may prune at a time.
func (j *Journal) Prune(before Position) error {
	if err := j.writable(); err != nil {
		return err
	}
	j.durable.RLock() // Close waits
	defer j.durable.RUnlock()
	removed, err := j.w.Prune(before.Segment)
	for _, n := range removed {
		j.files.drop(n)
	}
	return j.closing(err)
}
