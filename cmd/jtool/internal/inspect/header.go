package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/record"
)

// The fields of a page of a segment's header, section 2.2 of docs/FORMAT.md.
var pageFields = []struct {
	name string
	off  int
	size int
	text func(s *segment, p, b []byte) (text string, ok bool)
}{
	{"magic", 0, 8, func(_ *segment, _, b []byte) (string, bool) {
		return want(string(b) == magic, "of a segment", "want "+spaced([]byte(magic)))
	}},
	{"version", 8, 4, func(_ *segment, _, b []byte) (string, bool) {
		v := le32(b)
		return want(v == version, fmt.Sprint(v), fmt.Sprintf("%d; this program knows %d", v, version))
	}},
	{"header size", 12, 4, func(_ *segment, _, b []byte) (string, bool) {
		return want(le32(b) == headerSize, fmt.Sprint(le32(b)), fmt.Sprintf("%d; want %d", le32(b), headerSize))
	}},
	{"journal", 16, 16, func(s *segment, _, b []byte) (string, bool) {
		return want([16]byte(b) == s.uuid, "this one", fmt.Sprintf("another one; the directory has %x", s.uuid))
	}},
	{"segment number", 32, 8, func(s *segment, _, b []byte) (string, bool) {
		n := le64(b)
		return want(n == s.number, fmt.Sprint(n), fmt.Sprintf("%d; the name says %d", n, s.number))
	}},
	{"limit", 40, 8, func(_ *segment, _, b []byte) (string, bool) {
		n := int64(le64(b))
		return want(limitsValid(n, record.MaxSize), fmt.Sprint(n), fmt.Sprintf("%d; want one above %d, up to %d", n, headerSize, int64(maxLimit)))
	}},
	{"longest record", 48, 8, func(_ *segment, _, b []byte) (string, bool) {
		n := int64(le64(b))
		return want(limitsValid(maxLimit, n), fmt.Sprint(n), fmt.Sprintf("%d; want %d to %d", n, record.Overhead, record.MaxSize))
	}},
	{"created", 56, 8, func(_ *segment, _, b []byte) (string, bool) {
		return fmt.Sprintf("%s (%d)", timeText(int64(le64(b))), int64(le64(b))), true
	}},
	{"boot", 64, 16, func(_ *segment, _, b []byte) (string, bool) {
		if len(bytes.Trim(b, "\x00")) == 0 {
			return "not known", true
		}
		return "of the machine that made it", true
	}},
	{"marker", 80, 8, func(s *segment, _, b []byte) (string, bool) {
		return want([8]byte(b) == s.frame.Marker, "follows from journal and number", "want "+spaced(s.frame.Marker[:]))
	}},
	{"seed", 88, 8, func(s *segment, _, b []byte) (string, bool) {
		return want(le64(b) == s.frame.Seed, "follows from journal and number", fmt.Sprintf("want %s", spaced(binary.LittleEndian.AppendUint64(nil, s.frame.Seed))))
	}},
	{"limit before", 96, 8, number},
	{"longest before", 104, 8, number},
	{"ahead", 112, 4, func(_ *segment, _, b []byte) (string, bool) { return fmt.Sprint(le32(b)), true }},
	{"flags", 116, 4, func(_ *segment, _, b []byte) (string, bool) { return pageFlags(le32(b)), true }},
	{"cut: segment", 120, 8, func(_ *segment, p, b []byte) (string, bool) {
		if le64(b) == 0 {
			return "none", true
		}
		at := record.Position{Segment: le64(b), Offset: int64(le64(p[128:]))}
		return fmt.Sprintf("%d: what lies from %v up to here is dropped", le64(b), at), true
	}},
	{"cut: offset", 128, 8, number},
	{"size before", 136, 8, number},
	{"zeros", 144, 0, func(_ *segment, p, _ []byte) (string, bool) {
		n := len(bytes.Trim(p[144:pageSize-8], "\x00"))
		return want(n == 0, fmt.Sprintf("%d bytes", pageSize-8-144), "there are other bytes; want zeros up to the hash")
	}},
	{"hash", pageSize - 8, 8, func(_ *segment, p, b []byte) (string, bool) {
		return sumText(b, binary.LittleEndian.AppendUint64(nil, xxhash.Sum64(p[:pageSize-8])))
	}},
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func number(_ *segment, _, b []byte) (string, bool) { return fmt.Sprint(int64(le64(b))), true }

func want(ok bool, good, bad string) (string, bool) {
	if ok {
		return good, true
	}
	return bad, false
}

func pageFlags(f uint32) string {
	text := ""
	for _, flag := range []struct {
		bit  uint32
		name string
	}{{flagRolled, "rolled"}, {flagDoubted, "doubted"}, {^uint32(flagRolled | flagDoubted), "not known"}} {
		if f&flag.bit == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += flag.name
		if flag.name == "not known" {
			text += fmt.Sprintf(": %#x", f&flag.bit)
		}
	}
	if text == "" {
		return "none"
	}
	return text
}

// headerPages shows both pages of the header side by side.
func (a *annotator) headerPages() Result {
	page := a.at.Offset / pageSize
	r := Result{What: Header, From: a.pos(page * pageSize), To: a.pos((page + 1) * pageSize)}
	a.title("header of the segment, page %d of 2, from %v to %v", page+1, r.From, r.To)
	first, second := a.pages[page], a.pages[1-page]
	switch same := bytes.Equal(first.raw, second.raw); {
	case first.whole && same:
		a.note("both pages are the same")
	case first.whole && second.whole:
		a.bad("the pages differ, and both are whole; readers take the first one")
	case second.whole:
		a.bad("this page is damaged; readers take the other one")
	case first.whole:
		a.bad("the other page is damaged; readers take this one")
	case a.newer > 0:
		a.bad("of version %d of the format, which this program does not know; the fields are those of version %d", a.newer, version)
	default:
		a.bad("both pages are damaged; the limit is %s", a.limitText())
	}
	if !first.whole {
		r.Class = record.Corruption
		if int64(len(first.raw)) < pageSize {
			r.Class = record.Hole
		}
	}
	a.pageFields(page, first.raw, second.raw)
	return r
}

func (a *annotator) pageFields(page int64, raw, other []byte) {
	if len(raw) < pageSize {
		a.bad("the file ends at %d: the page has %d of %d bytes", a.size, len(raw), pageSize)
		if len(raw) > 0 {
			a.hex("", page*pageSize, int64(len(raw)), a.read, false)
		}
		return
	}
	for _, f := range pageFields {
		b := raw[f.off : f.off+f.size]
		text, ok := f.text(a.segment, raw, b)
		a.line(Line{Kind: Field, Offset: page*pageSize + int64(f.off), Bytes: b, Name: f.name, Text: text, Bad: !ok})
		if len(other) < pageSize {
			continue
		}
		if c := other[f.off : f.off+f.size]; !bytes.Equal(b, c) {
			text, ok := f.text(a.segment, other, c)
			a.line(Line{Kind: Field, Offset: (1-page)*pageSize + int64(f.off), Bytes: c, Name: "  other page", Text: text, Bad: !ok})
		}
	}
}
