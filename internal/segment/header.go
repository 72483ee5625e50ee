package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/record"
)

// Version is the format version that this package writes.
const Version = 1

// A segment begins with two identical pages, written before the file has a
// name and never again:
//
//	0      8        12       16    32       40     48         56       64
//	+------+--------+--------+-----+--------+------+----------+--------+-----
//	|magic |version |hdr size|uuid |number  |limit |max record|created | boot
//	+------+--------+--------+-----+--------+------+----------+--------+-----
//	 80     88    96          104       112    116   120  136        4088
//	+------+-----+-----------+---------+------+-----+----+---------+--+-----+
//	|marker|seed |prev limit |prev max |ahead |flags|cut |prev size|0 | sum |
//	+------+-----+-----------+---------+------+-----+----+---------+--+-----+
//
// A page of their own keeps later writes out of the disk block that holds
// them; two of them make one lost block cost nothing (docs/FORMAT.md, 2).
const (
	// HeaderSize is where the records of a segment begin.
	HeaderSize = 2 * pageSize
	pageSize   = 4096

	offVersion    = 8
	offHeaderSize = 12
	offUUID       = 16
	offNumber     = 32
	offLimit      = 40
	offMaxRecord  = 48
	offCreated    = 56
	offBoot       = 64
	offMarker     = 80
	offSeed       = 88
	offPrevLimit  = 96
	offPrevMax    = 104
	offAhead      = 112
	offFlags      = 116
	offCutSegment = 120
	offCutOffset  = 128
	offPrevSize   = 136
	offPageSum    = pageSize - 8
)

// Flags of a header.
const (
	flagRolled  = 1 // Header.Rolled
	flagDoubted = 2 // Header.Doubted
)

const magic = "\x89MNYPEN\n"

// Limits are the two numbers that decide which records of a segment are valid
// and how long they may be. Everybody uses those in the segment's header, never
// his own configuration.
type Limits struct {
	// Limit is the offset below which a record must start to be valid.
	Limit int64
	// MaxRecord is the length of the longest record, header and trailer included.
	MaxRecord int64
}

// Capacity is an offset that no valid record reaches.
func (l Limits) Capacity() int64 { return l.Limit + l.MaxRecord }

func (l Limits) valid() bool {
	return l.Limit > HeaderSize && l.Limit <= MaxLimit &&
		l.MaxRecord >= record.Overhead && l.MaxRecord <= record.MaxSize
}

const (
	// MinLimit and MaxLimit bound the limit of a segment.
	MinLimit = HeaderSize + 4096
	MaxLimit = 32 << 30
)

// Header is what a segment says about itself.
type Header struct {
	UUID   [16]byte
	Number uint64
	Limits
	Created int64    // Unix nanoseconds
	Boot    [16]byte // boot id of the creator's machine, zero if it has none
	Prev    Limits   // of the predecessor, zero if there was none
	Ahead   uint32   // segments that may be in use behind one that is not synced
	// Rolled says that the predecessor was full: the segment was not begun by a
	// recovery, and there are no unused bytes in front of it.
	Rolled bool
	// Doubted says that a sync of what lies in front failed, or had no result:
	// the segment was begun by a recovery for that.
	Doubted bool
	// PrevSize is how long the predecessor was at least when the segment was
	// begun, if Rolled is set.
	PrevSize int64
	// Cut, if not zero, is where the journal ends in front of this segment: a
	// recovery has dropped what lies behind it.
	Cut record.Position
}

// encode returns the HeaderSize bytes of h.
func (h *Header) encode() []byte {
	p := make([]byte, pageSize, HeaderSize)
	le := binary.LittleEndian
	copy(p, magic)
	le.PutUint32(p[offVersion:], Version)
	le.PutUint32(p[offHeaderSize:], HeaderSize)
	copy(p[offUUID:], h.UUID[:])
	le.PutUint64(p[offNumber:], h.Number)
	le.PutUint64(p[offLimit:], uint64(h.Limit))
	le.PutUint64(p[offMaxRecord:], uint64(h.MaxRecord))
	le.PutUint64(p[offCreated:], uint64(h.Created))
	copy(p[offBoot:], h.Boot[:])
	frame := record.NewFrame(h.UUID, h.Number)
	copy(p[offMarker:], frame.Marker[:])
	le.PutUint64(p[offSeed:], frame.Seed)
	le.PutUint64(p[offPrevLimit:], uint64(h.Prev.Limit))
	le.PutUint64(p[offPrevMax:], uint64(h.Prev.MaxRecord))
	le.PutUint32(p[offAhead:], h.Ahead)
	var flags uint32
	if h.Rolled {
		flags |= flagRolled
	}
	if h.Doubted {
		flags |= flagDoubted
	}
	le.PutUint32(p[offFlags:], flags)
	le.PutUint64(p[offPrevSize:], uint64(h.PrevSize))
	le.PutUint64(p[offCutSegment:], h.Cut.Segment)
	le.PutUint64(p[offCutOffset:], uint64(h.Cut.Offset))
	le.PutUint64(p[offPageSum:], xxhash.Sum64(p[:offPageSum]))
	return append(p, p...)
}

// page is one page of a header as it was found.
type page struct {
	Header
	state   pageState
	version uint32
}

type pageState int

const (
	pageDamaged pageState = iota // not ours, or not whole
	pageNewer                    // whole, of a newer version
	pageWhole
)

// parsePage judges one page of a header. It never fails: what cannot be used
// is damaged.
func parsePage(b []byte) page {
	le := binary.LittleEndian
	if len(b) < pageSize || string(b[:len(magic)]) != magic {
		return page{}
	}
	p := page{version: le.Uint32(b[offVersion:])}
	if xxhash.Sum64(b[:offPageSum]) != le.Uint64(b[offPageSum:]) {
		return p
	}
	if p.version != Version {
		p.state = pageNewer
		return p
	}
	p.UUID = [16]byte(b[offUUID:])
	p.Number = le.Uint64(b[offNumber:])
	p.Limits = Limits{int64(le.Uint64(b[offLimit:])), int64(le.Uint64(b[offMaxRecord:]))}
	p.Created = int64(le.Uint64(b[offCreated:]))
	p.Boot = [16]byte(b[offBoot:])
	p.Prev = Limits{int64(le.Uint64(b[offPrevLimit:])), int64(le.Uint64(b[offPrevMax:]))}
	p.Ahead = le.Uint32(b[offAhead:])
	flags := le.Uint32(b[offFlags:])
	p.Rolled, p.Doubted = flags&flagRolled != 0, flags&flagDoubted != 0
	p.PrevSize = int64(le.Uint64(b[offPrevSize:]))
	p.Cut = record.Position{Segment: le.Uint64(b[offCutSegment:]), Offset: int64(le.Uint64(b[offCutOffset:]))}
	frame := record.NewFrame(p.UUID, p.Number)
	if p.Limits.valid() && le.Uint32(b[offHeaderSize:]) == HeaderSize &&
		[8]byte(b[offMarker:]) == frame.Marker && le.Uint64(b[offSeed:]) == frame.Seed {
		p.state = pageWhole
	}
	return p
}

// parseHeader takes the first HeaderSize bytes of a segment, or as many as
// there are, and returns the header that either page holds. damaged tells
// which pages are not whole. A page that does not fit where it is, as one of another
// segment which a disk has put there, is damaged if the other one fits; else it
// says what the file is.
func parseHeader(b []byte, fits func(*Header) bool) (h Header, damaged [2]bool, err error) {
	var pages [2]page
	var fit [2]bool
	for i := range pages {
		pages[i] = parsePage(b[min(i*pageSize, len(b)):])
		damaged[i] = pages[i].state != pageWhole
		fit[i] = !damaged[i] && fits(&pages[i].Header)
	}
	for i := range pages {
		if fit[i] {
			damaged[1-i] = !fit[1-i]
			return pages[i].Header, damaged, nil
		}
	}
	for _, p := range pages {
		if p.state == pageWhole {
			return p.Header, damaged, nil
		}
	}
	// A newer version may keep its checksum elsewhere: two pages that agree on
	// a version that is not ours were not damaged by chance.
	v := pages[0].version
	if pages[0].state == pageNewer || pages[1].state == pageNewer || (v > Version && v == pages[1].version) {
		return h, damaged, fmt.Errorf("%w: found %d, this program knows %d", ErrVersion, max(v, pages[1].version), Version)
	}
	return h, damaged, ErrHeaderLost
}
