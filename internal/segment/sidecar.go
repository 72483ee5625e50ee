package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/vio"
)

// Sidecar is what is kept beside a sealed segment so that its records need not be
// read to be found. It can be made again at any time, and is never believed to be
// of another segment than it says:
//
//	  0  magic           8  version     16  uuid
//	 32  boot           48  segment     56  size       64  limit
//	 72  records        80  deletes     88  oldest     96  newest
//	104  entries       112  run        120  sum of the table of parts
//	128  sum of the run                136  sum of what stands in front
//	144  table of parts, then the entries, then the run
//
// All numbers are little-endian words of 64 bits, entries and run are lengths in
// bytes, sums are xxhash64. The table has for each part of the entries where it ends in
// them, and its sum; few entries are one part.
type Sidecar struct {
	SidecarInfo
	// Entries and Run are index.Run.Entries and Bytes.
	Entries, Run []byte
	// Ends is where each part ends in Entries, in bytes; nil is one part.
	Ends []int64
}

// SidecarInfo is what a sidecar says without being read to its end.
type SidecarInfo struct {
	// Size and Limit are those of the segment; Limit is where a recovery has cut it,
	// if one has.
	Size, Limit int64
	// Boot is the boot of the machine that the sidecar is good for, zeros if for any.
	// As long as a segment may not be on disk, what is left of it after a crash may
	// be less than the sidecar says.
	Boot [16]byte
	// Records counts what a reader is given, entries of batches one by one, Deletes
	// the deletions among them.
	Records, Deletes uint64
	// Oldest and Newest are the earliest and the latest time of a record, in
	// nanoseconds since 1970.
	Oldest, Newest int64

	entries, run     int64
	tableSum, runSum uint64
	parts            []sidecarPart
}

// sidecarPart is a row of the table.
type sidecarPart struct {
	end int64
	sum uint64
}

// Entries is the length of the entries in bytes, Parts in how many parts they are.
func (s *SidecarInfo) Entries() int64 { return s.entries }

// Parts is the number of parts of the entries.
func (s *SidecarInfo) Parts() int { return len(s.parts) }

// SidecarParts is the number of parts of entries that are so many bytes.
func SidecarParts(entries int64) int {
	if entries < manyEntries {
		return 1
	}
	return maxParts
}

const (
	manyEntries = 256 << 10
	maxParts    = 256
	partRow     = 16
)

const (
	sidecarMagic   = "\x89MNYIDX\n"
	sidecarVersion = 1
	sidecarHeader  = 144
)

// errSidecar says that a sidecar must not be used. It is never told to a user: the
// segment is read instead.
var errSidecar = errors.New("sidecar is damaged, or of another segment")

func (d *Dir) encodeSidecar(n uint64, s *Sidecar) []byte {
	table := encodeParts(s)
	b := make([]byte, 0, sidecarHeader+len(table))
	b = append(b, sidecarMagic...)
	le := binary.LittleEndian
	b = le.AppendUint64(b, sidecarVersion)
	b = append(b, d.UUID[:]...)
	b = append(b, s.Boot[:]...)
	for _, w := range []uint64{
		n, uint64(s.Size), uint64(s.Limit), s.Records, s.Deletes, uint64(s.Oldest), uint64(s.Newest),
		uint64(len(s.Entries)), uint64(len(s.Run)), xxhash.Sum64(table), xxhash.Sum64(s.Run),
	} {
		b = le.AppendUint64(b, w)
	}
	return append(le.AppendUint64(b, xxhash.Sum64(b)), table...)
}

func encodeParts(s *Sidecar) (table []byte) {
	ends := s.Ends
	if ends == nil {
		ends = []int64{int64(len(s.Entries))}
	}
	from := int64(0)
	for _, end := range ends {
		table = binary.LittleEndian.AppendUint64(table, uint64(end))
		table = binary.LittleEndian.AppendUint64(table, xxhash.Sum64(s.Entries[from:end]))
		from = end
	}
	return table
}

// WriteSidecar puts s beside segment n, in the place of another one. It does not
// wait for the disk. perm is applied exactly.
func (d *Dir) WriteSidecar(n uint64, s *Sidecar, perm os.FileMode) error {
	head := d.encodeSidecar(n, s)
	return host.ReplaceCache(d.F, SidecarName(n), perm, true, func(f *os.File) error {
		_, err := vio.WritevAll(f, [][]byte{head, s.Entries, s.Run})
		return err
	})
}

// RemoveSidecar removes the sidecar of segment n, if there is one.
func (d *Dir) RemoveSidecar(n uint64) error {
	err := host.RemoveIn(d.F, SidecarName(n))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// OrphanSidecars removes the sidecars of segments below n.
func (d *Dir) OrphanSidecars(n uint64) error {
	names, err := host.ListIn(d.F)
	for _, name := range names {
		if k, ok := ParseSidecarName(name); ok && k < n {
			err = errors.Join(err, d.RemoveSidecar(k))
		}
	}
	return err
}

// SidecarInfo reads the header of the sidecar of segment n and holds it against the
// segment.
func (d *Dir) SidecarInfo(n uint64) (SidecarInfo, error) {
	f, info, err := d.openSidecar(n)
	if err != nil {
		return info, err
	}
	return info, f.Close()
}

// ReadPart reads part i of the entries of the sidecar of segment n, into buf if it
// has room.
func (d *Dir) ReadPart(n uint64, s *SidecarInfo, i int, buf []byte) ([]byte, error) {
	from := int64(0)
	if i > 0 {
		from = s.parts[i-1].end
	}
	return d.readSidecar(n, s.offset()+from, s.parts[i].end-from, s.parts[i].sum, buf)
}

// ReadRun reads the run of the sidecar of segment n.
func (d *Dir) ReadRun(n uint64) ([]byte, error) {
	s, err := d.SidecarInfo(n)
	if err != nil {
		return nil, err
	}
	return d.readSidecar(n, s.offset()+s.entries, s.run, s.runSum, nil)
}

// offset is where the entries begin.
func (s *SidecarInfo) offset() int64 { return sidecarHeader + int64(len(s.parts))*partRow }

// readSidecar reads what s, which openSidecar has held against the size of the file,
// says to be there. The file may be another one by now, of the same content or not.
func (d *Dir) readSidecar(n uint64, off, size int64, sum uint64, buf []byte) ([]byte, error) {
	f, err := host.OpenIn(d.F, SidecarName(n), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read from
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := f.ReadAt(buf, off); err != nil {
		return nil, err
	}
	if xxhash.Sum64(buf) != sum {
		return nil, errSidecar
	}
	return buf, nil
}

// openSidecar opens the sidecar of segment n and checks its header.
func (d *Dir) openSidecar(n uint64) (f *os.File, s SidecarInfo, err error) {
	f, err = host.OpenIn(d.F, SidecarName(n), os.O_RDONLY)
	if err != nil {
		return nil, s, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	var b [sidecarHeader]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return f, s, fmt.Errorf("%w: %w", errSidecar, err)
	}
	le := binary.LittleEndian
	word := func(i int) uint64 { return le.Uint64(b[8*i:]) }
	if string(b[:8]) != sidecarMagic || word(1) != sidecarVersion || [16]byte(b[16:]) != d.UUID || word(6) != n ||
		xxhash.Sum64(b[:sidecarHeader-8]) != word(17) {
		return f, s, errSidecar
	}
	s = SidecarInfo{
		Boot: [16]byte(b[32:]), Size: int64(word(7)), Limit: int64(word(8)), Records: word(9), Deletes: word(10),
		Oldest: int64(word(11)), Newest: int64(word(12)), entries: int64(word(13)), run: int64(word(14)),
		tableSum: word(15), runSum: word(16),
	}
	st, err := host.StatFile(f)
	if err != nil {
		return f, s, err
	}
	rows := int64(SidecarParts(s.entries))
	if s.entries < 0 || s.run < 0 || s.run > st.Size || sidecarHeader+rows*partRow+s.entries != st.Size-s.run {
		return f, s, errSidecar
	}
	if err := s.readParts(f, rows); err != nil {
		return f, s, err
	}
	size, err := d.SizeOf(n)
	if err != nil {
		return f, s, err
	}
	if size != s.Size {
		return f, s, errSidecar
	}
	return f, s, d.sameBoot(n, &s)
}

// sameBoot checks a sidecar that is good for one boot only. Within it a recovery
// may have cut the segment, after a sync that had failed.
func (d *Dir) sameBoot(n uint64, s *SidecarInfo) error {
	if s.Boot == ([16]byte{}) {
		return nil
	}
	if boot, err := host.BootID(); err != nil || boot != s.Boot {
		return errSidecar
	}
	f, err := d.OpenToRead(n)
	if err != nil {
		return err
	}
	defer f.Close() // only read from
	if f.Limit != s.Limit {
		return errSidecar
	}
	return nil
}

func (s *SidecarInfo) readParts(f *os.File, rows int64) error {
	table := make([]byte, rows*partRow)
	if _, err := f.ReadAt(table, sidecarHeader); err != nil {
		return fmt.Errorf("%w: %w", errSidecar, err)
	}
	if xxhash.Sum64(table) != s.tableSum {
		return errSidecar
	}
	from := int64(0)
	for ; len(table) > 0; table = table[partRow:] {
		p := sidecarPart{int64(binary.LittleEndian.Uint64(table)), binary.LittleEndian.Uint64(table[8:])}
		if p.end < from || p.end > s.entries {
			return errSidecar
		}
		from = p.end
		s.parts = append(s.parts, p)
	}
	if from != s.entries {
		return errSidecar
	}
	return nil
}
