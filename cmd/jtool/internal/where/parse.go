package where

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Parse reads an expression. Its errors are of type *SyntaxError.
func Parse(text string, opt Options) (*Expr, error) {
	if len(text) > MaxLength {
		return nil, errorAt(text[:MaxLength], MaxLength, "the expression has %d bytes; want at most %d", len(text), MaxLength)
	}
	p := &parser{lexer: lexer{text: text}, opt: opt.withDefaults(), slots: make(map[string]int)}
	root, err := p.either()
	if err == nil && !p.end() {
		err = p.errorf("want 'and', 'or' or the end here")
	}
	if err != nil {
		return nil, err
	}
	root.plan()
	return &Expr{root: root, paths: len(p.slots)}, nil
}

type parser struct {
	lexer
	opt   Options
	depth int
	slots map[string]int // of paths, by their canonical text
}

type op uint8

const (
	opOr op = iota
	opAnd
	opNot
	opEqual // to one of several values
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opMatch
	opContains
	opExists
)

// node is an operation of an expression.
type node struct {
	op    op
	kids  []*node // of or, and, not, as they are written
	order []*node // kids, cheapest first
	cost  int

	neg   bool // !=, !~, not in, not contains, not exists
	field field
	path  path
	slot  int
	vals  []value
	re    *regexp.Regexp
}

func (p *parser) either() (*node, *SyntaxError) {
	return p.chain(opOr, "or", "||", func() (*node, *SyntaxError) {
		return p.chain(opAnd, "and", "&&", p.negation)
	})
}

// chain parses operands with the same operator between them.
func (p *parser) chain(o op, word, symbol string, operand func() (*node, *SyntaxError)) (*node, *SyntaxError) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	n := &node{op: o, kids: []*node{first}}
	for p.keyword(word) || p.symbol(symbol) != "" {
		k, err := operand()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, k)
	}
	if len(n.kids) == 1 {
		return first, nil
	}
	return n, nil
}

func (p *parser) negation() (*node, *SyntaxError) {
	p.space()
	switch {
	case p.keyword("not") || p.symbol("!") != "":
		if err := p.deeper(); err != nil {
			return nil, err
		}
		kid, err := p.negation()
		p.depth--
		return &node{op: opNot, kids: []*node{kid}}, err
	case p.symbol("(") != "":
		if err := p.deeper(); err != nil {
			return nil, err
		}
		n, err := p.either()
		p.depth--
		if err == nil && p.symbol(")") == "" {
			err = p.errorf("want 'and', 'or' or a closing parenthesis here")
		}
		return n, err
	}
	return p.test()
}

func (p *parser) deeper() *SyntaxError {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf("the expression is nested more than %d levels deep", MaxDepth)
	}
	return nil
}

// operators in the order in which they are looked for: longer ones first.
var operators = []struct {
	text string
	op   op
	neg  bool
}{
	{"==", opEqual, false}, {"=~", opMatch, false}, {"=", opEqual, false}, {"!=", opEqual, true}, {"!~", opMatch, true}, {"~", opMatch, false},
	{"<=", opLessEqual, false}, {"<", opLess, false}, {">=", opGreaterEqual, false}, {">", opGreater, false},
}

func (p *parser) test() (*node, *SyntaxError) {
	n := &node{}
	p.space()
	start := p.pos
	if err := p.fieldOf(n); err != nil {
		return nil, err
	}
	name := p.text[start:p.pos]
	p.space()
	at := p.pos
	for _, o := range operators {
		if p.symbol(o.text) != "" {
			n.op, n.neg = o.op, o.neg
			return n, p.operand(n, at, o.text)
		}
	}
	n.neg = p.keyword("not")
	switch {
	case p.keyword("exists"):
		n.op = opExists
		return n, nil
	case p.keyword("contains"):
		n.op = opContains
		return n, p.operand(n, at, "contains")
	case p.keyword("in"):
		n.op = opEqual
		return n, p.list(n, at)
	case n.neg:
		return nil, p.errorf("want 'in', 'contains' or 'exists' after 'not'")
	}
	return nil, p.errorf("want an operator after %s: one of = != < <= > >= ~ !~ contains in exists", name)
}

// operand parses what stands behind the operator of n, which stands at at.
func (p *parser) operand(n *node, at int, operator string) *SyntaxError {
	if err := p.allowed(n, at, operator); err != nil {
		return err
	}
	if n.op != opMatch {
		return p.value(n, operator)
	}
	p.space()
	start := p.pos
	pattern, _, err := p.operandText(operator, true)
	if err != nil {
		return err
	}
	re, cerr := regexp.Compile(pattern)
	if cerr != nil {
		p.pos = start
		return p.errorf("%v; want a regular expression as RE2 has them", cerr)
	}
	n.re = re
	return nil
}

// list parses the values of in.
func (p *parser) list(n *node, at int) *SyntaxError {
	if err := p.allowed(n, at, "in"); err != nil {
		return err
	}
	if p.symbol("(") == "" {
		return p.errorf("want '(' after 'in', then values with commas between them")
	}
	for after := "("; ; after = "," {
		if err := p.value(n, after); err != nil {
			return err
		}
		if p.symbol(",") == "" {
			break
		}
	}
	if p.symbol(")") == "" {
		return p.errorf("want ',' or ')' here")
	}
	return nil
}

// operandText takes a bare word or text in quotes. after is what stands in front of it.
func (p *parser) operandText(after string, pattern bool) (text string, quoted bool, err *SyntaxError) {
	if p.end() {
		return "", false, p.errorf("want a value after '%s'", after)
	}
	if c := p.text[p.pos]; c == '\'' || c == '"' {
		text, err = p.quoted(pattern)
		return text, true, err
	}
	start := p.pos
	if text, err = p.word(); err != nil {
		return "", false, err
	}
	if k := isKeyword(text); text == "" || k != "" {
		p.pos = start
		if k != "" {
			return "", false, p.errorf("want a value after '%s'; '%s' is a word of the language, as a value it needs quotes", after, text)
		}
		return "", false, p.errorf("want a value after '%s'", after)
	}
	return text, false, nil
}

// fieldOf parses a field.
func (p *parser) fieldOf(n *node) *SyntaxError {
	if p.end() {
		return p.errorf("want a field: one of %s, or a path such as .level", fieldNames)
	}
	if p.text[p.pos] == '.' {
		return p.pathOf(n)
	}
	length := p.letters()
	word := p.text[p.pos : p.pos+length]
	f, ok := fields[word]
	if !ok {
		switch {
		case length == 0 || isKeyword(word) != "":
			return p.errorf("want a field here: one of %s, or a path such as .level", fieldNames)
		default:
			return p.errorf("there is no field %q; want one of %s, or a path into JSON such as .%s", word, fieldNames, word)
		}
	}
	n.field = f
	p.pos += length
	return nil
}

// pathOf parses a path into JSON.
func (p *parser) pathOf(n *node) *SyntaxError {
	n.field = fieldPath
	for {
		rest := p.text[p.pos:]
		switch more := strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["); {
		case more && len(n.path) == MaxDepth:
			return p.errorf("the path has more than %d steps", MaxDepth)
		case strings.HasPrefix(rest, "."):
			p.pos++
			if err := p.name(n); err != nil {
				return err
			}
		case strings.HasPrefix(rest, "["):
			p.pos++
			if err := p.index(n); err != nil {
				return err
			}
		default:
			key := string(n.path.appendText(nil))
			slot, ok := p.slots[key]
			if !ok {
				slot = len(p.slots)
				p.slots[key] = slot
			}
			n.slot = slot
			return nil
		}
	}
}

// name parses what stands behind a point.
func (p *parser) name(n *node) *SyntaxError {
	length := p.letters()
	first := len(n.path) == 0
	switch next := p.text[p.pos:]; {
	case strings.HasPrefix(next, `"`) || strings.HasPrefix(next, "'"):
		name, err := p.quoted(false)
		n.path = append(n.path, step{name, -1, []byte(name)})
		return err
	case length > 0:
		n.path = append(n.path, step{next[:length], -1, []byte(next[:length])})
		p.pos += length
		return nil
	case first && !strings.HasPrefix(next, "."):
		return nil // the document itself, or an element of it
	}
	return p.errorf(`want a name after '.'; one with other characters than letters, digits and _-@$ needs quotes: ."odd name"`)
}

// index parses what stands behind an opening bracket: a number, or a name in
// quotes.
func (p *parser) index(n *node) *SyntaxError {
	s := step{index: -1}
	if rest := p.text[p.pos:]; strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "'") {
		var err *SyntaxError
		if s.name, err = p.quoted(false); err != nil {
			return err
		}
		s.bytes = []byte(s.name)
	} else {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		i, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			return p.errorf("want a number from 0 to 2147483647 in brackets, or a name in quotes")
		}
		s.index = int(i)
		p.pos += len(digits)
	}
	if !strings.HasPrefix(p.text[p.pos:], "]") {
		return p.errorf("want ']' here")
	}
	p.pos++
	n.path = append(n.path, s)
	return nil
}

// plan puts the operands of and and or into the order of their cost. No test has
// an effect or fails, so the order makes no difference to the result.
func (n *node) plan() {
	for _, k := range n.kids {
		k.plan()
		n.cost += k.cost
	}
	if len(n.kids) == 0 {
		n.cost = n.testCost()
	}
	n.order = slices.Clone(n.kids)
	slices.SortStableFunc(n.order, func(a, b *node) int { return cmp.Compare(a.cost, b.cost) })
}
