package record

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Position names a place in a journal: a segment, a byte offset in it, and the
// index of an entry if the record there is a batch. Positions are ordered, and
// one that was handed out stays true for ever. The zero Position stands for
// the oldest record there is.
//
// Its text is SEGMENT:OFFSET, or SEGMENT:OFFSET+INDEX for an entry other than
// the first.
type Position struct {
	Segment uint64
	Offset  int64
	Index   int
}

// Compare returns -1, 0 or +1 as p is before, at or behind q.
func (p Position) Compare(q Position) int {
	return cmp.Or(
		cmp.Compare(p.Segment, q.Segment),
		cmp.Compare(p.Offset, q.Offset),
		cmp.Compare(p.Index, q.Index),
	)
}

// Before reports whether p is in front of q.
func (p Position) Before(q Position) bool { return p.Compare(q) < 0 }

// IsZero reports whether p is the zero Position, the oldest record.
func (p Position) IsZero() bool { return p == Position{} }

func (p Position) String() string {
	b, _ := p.AppendText(nil) // never fails
	return string(b)
}

// AppendText implements [encoding.TextAppender].
func (p Position) AppendText(b []byte) ([]byte, error) {
	b = strconv.AppendUint(b, p.Segment, 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, p.Offset, 10)
	if p.Index != 0 {
		b = append(b, '+')
		b = strconv.AppendInt(b, int64(p.Index), 10)
	}
	return b, nil
}

// MarshalText implements [encoding.TextMarshaler].
func (p Position) MarshalText() ([]byte, error) { return p.AppendText(nil) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Position) UnmarshalText(text []byte) error {
	q, err := ParsePosition(string(text))
	if err == nil {
		*p = q
	}
	return err
}

// ParsePosition reads the text of a position. It accepts exactly what String
// writes: decimal digits, no signs and no spaces.
func ParsePosition(s string) (Position, error) {
	bad := func() (Position, error) {
		return Position{}, fmt.Errorf("position %q: want SEGMENT:OFFSET or SEGMENT:OFFSET+INDEX", s)
	}
	seg, rest, ok := strings.Cut(s, ":")
	if !ok {
		return bad()
	}
	off, index, indexed := strings.Cut(rest, "+")
	var p Position
	var err error
	if p.Segment, err = strconv.ParseUint(seg, 10, 64); err != nil || !digits(seg) {
		return bad()
	}
	if p.Offset, err = strconv.ParseInt(off, 10, 64); err != nil || !digits(off) {
		return bad()
	}
	if indexed {
		if p.Index, err = strconv.Atoi(index); err != nil || !digits(index) {
			return bad()
		}
	}
	if p.String() != s { // zeros in front, or +0: another text of the same position
		return bad()
	}
	return p, nil
}

// digits reports whether s holds nothing but digits: strconv takes signs.
func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
