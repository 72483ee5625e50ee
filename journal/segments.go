package journal

import (
	"errors"
	"os"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/internal/writer"
)

// SegmentInfo describes one segment of a journal.
type SegmentInfo struct {
	Number  uint64
	Name    string // of the file in the journal's directory
	Size    int64  // bytes
	Limit   int64  // offset below which its records begin
	Created time.Time
	// Sealed says that no record can be added any more: there is a later one.
	Sealed bool
	// Content is what its sidecar says is in it, nil if it has none.
	Content *SegmentContent
}

// SegmentContent counts the records of a segment, those in batches one by one.
type SegmentContent struct {
	Records, Deletes uint64
	Oldest, Newest   time.Time // of its records, in the order of time
}

// WriterAlive reports whether the handle that appends with this identity
// ([Record].Writer) is open now, in whatever process on this machine. The answer may
// be outdated when it arrives. Where the system cannot tell (all but Linux) the error
// is errors.ErrUnsupported.
func (j *Journal) WriterAlive(id uint64) (alive bool, err error) {
	if j.isClosed() {
		return false, ErrClosed
	}
	alive, err = writer.Alive(j.dir, id)
	return alive, j.closing(err)
}

// FirstPosition is where the records of segment n begin.
func FirstPosition(n uint64) Position { return Position{Segment: n, Offset: segment.HeaderSize} }

// SegmentRange returns the numbers of the oldest and the newest segment, zeros
// if there is none.
func (j *Journal) SegmentRange() (oldest, newest uint64, err error) {
	if j.isClosed() {
		return 0, 0, ErrClosed
	}
	numbers, err := j.dir.List()
	if err != nil || len(numbers) == 0 {
		return 0, 0, j.closing(err)
	}
	return numbers[0], numbers[len(numbers)-1], nil
}

// Segments lists the segments of the journal, oldest first. It reads their
// headers only, and those of their sidecars. One that is removed meanwhile is left
// out; so is one that cannot be read, or is another journal's, which the error tells.
func (j *Journal) Segments() ([]SegmentInfo, error) {
	if j.isClosed() {
		return nil, ErrClosed
	}
	numbers, err := j.dir.List()
	if err != nil {
		return nil, err
	}
	infos := make([]SegmentInfo, 0, len(numbers))
	var errs []error
	for i, n := range numbers {
		info, err := j.segmentInfo(n)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		info.Sealed = i < len(numbers)-1
		infos = append(infos, info)
	}
	return infos, j.closing(errors.Join(errs...))
}

func (j *Journal) segmentInfo(n uint64) (SegmentInfo, error) {
	f, err := j.dir.Open(n, os.O_RDONLY)
	if err != nil {
		return SegmentInfo{}, err
	}
	defer f.Close() // only read from
	size, err := f.Size()
	info := SegmentInfo{
		Number: n, Name: segment.Name(n), Size: size, Limit: f.Limit,
		Created: time.Unix(0, f.Created),
	}
	// One that cannot be used is as good as none.
	if s, serr := j.dir.SidecarInfo(n); serr == nil && s.Oldest <= s.Newest {
		info.Content = &SegmentContent{s.Records, s.Deletes, time.Unix(0, s.Oldest), time.Unix(0, s.Newest)}
	}
	return info, err
}

// FormatVersion is the version of the format that this program writes, and the
// highest it reads.
const FormatVersion = segment.Version
