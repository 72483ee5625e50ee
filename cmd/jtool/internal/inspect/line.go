package inspect

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// Line is one line of what is shown. Its texts hold nothing that could change a
// terminal, whatever the journal holds.
type Line struct {
	Kind LineKind
	// Offset in the segment, and the bytes there as they are stored (Unmasked: as
	// they are without the mask). A line may stand for more bytes, see Repeated.
	Offset int64
	Bytes  []byte
	// Name of the field, Text what the bytes say.
	Name, Text string
	// Bad says that this is wrong.
	Bad bool
	// Unmasked says that Bytes are not what is stored.
	Unmasked bool
	// Repeated is how many further bytes follow that are the same as those of the
	// line in front, 16 by 16; Bytes is empty then.
	Repeated int64
}

// LineKind says what a line is.
type LineKind string

// The kinds of lines.
const (
	Title   LineKind = "title"
	Note    LineKind = "note"
	Field   LineKind = "field"
	Bytes   LineKind = "bytes" // some of many
	More    LineKind = "more"  // of which not all are shown
	Context LineKind = "context"
)

// width is how many bytes a line shows.
const width = 16

// AppendText appends the line as people read it, without a newline behind it.
func (l *Line) AppendText(b []byte) []byte {
	mark := ""
	if l.Bad {
		mark = "!! "
	}
	switch l.Kind {
	case Title:
		return append(b, l.Text...)
	case Note:
		return append(append(append(b, "  "...), mark...), l.Text...)
	case More:
		return append(append(b, "              "...), l.Text...)
	case Context:
		return append(append(b, "  "...), l.Text...)
	}
	if l.Repeated > 0 {
		return fmt.Appendf(b, "%12s  the same for %d bytes", "*", l.Repeated)
	}
	text := fmt.Sprintf("%12d  %-*s  %-15s  %s%s", l.Offset, 3*width-1, spaced(l.Bytes), l.Name, mark, l.Text)
	return append(b, strings.TrimRight(text, " ")...)
}

// spaced is hexadecimal with spaces between the bytes.
func spaced(b []byte) string {
	text := make([]byte, 0, 3*len(b))
	for i := range b {
		if i > 0 {
			text = append(text, ' ')
		}
		text = hex.AppendEncode(text, b[i:i+1])
	}
	return string(text)
}

// printable is b as text, with a point for every byte that is not a character of
// ASCII that can be seen.
func printable(b []byte) string {
	text := make([]byte, len(b))
	for i, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		text[i] = c
	}
	return "|" + string(text) + "|"
}
