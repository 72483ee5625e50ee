package journal

import (
	"errors"
	"fmt"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/internal/writer"
	"github.com/manypen/manypen/record"
)

// Error says where something failed: operation, path, and the segment and
// offset if it is about one. Its cause is matched with errors.Is.
type Error = segment.Error

// SizeError says which limit a key, value, record or batch exceeds, in bytes.
type SizeError = record.SizeError

// FragmentError says how much of a record was written before the disk was
// full, or something else cut it short. The fragment will never be read.
type FragmentError = writer.FragmentError

// GoneError says which segments a reader missed and where it can go on.
type GoneError = segment.GoneError

// Errors in opening a journal.
var (
	// ErrNotJournal: there is no journal there, or something else is.
	ErrNotJournal = segment.ErrNotJournal
	// ErrVersion: the format is newer than this program.
	ErrVersion = segment.ErrVersion
	// ErrUnsafe: a second writer on a file system that does not append atomically.
	ErrUnsafe = writer.ErrUnsafe
	// ErrTimeout: another process held a lock for longer than Options.LockTimeout.
	ErrTimeout = writer.ErrTimeout
)

// Errors in appending and syncing.
var (
	// ErrTooLarge: a key, value or record exceeds its limit; see [SizeError].
	ErrTooLarge = record.ErrTooLarge
	// ErrEmptyKey: a deletion needs a key.
	ErrEmptyKey = errors.New("the key is empty; a deletion must name the key it deletes")
	// ErrEmptyBatch: a batch has no entries.
	ErrEmptyBatch = errors.New("the batch is empty; there is nothing to append")
	// ErrOutcomeUnknown: what was appended may be durable, or not, or gone
	// after a loss of power.
	ErrOutcomeUnknown = writer.ErrOutcomeUnknown
	// ErrReadOnly: the handle was opened with Options.ReadOnly.
	ErrReadOnly = errors.New("the journal was opened for reading only")
	// ErrClosed: the handle was closed.
	ErrClosed = writer.ErrClosed
	// ErrDestroyed: somebody removed the newest segments under a writer.
	ErrDestroyed = writer.ErrDestroyed
	// ErrFull: all segment numbers are used up.
	ErrFull = writer.ErrFull
)

// Errors in reading.
var (
	// ErrNotFound: no record has this key, or the newest one deleted it.
	ErrNotFound = errors.New("key not found")
	// ErrNoIndex: the handle was opened with Options.NoIndex.
	ErrNoIndex = errors.New("the handle has no index; open the journal without NoIndex to look up keys")
	// ErrNoRecord: no record begins at a position.
	ErrNoRecord = segment.ErrNoRecord
	// ErrCorrupt: a record is there and fails its checksum.
	ErrCorrupt = segment.ErrCorrupt
	// ErrForeign: a segment belongs to another journal, or has another's name.
	ErrForeign = segment.ErrForeign
	// ErrMissing: a segment between two others is gone.
	ErrMissing = segment.ErrMissing
	// ErrPruned: the position lies in a segment that was pruned.
	ErrPruned = segment.ErrPruned
)

// CorruptionError is what a strict reader stops with.
type CorruptionError struct{ Damage Damage }

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%v of %d bytes at %v", e.Damage.Class, e.Damage.Bytes(), e.Damage.From)
}

// Unwrap makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptionError) Unwrap() error { return ErrCorrupt }
