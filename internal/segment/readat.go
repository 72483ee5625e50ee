package segment

import (
	"errors"
	"io"
	"sync"

	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// ErrCorrupt: a record begins at a position, and its checksum is wrong.
var ErrCorrupt = errors.New("record fails its checksum")

// firstRead is what a look-up asks for before it knows how long the record is:
// most records are shorter, and copying more than is wanted takes time too.
const firstRead = 512

var firstReads = sync.Pool{New: func() any { return new([firstRead]byte) }}

// ReadAt reads the record that begins at off, in memory of its own. Errors are
// ErrNoRecord, ErrCorrupt or the system's.
func (s *File) ReadAt(off int64) (record.Event, error) {
	if off < HeaderSize || off >= s.Limit {
		return record.Event{}, s.ErrorAt("read", off, ErrNoRecord)
	}
	buf := firstReads.Get().(*[firstRead]byte)
	defer firstReads.Put(buf)
	n, err := s.F.ReadAt(buf[:], off)
	if err != nil && err != io.EOF {
		return record.Event{}, s.ErrorAt("read", off, err)
	}
	h, ok := s.Frame.ParseHeader(buf[:n])
	if !ok {
		return record.Event{}, s.ErrorAt("read", off, ErrNoRecord)
	}
	b, err := s.body(off, &h, buf[:n])
	if err != nil {
		return record.Event{}, s.ErrorAt("read", off, err)
	}
	if !s.Frame.Whole(&h, b) {
		return record.Event{}, s.ErrorAt("read", off, ErrCorrupt)
	}
	ev := record.Event{From: off, To: off + h.Size(), Header: h}
	if h.Interpretable() {
		ev.Key, ev.Value = s.Frame.Payload(&h, b)
	}
	if h.Interpretable() && h.Kind == record.KindBatch {
		// The same as a scanner asks for: else a look-up would find what no loop gives.
		if _, ok := record.NewEntries(ev.Value); !ok || h.KeyLen != 0 {
			return record.Event{}, s.ErrorAt("read", off, ErrCorrupt)
		}
	}
	return ev, nil
}

// body returns the bytes of the record that h describes; head are its first.
// The length comes from a verified header, and still nothing is allocated that
// the file does not have.
func (s *File) body(off int64, h *record.Header, head []byte) ([]byte, error) {
	size := h.Size()
	if size > int64(len(head)) {
		have, err := s.Size()
		if err != nil {
			return nil, err
		}
		if off+size > have {
			return nil, ErrNoRecord // torn, or still being written
		}
	}
	b := make([]byte, size)
	n := copy(b, head)
	if n == len(b) {
		return b, nil
	}
	_, err := vio.ReadvFullAt(s.F, [][]byte{b[n:]}, off+int64(n))
	return b, err
}
