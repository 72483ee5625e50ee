package inspect

import (
	"fmt"
	"io"

	"github.com/manypen/manypen/record"
)

// event is a record or a stretch without one, without their bytes.
type event struct {
	record.Event
	pending bool
}

// found is what covers a position, and what lies around it.
type found struct {
	event
	end            bool // nothing covers it: it is where the journal ends
	before, behind []event
}

// find looks for what covers a.at, from the beginning of the segment: a record
// begins where the one before ends, and nothing tells from inside where that is.
func (a *annotator) find() (found, error) {
	var f found
	off := a.at.Offset
	from := int64(headerSize)
	// A valid header is the beginning of a record for everybody; if nobody asks
	// what lies in front of it, that need not be read.
	if _, ok := a.frame.ParseHeader(a.read(off, record.HeaderSize)); ok && a.opt.Context == 0 && off < a.end() {
		from = off
	}
	var last int64 = headerSize
	reached := false
	err := a.events(from, func(e event) bool {
		last = e.To
		switch {
		case reached:
			f.behind = append(f.behind, e)
		case e.To <= off:
			if f.before = append(f.before, e); len(f.before) > a.opt.Context {
				f.before = f.before[1:]
			}
			if a.opt.Progress != nil {
				a.opt.Progress(e.To - headerSize)
			}
		default:
			f.event, reached = e, true
		}
		return a.ctx.Err() == nil && (!reached || len(f.behind) < a.opt.Context)
	})
	switch {
	case err != nil || a.ctx.Err() != nil:
		if err == nil {
			err = a.ctx.Err()
		}
		return f, err
	case reached:
		return f, nil
	case off == last && !a.final:
		f.event, f.end = event{Event: record.Event{From: off, To: off}}, true
		return f, nil
	case !a.final:
		return f, fmt.Errorf("%v is behind the end of the journal, which is at %v", a.at, a.pos(last))
	}
	goesOn := "and nothing follows"
	if a.next > 0 {
		goesOn = fmt.Sprintf("and the journal goes on at %v", record.Position{Segment: a.next, Offset: headerSize})
	}
	return f, fmt.Errorf("%v is behind the end of segment %d, which is at %v, %s", a.at, a.number, a.pos(last), goesOn)
}

// events calls f with everything from an offset on, until it says no: what the
// reader delivers, and then what is pending, as section 6.3 of docs/FORMAT.md
// judges it.
func (a *annotator) events(from int64, f func(event) (more bool)) error {
	scan := a.scanner(from, a.limit)
	scan.See(a.size, a.final)
	scan.Ends(a.ending)
	more, err := drain(scan, maxOffset, f)
	if a.size = scan.Size(); err != nil || !more || a.final || scan.Offset() >= a.size {
		return err
	}
	if scan.Offset() >= a.limit {
		// Its class is certain, and only how long it is will be known later.
		f(event{Event: record.Event{From: scan.Offset(), To: a.size, Class: record.Void}})
		return nil
	}
	// As if nothing could follow: of that only corruption is certain, and what lies
	// in front of it.
	rest := scan.Offset()
	end := rest
	judge := a.scanner(rest, a.limit)
	judge.See(a.size, true)
	if _, err := drain(judge, a.size, func(e event) bool {
		if e.Class == record.Corruption {
			end = e.To
		}
		return true
	}); err != nil {
		return err
	}
	if end > rest {
		again := a.scanner(rest, a.limit)
		again.See(a.size, true)
		if more, err := drain(again, end, f); err != nil || !more {
			return err
		}
	}
	if end < a.size {
		f(event{Event: record.Event{From: end, To: a.size}, pending: true})
	}
	return nil
}

const maxOffset = 1<<63 - 1

// drain calls f with the events of a scanner up to offset end.
func drain(scan *record.Scanner, end int64, f func(event) (more bool)) (more bool, err error) {
	for ev := (record.Event{}); scan.Offset() < end; {
		if err := scan.Next(&ev); err != nil {
			if err == io.EOF {
				return true, nil
			}
			return false, err
		}
		e := event{Event: ev}
		e.Key, e.Value = nil, nil // they are the scanner's
		if !f(e) {
			return false, nil
		}
	}
	return true, nil
}
