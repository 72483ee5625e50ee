package segment

import (
	"errors"
	"io/fs"
	"os"

	"github.com/manypen/manypen/record"
)

// maxAhead bounds how far behind a segment a header may speak of it: those that
// may be unsynced when the machine goes down, which is what a recovery judges.
const maxAhead = 1

// ending finds out from the headers behind segment n how it ended. What they do
// not tell, because they are gone or damaged, is not known and changes nothing:
// such a segment may have been closed early, and it was not cut.
func (d *Dir) ending(n uint64) record.Ending {
	e, _ := d.endingOrError(n) // by what can be read
	return e
}

// endingOrError is ending for who decides something for good by it. The error says that
// a header could not be read, which another time would tell more.
func (d *Dir) endingOrError(n uint64) (e record.Ending, failed error) {
	for k := n + 1; k <= n+1+maxAhead; k++ {
		h, err := d.peek(k)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrHeaderLost) && !errors.Is(err, ErrVersion) {
			failed = err
		}
		if err != nil || h.UUID != d.UUID || h.Number != k {
			continue // whoever opens that segment says what is wrong with it
		}
		if k == n+1 {
			e.Full = h.Rolled
		}
		if cut := h.Cut; cut.Segment > 0 && cut.Segment <= n && cut.Segment+1+maxAhead >= k {
			e.Cut = HeaderSize
			if cut.Segment == n {
				e.Cut = max(cut.Offset, HeaderSize)
			}
		}
	}
	return e, failed
}

// OpenToRead opens segment n and limits it to what belongs to the journal.
func (d *Dir) OpenToRead(n uint64) (*File, error) {
	f, err := d.Open(n, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	if e := d.ending(n); e.Cut > 0 {
		f.Limit = min(f.Limit, e.Cut)
	}
	return f, nil
}

// Origin reports why the segment the last event came from was begun: because the
// one before was full (rolled), or by a recovery, maybe because it was doubted that
// what lay in front was on disk.
func (r *Reader) Origin() (rolled, doubted bool) {
	if r.file == nil {
		return false, false
	}
	return r.file.Rolled, r.file.Doubted
}
