package where

import (
	"bytes"
	"cmp"
	"time"

	"github.com/manypen/manypen/journal"
)

// What tests cost, compared with each other.
const (
	costWord = iota // a number of the record
	costKey
	costValue
	costPattern
	costJSON
)

func (n *node) testCost() int {
	switch {
	case n.field == fieldPath:
		return costJSON
	case n.op == opMatch:
		return costPattern
	case n.field == fieldValue:
		return costValue
	case n.field == fieldKey:
		return costKey
	}
	return costWord
}

// state is what is known of one record while an expression is evaluated.
type state struct {
	rec   *journal.Record
	doc   document
	slots []slot
	text  []byte // memory for a JSON string without its escapes
}

// maxKept is how much memory for texts a state that waits for a record keeps.
const maxKept = 64 << 10

// reset makes s forget the record.
func (s *state) reset() {
	s.rec, s.doc = nil, notLooked
	clear(s.slots)
	if cap(s.text) > maxKept {
		s.text = nil
	}
}

// eval reports whether n is true. The depth of n is bounded when it is parsed.
func (n *node) eval(s *state) bool {
	switch n.op {
	case opAnd:
		for _, k := range n.order {
			if !k.eval(s) {
				return false
			}
		}
		return true
	case opOr:
		for _, k := range n.order {
			if k.eval(s) {
				return true
			}
		}
		return false
	case opNot:
		return !n.kids[0].eval(s)
	}
	return n.test(s) != n.neg
}

// test is n without its negation.
func (n *node) test(s *state) bool {
	r := s.rec
	switch n.field {
	case fieldPath:
		return n.testJSON(s)
	case fieldKey:
		return n.testText(r.Key)
	case fieldValue:
		return r.Kind != journal.KindDelete && n.testText(r.Value)
	}
	if n.op == opExists {
		return true
	}
	for i := range n.vals {
		v := &n.vals[i]
		var order int
		switch n.field {
		case fieldTime:
			order = r.Time.Compare(v.time)
		case fieldWriter:
			if r.Writer != v.writer[0] && r.Writer != v.writer[1] {
				order = 1
			}
		case fieldSeq:
			order = cmp.Compare(r.Seq, v.word)
		case fieldKind:
			order = cmp.Compare(uint64(r.Kind), v.word)
		case fieldPosition:
			order = r.Position.Compare(v.position)
		case fieldSegment:
			order = cmp.Compare(r.Position.Segment, v.word)
		case fieldSize:
			order = cmp.Compare(uint64(len(r.Key))+uint64(len(r.Value)), v.word)
		}
		if n.holds(order) {
			return true
		}
	}
	return false
}

// holds reports whether a comparison is true that has come out as order.
func (n *node) holds(order int) bool {
	switch n.op {
	case opEqual:
		return order == 0
	case opLess:
		return order < 0
	case opLessEqual:
		return order <= 0
	case opGreater:
		return order > 0
	case opGreaterEqual:
		return order >= 0
	}
	return false
}

// testText compares bytes with the texts of the values.
func (n *node) testText(b []byte) bool {
	switch n.op {
	case opExists:
		return true
	case opMatch:
		return n.re.Match(b)
	case opContains:
		return bytes.Contains(b, n.vals[0].bytes)
	case opEqual:
		for i := range n.vals {
			if string(b) == n.vals[i].text {
				return true
			}
		}
		return false
	}
	return n.holds(compareText(b, n.vals[0].text))
}

// compareText is strings.Compare for bytes, which are not copied.
func compareText(b []byte, text string) int {
	switch {
	case string(b) < text:
		return -1
	case string(b) > text:
		return 1
	}
	return 0
}

// testJSON tests what the record has at the path of n.
func (n *node) testJSON(s *state) bool {
	if s.doc == notLooked && n.impossible(s.rec.Value) {
		return false
	}
	raw := n.look(s)
	if raw == nil {
		return false
	}
	switch n.op {
	case opExists:
		return true
	case opMatch:
		text, ok := textOf(s, raw)
		return ok && n.re.Match(text)
	case opContains:
		if raw[0] == '[' {
			found := false
			elements(raw, func(e []byte) bool {
				found = n.equal(s, e)
				return !found
			})
			return found
		}
		text, ok := textOf(s, raw)
		return ok && bytes.Contains(text, n.vals[0].bytes)
	case opEqual:
		return n.equal(s, raw)
	}
	order, ok := n.vals[0].compare(s, raw)
	return ok && n.holds(order)
}

// impossible reports whether the test is false for a value that is JSON, because
// the names of its path, or all texts that it is compared with, do not occur in
// the value. That takes a tenth of the time of finding out whether it is JSON.
// Where there is a backslash any text may be written with escapes.
func (n *node) impossible(value []byte) bool {
	if bytes.IndexByte(value, '\\') >= 0 {
		return false
	}
	for i := range n.path {
		if !bytes.Contains(value, n.path[i].bytes) {
			return true
		}
	}
	if n.op != opEqual && n.op != opContains {
		return false
	}
	for i := range n.vals {
		if n.vals[i].typ != typeText || bytes.Contains(value, n.vals[i].bytes) {
			return false
		}
	}
	return true
}

// look returns the JSON text at the path of n, nil if there is none.
func (n *node) look(s *state) []byte {
	at := &s.slots[n.slot]
	if at.looked {
		return at.raw
	}
	at.looked = true
	if s.doc == notLooked {
		b := bytes.TrimLeft(s.rec.Value, " \t\r\n")
		switch {
		case s.rec.Kind == journal.KindDelete || len(b) == 0:
			s.doc = notJSON
		case len(n.path) > 0 && b[0] != '{' && b[0] != '[':
			return nil // it has nothing at a path, be it JSON or not
		default:
			s.doc = judge(b)
		}
	}
	if s.doc == isJSON {
		at.raw = find(s.rec.Value, n.path)
	}
	return at.raw
}

func (n *node) equal(s *state, raw []byte) bool {
	for i := range n.vals {
		if order, ok := n.vals[i].compare(s, raw); ok && order == 0 {
			return true
		}
	}
	return false
}

// compare compares a JSON value with v. It is false if their types do not allow
// that.
func (v *value) compare(s *state, raw []byte) (order int, ok bool) {
	switch v.typ {
	case typeNumber:
		d, ok := parseDecimal(raw)
		if !ok {
			return 0, false
		}
		return d.compare(v.number), true
	case typeLiteral:
		return 0, string(raw) == v.text
	}
	if raw[0] != '"' {
		return 0, false
	}
	text, _ := textOf(s, raw)
	if v.typ == typeText {
		return compareText(text, v.text), true
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	return t.Compare(v.time), err == nil
}

// textOf returns the text of a JSON string, a number, true or false. It stays
// what it is until the next call.
func textOf(s *state, raw []byte) (text []byte, ok bool) {
	switch raw[0] {
	case '{', '[', 'n':
		return nil, false
	case '"':
		text = raw[1 : len(raw)-1]
		if bytes.IndexByte(text, '\\') >= 0 {
			s.text = unescape(s.text[:0], text)
			text = s.text
		}
		return text, true
	}
	return raw, true
}
