// Package inspect takes the bytes of a journal apart, field by field, as a
// disassembler does with a program: a record, what is left of one, or the header
// of a segment.
//
// It is a second reader of the format. Records are judged by package record;
// everything else (names, headers, masks, batches, marks) is read here as
// docs/FORMAT.md says, and compared with the reader of the library in tests. It
// changes nothing, takes no lock, and may run beside any number of writers.
package inspect

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

// Options says what to show and how much of it.
type Options struct {
	// UUID is the identity of the journal.
	UUID [16]byte
	// Full shows all of a key, a value or damage, else the first Shown bytes, and
	// all entries of a batch, else the first ShownEntries.
	Full bool
	// Context is how many records and stretches without one to list on each side.
	Context int
	// Progress, if set, is told how many bytes were read to find the place.
	Progress func(done int64)
}

const (
	// Shown is how many bytes of a key, a value or damage are shown.
	Shown = 1 << 10
	// ShownEntries is how many entries of a batch are shown.
	ShownEntries = 64
)

// What says what a position was resolved to.
type What string

// The things that a position can be in.
const (
	Record  What = "record"
	Damage  What = "damage"
	Header  What = "header"  // of a segment
	Pending What = "pending" // perhaps being written
	End     What = "end"     // of the journal
)

// Result says what was shown.
type Result struct {
	What What
	// Class is that of damage, also of a damaged header; else [record.Whole].
	Class record.Class
	// From and To are the first byte of it and the first one behind it.
	From, To record.Position
	// Foreign says that the segment belongs to another journal, or has another
	// one's name.
	Foreign bool
}

// Damaged reports whether what was shown is no record, and has a class.
func (r *Result) Damaged() bool { return r.Class != record.Whole }

// Loss reports whether something is wrong that is not normal.
func (r *Result) Loss() bool {
	return r.Class == record.Hole || r.Class == record.Corruption || r.Foreign
}

// Inspect shows what stands at position at of the journal in dir, line by line. A
// segment 0 stands for the oldest record. It stops with an error of emit.
func Inspect(ctx context.Context, dir string, at record.Position, opt Options, emit func(Line) error) (Result, error) {
	d, err := os.Open(dir)
	if err != nil {
		return Result{}, err
	}
	defer d.Close() // only read from
	s, err := openSegment(d, at.Segment, opt.UUID)
	if err != nil {
		return Result{}, err
	}
	defer s.f.Close() // only read from
	if at.Segment == 0 {
		at = record.Position{Segment: s.number, Offset: headerSize}
	}
	a := &annotator{ctx: ctx, segment: s, opt: opt, emit: emit, at: at}
	r, err := a.position()
	r.Foreign = s.foreign
	if a.err != nil {
		err = a.err // of reading or printing, which comes first
	}
	return r, err
}

// annotator shows one thing. Its first error stays in err, and nothing is shown
// behind it.
type annotator struct {
	*segment
	ctx  context.Context
	opt  Options
	emit func(Line) error
	err  error
	at   record.Position
}

func (a *annotator) line(l Line) {
	if a.err == nil {
		a.err = a.ctx.Err()
	}
	if a.err == nil {
		a.err = a.emit(l)
	}
}

func (a *annotator) title(format string, args ...any) {
	a.line(Line{Kind: Title, Text: fmt.Sprintf(format, args...)})
}

func (a *annotator) note(format string, args ...any) {
	a.line(Line{Kind: Note, Text: fmt.Sprintf(format, args...)})
}

func (a *annotator) bad(format string, args ...any) {
	a.line(Line{Kind: Note, Bad: true, Text: fmt.Sprintf(format, args...)})
}

// wrong shows the bytes of a field that is not as it should be.
func (a *annotator) wrong(off int64, b []byte, name, format string, args ...any) {
	a.line(Line{Kind: Field, Offset: off, Bytes: b, Name: name, Text: fmt.Sprintf(format, args...), Bad: true})
}

// read returns n bytes at off, or as many as the snapshot has.
func (a *annotator) read(off int64, n int) []byte {
	n = int(max(0, min(int64(n), a.size-off)))
	b := make([]byte, n)
	got, err := a.f.ReadAt(b, off)
	if err != nil && err != io.EOF && a.err == nil {
		a.err = fmt.Errorf("read %s at %d: %w", a.path, off, err)
	}
	return b[:got]
}

func (a *annotator) pos(off int64) record.Position {
	return record.Position{Segment: a.number, Offset: off}
}

// position finds out what is at a.at and shows it.
func (a *annotator) position() (Result, error) {
	if a.at.Offset < headerSize {
		a.segmentTitle()
		return a.headerPages(), a.versionError()
	}
	if err := a.versionError(); err != nil {
		return Result{}, err
	}
	f, err := a.find()
	if err != nil {
		return Result{}, err
	}
	if err := a.checkIndex(&f); err != nil {
		return Result{}, err
	}
	a.segmentTitle()
	for _, e := range f.before {
		a.context(&e)
	}
	r, err := a.show(&f)
	if err != nil {
		return r, err
	}
	for _, e := range f.behind {
		a.context(&e)
	}
	return r, nil
}

// segmentTitle says which segment it is, and in which state.
func (a *annotator) segmentTitle() {
	state := "open"
	if a.final {
		state = "closed"
	}
	a.title("segment %d, %s: %d bytes, limit %s, %s", a.number, segmentName(a.number), a.size, a.limitText(), state)
	if a.foreign {
		a.bad("it is segment %d of journal %x: readers of this journal refuse it; what follows is judged by its own header", a.frameNumber, a.frameUUID)
	}
}

// checkIndex returns an error if the position names an entry that is not there. It
// comes first: who asks for what is not there shall be shown nothing.
func (a *annotator) checkIndex(f *found) error {
	h, from := &f.Header, a.pos(f.From)
	switch {
	case a.at.Index == 0:
		return nil
	case f.end:
		return fmt.Errorf("there is no record at %v: the journal ends at %v", a.at, from)
	case f.Class != record.Whole || f.pending:
		return fmt.Errorf("there is no record at %v: what is there is %v, from %v to %v", a.at, f.name(), from, a.pos(f.To))
	case h.Kind != record.KindBatch || !h.Interpretable():
		return fmt.Errorf("there is no entry %d at %v: the record there is no batch", a.at.Index, from)
	}
	p := a.payload(f.From, h)
	if n := p.count(); int64(a.at.Index) >= n {
		return fmt.Errorf("there is no entry %d at %v: the batch there has %d, counted from 0", a.at.Index, from, n)
	}
	return nil
}

func (a *annotator) versionError() error {
	if a.newer == 0 {
		return nil
	}
	return fmt.Errorf("segment %d: %w: found %d, this program knows %d", a.number, journal.ErrVersion, a.newer, version)
}

// context lists a neighbour.
func (a *annotator) context(e *event) {
	text := e.Class.String()
	if e.Class == record.Whole {
		h := &e.Header
		text = fmt.Sprintf("%v, writer %016x, sequence %d, key %d bytes, value %d bytes", h.Kind, h.Writer, h.Seq, h.KeyLen, h.ValueLen)
	}
	if e.pending {
		text = string(Pending)
	}
	a.line(Line{Kind: Context, Offset: e.From, Text: fmt.Sprintf("%v  %d bytes  %s", a.pos(e.From), e.To-e.From, text)})
}

func (a *annotator) show(f *found) (Result, error) {
	e := &f.event
	r := Result{What: Damage, Class: e.Class, From: a.pos(e.From), To: a.pos(e.To)}
	switch {
	case f.end:
		r.What = End
		if e.From >= a.limit {
			a.title("the end of the journal: the segment is full, and the next record goes into the next one")
		} else {
			a.title("the end of the journal: the next record will be appended here")
		}
		return r, nil
	case e.Class == record.Whole && !e.pending:
		r.What = Record
		a.record(e, "record")
		return r, nil
	case e.pending:
		r.What = Pending
	}
	a.title("%v from %v to %v, %d bytes", f.name(), r.From, r.To, e.To-e.From)
	if a.at.Offset > e.From {
		a.note("%v lies inside of it", a.at)
	}
	return r, a.damage(f)
}

func (f *found) name() string {
	if f.pending {
		return string(Pending)
	}
	return f.Class.String()
}
