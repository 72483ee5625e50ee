package fuzzdir

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// maxMutations is how often an archive is changed at most.
const maxMutations = 8

// interesting are values of a field at which something may turn over.
var interesting = []uint64{
	0, 1, 2, 7, 8, 43, 44, 51, 52, 53, 63, 64, 127, 128, 255, 256, 1<<15 - 1, 1 << 15, 1<<16 - 1, 1 << 16,
	4095, 4096, 8191, oracle.HeaderSize, oracle.HeaderSize + 1, seedLimit - 1, seedLimit, seedLimit + 1, 1<<28 - 1, 1 << 28,
	1<<30 - 52, 1 << 30, 1<<30 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, maxLimit, maxLimit + 1, 1<<36 - 1, 1 << 36,
	1<<62 - 1, 1<<63 - 1, 1 << 63, 1<<64 - 8192, 1<<64 - 1,
}

// headerFields and recordFields are offset and length of what may be set to one of them.
var (
	headerFields = [][2]int{
		{atVersion, 4}, {atHeaderSize, 4}, {atUUID, 1}, {atNumber, 8}, {atLimit, 8}, {atLongest, 8}, {atCreated, 8}, {atPrevLimit, 8},
		{atPrevLongest, 8}, {atAhead, 4}, {atFlags, 4}, {atCutSegment, 8}, {atCutOffset, 8}, {atPrevSize, 8}, {atMarker, 8}, {atSeed, 8},
	}
	recordFields = [][2]int{
		{atKind, 1}, {atKind + 1, 1}, {atKeyLen, 2}, {atValueLen, 4}, {atTime, 8}, {atWriter, 8}, {atSeq, 8},
		{headSize, 4}, {headSize + 4, 1}, {headSize + 6, 2}, {headSize + 8, 4},
	}
	sidecarFields = [][2]int{
		{8, 8}, {32, 8}, {48, 8}, {sideSize, 8}, {sideLimit, 8}, {72, 8}, {sideEntries, 8}, {sideRun, 8},
		{sideHeader, 8}, {sideHeader + sideRow, 8}, {sideHeader + sideRow + 8, 8},
	}
)

// Mutate returns an archive that is made of one of the seeds, and maybe parts of others,
// by 1 to 8 changes. It depends on rnd only.
func Mutate(rnd *rand.Rand, seeds []Seed) *Archive {
	m := mutator{rnd: rnd, seeds: seeds, a: seeds[rnd.IntN(len(seeds))].Archive.Clone()}
	// Half of the inputs keep their damaged checksums, most of the others get those of
	// pages and records right: that is what leads behind the checks.
	if rnd.IntN(2) == 0 {
		m.a.Fix |= FixPages | FixRecords
		more := rnd.Uint32()
		m.a.Fix |= Fix(more) & Fix(more>>8)
	}
	for range 1 + rnd.IntN(maxMutations) {
		m.change()
	}
	for len(m.a.Files) > maxFiles {
		delete(m.a.Files, m.file())
	}
	return m.a
}

type mutator struct {
	rnd   *rand.Rand
	seeds []Seed
	a     *Archive
}

// file returns the name of a file, most often of a segment.
func (m *mutator) file() string {
	names := m.a.names()
	if len(names) == 0 {
		return ""
	}
	name := names[m.rnd.IntN(len(names))]
	if _, ok := numberOf(name, "seg."); !ok && m.rnd.IntN(2) == 0 {
		name = names[m.rnd.IntN(len(names))]
	}
	return name
}

func (m *mutator) change() {
	name := m.file()
	b := m.a.Files[name]
	if len(b) == 0 {
		if m.rnd.IntN(2) == 0 {
			m.names(name)
		}
		return
	}
	switch m.rnd.IntN(16) {
	case 0, 1, 2:
		b[m.place(name, b)] ^= 1 << m.rnd.IntN(8)
	case 3, 4:
		b[m.place(name, b)] = byte(m.rnd.Uint32())
	case 5, 6, 7, 8:
		m.field(name, b)
	case 9, 10:
		m.splice(name, b)
	case 11:
		from := m.place(name, b)
		clear(b[from:min(len(b), from+1+m.rnd.IntN(200))])
	case 12:
		m.resize(name, b)
	case 13:
		m.move(name, b)
	case 14:
		m.names(name)
	case 15:
		m.a.Fix ^= 1 << m.rnd.IntN(8)
	}
}

// place is an offset in a file, of a segment most often one where something stands.
func (m *mutator) place(name string, b []byte) int {
	if _, ok := numberOf(name, "seg."); !ok || len(b) <= oracle.HeaderSize || m.rnd.IntN(16) == 0 {
		return m.rnd.IntN(len(b))
	}
	if m.rnd.IntN(4) == 0 {
		return m.rnd.IntN(2)*pageSize + m.rnd.IntN(headerEnd)
	}
	return oracle.HeaderSize + m.rnd.IntN(len(b)-oracle.HeaderSize)
}

// number is an interesting one, or near one, or one that stands in b.
func (m *mutator) number(b []byte) uint64 {
	n := interesting[m.rnd.IntN(len(interesting))]
	switch m.rnd.IntN(6) {
	case 0:
		n += uint64(m.rnd.IntN(5)) - 2
	case 1:
		n = m.rnd.Uint64() >> m.rnd.IntN(64)
	case 2:
		n = uint64(len(b)) + uint64(m.rnd.IntN(140)) - 70
	case 3:
		n = uint64(oracle.HeaderSize + m.rnd.IntN(1000))
	}
	return n
}

// field sets a field of a header page, a record or a sidecar.
func (m *mutator) field(name string, b []byte) {
	at, fields := 0, headerFields
	n, segment := numberOf(name, "seg.")
	if !segment {
		fields = sidecarFields
	} else if m.rnd.IntN(3) > 0 {
		if at = m.record(n, b); at < 0 {
			return
		}
		fields = recordFields
	} else {
		at = m.rnd.IntN(2) * pageSize
		if m.rnd.IntN(2) == 0 {
			m.a.Fix |= FixMirror
		}
	}
	f := fields[m.rnd.IntN(len(fields))]
	if at += f[0]; at+f[1] > len(b) {
		return
	}
	var word [8]byte
	le.PutUint64(word[:], m.number(b))
	copy(b[at:at+f[1]], word[:f[1]])
}

// record returns where one of the records of segment n begins, -1 if there is none.
func (m *mutator) record(n uint64, b []byte) int {
	marker, _ := oracle.FrameOf(seedUUID, n)
	if len(b) <= oracle.HeaderSize {
		return -1
	}
	from := oracle.HeaderSize + m.rnd.IntN(len(b)-oracle.HeaderSize)
	i := bytes.LastIndex(b[:min(len(b), from+8)], marker[:])
	if i < oracle.HeaderSize {
		i = bytes.Index(b, marker[:])
	}
	return i
}

// splice copies a piece of another file, or of one of another seed, over a piece of this
// one.
func (m *mutator) splice(name string, b []byte) {
	from := m.a.Files[m.file()]
	if m.rnd.IntN(2) == 0 {
		if other := m.seeds[m.rnd.IntN(len(m.seeds))].Archive.Files[name]; other != nil {
			from = other
		}
	}
	if len(from) == 0 {
		return
	}
	at := m.place(name, b)
	src := at // the same place most often: what stands there has the same form
	if m.rnd.IntN(2) == 0 {
		src = m.place(name, from)
	}
	if src >= len(from) {
		return
	}
	n := min(1+m.rnd.IntN(1+m.rnd.IntN(400)), len(from)-src, len(b)-at)
	copy(b[at:at+n], from[src:src+n])
}

// resize cuts a file off, or makes it longer.
func (m *mutator) resize(name string, b []byte) {
	switch n := m.place(name, b); m.rnd.IntN(4) {
	case 0:
		b = append(b, make([]byte, m.rnd.IntN(1500))...)
	case 1:
		b = append(b, b[n:min(len(b), n+m.rnd.IntN(600))]...)
	default:
		b = b[:n]
	}
	m.a.Files[name] = b[:min(len(b), maxFile)]
}

// move takes bytes out of a file, or puts some of its bytes in once more.
func (m *mutator) move(name string, b []byte) {
	at := m.place(name, b)
	n := min(1+m.rnd.IntN(100), len(b)-at)
	if m.rnd.IntN(2) == 0 {
		m.a.Files[name] = slices.Delete(b, at, at+n)
		return
	}
	m.a.Files[name] = slices.Insert(b, m.place(name, b), bytes.Clone(b[at:at+n])...)
}

// names removes, copies, renames or swaps files.
func (m *mutator) names(name string) {
	other := m.file()
	if n, ok := numberOf(name, "seg."); ok && m.rnd.IntN(2) == 0 {
		other = segmentName(max(1, (n+uint64(m.rnd.IntN(5))-2)&(1<<28-1)))
		if m.rnd.IntN(8) == 0 {
			other = segmentName(1<<28 - 1)
		}
	}
	switch m.rnd.IntN(5) {
	case 0:
		delete(m.a.Files, name)
	case 1:
		m.a.Files[other] = bytes.Clone(m.a.Files[name])
	case 2:
		b := m.a.Files[name]
		delete(m.a.Files, name)
		m.a.Files[other] = b
	case 3:
		m.a.Files[name], m.a.Files[other] = m.a.Files[other], m.a.Files[name]
	case 4:
		m.a.Files[fmt.Sprintf("idx.%09d", 1+m.rnd.IntN(4))] = bytes.Clone(m.a.Files[name])
	}
	delete(m.a.Files, "")
}
