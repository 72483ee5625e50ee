package record

import (
	"io"

	"github.com/manypen/manypen/internal/invariant"
)

// Event is what a [Scanner] found next: a record, or a stretch without one.
type Event struct {
	// From and To are the byte offsets [From, To) in the segment.
	From, To int64
	// Class is Whole for a record; then the fields below are set.
	Class  Class
	Header Header
	// Key and Value are parts of a block the scanner has read. They are never
	// written to again unless the scanner was told to reuse its block. Value is nil
	// if the scanner was told to skim and the record is longer than a block.
	Key, Value []byte
}

// ScannerOptions says what to scan.
type ScannerOptions struct {
	Frame Frame
	// Limit is the offset below which a record must start to be valid.
	Limit int64
	// From is the offset to begin at: the start or the end of a record.
	From int64
	// Reuse makes the scanner keep one block. Key and Value of an event are
	// then valid until the next call only.
	Reuse bool
	// BlockSize is how many bytes one read asks for, 128 KiB if 0. A longer
	// record is read by one call of its own length.
	BlockSize int
	// Skim bounds the memory for who wants no values: a record longer than a block
	// is checked piece by piece, and its value is not delivered. (A batch is; its
	// keys are in it.) It implies Reuse.
	Skim bool
	// Until is an offset behind which nothing is read that need not be, 0 for none:
	// others read there.
	Until int64
}

const defaultBlock = 128 << 10

// A Scanner reads the records of one segment in order and accounts for every
// byte between them (docs/FORMAT.md, section 6).
//
// It judges by a snapshot: the size of the segment, and whether the segment is
// final, both taken by the caller before a single byte is read ([Scanner.See]).
// Were bytes read first, a record completed in the meantime could be followed
// by another one and then be mistaken for a torn one.
type Scanner struct {
	r   io.ReaderAt
	opt ScannerOptions

	off   int64 // the next byte to judge
	size  int64 // snapshot: bytes at and behind it do not exist
	final bool  // snapshot: no record can be added any more
	full  bool  // see Ending
	cut   bool  // opt.Limit is one that a recovery has set

	block []byte // bytes of the segment from base on
	base  int64

	dead    int64 // up to here there is no valid header: proved by what follows
	barren  int64 // no valid header starts in (off, barren): remembered between snapshots
	suspect int64 // a whole record failed up to here (see whole)

	window []byte // bytes of the segment from wbase on, only looked at
	wbase  int64
	spare  []byte // memory for the next window
	key    []byte // of the record that was skimmed last
}

// NewScanner returns a Scanner that has seen nothing yet.
func NewScanner(r io.ReaderAt, opt ScannerOptions) *Scanner {
	if opt.BlockSize <= 0 {
		opt.BlockSize = defaultBlock
	}
	opt.Reuse = opt.Reuse || opt.Skim
	return &Scanner{r: r, opt: opt, off: opt.From}
}

// See gives the scanner a newer snapshot: the segment has size bytes, and if
// final, no valid byte of it will change or be added. Both must have been
// determined in the order final, size.
func (s *Scanner) See(size int64, final bool) { s.size, s.final = size, final }

// Size is the size of the segment as the scanner knows it.
func (s *Scanner) Size() int64 { return s.size }

// Offset is where the scanner will go on: the end of the last event.
func (s *Scanner) Offset() int64 { return s.off }

// Reset makes the scanner go on in r, which holds the same bytes (a repaired
// copy): nothing read before is used.
func (s *Scanner) Reset(r io.ReaderAt) {
	s.r = r
	s.forget()
}

// forget drops every byte the scanner has read and all it concluded from them.
func (s *Scanner) forget() {
	s.block, s.base, s.window, s.wbase = nil, 0, nil, 0
	s.dead, s.barren, s.suspect = 0, 0, 0
}

// Skip moves the scanner to offset off.
func (s *Scanner) Skip(off int64) {
	if off < s.off {
		s.forget() // payloads behind off may be unmasked, and the proofs began later
	}
	s.off = off
}

// Next sets ev to what stands at Offset and moves behind it. It returns io.EOF
// when the snapshot has no more to say: the rest is pending, or there is none.
// After an error of the reader the scanner stays where it is.
func (s *Scanner) Next(ev *Event) error {
	ev.From = s.off
	if s.quick(ev) {
		if invariant.Enabled {
			s.plain(ev)
			s.consistent(ev)
		}
		s.off = ev.To
		return nil
	}
	*ev = Event{From: s.off}
	for {
		size := s.size
		err := s.next(ev)
		if err == nil {
			if invariant.Enabled {
				s.consistent(ev)
			}
			s.off = ev.To
		}
		// The file is shorter than the snapshot said: it is being removed or
		// was cut off. What is left is judged anew.
		if err == errShrunk && s.size < size {
			s.forget()
			continue
		}
		return err
	}
}

func (s *Scanner) next(ev *Event) error {
	if s.off >= s.opt.Limit || s.off >= s.size {
		return s.rest(ev)
	}
	if s.off >= s.dead {
		ok, err := s.record(ev)
		if ok || err != nil {
			return err
		}
		if err := s.resync(); err != nil {
			return err
		}
	}
	return s.classify(ev)
}

// rest tells of the end of a final segment: what lies at or beyond the limit,
// and what the segment lacks below it.
func (s *Scanner) rest(ev *Event) error {
	switch {
	case !s.final:
		return io.EOF
	case s.off >= s.opt.Limit && s.off < s.size:
		ev.To, ev.Class = s.size, Void
		if s.cut {
			ev.Class = Dropped
		}
		return nil
	case s.off < s.opt.Limit:
		ev.To, ev.Class = s.opt.Limit, Hole
		return nil
	}
	return io.EOF
}

// record reports whether a whole record stands at s.off, and delivers it.
func (s *Scanner) record(ev *Event) (bool, error) {
	b, err := s.view(s.off, HeaderSize)
	if err != nil {
		return false, err
	}
	h, ok := s.opt.Frame.ParseHeader(b)
	if !ok || s.off+h.Size() > s.size {
		return false, nil
	}
	ok, err = s.whole(&h, ev)
	if ok {
		ev.To, ev.Class, ev.Header = s.off+h.Size(), Whole, h
	}
	return ok, err
}

// whole checks the record that h describes at s.off.
//
// A damaged or hostile segment may hold many valid headers, each of which
// claims a long record: to hash every claim would take time quadratic in the
// size of the file. After one claim failed, those that begin inside it are
// searched for a marker first: no record contains one (see [Frame.Whole]), and
// the search ends at the next one.
func (s *Scanner) whole(h *Header, ev *Event) (bool, error) {
	end := s.off + h.Size()
	if s.off < s.suspect {
		m, err := s.find(s.off+1, end-(MarkerSize-1))
		if m >= 0 || err != nil {
			return false, err
		}
	}
	if s.opt.Skim && h.Kind != KindBatch && h.Size() > int64(s.opt.BlockSize) {
		ok, err := s.skim(h, ev)
		if !ok && err == nil {
			s.suspect = max(s.suspect, end)
		}
		return ok, err
	}
	b, err := s.view(s.off, int(h.Size()))
	if err != nil {
		return false, err
	}
	if !s.opt.Frame.Whole(h, b) {
		s.suspect = max(s.suspect, end)
		return false, nil
	}
	if !h.Interpretable() {
		return true, nil
	}
	key, value := s.opt.Frame.Payload(h, b)
	if h.Kind == KindBatch {
		if _, ok := NewEntries(value); !ok || h.KeyLen != 0 {
			// Mask it again: the block is still to be searched, and what the
			// mask hides must not come to light.
			s.opt.Frame.Payload(h, b)
			return false, nil
		}
	}
	ev.Key, ev.Value = key, value
	return true, nil
}

// resync sets s.dead: the next valid header behind s.off, or the end of a
// final segment. Without either the rest is pending. A header beyond the limit
// ends a dead stretch too, in a final segment: it begins the void.
func (s *Scanner) resync() error {
	hi := s.size
	switch {
	case !s.final:
		hi = min(hi, s.opt.Limit)
	case hi-MaxSize > s.opt.Limit:
		// No record that starts below the limit reaches further. A file that
		// was made a terabyte long shall not keep its reader busy.
		hi = s.opt.Limit + MaxSize
	}
	from := max(s.off+1, s.barren)
	q, err := s.header(from, hi)
	if err != nil {
		return err
	}
	if q >= 0 {
		s.dead = q
		return nil
	}
	// A header may have been cut off by hi: look at its bytes again next time.
	s.barren = max(from, hi-(HeaderSize-1))
	if !s.final {
		return io.EOF
	}
	s.dead = hi
	return nil
}

// Find returns the smallest offset in [lo, hi) at which a valid header stands, or
// -1. No record has one inside, so whatever lies at lo, a scanner that begins
// further in front comes by that offset too, and goes on there.
func (s *Scanner) Find(lo, hi int64) (int64, error) {
	for {
		size := s.size
		p, err := s.header(lo, hi)
		if err == errShrunk && s.size < size {
			s.forget()
			continue
		}
		return p, err
	}
}

// header returns the smallest offset in [lo, hi) at which a valid header
// stands, wholly below the size, or -1.
func (s *Scanner) header(lo, hi int64) (int64, error) {
	for lo < hi {
		p, err := s.find(lo, hi)
		if p < 0 || err != nil {
			return -1, err
		}
		b, err := s.read(p, HeaderSize)
		if err != nil {
			return -1, err
		}
		if _, ok := s.opt.Frame.ParseHeader(b); ok {
			return p, nil
		}
		lo = p + 1
	}
	return -1, nil
}

// find returns the smallest offset in [lo, hi) at which a whole marker stands,
// or -1. The marker itself may reach beyond hi.
func (s *Scanner) find(lo, hi int64) (int64, error) {
	for lo < hi {
		b, err := s.ahead(lo)
		if err != nil {
			return -1, err
		}
		if i := s.opt.Frame.Find(b); i >= 0 {
			if p := lo + int64(i); p < hi {
				return p, nil
			}
			return -1, nil
		}
		if len(b) < MarkerSize {
			return -1, nil
		}
		lo += int64(len(b) - (MarkerSize - 1))
	}
	return -1, nil
}
