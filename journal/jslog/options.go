package jslog

import (
	"log/slog"
	"math"
	"time"

	"github.com/manypen/manypen/journal"
)

// DefaultBufferSize is the size of a buffer of which only something else is said.
const DefaultBufferSize = journal.DefaultBuffer

// Options configures a Handler. The zero value logs what is at least LevelInfo,
// each call as a record of its own. The first three fields are those of
// slog.HandlerOptions.
type Options struct {
	// AddSource adds the place that logs.
	AddSource bool
	// Level is the lowest level that is logged; slog.LevelInfo by default.
	Level slog.Leveler
	// ReplaceAttr changes attributes, or takes them away by returning the zero Attr.
	ReplaceAttr func(groups []string, a slog.Attr) slog.Attr

	// Key is the key of all records in the journal; none by default. It is copied.
	Key []byte
	// SyncAt is the level from which on a call returns when its record is on disk,
	// with all that is in front of it in the buffer and in the journal. By default
	// that is up to the journal's Options.Sync for every record.
	SyncAt slog.Leveler
	// OnError is called with what kept records from being appended, or from the
	// disk: slog throws away what Handle returns. It is called by the goroutine it
	// happens in, for a failed flush once, with a [journal.BufferError]. It must not
	// log to the handler, nor close it.
	OnError func(error)

	// Buffer collects records in memory. By default there is none.
	Buffer Buffer
	// Overflow is what becomes of records when the buffer is full because the disk is
	// slow. Without a buffer every call waits for its own append, as with Block.
	Overflow Overflow
}

// Buffer says how many records are appended together, as one batch with one
// system call. The zero value is no buffer.
//
// A process that is killed, or ends without Handler.Close or Flush, loses what is
// in the buffer. os.Exit, a panic and log.Fatal are such ends. That is at most
// what was logged since the last flush, and no more than twice Size and two
// records; what was flushed is in the kernel, and stays. What must not be lost
// that way has a level that SyncAt or FlushAt covers.
type Buffer struct {
	// Size is the number of bytes of records from which on they are appended, by
	// the call that adds the last one; 64 KiB if it is not positive while another
	// field is set.
	Size int
	// Interval is how long a record stays in the buffer at most. It needs a
	// goroutine, which Handler.Close ends; 0 is no limit and needs none.
	Interval time.Duration
	// FlushAt is the level from which on a record takes everything in the buffer
	// into the journal with it, without waiting for the disk as SyncAt does. By
	// default no level does.
	FlushAt slog.Leveler
}

// withDefaults fills in the size. The zero Buffer stays one.
func (b Buffer) withDefaults() Buffer {
	if b.Size <= 0 && b != (Buffer{}) {
		b.Size = DefaultBufferSize
	}
	return b
}

// Overflow is what becomes of records when the buffer is full; see [Block] and
// [DropBelow].
type Overflow int64

// Block: the call waits until there is room.
const Block Overflow = 0

// dropsBelow is the Overflow of DropBelow(0).
const dropsBelow = Overflow(1) << 40

// DropBelow lets records of a lower level go rather than wait. They are counted.
// Others wait, and so do those that SyncAt or FlushAt covers.
func DropBelow(level slog.Level) Overflow {
	return dropsBelow + Overflow(min(max(level, math.MinInt32), math.MaxInt32))
}

// drops reports whether a record of this level is let go.
func (o Overflow) drops(level slog.Level) bool {
	return o != Block && int64(level) < int64(o-dropsBelow)
}

// reaches reports whether level is at least what bound says; nil is never
// reached.
func reaches(level slog.Level, bound slog.Leveler) bool {
	return bound != nil && level >= bound.Level()
}
