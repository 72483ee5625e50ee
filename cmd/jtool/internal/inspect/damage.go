package inspect

import (
	"bytes"
	"fmt"

	"github.com/manypen/manypen/record"
)

// damage explains a stretch without a record: what the rules of section 6 of
// docs/FORMAT.md saw there, and the bytes.
func (a *annotator) damage(f *found) error {
	e := &f.event
	switch e.Class {
	case record.Void, record.Dropped:
		return a.void(e)
	case record.Unused:
		a.note("zeros up to the limit of a segment that was closed before it was full")
		a.bytes(e)
		return nil
	case record.Hole:
		a.hole(e)
		return nil
	}
	h, ok := a.frame.ParseHeader(a.read(e.From, int(min(record.HeaderSize, e.To-e.From))))
	switch {
	case e.pending:
		a.pending(e, &h, ok)
	case ok:
		a.claim(e, &h)
	case e.Class == record.Fragment:
		a.note("%d bytes that begin as a marker does, and what follows is no part of them: torn in its header", e.To-e.From)
	case bytes.HasPrefix(a.read(e.From, 8), a.frame.Marker[:]):
		a.bad("a marker, and no valid header behind it")
		a.headerHint(e)
	default:
		a.bad("no marker: no record begins here")
		a.headerHint(e)
	}
	a.follows(e)
	if !ok && !a.likeHeader(e) {
		a.bytes(e)
		return nil
	}
	a.header(e.From, e.To)
	behind := min(e.From+record.HeaderSize, e.To)
	if ok {
		behind = a.remains(e, &h)
	}
	if e.To > behind {
		a.hex("behind it", behind, e.To-behind, a.read, false)
	}
	return nil
}

// remains shows what there is of key, value and checksum behind a valid header, and
// returns where that ends.
func (a *annotator) remains(e *event, h *record.Header) (end int64) {
	off := e.From + record.HeaderSize
	p := a.payload(e.From, h)
	for _, part := range []struct {
		name string
		size int
	}{{"key", h.KeyLen}, {"value", h.ValueLen}} {
		n := min(int64(part.size), e.To-off)
		if n <= 0 {
			continue
		}
		name := part.name
		if p.masked {
			a.hex(name+", masked", off, n, a.read, false)
			name += ", clear"
		}
		a.hex(name, off, n, func(off int64, n int) []byte { return p.at(off-p.from, n) }, p.masked)
		off += n
	}
	switch left := e.To - off; {
	case off < e.From+h.Size()-record.TrailerSize || left <= 0:
	case left < record.TrailerSize:
		a.wrong(off, a.read(off, int(left)), "checksum", "%d of %d bytes", left, record.TrailerSize)
		off += left
	default:
		a.trailer(e.From, e.From+h.Size())
		off += record.TrailerSize
	}
	return off
}

// claim explains a stretch that begins with a valid header.
func (a *annotator) claim(e *event, h *record.Header) {
	end := e.From + h.Size()
	claims := fmt.Sprintf("header checksum ok, claims %d bytes, up to %v", h.Size(), a.pos(end))
	switch {
	case e.Class == record.Fragment && end > a.size:
		a.note("%s; the segment ends at %v: torn", claims, a.pos(a.size))
		return
	case e.Class == record.Fragment:
		a.note("%s; %d of them were written: torn", claims, e.To-e.From)
		return
	case end > a.size:
		a.bad("%s, which is behind the end of the segment", claims)
		return
	}
	a.bad("%s, which are all there; the record is not whole:", claims)
	want := a.checksum(e.From, end-record.TrailerSize)
	have := a.read(end-record.TrailerSize, record.TrailerSize)
	text, ok := sumText(have, want[:])
	if !ok {
		a.bad("checksum at %v: %s", a.pos(end-record.TrailerSize), text)
		a.bodyHint(e.From, h)
		return
	}
	a.note("its checksum is ok")
	b := a.read(e.From, int(min(h.Size(), 64<<20)))
	switch i := a.frame.Find(b[1:]); {
	case i >= 0:
		a.bad("the marker stands in it once more, at %v", a.pos(e.From+1+int64(i)))
	case h.Kind == record.KindBatch:
		a.bad("it is a batch whose value has not the form of one")
	default:
		a.bad("its last bytes are such as no record ends with")
	}
}

// follows says what ends a stretch.
func (a *annotator) follows(e *event) {
	_, ok := a.frame.ParseHeader(a.read(e.To, record.HeaderSize))
	switch {
	case e.To >= a.size:
		a.note("then the segment ends")
	case ok:
		a.note("the next valid header stands at %v", a.pos(e.To))
	case e.To == a.end():
		a.note("then comes the limit of the segment")
	case bytes.HasPrefix(a.read(e.To, 8), a.frame.Marker[:]):
		a.note("the next marker stands at %v, without a valid header", a.pos(e.To))
	default:
		a.note("behind it, at %v, there are zeros", a.pos(e.To))
	}
}

func (a *annotator) hole(e *event) {
	switch {
	case e.From >= a.size:
		a.bad("the file ends at %v, and the segment is closed: %d bytes up to its limit are not there", a.pos(a.size), e.To-e.From)
		return
	case e.To > a.size:
		a.bad("zeros, then the file ends at %v: power was lost before a sync, or something cut it", a.pos(a.size))
	case a.ending.Full && e.To == a.end():
		a.bad("zeros, and the segment was full when it was closed: something was here, which was lost or erased")
	default:
		a.bad("zeros where records were: power was lost before a sync, or something erased them")
	}
	a.follows(e)
	a.bytes(e)
}

// void shows the record that a position behind the limit lies in, or the bytes.
func (a *annotator) void(e *event) error {
	what := "a void record"
	if e.Class == record.Void {
		a.note("what begins at or behind the limit of %d does not belong to the journal; its writers appended it again, to the next segment", a.limit)
	} else {
		a.note("a recovery was told to keep a prefix, and has cut the journal at %v: what follows in this segment does not belong to it", a.pos(a.ending.Cut))
		what = "a dropped record"
	}
	scan := a.scanner(e.From, a.size)
	scan.See(a.size, true)
	var in *event
	if _, err := drain(scan, e.To, func(inner event) bool {
		if inner.From <= a.at.Offset && a.at.Offset < inner.To {
			in = &inner
		}
		return in == nil && a.ctx.Err() == nil
	}); err != nil {
		return err
	}
	switch {
	case in == nil:
		a.bytes(e)
	case in.Class == record.Whole:
		a.record(in, what)
	default:
		a.note("in it: %v from %v to %v", in.Class, a.pos(in.From), a.pos(in.To))
		a.bytes(in)
	}
	return nil
}

func (a *annotator) pending(e *event, h *record.Header, valid bool) {
	switch {
	case valid:
		a.note("header checksum ok, claims %d bytes, up to %v; %d of them are there", h.Size(), a.pos(e.From+h.Size()), e.To-e.From)
	default:
		a.note("the beginning of a record, or of damage")
	}
	a.note("perhaps it is being written, or its writer was killed: what is appended behind it will tell")
}

// likeHeader reports whether the bytes of a stretch are enough like a header to be
// shown as one: most of the marker is there.
func (a *annotator) likeHeader(e *event) bool {
	b := a.read(e.From, int(min(record.MarkerSize, e.To-e.From)))
	same := 0
	for i := range b {
		if b[i] == a.frame.Marker[i] {
			same++
		}
	}
	return len(b) > 0 && same >= max(1, len(b)-2)
}

// bytes shows those of a stretch.
func (a *annotator) bytes(e *event) {
	if end := min(e.To, a.size); end > e.From {
		a.hex("", e.From, end-e.From, a.read, false)
	}
}

// headerHint tells whether a single bit makes a header of what stands there. A
// checksum of 32 bits and some 350 bits to try: that is no coincidence.
func (a *annotator) headerHint(e *event) {
	b := a.read(e.From, record.HeaderSize)
	if len(b) < record.HeaderSize {
		return
	}
	for i := range b {
		for bit := range 8 {
			old := b[i]
			b[i] ^= 1 << bit
			h, ok := a.frame.ParseHeader(b)
			if ok {
				whole := ""
				if size := h.Size(); e.From+size <= a.size && size <= hintSize {
					all := a.read(e.From, int(size))
					if copy(all, b); a.frame.Whole(&h, all) {
						whole = ", and the record behind it whole"
					}
				}
				a.note("one bit is wrong: %02x instead of %02x at %v makes the header valid%s", b[i], old, a.pos(e.From+int64(i)), whole)
				return
			}
			b[i] = old
		}
	}
}

// hintSize bounds the records that are searched for a wrong bit: the time grows with
// the square of it.
const hintSize = 4 << 10

// bodyHint tells whether a single bit makes the record whole.
func (a *annotator) bodyHint(from int64, h *record.Header) {
	if h.Size() > hintSize {
		return
	}
	b := a.read(from, int(h.Size()))
	if int64(len(b)) < h.Size() {
		return
	}
	for i := record.HeaderSize; i < len(b); i++ {
		for bit := range 8 {
			old := b[i]
			b[i] ^= 1 << bit
			if a.frame.Whole(h, b) {
				a.note("one bit is wrong: %02x instead of %02x at %v makes the record whole", b[i], old, a.pos(from+int64(i)))
				return
			}
			b[i] = old
		}
	}
}
