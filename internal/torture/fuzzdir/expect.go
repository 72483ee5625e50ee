package fuzzdir

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// expected is what docs/FORMAT.md says of a directory.
type expected struct {
	// why is empty if the oracle's word is what has to be read. Else the document
	// leaves open what a reader makes of the directory, and why says where; readers
	// must still agree with each other.
	why string
	// stop is the first segment of a newer version, which nobody may read, 0 if there
	// is none: what is below comes before it.
	stop uint64

	journal *oracle.Journal
	records []oracle.Record
	// damage is what a reader tells that comes to an end, tail how much of it a
	// follower cannot know yet.
	damage []oracle.Stretch
	tail   int
	errors int // segments that are missing or another journal's
	frames int // whole records of all kinds
	size   int64
	// mayFail says that there may be nothing that tells which journal this is.
	mayFail bool
}

// expect asks the oracle. An error is one of the oracle's.
func expect(a *Archive) (*expected, error) {
	e := &expected{size: a.Size()}
	segments := segmentsOf(a)
	pages := make(map[uint64]headerState)
	for n, b := range segments {
		pages[n] = headerOf(b)
	}
	e.identity(a, pages)
	j, err := oracle.Parse(a.Files[idName], segments)
	if e.journal = j; j == nil {
		if e.mayFail {
			e.why = "nothing says which journal this is"
			return e, nil
		}
		return nil, err
	}
	for n, b := range segments {
		h := pages[n]
		h.prefer(j.UUID, n, b)
		pages[n] = h
	}
	last := uint64(0)
	for _, s := range j.Segments {
		h := pages[s.Number]
		if e.stop > 0 {
			break
		}
		if last > 0 && s.Number != last+1 {
			e.errors++
		}
		last = s.Number
		e.segment(a, s, h, pages)
	}
	return e, nil
}

// headerState is what the two pages of a segment's header are together.
type headerState struct {
	oracle.Header
	states [2]pageState
	found  bool // one of them is whole: Header
	newer  bool // none is, and at least one is of a newer version
}

func headerOf(b []byte) (h headerState) {
	for i := range 2 {
		header, state := parsePage(b[min(i*pageSize, len(b)):])
		h.states[i] = state
		if state == pageWhole && !h.found {
			h.Header, h.found = header, true
		}
	}
	h.newer = !h.found && (h.states[0] == pageNewer || h.states[1] == pageNewer || sameNewer(b))
	return h
}

// prefer takes a whole page of another journal or segment for damaged, if the other page
// is of this one.
func (h *headerState) prefer(uuid [16]byte, n uint64, b []byte) {
	var fits [2]bool
	for i := range fits {
		header, state := parsePage(b[min(i*pageSize, len(b)):])
		fits[i] = state == pageWhole && header.UUID == uuid && header.Number == n
	}
	for i := range fits {
		if fits[i] && !fits[1-i] {
			h.Header, _ = parsePage(b[i*pageSize:])
			if h.states[1-i] == pageWhole {
				h.states[1-i] = pageDamaged
			}
		}
	}
}

// sameNewer reports whether both pages name the same newer version, whose checksum may
// be elsewhere.
func sameNewer(b []byte) bool {
	if len(b) < oracle.HeaderSize || string(b[:8]) != pageMagic || string(b[pageSize:pageSize+8]) != pageMagic {
		return false
	}
	v := le.Uint32(b[atVersion:])
	return v > 1 && v == le.Uint32(b[pageSize+atVersion:])
}

// identity finds out whether it is clear which journal this is.
func (e *expected) identity(a *Archive, pages map[uint64]headerState) {
	if _, ok := parseIdentity(a.Files[idName]); ok {
		return
	}
	e.mayFail = true
	var seen [][16]byte
	for n, h := range pages {
		if h.found && h.Number == n {
			seen = append(seen, h.UUID)
		}
		if h.newer {
			e.why = "journal.id is lost, and a segment is of a newer version"
		}
	}
	if len(seen) == 0 {
		e.why = "neither journal.id nor a header says which journal this is"
	}
	for _, u := range seen {
		if u != seen[0] {
			e.why = "journal.id is lost, and the segments are of several journals"
		}
	}
	if hashed(a.Files[idName]) {
		e.why = "journal.id has a right hash and another form"
	}
}

// hashed reports whether the hash in journal.id is right: what the line in front of it
// must look like is another question.
func hashed(id []byte) bool {
	line := bytes.TrimSuffix(id, []byte("\n"))
	i := bytes.LastIndexByte(line, ' ')
	return i >= 0 && string(line[i+1:]) == fmt.Sprintf("%016x", xxhash.Sum64(line[:i]))
}

// segment adds what is in one segment.
func (e *expected) segment(a *Archive, s *oracle.Segment, h headerState, pages map[uint64]headerState) {
	odd := h.states[0] == pageOdd || h.states[1] == pageOdd
	next, follows := pages[s.Number+1]
	own := follows && next.found && next.UUID == e.journal.UUID && next.Number == s.Number+1
	switch {
	case h.newer:
		e.stop = s.Number
		e.errors++
		return
	case h.found && (h.UUID != e.journal.UUID || h.Number != s.Number):
		if e.errors++; !s.Lost || odd {
			e.open("the pages of segment %d contradict each other", s.Number)
		}
		return
	case odd:
		e.open("segment %d has a limit that no segment can have", s.Number)
	case s.Lost && !(own && plausible(next.PreviousLimit, next.PreviousLongest)):
		e.open("nothing tells the limit of segment %d", s.Number)
	case h.found && !cutInPlace(&h.Header):
		e.open("segment %d has a cut where none can be", s.Number)
	case !s.Lost && s.Size > s.Limit+s.Longest && s == e.journal.Segments[len(e.journal.Segments)-1]:
		e.open("segment %d is longer than it can be", s.Number)
	}
	e.frames += len(s.Frames)
	for i, state := range h.states {
		if state == pageWhole {
			continue
		}
		d := oracle.Stretch{Segment: s.Number, From: int64(i) * pageSize, To: int64(i+1) * pageSize, Class: oracle.Corruption}
		if s.Size < d.To {
			d.Class = oracle.Hole
		}
		e.damage = append(e.damage, d)
	}
	for _, r := range e.journal.Records {
		if r.Segment == s.Number {
			e.records = append(e.records, r)
		}
	}
	for _, d := range e.journal.Stretches {
		switch {
		case d.Segment != s.Number:
		case d.Class == oracle.Pending:
			tail := ending(a, s, d.From)
			e.tail = len(tail)
			e.damage = append(e.damage, tail...)
		default:
			e.damage = append(e.damage, d)
		}
	}
}

func (e *expected) open(format string, args ...any) {
	if e.why == "" {
		e.why = fmt.Sprintf(format, args...)
	}
}

// cutInPlace reports whether a cut lies where section 2.2 says.
func cutInPlace(h *oracle.Header) bool {
	return h.CutSegment == 0 || h.CutSegment < h.Number && h.CutSegment+2 >= h.Number && h.CutOffset >= oracle.HeaderSize
}

// ending is section 6.3: what is pending from an offset on, judged as if the segment
// could take no more records, up to the last corruption.
func ending(a *Archive, s *oracle.Segment, from int64) (tail []oracle.Stretch) {
	j, err := oracle.Parse(a.Files[idName], map[uint64][]byte{s.Number: s.Bytes, s.Number + 1: nil})
	if err != nil {
		return nil
	}
	keep := 0
	for _, d := range j.Stretches {
		if d.Segment != s.Number || d.From < from {
			continue
		}
		if tail = append(tail, d); d.Class == oracle.Corruption {
			keep = len(tail)
		}
	}
	return tail[:keep]
}

// exact reports whether every way to read must give what the oracle says.
func (e *expected) exact() bool { return e.why == "" && e.stop == 0 }

// verdict is what readers are held against: the oracle, the oracle up to a segment of a
// newer version, or each other.
func (e *expected) verdict() string {
	switch {
	case e.why != "" || e.journal == nil:
		return "judged by each other"
	case e.stop > 0:
		return "of a newer version"
	}
	return "judged by the oracle"
}

// calm reports whether the times do not decrease and nothing stands between the
// records, so that it is clear what Seek must find.
func (e *expected) calm() bool {
	if len(e.damage) > 0 || e.errors > 0 || len(e.journal.Stretches) > 0 {
		return false
	}
	last := int64(-1 << 63)
	for _, s := range e.journal.Segments {
		for i := range s.Frames {
			if s.Frames[i].Time < last {
				return false
			}
			last = s.Frames[i].Time
		}
	}
	return true
}

// trust is how far the sidecars that a reader has to believe can be believed.
type trust int

const (
	trustNone  trust = iota // one of them says behind right checksums what never was
	trustStale              // they also list records that are damaged now: who looks there finds out
	trustAll
)

// trusted holds the sidecars against the segments.
func (e *expected) trusted(a *Archive) trust {
	least := trustAll
	for _, s := range e.journal.Segments[:max(0, len(e.journal.Segments)-1)] {
		if b, ok := a.Files[sidecarName(s.Number)]; ok && e.believed(b, s) {
			least = min(least, e.truth(b, s))
		}
	}
	return least
}

// truth holds one sidecar against its segment.
func (e *expected) truth(b []byte, s *oracle.Segment) trust {
	honest := Sidecar(e.journal, s, [16]byte{})
	if e.foreign(s) {
		return trustNone
	}
	if bytes.Equal(b[sideHeader:], honest[sideHeader:]) {
		return trustAll
	}
	run := func(b []byte) []byte { return b[sideHeader+sideRow+le.Uint64(b[sideEntries:]):] }
	says, ok := parseRun(run(b))
	list, again := listed(says)
	if !ok || !bytes.Equal(slices.Concat(list, again), b[sideHeader+sideRow:]) {
		return trustNone
	}
	is, _ := parseRun(run(honest))
	for _, p := range is {
		if !slices.ContainsFunc(says, p.equal) {
			return trustNone // it lacks one
		}
	}
	for _, p := range says {
		stands := slices.ContainsFunc(s.Frames, func(f oracle.Frame) bool { return f.From == p.offset })
		if stands && !slices.ContainsFunc(is, p.equal) {
			return trustNone
		}
	}
	return trustStale
}

func (p placed) equal(q placed) bool {
	return bytes.Equal(p.key, q.key) && p.offset == q.offset && p.index == q.index && p.dead == q.dead
}

// parseRun returns the records that a run lists.
func parseRun(b []byte) (all []placed, ok bool) {
	next := func() uint64 {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			b, k = nil, 0
			ok = false
		}
		b = b[k:]
		return n
	}
	for ok = true; ok && len(b) > 0; {
		size := next()
		if size > uint64(len(b)) {
			return nil, false
		}
		key := b[:size]
		b = b[size:]
		offset := int64(0)
		for n := min(next(), maxFile); n > 0 && ok; n-- {
			offset += int64(next())
			index := next()
			all = append(all, placed{key, offset, int(index / 2), index%2 == 1})
		}
	}
	return all, ok
}

// foreign reports whether a segment's records were left out.
func (e *expected) foreign(s *oracle.Segment) bool {
	h := headerOf(s.Bytes)
	h.prefer(e.journal.UUID, s.Number, s.Bytes)
	return h.found && (h.UUID != e.journal.UUID || h.Number != s.Number)
}

// believed is what section 10 says of a sidecar that is to be used.
func (e *expected) believed(b []byte, s *oracle.Segment) bool {
	if len(b) < sideHeader || string(b[:8]) != "\x89MNYIDX\n" || le.Uint64(b[8:]) != 1 || !bytes.Equal(b[16:32], e.journal.UUID[:]) ||
		le.Uint64(b[48:]) != s.Number || le.Uint64(b[sideSum:]) != xxhash.Sum64(b[:sideSum]) || int64(le.Uint64(b[sideSize:])) != s.Size {
		return false
	}
	entries, run := le.Uint64(b[sideEntries:]), le.Uint64(b[sideRun:])
	from := uint64(sideHeader + sideRow)
	if entries >= sideParts || run > maxFile || from+entries+run != uint64(len(b)) {
		return false
	}
	table, list, rest := b[sideHeader:from], b[from:from+entries], b[from+entries:]
	// A sidecar of which only a part is right may be used for that part.
	return le.Uint64(b[sideTableSum:]) == xxhash.Sum64(table) && le.Uint64(table) == entries &&
		(le.Uint64(table[8:]) == xxhash.Sum64(list) || le.Uint64(b[sideRunSum:]) == xxhash.Sum64(rest))
}

// byPosition orders stretches.
func byPosition(a, b oracle.Stretch) int {
	return cmp.Or(cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.From, b.From))
}

// classes counts the stretches of each class.
func classes(list []oracle.Stretch) map[oracle.Class][2]int64 {
	m := make(map[oracle.Class][2]int64)
	for _, d := range list {
		m[d.Class] = [2]int64{m[d.Class][0] + 1, m[d.Class][1] + d.To - d.From}
	}
	return m
}

// sorted returns the stretches in the order of their positions.
func sorted(list []oracle.Stretch) []oracle.Stretch {
	list = slices.Clone(list)
	slices.SortStableFunc(list, byPosition)
	return list
}
