package record

import "github.com/manypen/manypen/internal/invariant"

// consistent checks an event that is about to be delivered: events follow each other
// without a gap and each is of at least a byte, or a reader would not come to an end.
func (s *Scanner) consistent(ev *Event) {
	switch {
	case ev.From != s.off || ev.To <= ev.From:
		invariant.Violated("at %d: an event is from %d to %d", s.off, ev.From, ev.To)
	case ev.Class != Whole:
	case ev.From >= s.opt.Limit || ev.To > s.size || ev.To-ev.From != ev.Header.Size():
		invariant.Violated("limit %d, size %d: a record of %d bytes is from %d to %d", s.opt.Limit, s.size, ev.Header.Size(), ev.From, ev.To)
	case ev.Key != nil && len(ev.Key) != ev.Header.KeyLen:
		invariant.Violated("at %d: the key has %d bytes instead of %d", ev.From, len(ev.Key), ev.Header.KeyLen)
	}
}

// plain checks what quick has found against the long way.
func (s *Scanner) plain(ev *Event) {
	b := s.block[ev.From-s.base : ev.To-s.base]
	if h, ok := s.opt.Frame.ParseHeader(b); !ok || h != ev.Header {
		invariant.Violated("at %d: quick reads the header as %+v, and ParseHeader as %+v, %v", ev.From, ev.Header, h, ok)
	}
	if !s.opt.Frame.Whole(&ev.Header, b) {
		invariant.Violated("at %d: quick accepts what is not whole: %x", ev.From, b)
	}
}
