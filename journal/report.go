package journal

import (
	"time"

	"github.com/manypen/manypen/record"
)

// Report is what Verify found.
type Report struct {
	UUID [16]byte
	// End is the position up to which the journal was verified.
	End Position
	// Segments is their number, First and Last their lowest and highest one.
	Segments    int
	First, Last uint64

	// Records counts data records and deletions, those in batches included;
	// Deletes and Batches say how many of them are deletions, and how many
	// envelopes there were. Marks and Unknown count records that are not
	// handed out: durability marks, and what a newer version has written.
	Records, Deletes, Batches, Marks, Unknown uint64
	// GapNotes counts the notes by which whoever made this journal from another one
	// (Repair, Restore) says which records it does not have; see Absent.
	GapNotes uint64
	// Mark is the highest position that a mark carries: what lies in front of it
	// was on disk while the journal was written, whatever happened since.
	Mark Position
	// Bytes is the size of all segments, Payload that of all keys and values.
	Bytes, Payload int64
	// Longest is the size in bytes of the longest record, or batch, as it is stored.
	Longest int64
	// Pending is the number of bytes at the end that may be being written.
	Pending int64
	// Oldest and Newest are the earliest and the latest time of a record.
	Oldest, Newest time.Time

	// Writers are all writers of a record, or of records that are known to be absent,
	// in the order of their appearance.
	Writers []WriterReport

	// Damage lists what holds no valid record, the first MaxListed stretches
	// of it; Classes counts all of it.
	Damage  []Damage
	Classes map[DamageClass]ClassReport
	// BelowMark counts the holes that lie in what a mark says had been on disk.
	BelowMark ClassReport

	// Doubted are the segments that were begun because a sync had failed, or the
	// process that synced was gone: records in front of them that were not synced
	// were of unknown outcome then. Those that are there now are on disk.
	Doubted []uint64

	// Problems are segments that are missing, foreign or cannot be read.
	Problems []error
}

// MaxListed bounds the lists of a Report, so that a journal that is nothing but
// damage can be verified in bounded memory.
const MaxListed = 10_000

// ClassReport counts the damage of one class.
type ClassReport struct {
	Count uint64
	Bytes int64
}

// WriterReport is what a journal has of one writer.
type WriterReport struct {
	ID             uint64
	First, Last    uint64 // sequences, of its first record and the highest that is known of
	Records        uint64
	Begin, End     Position // of its first and its last record
	BeginAt, EndAt time.Time
	Gaps           []Gap  // the first MaxListed
	Missing        uint64 // records that all gaps together lack
	// Absent counts the records that were not taken over when this journal was made
	// from another one, where they had been lost, pruned, or not asked for. They are
	// neither missing nor in Gaps.
	Absent   uint64
	Repeated uint64 // records whose sequence was there before
}

// Gap is a stretch of one writer's sequence that the journal does not have.
type Gap struct {
	// From and To are the first and the last sequence that are missing.
	From, To uint64
	// Before is the record behind the gap.
	Before Position
	// Explained says that there is a hole or corruption between the two records
	// around the gap, in which the missing ones may have been.
	Explained bool
}

// Corrupt reports whether something is wrong that no crash explains: bytes that
// are neither records nor the remains of any, holes in what had been on disk,
// records that are missing without a trace or there twice, segments that are
// missing or foreign.
func (r *Report) Corrupt() bool {
	if r.Classes[Corruption].Count > 0 || r.BelowMark.Count > 0 || len(r.Problems) > 0 {
		return true
	}
	for _, w := range r.Writers {
		if w.Repeated > 0 {
			return true
		}
		for _, g := range w.Gaps {
			if !g.Explained {
				return true
			}
		}
	}
	return false
}

// Missing is the number of records that are known to have been in the journal
// and are not: a loss of power takes what was not synced, damage what it hits.
func (r *Report) Missing() uint64 {
	var n uint64
	for _, w := range r.Writers {
		n += w.Missing
	}
	return n
}

// Absent is the number of records that were not taken over when this journal was made
// from another one (Repair, Restore). Nothing is wrong with a journal because of them.
func (r *Report) Absent() uint64 {
	var n uint64
	for _, w := range r.Writers {
		n += w.Absent
	}
	return n
}

// add counts a stretch of damage.
func (r *Report) add(d Damage) {
	c := r.Classes[d.Class]
	c.Count++
	c.Bytes += d.Bytes()
	r.Classes[d.Class] = c
	if len(r.Damage) < MaxListed {
		r.Damage = append(r.Damage, d)
	}
}

func newReport() Report {
	r := Report{Classes: make(map[DamageClass]ClassReport)}
	for _, c := range record.Classes {
		r.Classes[c] = ClassReport{}
	}
	return r
}
