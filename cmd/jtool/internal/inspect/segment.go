package inspect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

// Of docs/FORMAT.md, sections 2 and 7.
const (
	pageSize   = 4096
	headerSize = 2 * pageSize
	version    = 1
	maxLimit   = 32 << 30
	magic      = "\x89MNYPEN\n"

	flagRolled  = 1
	flagDoubted = 2
)

// page is one page of a segment's header.
type page struct {
	raw   []byte // shorter than a page if the file ends in it
	whole bool   // every rule of section 2.2 is kept

	uuid                 [16]byte
	number               uint64
	limit, longest       int64
	prevLimit, prevLong  int64
	flags                uint32
	cutSegment, cutStart uint64
}

func parsePage(raw []byte) page {
	p := page{raw: raw}
	if len(raw) < pageSize {
		return p
	}
	le := binary.LittleEndian
	p.uuid = [16]byte(raw[16:])
	p.number = le.Uint64(raw[32:])
	p.limit, p.longest = int64(le.Uint64(raw[40:])), int64(le.Uint64(raw[48:]))
	p.prevLimit, p.prevLong = int64(le.Uint64(raw[96:])), int64(le.Uint64(raw[104:]))
	p.flags = le.Uint32(raw[116:])
	p.cutSegment, p.cutStart = le.Uint64(raw[120:]), le.Uint64(raw[128:])
	frame := record.NewFrame(p.uuid, p.number)
	p.whole = string(raw[:8]) == magic && le.Uint32(raw[8:]) == version && le.Uint32(raw[12:]) == headerSize &&
		limitsValid(p.limit, p.longest) && [8]byte(raw[80:]) == frame.Marker && le.Uint64(raw[88:]) == frame.Seed &&
		le.Uint64(raw[pageSize-8:]) == xxhash.Sum64(raw[:pageSize-8])
	return p
}

func limitsValid(limit, longest int64) bool {
	return limit > headerSize && limit <= maxLimit && longest >= record.Overhead && longest <= record.MaxSize
}

func segmentName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

// segment is one segment and the snapshot by which it is judged.
type segment struct {
	f      *os.File
	path   string
	number uint64
	uuid   [16]byte
	pages  [2]page

	// The frame follows from the name of the segment, unless its header says that
	// it is another one's.
	frame       record.Frame
	frameUUID   [16]byte
	frameNumber uint64
	foreign     bool
	newer       uint32 // the version of the format, if this program does not know it

	final          bool
	size           int64
	limit, longest int64
	limitFrom      string // where the limit stands, if not in the segment's own header
	ending         record.Ending
	next           uint64 // the number of the next segment there is, 0 if none
}

// openSegment opens segment n of the journal in d, the oldest one if n is 0, and
// takes a snapshot: first whether it is final, then its size.
func openSegment(d *os.File, n uint64, uuid [16]byte) (*segment, error) {
	names, err := host.ListIn(d)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "seg.")
		if k, err := strconv.ParseUint(digits, 10, 32); ok && err == nil && name == segmentName(k) && k > 0 {
			numbers = append(numbers, k)
		}
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return nil, errors.New("the journal has no segments yet")
	}
	if n == 0 {
		n = numbers[0]
	}
	s := &segment{number: n, uuid: uuid, path: filepath.Join(d.Name(), segmentName(n)), frameUUID: uuid, frameNumber: n}
	s.f, err = host.OpenIn(d, segmentName(n), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no segment %d; the journal has %d to %d", n, numbers[0], numbers[len(numbers)-1])
	}
	if err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearch(numbers, n+1)
	if i < len(numbers) {
		s.next = numbers[i]
	}
	s.final = s.next > 0
	if err := s.load(d); err != nil {
		return nil, errors.Join(err, s.f.Close())
	}
	return s, nil
}

func (s *segment) load(d *os.File) error {
	st, err := s.f.Stat()
	if err != nil {
		return err
	}
	s.size = st.Size()
	if s.pages, err = readPages(s.f); err != nil {
		return err
	}
	for i := range s.pages {
		if s.fits(s.pages[1-i]) && !s.fits(s.pages[i]) {
			s.pages[i].whole = false // it may be another segment's: damage to this one
		}
	}
	behind := [2]page{s.neighbour(d, 1), s.neighbour(d, 2)}
	s.limit, s.longest = maxLimit, record.MaxSize
	s.limitFrom = "not known, so any offset"
	in := s.neighbour(d, -1)
	switch own := s.own(); {
	case own.whole:
		s.limit, s.longest, s.limitFrom = own.limit, own.longest, ""
		s.frameUUID, s.frameNumber = own.uuid, own.number
		s.foreign = own.uuid != s.uuid || own.number != s.number
	case behind[0].whole && limitsValid(behind[0].prevLimit, behind[0].prevLong):
		s.limit, s.longest, s.limitFrom = behind[0].prevLimit, behind[0].prevLong, "says the next segment"
	case in.whole:
		s.limit, s.longest, s.limitFrom = in.limit, in.longest, "as in the segment in front"
	}
	s.frame = record.NewFrame(s.frameUUID, s.frameNumber)
	s.newer = s.newerVersion()
	s.ending.Full = behind[0].whole && behind[0].flags&flagRolled != 0
	for i, p := range behind {
		k := s.number + 1 + uint64(i)
		if !p.whole || p.cutSegment == 0 || p.cutSegment > s.number || p.cutSegment+2 < k {
			continue
		}
		s.ending.Cut = headerSize
		if p.cutSegment == s.number {
			s.ending.Cut = max(int64(p.cutStart), headerSize)
		}
	}
	return nil
}

// own is the header that either page holds, if one does.
func (s *segment) own() page {
	if s.pages[0].whole {
		return s.pages[0]
	}
	return s.pages[1]
}

// fits reports whether a page says that it is of this segment.
func (s *segment) fits(p page) bool { return p.whole && p.uuid == s.uuid && p.number == s.number }

// newerVersion is the version of the format if it is a later one: a page says so
// that is whole, or both do, for a later version may keep its hash elsewhere.
func (s *segment) newerVersion() uint32 {
	var found [2]uint32
	for i, p := range s.pages {
		if p.whole || len(p.raw) < pageSize || string(p.raw[:8]) != magic {
			continue
		}
		found[i] = le32(p.raw[8:])
		if found[i] > version && le64(p.raw[pageSize-8:]) == xxhash.Sum64(p.raw[:pageSize-8]) && !s.own().whole {
			return found[i]
		}
	}
	if found[0] == found[1] && found[0] > version {
		return found[0]
	}
	return 0
}

// neighbour is the header of the segment that is so many numbers away. What cannot
// be read is not known.
func (s *segment) neighbour(d *os.File, away int) page {
	n := s.number + uint64(away)
	f, err := host.OpenIn(d, segmentName(n), os.O_RDONLY)
	if err != nil {
		return page{}
	}
	defer f.Close() // only read from
	pages, err := readPages(f)
	if err != nil {
		return page{}
	}
	for _, p := range pages {
		if p.whole && p.uuid == s.uuid && p.number == n {
			return p
		}
	}
	return page{}
}

func readPages(f *os.File) (pages [2]page, err error) {
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return pages, err
	}
	for i := range pages {
		pages[i] = parsePage(b[min(i*pageSize, n):min((i+1)*pageSize, n)])
	}
	return pages, nil
}

func (s *segment) limitText() string {
	if s.limitFrom != "" {
		return fmt.Sprintf("%d (%s)", s.limit, s.limitFrom)
	}
	return strconv.FormatInt(s.limit, 10)
}

// end is where the records of the segment end: its limit, or where it was cut.
func (s *segment) end() int64 {
	if s.ending.Cut > 0 {
		return min(s.limit, s.ending.Cut)
	}
	return s.limit
}

// scanner judges the segment from offset from on.
func (s *segment) scanner(from, limit int64) *record.Scanner {
	return record.NewScanner(s.f, record.ScannerOptions{Frame: s.frame, Limit: limit, From: from, Skim: true})
}
