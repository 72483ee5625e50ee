// Package oracle reads a journal by docs/FORMAT.md alone, so that what the library
// does can be judged by something that shares no code and no thought with it. It is
// written to be seen to be right: it holds whole files in memory, looks at every
// offset by itself and remembers nothing. Sections in comments are those of that
// document.
//
// It judges a directory that nobody writes.
package oracle

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Position is a place in the journal: the entry Index of the record at Offset.
type Position struct {
	Segment uint64
	Offset  int64
	Index   int
}

// String is the text of section 7.
func (p Position) String() string {
	if p.Index != 0 {
		return fmt.Sprintf("%d:%d+%d", p.Segment, p.Offset, p.Index)
	}
	return fmt.Sprintf("%d:%d", p.Segment, p.Offset)
}

// Kinds of section 3.1.
const (
	Data   = 1
	Delete = 2
	Mark   = 3
	Batch  = 4
	Gap    = 5
)

// Record is a record of the user, or an entry of a batch.
type Record struct {
	Position
	End    int64 // offset behind the record, or behind the batch that it is in
	Kind   byte  // Data or Delete
	Time   int64
	Writer uint64
	Seq    uint64
	Key    []byte
	Value  []byte
}

// Class is what a stretch without a record is (section 6.4).
type Class string

// The classes. Pending is what is at the end of a segment that is not final.
const (
	Fragment   Class = "fragment"
	Void       Class = "void"
	Unused     Class = "unused"
	Dropped    Class = "dropped"
	Hole       Class = "hole"
	Corruption Class = "corruption"
	Pending    Class = "pending"
)

// Stretch is the bytes [From, To) of a segment, which hold no record.
type Stretch struct {
	Segment  uint64
	From, To int64
	Class    Class
}

// Segment is a file of the journal.
type Segment struct {
	Header
	Size   int64
	Lost   bool // both pages: Header is what the UUID and the neighbours tell
	Final  bool
	Full   bool  // its successor is rolled
	Cut    int64 // where a recovery cut it off, -1 if none did
	Bytes  []byte
	Frames []Frame // of its whole records, of all kinds, in order
}

// Journal is what a directory holds.
type Journal struct {
	UUID      [16]byte
	Segments  []*Segment
	Records   []Record // data and deletes in order, entries of batches one by one
	Stretches []Stretch
	Told      []Stretch // of the pending end, what a reader reports all the same (section 6.3)
	Marks     int
	Gaps      []Frame
	Unknown   int               // records and entries of other kinds and flags
	reached   map[uint64]uint64 // by writer, the highest sequence that a mark carries
}

// Read reads the journal in a directory. An error says that there is none, or that the
// oracle contradicts itself.
func Read(dir string) (*Journal, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[uint64][]byte)
	for _, e := range entries {
		n, ok := number(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		if files[n], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	id, err := os.ReadFile(filepath.Join(dir, "journal.id"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return Parse(id, files)
}

// number is that of a segment with this name (section 2).
func number(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, "seg.")
	n, err := strconv.ParseUint(digits, 10, 28)
	return n, ok && err == nil && n > 0 && name == fmt.Sprintf("seg.%09d", n)
}

// Parse reads a journal from the content of journal.id, which may be missing, and of
// the segments.
func Parse(id []byte, files map[uint64][]byte) (*Journal, error) {
	j := &Journal{}
	uuid, known := parseID(id)
	for _, n := range slices.Sorted(maps.Keys(files)) {
		b := files[n]
		j.Segments = append(j.Segments, &Segment{Header: Header{Number: n}, Size: int64(len(b)), Bytes: b, Cut: -1})
	}
	if !known {
		uuid, known = elect(files)
	}
	for _, s := range j.Segments {
		if h, ok := parseHeader(s.Bytes, s.Number, &uuid); ok {
			s.Header = h
		} else {
			s.Lost = true
		}
	}
	if !known {
		return nil, fmt.Errorf("neither journal.id nor a segment says which journal this is")
	}
	j.UUID = uuid
	for i := range j.Segments {
		j.neighbours(i)
	}
	for _, s := range j.Segments {
		if err := j.read(s); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// elect is section 2.1 where journal.id is lost.
func elect(files map[uint64][]byte) (uuid [16]byte, ok bool) {
	votes := make(map[[16]byte]int)
	for _, n := range slices.Sorted(maps.Keys(files)) {
		if h, right := parseHeader(files[n], n, nil); right {
			if votes[h.UUID]++; !ok || votes[h.UUID] > votes[uuid] {
				uuid, ok = h.UUID, true
			}
		}
	}
	return uuid, ok
}

// parseID is section 2.1.
func parseID(b []byte) (uuid [16]byte, ok bool) {
	const prefix = "manypen journal 1 "
	text := string(b)
	if len(text) != len(prefix)+32+1+16+1 || !strings.HasPrefix(text, prefix) || text[len(text)-1] != '\n' || text[len(prefix)+32] != ' ' {
		return uuid, false
	}
	body := text[:len(prefix)+32]
	if fmt.Sprintf("%016x", hash([]byte(body))) != text[len(body)+1:len(text)-1] {
		return uuid, false
	}
	n, err := hex.Decode(uuid[:], []byte(body[len(prefix):]))
	return uuid, err == nil && n == 16
}

// neighbours takes from the headers behind segment i what they know of it: sections
// 2.2 and 6.
func (j *Journal) neighbours(i int) {
	s := j.Segments[i]
	s.UUID = j.UUID
	s.Marker, s.Seed = FrameOf(j.UUID, s.Number)
	s.Final = i+1 < len(j.Segments)
	if s.Lost { // unless the next one tells
		s.Limit, s.Longest = maxLimit, maxLongest
		if i > 0 && !j.Segments[i-1].Lost && j.Segments[i-1].Number == s.Number-1 {
			s.Limit, s.Longest = j.Segments[i-1].Limit, j.Segments[i-1].Longest
		}
	}
	for _, t := range j.Segments[i+1:] {
		if t.Lost || t.Number > s.Number+2 {
			continue
		}
		if t.Number == s.Number+1 {
			s.Full = t.Flags&Rolled != 0
			if s.Lost && limitsOK(t.PreviousLimit, t.PreviousLongest) {
				s.Limit, s.Longest = t.PreviousLimit, t.PreviousLongest
			}
		}
		switch {
		case t.CutSegment == 0 || t.CutSegment > s.Number:
		case t.CutSegment == s.Number:
			s.Cut = t.CutOffset
		default:
			s.Cut = HeaderSize
		}
	}
}

// Missing returns, of each writer, how many sequences up to its last one are neither
// here nor explained by a gap. A mark tells how far its writer had got (section 3),
// so that records are known to be missing behind which none of the writer is left; of
// a writer of which nothing but marks is left it is not told. A journal whose first segments were removed has no
// beginning, and a writer counts from its first record there.
func (j *Journal) Missing() map[uint64]int {
	have := make(map[uint64]map[uint64]bool)
	see := func(w, seq uint64) {
		if have[w] == nil {
			have[w] = make(map[uint64]bool)
		}
		have[w][seq] = true
	}
	for _, r := range j.Records {
		see(r.Writer, r.Seq)
	}
	for _, g := range j.Gaps {
		if len(g.Value) == 8 {
			for n := le64(g.Value, 0); n >= 1 && n <= g.Seq && g.Seq-n < 1<<20; n++ {
				see(g.Writer, n)
			}
		}
	}
	missing := make(map[uint64]int)
	for w, seqs := range have {
		first, last := ^uint64(0), uint64(0)
		for n := range seqs {
			first, last = min(first, n), max(last, n)
		}
		if len(j.Segments) > 0 && j.Segments[0].Number == 1 {
			first = 1
		}
		last = max(last, j.reached[w])
		if n := int(last-first+1) - len(seqs); n > 0 {
			missing[w] = n
		}
	}
	return missing
}

// Bytes returns how many bytes are of a class.
func (j *Journal) Bytes(c Class) (n int64) {
	for _, s := range j.Stretches {
		if s.Class == c {
			n += s.To - s.From
		}
	}
	return n
}
