package where

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/manypen/manypen/journal"
)

// field says what a test looks at.
type field uint8

const (
	fieldPath field = iota // a path into JSON
	fieldKey
	fieldValue
	fieldTime
	fieldWriter
	fieldSeq
	fieldKind
	fieldPosition
	fieldSegment
	fieldSize
)

var fields = map[string]field{
	"key": fieldKey, "value": fieldValue, "time": fieldTime, "writer": fieldWriter, "seq": fieldSeq,
	"kind": fieldKind, "position": fieldPosition, "segment": fieldSegment, "size": fieldSize,
}

const fieldNames = "key, value, time, writer, seq, kind, position, segment, size"

func (f field) String() string {
	for name, g := range fields {
		if f == g {
			return name
		}
	}
	return "a path"
}

// isText reports whether the field is text, or may be.
func (f field) isText() bool { return f == fieldPath || f == fieldKey || f == fieldValue }

// valueType says what a value of an expression can be compared with.
type valueType uint8

const (
	typeText    valueType = iota // bytes
	typeNumber                   // a JSON number
	typeLiteral                  // true, false, null
	typeTime
	typeWord // an unsigned number of 64 bits
	typeWriter
	typePosition
)

// value is one value of an expression.
type value struct {
	typ      valueType
	text     string // without quotes and escapes; of sizes and times, one that says the same
	bytes    []byte // text
	number   decimal
	word     uint64
	writer   [2]uint64
	time     time.Time
	position journal.Position
}

// allowed checks that the operator of n, which stands at at, suits its field.
func (p *parser) allowed(n *node, at int, operator string) *SyntaxError {
	switch n.op {
	case opMatch, opContains:
		if !n.field.isText() {
			return errorAt(p.text, at, "%v is no text; '%s' wants key, value or a path", n.field, operator)
		}
	case opLess, opLessEqual, opGreater, opGreaterEqual:
		if n.field == fieldKind || n.field == fieldWriter {
			return errorAt(p.text, at, "one %v is not less than another; want = != or in", n.field)
		}
	}
	return nil
}

// value parses one value for the field of n.
func (p *parser) value(n *node, after string) *SyntaxError {
	p.space()
	start := p.pos
	text, quoted, err := p.operandText(after, false)
	if err != nil {
		return err
	}
	v, reason := p.typed(n, text, quoted)
	if reason != "" {
		p.pos = start
		return p.errorf("%s", reason)
	}
	v.bytes = []byte(v.text)
	n.vals = append(n.vals, v)
	return nil
}

// typed makes sense of the text of a value. A reason says why it has none.
func (p *parser) typed(n *node, text string, quoted bool) (v value, reason string) {
	v = value{text: text}
	var err error
	switch n.field {
	case fieldPath:
		return p.jsonValue(n, text, quoted)
	case fieldTime:
		v.typ = typeTime
		if v.time, err = p.opt.Time(text, p.opt.Now); err == nil && !printable(v.time) {
			return v, "the time is out of range; want one of the years 0 to 9999"
		}
		v.text = canonical(v.time)
	case fieldWriter:
		v.typ = typeWriter
		if v.writer, err = p.opt.Writer(text); err != nil {
			return v, "want a writer's number, decimal, or hexadecimal as printed"
		}
	case fieldSize:
		v.typ = typeWord
		var size int64
		size, err = p.opt.Size(text)
		v.word, v.text = uint64(size), strconv.FormatInt(size, 10)
		if err == nil && size < 0 {
			return v, "a size is not negative"
		}
	case fieldSeq, fieldSegment:
		v.typ = typeWord
		if v.word, err = strconv.ParseUint(text, 10, 64); err != nil {
			return v, "want a number from 0 to 18446744073709551615"
		}
		v.text = strconv.FormatUint(v.word, 10)
	case fieldKind:
		v.typ = typeWord
		switch text {
		case journal.KindData.String():
			v.word = uint64(journal.KindData)
		case journal.KindDelete.String():
			v.word = uint64(journal.KindDelete)
		default:
			return v, "want data or delete: these are the kinds of records"
		}
	case fieldPosition:
		v.typ = typePosition
		v.position, err = journal.ParsePosition(text)
	}
	if err != nil {
		return v, err.Error()
	}
	return v, ""
}

// jsonValue decides by the form of a value which type it has.
func (p *parser) jsonValue(n *node, text string, quoted bool) (v value, reason string) {
	v = value{text: text}
	if quoted {
		return v, ""
	}
	if d, ok := parseDecimal([]byte(text)); ok {
		v.typ, v.number = typeNumber, d
		return v, ""
	}
	switch text {
	case "true", "false", "null":
		if n.op != opEqual && n.op != opContains {
			return v, text + " is neither less nor greater than anything; want = or !=, or quotes around it"
		}
		v.typ = typeLiteral
		return v, ""
	}
	if n.op == opContains {
		return v, "" // what is looked for is what was written
	}
	if text[0] >= '0' && text[0] <= '9' && strings.ContainsFunc(text, unicode.IsLetter) {
		if size, err := p.opt.Size(text); err == nil {
			v.typ, v.text = typeNumber, strconv.FormatInt(size, 10)
			v.number, _ = parseDecimal([]byte(v.text))
			return v, ""
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil && len(text) > 1 && (text[0] == '-' || text[0] == '@') {
		t, err = p.opt.Time(text, p.opt.Now)
	}
	if err != nil {
		return v, "" // a text like any other
	}
	if !printable(t) {
		return v, "the time is out of range; want one of the years 0 to 9999, or quotes if it is no time"
	}
	v.typ, v.time, v.text = typeTime, t, canonical(t)
	return v, ""
}

func printable(t time.Time) bool { return t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 }

func canonical(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// appendText appends the canonical form of n. above is the operator around it.
func (n *node) appendText(b []byte, above op) []byte {
	switch n.op {
	case opOr, opAnd:
		between := " or "
		if n.op == opAnd {
			between = " and "
		}
		if n.op < above {
			return append(n.appendKids(append(b, '('), between), ')')
		}
		return n.appendKids(b, between)
	case opNot:
		return n.kids[0].appendText(append(b, "not "...), opNot)
	}
	return n.appendTest(b)
}

func (n *node) appendKids(b []byte, between string) []byte {
	for i, k := range n.kids {
		if i > 0 {
			b = append(b, between...)
		}
		b = k.appendText(b, n.op)
	}
	return b
}

func (n *node) appendTest(b []byte) []byte {
	if n.field == fieldPath {
		b = n.path.appendText(b)
	} else {
		b = append(b, n.field.String()...)
	}
	b = append(b, ' ')
	if in := n.op == opEqual && len(n.vals) > 1; n.neg && (in || n.op == opContains || n.op == opExists) {
		b = append(b, "not "...)
	}
	switch {
	case n.op == opExists:
		return append(b, "exists"...)
	case n.op == opMatch && n.neg:
		return appendPattern(append(b, "!~ "...), n.re.String())
	case n.op == opMatch:
		return appendPattern(append(b, "~ "...), n.re.String())
	case n.op == opContains:
		return n.vals[0].appendText(append(b, "contains "...))
	case n.op == opEqual && len(n.vals) > 1:
		b = append(b, "in ("...)
		for i := range n.vals {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = n.vals[i].appendText(b)
		}
		return append(b, ')')
	}
	for _, o := range operators {
		if o.op == n.op && o.neg == n.neg && o.text != "==" {
			b = append(append(b, o.text...), ' ')
		}
	}
	return n.vals[0].appendText(b)
}

// appendText appends v: text in quotes, everything else bare.
func (v *value) appendText(b []byte) []byte {
	if v.typ == typeText {
		return appendQuoted(b, v.text)
	}
	return append(b, v.text...)
}

func (p path) appendText(b []byte) []byte {
	if len(p) == 0 || p[0].index >= 0 {
		b = append(b, '.')
	}
	for _, s := range p {
		switch {
		case s.index >= 0:
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.index), 10)
			b = append(b, ']')
		case s.name != "" && strings.IndexFunc(s.name, func(r rune) bool { return !nameRune(r) }) < 0:
			b = append(append(b, '.'), s.name...)
		default:
			b = appendQuoted(append(b, '.'), s.name)
		}
	}
	return b
}
