package segment

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/manypen/manypen/record"
)

// sector is the least that a disk writes at once.
const sector = 512

// FirstLoss looks for the first place at or above segment from, and behind the
// last mark, at which something was lost in front of a record that was not. The
// segments up to the highest one must be sealed. The zero Position means that
// what is there is a prefix of what was appended.
//
// crashed says that the machine went down while they were in use. A torn record
// is then taken for a loss too if blocks of it, or the end of the segment, may
// have been lost: whether its writer was killed before, or records behind it
// vanished, cannot be told from the bytes (docs/decisions/0011).
func (d *Dir) FirstLoss(from, to uint64, crashed bool) (record.Position, error) {
	s := lossScan{crashed: crashed}
	for n := from; n <= to; n++ { // what lies below a mark was on disk: it was not lost by a crash
		if err := d.sealed(n, func(_ *File, ev *record.Event) (bool, error) {
			if at, ok := record.ParseMark(&ev.Header, ev.Value); ok && ev.Class == record.Whole && s.mark.Before(at) {
				s.mark = at
			}
			return true, nil
		}); err != nil {
			return s.loss, err
		}
	}
	for n := from; n <= to && !s.behind; n++ {
		if err := d.sealed(n, s.event); err != nil {
			return record.Position{}, err
		}
	}
	if !s.behind {
		return record.Position{}, nil // what is lost is the end of the journal
	}
	return s.loss, nil
}

// lossScan is the state of FirstLoss.
type lossScan struct {
	crashed bool
	mark    record.Position
	loss    record.Position // the first one behind the mark
	behind  bool            // there is a record behind it
}

func (s *lossScan) event(f *File, ev *record.Event) (more bool, err error) {
	at := record.Position{Segment: f.Number, Offset: ev.From}
	switch {
	case ev.Class == record.Whole:
		s.behind = !s.loss.IsZero()
	case !s.loss.IsZero() || at.Before(s.mark):
	case ev.Class == record.Hole || ev.Class == record.Corruption:
		s.loss = at
	case ev.Class == record.Fragment && s.crashed:
		var lost bool
		if lost, err = f.mayHaveLost(ev); lost {
			s.loss = at
		}
	}
	return !s.behind, err
}

// mayHaveLost reports whether a torn record looks as if a disk had lost a part of
// it: the end of the file, or a sector of zeros.
func (s *File) mayHaveLost(ev *record.Event) (bool, error) {
	size, err := s.Size()
	if err != nil {
		return false, err
	}
	var b [64 << 10]byte
	next, err := s.dir.peek(s.Number + 1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrHeaderLost) {
		return false, err // it may say another time what this is decided by, for good
	}
	if err == nil && next.Rolled && next.Number == s.Number+1 && ev.To == size {
		if size < next.PrevSize {
			return true, nil // then it was not synced, nor anything behind it
		}
		// Or a seal has filled up with zeros what was lost at the end.
		if _, err := s.F.ReadAt(b[:1], size-1); err != nil || size == s.Limit && b[0] == 0 {
			return err == nil, err
		}
	}
	for off := (ev.From + sector - 1) / sector * sector; off+sector <= ev.To; off += int64(len(b)) {
		n, err := s.F.ReadAt(b[:min(int64(len(b)), ev.To-off)], off)
		if err != nil && err != io.EOF {
			return false, s.ErrorAt("read", off, err)
		}
		for i := 0; i+sector <= n; i += sector {
			if allZero(b[i : i+sector]) {
				return true, nil
			}
		}
	}
	return false, nil
}

// sealed calls f with every event of segment n, which is sealed.
func (d *Dir) sealed(n uint64, f func(*File, *record.Event) (more bool, err error)) error {
	s, err := d.Open(n, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer s.Close() // only read from
	size, err := s.Size()
	if err != nil {
		return s.ErrorAt("read", 0, err)
	}
	scan := record.NewScanner(s.F, record.ScannerOptions{Frame: s.Frame, Limit: s.Limit, From: HeaderSize, Reuse: true})
	scan.See(size, true)
	// The journal is cut by what is found here: what cannot be read now must not count
	// as what is not known.
	ending, err := d.endingOrError(n)
	if err != nil {
		return err
	}
	scan.Ends(ending)
	for ev := (record.Event{}); ; {
		if err := scan.Next(&ev); err != nil {
			if err == io.EOF {
				return nil
			}
			return s.ErrorAt("read", scan.Offset(), err)
		}
		if more, err := f(s, &ev); !more || err != nil {
			return err
		}
	}
}
