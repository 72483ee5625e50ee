package journal

import (
	"time"

	"github.com/manypen/manypen/record"
)

// Position names a place in a journal; see [record.Position]. Its text is
// SEGMENT:OFFSET or SEGMENT:OFFSET+INDEX, the zero value is the oldest record.
type Position = record.Position

// ParsePosition reads the text of a position.
func ParsePosition(s string) (Position, error) { return record.ParsePosition(s) }

// Kind says what a record means.
type Kind = record.Kind

// The kinds of records that are handed out.
const (
	KindData   = record.KindData   // a value, with or without a key
	KindDelete = record.KindDelete // its key is deleted
)

// Record is one record as it was appended. Key and Value belong to the caller;
// a long-lived small one keeps the block of up to 128 KiB in memory that it was
// read with, unless it is cloned.
type Record struct {
	// Position is where the record stands, Next where the following one does.
	// Reading from Next goes on without a gap or a repetition.
	Position, Next Position
	Time           time.Time
	// Writer is the identity of the handle that appended the record, Seq its
	// place among that handle's records, from 1 without holes.
	Writer, Seq uint64
	Kind        Kind
	Key, Value  []byte
}

// Clone returns a copy of the record with memory of its own.
func (r Record) Clone() Record {
	b := make([]byte, len(r.Key)+len(r.Value))
	n := copy(b, r.Key)
	copy(b[n:], r.Value)
	r.Key, r.Value = b[:n:n], b[n:]
	return r
}

// DamageClass says what a stretch without a valid record is.
type DamageClass = record.Class

// The classes of damage. The first four are normal: they are what killed
// writers, full disks, the end of a segment and a recovery leave behind.
const (
	Fragment   = record.Fragment   // the remains of a torn write
	Void       = record.Void       // records beyond the limit, appended again elsewhere
	Unused     = record.Unused     // zeros up to the limit of a segment closed early
	Dropped    = record.Dropped    // what a recovery cut off that was told to keep a prefix
	Hole       = record.Hole       // other zeros, or missing bytes: lost before a sync, or erased
	Corruption = record.Corruption // anything else
)

// Damage is a stretch [From, To) of one segment that holds no valid record.
type Damage struct {
	From, To Position
	Class    DamageClass
	// BelowMark is set by Verify, in its report only: a durability mark says that
	// what is missing in this hole had been on disk. A loss of power does not
	// take that.
	BelowMark bool
}

// Bytes is the length of the stretch.
func (d Damage) Bytes() int64 { return d.To.Offset - d.From.Offset }
