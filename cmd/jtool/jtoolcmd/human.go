package jtoolcmd

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/manypen/manypen/journal"
)

// Colours, as SGR sequences. Everything else that is printed is free of escapes.
const (
	sgrReset  = "\x1b[0m"
	sgrDim    = "\x1b[2m"
	sgrBold   = "\x1b[1m"
	sgrRed    = "\x1b[31m"
	sgrYellow = "\x1b[33m"
	sgrCyan   = "\x1b[36m"
)

// writerColors tell writers apart at a glance; which one a writer has follows from
// its number.
var writerColors = [...]string{"\x1b[32m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[92m", "\x1b[94m", "\x1b[95m"}

func (t *tool) paint(b []byte, color, text string) []byte {
	if !t.colored || color == "" || text == "" {
		return append(b, text...)
	}
	return append(append(append(b, color...), text...), sgrReset...)
}

// The columns of a terminal grow with what they have to hold, up to a width at
// which one long key does not push all values out of sight.
const (
	widestPosition = 20
	widestWriter   = 24
	widestKey      = 32
)

// column pads to the widest text it has seen. Widths are in cells of the terminal,
// of which some characters take two, and some none.
type column struct{ width, widest int }

func (c *column) pad(b []byte, text string) []byte {
	w := runewidth.StringWidth(text)
	if w > c.width {
		c.width = min(w, c.widest)
	}
	return append(b, strings.Repeat(" ", max(c.width-w, 0)+2)...)
}

// columns is the format short for a terminal: aligned, in local time to the
// millisecond, with colours if they are wanted.
func (t *tool) columns(utc bool) format {
	position, writer, key := column{10, widestPosition}, column{18, widestWriter}, column{0, widestKey}
	return func(b []byte, r journal.Record) []byte {
		at := r.Position.String()
		b = position.pad(t.paint(b, sgrDim, at), at)
		when := r.Time.Local()
		if utc {
			when = r.Time.UTC()
		}
		b = append(t.paint(b, sgrCyan, when.Format("2006-01-02 15:04:05.000")), "  "...)
		who := fmt.Sprintf("%016x:%d", r.Writer, r.Seq)
		b = writer.pad(t.paint(b, writerColors[r.Writer%uint64(len(writerColors))], who), who)
		k, v := t.shown(r)
		if len(k) > 0 || key.width > 0 {
			text := string(appendEscaped(nil, k))
			b = key.pad(t.paint(b, sgrBold, text), text)
		}
		if r.Kind == journal.KindDelete {
			return append(t.paint(b, sgrRed, "(deleted)"), '\n')
		}
		return append(t.paint(b, levelColor(r.Value), string(appendEscaped(nil, v))), '\n')
	}
}

// shown is key and value as they are shown to people, before they are escaped.
func (t *tool) shown(r journal.Record) (key, value []byte) {
	if t.decode == nil {
		return r.Key, r.Value
	}
	k, v := t.decode(r)
	return []byte(k), []byte(v)
}

// levelColor is the colour of a log line, by the level that slog, zap, zerolog and
// others write into theirs. It decides nothing but a colour, so a look at the
// first bytes will do.
func levelColor(value []byte) string {
	const look = 256
	head := value[:min(len(value), look)]
	if len(head) == 0 || head[0] != '{' {
		return ""
	}
	_, rest, ok := bytes.Cut(head, []byte(`"level":"`))
	if !ok {
		return ""
	}
	level, _, _ := bytes.Cut(rest, []byte(`"`))
	switch word := strings.ToLower(string(level)); {
	case strings.HasPrefix(word, "err"), strings.HasPrefix(word, "fatal"), strings.HasPrefix(word, "panic"),
		strings.HasPrefix(word, "dpanic"), strings.HasPrefix(word, "crit"):
		return sgrRed
	case strings.HasPrefix(word, "warn"):
		return sgrYellow
	case strings.HasPrefix(word, "debug"), strings.HasPrefix(word, "trace"):
		return sgrDim
	}
	return ""
}
