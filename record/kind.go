package record

import "fmt"

// Kind says what a record, or an entry of a batch, means.
type Kind uint8

// The kinds of format version 1. A reader skips and counts kinds it does not
// know; 0 is no kind, so that zeros never parse as a record.
const (
	// KindData carries a value, with or without a key.
	KindData Kind = 1
	// KindDelete is the tombstone of its key.
	KindDelete Kind = 2
	// KindMark carries the position up to which everything is known durable.
	KindMark Kind = 3
	// KindBatch is the envelope of several entries.
	KindBatch Kind = 4
	// KindGap says which records of a writer whoever made the journal knew to be
	// missing.
	KindGap Kind = 5
)

// Known reports whether this version of the package can interpret k.
func (k Kind) Known() bool { return k >= KindData && k <= KindGap }

// Note reports whether a record of kind k is a note of the journal to itself: it
// is never handed out, and does not count among its writer's records.
func (k Kind) Note() bool { return k == KindMark || k == KindGap }

func (k Kind) String() string {
	switch k {
	case KindData:
		return "data"
	case KindDelete:
		return "delete"
	case KindMark:
		return "mark"
	case KindBatch:
		return "batch"
	case KindGap:
		return "gap"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Class says what a stretch of a segment is that holds no valid record.
type Class uint8

// The classes of docs/FORMAT.md, section 6. Whole is the class of a record.
const (
	Whole Class = iota
	// Fragment is the remains of a torn write: its writer was killed or ran out
	// of space. Normal, nothing acknowledged is in it.
	Fragment
	// Void holds records that start at or beyond the limit of the segment;
	// their writers appended them again to the next one. Normal.
	Void
	// Unused is the zeros up to the limit of a segment that was closed before
	// it was full. Normal.
	Unused
	// Dropped is what stood behind the first loss when a recovery was told to
	// keep a prefix only. Its records are on disk and not in the journal.
	Dropped
	// Hole is other zeros, or bytes below the limit that a finished segment
	// lacks: power was lost before a sync, or something erased them.
	Hole
	// Corruption is everything else: a record that fails its checksum, bytes
	// that are no record at all.
	Corruption
)

// Classes lists every class of damage, mildest first.
var Classes = [...]Class{Fragment, Void, Unused, Dropped, Hole, Corruption}

func (c Class) String() string {
	switch c {
	case Whole:
		return "whole"
	case Fragment:
		return "fragment"
	case Void:
		return "void"
	case Unused:
		return "unused"
	case Dropped:
		return "dropped"
	case Hole:
		return "hole"
	case Corruption:
		return "corruption"
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}
