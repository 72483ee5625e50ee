package inspect

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/record"
)

const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(timeLayout) }

// record shows a whole record. what is its title.
func (a *annotator) record(e *event, what string) {
	a.title("%s from %v to %v, %d bytes", what, a.pos(e.From), a.pos(e.To), e.To-e.From)
	if a.at.Offset > e.From {
		a.note("%v lies inside of it", record.Position{Segment: a.at.Segment, Offset: a.at.Offset})
	}
	h := &e.Header
	p := a.payload(e.From, h)
	if e.From < a.end() && e.To > a.end() {
		a.note("it reaches beyond the limit; it belongs to the journal because it begins in front of it")
	}
	a.header(e.From, e.To)
	switch {
	case !h.Interpretable():
		a.note("of a kind or with a flag that this program does not know: whole, and skipped by readers")
		p.stored("not interpreted")
	case h.Masked():
		p.stored("masked")
		a.note("without the mask:")
		p.parts(h)
	default:
		p.parts(h)
	}
	a.trailer(e.From, e.To)
}

// The fields of a record's header, section 3 of docs/FORMAT.md.
var recordFields = []struct {
	name string
	size int
}{
	{"marker", 8}, {"kind", 1}, {"flags", 1}, {"key length", 2}, {"value length", 4},
	{"time", 8}, {"writer", 8}, {"sequence", 8}, {"header checksum", 4},
}

// header shows the header of a record at off, or as much of it as there is in front
// of end.
func (a *annotator) header(off, end int64) {
	b := a.read(off, int(min(record.HeaderSize, end-off)))
	all := b
	for _, f := range recordFields {
		switch {
		case len(b) == 0:
			return
		case len(b) < f.size:
			a.wrong(off, b, f.name, "%d of %d bytes", len(b), f.size)
			return
		}
		text, ok := a.recordField(f.name, b[:f.size], all)
		a.line(Line{Kind: Field, Offset: off, Bytes: b[:f.size], Name: f.name, Text: text, Bad: !ok})
		off, b = off+int64(f.size), b[f.size:]
	}
}

// recordField says what one field of a header means, and whether it may be so.
func (a *annotator) recordField(name string, b, header []byte) (text string, ok bool) {
	le := binary.LittleEndian
	switch name {
	case "marker":
		if [8]byte(b) != a.frame.Marker {
			return "want " + spaced(a.frame.Marker[:]), false
		}
		return "of this segment", true
	case "kind":
		k := record.Kind(b[0])
		if k == 0 {
			return "0 is no kind", false
		}
		return k.String(), true
	case "flags":
		return flagsText(b[0]), true
	case "key length":
		return fmt.Sprint(le.Uint16(b)), true
	case "value length":
		v := int64(le.Uint32(b))
		if size := record.Overhead + int64(le.Uint16(header[10:])) + v; size > record.MaxSize {
			return fmt.Sprintf("%d; no record is longer than %d bytes", v, record.MaxSize), false
		}
		return fmt.Sprint(v), true
	case "time":
		ns := int64(le.Uint64(b))
		return fmt.Sprintf("%s (%d)", timeText(ns), ns), true
	case "writer":
		return fmt.Sprintf("%016x (%d)", le.Uint64(b), le.Uint64(b)), true
	case "sequence":
		if record.Kind(header[8]) == record.KindMark {
			return fmt.Sprintf("%d, of its writer's last record", le.Uint64(b)), true
		}
		return fmt.Sprint(le.Uint64(b)), true
	}
	var want [4]byte
	le.PutUint32(want[:], uint32(xxhash.Sum64(header[:40])^a.frame.Seed))
	return sumText(b, want[:])
}

func flagsText(f byte) string {
	var names []string
	if f&1 != 0 {
		names = append(names, "masked")
	}
	if f&^1 != 0 {
		names = append(names, fmt.Sprintf("not known: %#02x", f&^1))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func sumText(have, want []byte) (text string, ok bool) {
	if string(have) == string(want) {
		return "ok", true
	}
	return fmt.Sprintf("want %s, have %s", spaced(want), spaced(have)), false
}

// trailer shows the checksum of the record [from, to), and reports whether it is
// right.
func (a *annotator) trailer(from, to int64) bool {
	want := a.checksum(from, to-record.TrailerSize)
	have := a.read(to-record.TrailerSize, record.TrailerSize)
	text, ok := sumText(have, want[:])
	a.line(Line{Kind: Field, Offset: to - record.TrailerSize, Bytes: have, Name: "checksum", Text: text, Bad: !ok})
	return ok
}

// checksum is that of the bytes [from, to).
func (a *annotator) checksum(from, to int64) (sum [record.TrailerSize]byte) {
	var d xxhash.Digest
	d.Reset()
	for from < to && a.err == nil {
		b := a.read(from, int(min(to-from, 1<<20)))
		if len(b) == 0 {
			break
		}
		d.Write(b) // never fails
		from += int64(len(b))
	}
	binary.LittleEndian.PutUint64(sum[:], d.Sum64()^a.frame.Seed)
	return sum
}

// payload is the key and the value of a record.
type payload struct {
	*annotator
	from      int64 // of the key in the segment
	key, size int64 // of the key, of both
	masked    bool
	nonce     uint64
}

func (a *annotator) payload(off int64, h *record.Header) payload {
	p := payload{annotator: a, from: off + record.HeaderSize, key: int64(h.KeyLen), size: int64(h.KeyLen) + int64(h.ValueLen)}
	if h.Masked() && h.Interpretable() {
		p.masked = true
		p.nonce = xxhash.Sum64(a.read(off, 40)) ^ a.frame.Seed
	}
	return p
}

// at returns n bytes of the payload from i on without the mask, or as many as
// there are.
func (p *payload) at(i int64, n int) []byte {
	b := p.read(p.from+i, int(max(0, min(int64(n), p.size-i))))
	if p.masked {
		unmask(b, p.nonce, i)
	}
	return b
}

// unmask applies the key stream of section 5 of docs/FORMAT.md from its byte i on.
func unmask(b []byte, nonce uint64, i int64) {
	for n := range b {
		at := uint64(i) + uint64(n)
		z := nonce + (at/8+1)*0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		b[n] ^= byte(z >> (8 * (at % 8)))
	}
}

// stored shows key and value as they are in the file.
func (p *payload) stored(how string) {
	raw := func(i int64, n int) []byte { return p.read(p.from+i, n) }
	p.dump("key, "+how, 0, p.key, raw, false)
	p.dump("value, "+how, p.key, p.size-p.key, raw, false)
}

// parts shows what key and value say.
func (p *payload) parts(h *record.Header) {
	switch {
	case h.Kind == record.KindBatch:
		p.entries()
		return
	case h.Kind == record.KindMark && p.size == 16:
		b := p.at(0, 16)
		if len(b) < 16 {
			return
		}
		at := record.Position{Segment: binary.LittleEndian.Uint64(b), Offset: int64(binary.LittleEndian.Uint64(b[8:]))}
		p.line(Line{Kind: Field, Offset: p.from, Bytes: b[:8], Name: "mark: segment", Text: fmt.Sprint(at.Segment), Unmasked: p.masked})
		p.line(Line{Kind: Field, Offset: p.from + 8, Bytes: b[8:], Name: "mark: offset", Unmasked: p.masked,
			Text: fmt.Sprintf("%d: everything in front of %v was on disk", at.Offset, at)})
		return
	}
	p.dump("key", 0, p.key, p.at, p.masked)
	if h.Kind == record.KindDelete && p.size == p.key {
		p.note("no value: the record deletes its key")
		return
	}
	p.dump("value", p.key, p.size-p.key, p.at, p.masked)
}

// count is the number of entries of a batch, as it says.
func (p *payload) count() int64 {
	b := p.at(0, record.BatchHeaderSize)
	if len(b) < record.BatchHeaderSize {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(b))
}

// entries shows a batch, or the one entry of it that was asked for.
func (p *payload) entries() {
	n := p.count()
	p.line(Line{Kind: Field, Offset: p.from, Bytes: p.at(0, 4), Name: "entries", Text: fmt.Sprint(n), Unmasked: p.masked})
	at := int64(record.BatchHeaderSize)
	for i := range n {
		if p.err != nil {
			return
		}
		b := p.at(at, record.EntryHeaderSize)
		if len(b) < record.EntryHeaderSize {
			p.bad("entry %d is not there", i)
			return
		}
		key, value := int64(binary.LittleEndian.Uint16(b[2:])), int64(binary.LittleEndian.Uint32(b[4:]))
		if i == ShownEntries && !p.opt.Full && p.annotator.at.Index == 0 {
			p.line(Line{Kind: More, Text: fmt.Sprintf("... and %d further entries; --full shows them", n-i)})
			return
		}
		if p.annotator.at.Index == 0 || int64(p.annotator.at.Index) == i {
			p.entry(i, at, b, key, value)
		}
		at += record.EntryHeaderSize + key + value
	}
}

func (p *payload) entry(i, at int64, b []byte, key, value int64) {
	where := p.pos(p.from - record.HeaderSize)
	where.Index = int(i)
	p.title("entry %d, %v", i, where)
	field := func(off, n int64, name, text string) {
		p.line(Line{Kind: Field, Offset: p.from + at + off, Bytes: b[off : off+n], Name: name, Text: text, Unmasked: p.masked})
	}
	kind := record.Kind(b[0])
	field(0, 1, "kind", kind.String())
	field(1, 1, "reserved", "")
	field(2, 2, "key length", fmt.Sprint(key))
	field(4, 4, "value length", fmt.Sprint(value))
	p.dump("key", at+record.EntryHeaderSize, key, p.at, p.masked)
	if kind != record.KindDelete || value > 0 {
		p.dump("value", at+record.EntryHeaderSize+key, value, p.at, p.masked)
	}
}

// dump shows n bytes of the payload from i on, as get returns them.
func (p *payload) dump(name string, i, n int64, get func(i int64, n int) []byte, unmasked bool) {
	if n == 0 {
		p.note("%s: empty", name)
		return
	}
	p.hex(name, p.from+i, n, func(off int64, n int) []byte { return get(off-p.from, n) }, unmasked)
}

// hex shows n bytes from off on, the first ones only unless all are asked for.
func (a *annotator) hex(name string, off, n int64, get func(off int64, n int) []byte, unmasked bool) {
	shown := n
	if !a.opt.Full {
		shown = min(n, Shown)
	}
	end := off + shown
	var last []byte
	same := int64(0)
	flush := func() {
		if same > 0 {
			a.line(Line{Kind: Bytes, Offset: off - same, Repeated: same})
			same = 0
		}
	}
	for off < end && a.err == nil {
		if a.err = a.ctx.Err(); a.err != nil {
			return
		}
		chunk := get(off, int(min(64<<10, end-off)))
		if len(chunk) == 0 {
			break
		}
		for len(chunk) > 0 {
			row := chunk[:min(width, len(chunk))]
			chunk = chunk[len(row):]
			if len(row) == width && string(row) == string(last) {
				same += width
			} else {
				flush()
				a.line(Line{Kind: Bytes, Offset: off, Bytes: row, Name: name, Text: printable(row), Unmasked: unmasked})
				name, last = "", row
			}
			off += int64(len(row))
		}
	}
	flush()
	if shown < n {
		a.line(Line{Kind: More, Text: fmt.Sprintf("... and %d further bytes; --full shows them", n-shown)})
	}
}
