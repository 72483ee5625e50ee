package record

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Ending is what the segments behind a final one tell about its end.
type Ending struct {
	// Full says that the segment was full before it was closed: every byte below
	// its limit was written, so that zeros at the end are no space left over but
	// something lost.
	Full bool
	// Cut, if not 0, is the offset from which on a recovery has dropped what is
	// there: it takes the place of the limit.
	Cut int64
}

// Ends tells the scanner how its segment ended, in addition to See.
func (s *Scanner) Ends(e Ending) {
	s.full = e.Full
	if e.Cut > 0 && e.Cut < s.opt.Limit {
		s.opt.Limit, s.cut = e.Cut, true
	}
}

// classify says what stands at s.off, where no valid record does. No valid
// header begins in (s.off, s.dead).
//
// Several torn writes may follow each other. Every one of them that reached
// its eighth byte has a marker, so the stretch is judged from marker to marker.
func (s *Scanner) classify(ev *Event) error {
	end, err := s.find(s.off+1, s.dead)
	if err != nil {
		return err
	}
	if end < 0 {
		end = s.dead
	}
	if s.final && !s.full && end >= min(s.opt.Limit, s.size) {
		return s.classifyLast(ev, end)
	}
	ev.To = end
	zerosTo := min(end, s.opt.Limit) // behind it there is only what is void
	data, err := s.dataEnd(s.off, zerosTo)
	if err != nil {
		return err
	}
	if data == s.off {
		ev.To, ev.Class = zerosTo, Hole
		return nil
	}
	ev.Class, err = s.torn(s.off, end)
	return err
}

// classifyLast judges the stretch [s.off, end) at the end of a final segment:
// no record and no torn one below the limit follows it. Such a segment was extended with
// zeros up to its limit when it was closed early, so the remains of a torn
// record are followed by zeros, perhaps as many as it lacks.
func (s *Scanner) classifyLast(ev *Event, end int64) error {
	zerosTo := end // where the zeros that are not part of a record may reach to
	h, ok, err := s.headerAt(s.off)
	if err != nil {
		return err
	}
	claimed := s.off + h.Size()
	if !ok || claimed <= s.opt.Limit {
		zerosTo = min(end, s.opt.Limit)
	}
	data, err := s.dataEnd(s.off, zerosTo)
	if err != nil {
		return err
	}
	switch {
	case data == s.off:
		ev.To, ev.Class = zerosTo, Hole
		if s.size >= s.opt.Limit {
			ev.Class = Unused
		}
		return nil
	case data == zerosTo:
		data = end // no zeros at all: the damage goes on to the end
	}
	ev.To = data
	if !ok || claimed > end {
		ev.Class, err = s.torn(s.off, data)
		return err
	}
	torn, err := s.trailerMissing(claimed-TrailerSize, data)
	if ev.Class = Fragment; !torn {
		ev.To, ev.Class = max(data, claimed), Corruption
	}
	return err
}

// torn tells a fragment from corruption in [lo, hi), which another record's
// beginning or nothing follows.
func (s *Scanner) torn(lo, hi int64) (Class, error) {
	if hi-lo >= HeaderSize {
		h, ok, err := s.headerAt(lo)
		if ok && lo+h.Size() > hi {
			return Fragment, err
		}
		return Corruption, err
	}
	b, err := s.read(lo, int(hi-lo))
	if n := min(len(b), MarkerSize); err == nil && bytes.Equal(b[:n], s.opt.Frame.Marker[:n]) {
		return Fragment, nil
	}
	return Corruption, err
}

// trailerMissing reports whether the record at s.off was torn in front of or
// inside its trailer, which should stand at offset trailer: behind data there
// are only zeros. Were a whole record judged by its checksum alone, a torn one
// in front of zeros would look like a corrupted one.
func (s *Scanner) trailerMissing(trailer, data int64) (bool, error) {
	if data <= trailer {
		return true, nil // a checksum of eight zeros is as rare as a wrong one that fits
	}
	if data >= trailer+TrailerSize {
		return false, nil
	}
	var d xxhash.Digest
	d.Reset()
	for off := s.off; off < trailer; {
		b, err := s.read(off, int(min(int64(s.opt.BlockSize), trailer-off)))
		if err != nil {
			return false, err
		}
		d.Write(b) // never fails
		off += int64(len(b))
	}
	var want [TrailerSize]byte
	binary.LittleEndian.PutUint64(want[:], d.Sum64()^s.opt.Frame.Seed)
	have, err := s.read(trailer, int(data-trailer))
	return err == nil && bytes.Equal(have, want[:len(have)]), err
}

// headerAt parses the header at off.
func (s *Scanner) headerAt(off int64) (Header, bool, error) {
	b, err := s.read(off, HeaderSize)
	if err != nil {
		return Header{}, false, err
	}
	h, ok := s.opt.Frame.ParseHeader(b)
	return h, ok, nil
}

// dataEnd returns the end of the last byte in [lo, hi) that is not zero, or lo.
func (s *Scanner) dataEnd(lo, hi int64) (int64, error) {
	for hi > lo {
		from := max(lo, hi-int64(s.opt.BlockSize))
		b, err := s.read(from, int(hi-from))
		if err != nil {
			return 0, err
		}
		if b = bytes.TrimRight(b, "\x00"); len(b) > 0 {
			return from + int64(len(b)), nil
		}
		hi = from
	}
	return lo, nil
}
