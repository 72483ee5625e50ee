package where

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// The reference: an expression as a function, made together with its text. It
// decodes the whole document and calculates with fractions.
type reference struct {
	text string
	eval func(r *journal.Record) bool
}

// decode is a document as package encoding/json sees it.
func decode(value []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, errors.Is(err, io.EOF)
}

// walk returns what a decoded document has at a path.
func walk(v any, p path) (any, bool) {
	for _, s := range p {
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[s.name]
			if !ok || s.index >= 0 {
				return nil, false
			}
			v = next
		case []any:
			if s.index < 0 || s.index >= len(c) {
				return nil, false
			}
			v = c[s.index]
		default:
			return nil, false
		}
	}
	return v, true
}

func rational(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("no number: " + s)
	}
	return r
}

// compareJSON compares a decoded value with a literal as it is written.
func compareJSON(v any, literal string) (order int, ok bool) {
	switch {
	case literal == "null":
		return 0, v == nil
	case literal == "true" || literal == "false":
		return 0, v == (literal == "true")
	case literal[0] != '\'':
		n, ok := v.(json.Number)
		if !ok {
			return 0, false
		}
		return rational(n.String()).Cmp(rational(literal)), true
	}
	s, ok := v.(string)
	return strings.Compare(s, literal[1:len(literal)-1]), ok
}

func textOfAny(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

var (
	names    = rapid.SampledFrom([]string{"a", "b", "c", "odd name", ""})
	numbers  = rapid.SampledFrom([]string{"0", "-0", "1", "1.0", "10e-1", "-1", "2", "1.5", "9007199254740992", "9007199254740993", "1e20", "100000000000000000000", "1e-20"})
	strs     = rapid.SampledFrom([]string{"", "a", "b", "ab", "1", "true", "é"})
	literals = rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 3).Draw(t, "literal") {
		case 0:
			return rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word")
		case 1:
			return numbers.Draw(t, "number")
		}
		return "'" + strs.Draw(t, "text") + "'"
	})
	paths = rapid.Custom(func(t *rapid.T) path {
		p := path{}
		for range rapid.IntRange(0, 3).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "index") == 0 {
				p = append(p, step{index: rapid.IntRange(0, 2).Draw(t, "n")})
			} else {
				p = append(p, step{name: names.Draw(t, "name"), index: -1})
			}
		}
		return p
	})
)

// document draws a JSON text, with names that occur twice, escapes and spaces.
func drawJSON(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t"}).Draw(t, "space")
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 && kind > 4 {
		kind = 1
	}
	var b strings.Builder
	b.WriteString(space)
	switch kind {
	case 0:
		b.WriteString(rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word"))
	case 1, 2:
		b.WriteString(numbers.Draw(t, "number"))
	case 3, 4:
		b.WriteString(quoteJSON(t, strs.Draw(t, "text")))
	case 5:
		b.WriteByte('[')
		for i := range rapid.IntRange(0, 3).Draw(t, "elements") {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(drawJSON(t, depth-1))
		}
		b.WriteString(space + "]")
	default:
		b.WriteByte('{')
		for i := range rapid.IntRange(0, 4).Draw(t, "members") {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(space + quoteJSON(t, names.Draw(t, "name")) + space + ":" + drawJSON(t, depth-1))
		}
		b.WriteString(space + "}")
	}
	b.WriteString(space)
	return b.String()
}

func quoteJSON(t *rapid.T, s string) string {
	if !rapid.Bool().Draw(t, "escaped") {
		return `"` + s + `"`
	}
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return `"` + b.String() + `"`
}

func drawTest(t *rapid.T) reference {
	if rapid.IntRange(0, 4).Draw(t, "record") == 0 {
		text := "'" + strs.Draw(t, "text") + "'"
		want := text[1 : len(text)-1]
		return rapid.SampledFrom([]reference{
			{"kind = delete", func(r *journal.Record) bool { return r.Kind == journal.KindDelete }},
			{"key = " + text, func(r *journal.Record) bool { return string(r.Key) == want }},
			{"value >= " + text, func(r *journal.Record) bool { return r.Kind != journal.KindDelete && string(r.Value) >= want }},
			{"size < 3", func(r *journal.Record) bool { return len(r.Key)+len(r.Value) < 3 }},
			{"value contains " + text, func(r *journal.Record) bool {
				return r.Kind != journal.KindDelete && strings.Contains(string(r.Value), want)
			}},
		}).Draw(t, "test")
	}
	p := paths.Draw(t, "path")
	text := string(p.appendText(nil))
	at := func(r *journal.Record) (any, bool) {
		doc, ok := decode(r.Value)
		if !ok || r.Kind == journal.KindDelete {
			return nil, false
		}
		return walk(doc, p)
	}
	literal := literals.Draw(t, "literal")
	word := literal == "true" || literal == "false" || literal == "null"
	switch o := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">=", "~", "in", "contains", "exists"}).Draw(t, "operator"); o {
	case "exists":
		return reference{text + " exists", func(r *journal.Record) bool { _, ok := at(r); return ok }}
	case "~":
		pattern := regexp.MustCompile(strs.Draw(t, "pattern") + "$")
		return reference{text + " ~ '" + pattern.String() + "'", func(r *journal.Record) bool {
			v, ok := at(r)
			s, isText := textOfAny(v)
			return ok && isText && pattern.MatchString(s)
		}}
	case "in":
		other := literals.Draw(t, "other")
		return reference{text + " in (" + literal + ", " + other + ")", func(r *journal.Record) bool {
			v, found := at(r)
			a, ok1 := compareJSON(v, literal)
			b, ok2 := compareJSON(v, other)
			return found && (ok1 && a == 0 || ok2 && b == 0)
		}}
	case "contains":
		return reference{text + " contains " + literal, func(r *journal.Record) bool {
			v, found := at(r)
			if list, ok := v.([]any); ok {
				for _, e := range list {
					if order, ok := compareJSON(e, literal); ok && order == 0 {
						return true
					}
				}
				return false
			}
			s, ok := textOfAny(v)
			return found && ok && strings.Contains(s, strings.Trim(literal, "'"))
		}}
	case "=", "!=":
		return reference{text + " " + o + " " + literal, func(r *journal.Record) bool {
			v, found := at(r)
			order, ok := compareJSON(v, literal)
			return (found && ok && order == 0) == (o == "=")
		}}
	default:
		if word {
			literal = "1"
		}
		return reference{text + " " + o + " " + literal, func(r *journal.Record) bool {
			v, found := at(r)
			order, ok := compareJSON(v, literal)
			return found && ok && map[string]bool{"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[o]
		}}
	}
}

func drawExpr(t *rapid.T, depth int) reference {
	if depth == 0 {
		return drawTest(t)
	}
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		a := drawExpr(t, depth-1)
		return reference{"not (" + a.text + ")", func(r *journal.Record) bool { return !a.eval(r) }}
	case 1:
		a, b := drawExpr(t, depth-1), drawExpr(t, depth-1)
		return reference{"(" + a.text + ") and (" + b.text + ")", func(r *journal.Record) bool { return a.eval(r) && b.eval(r) }}
	case 2:
		a, b := drawExpr(t, depth-1), drawExpr(t, depth-1)
		return reference{"(" + a.text + " or " + b.text + ")", func(r *journal.Record) bool { return a.eval(r) || b.eval(r) }}
	}
	return drawTest(t)
}

// Whatever the expression and the record, the result is that of the reference, and
// the canonical form means the same.
func TestReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawExpr(t, rapid.IntRange(0, 3).Draw(t, "depth"))
		got, err := Parse(e.text, testOptions)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(got.String(), testOptions)
		if err != nil || again.String() != got.String() {
			t.Fatalf("%s: %s becomes %v, %v", e.text, got, again, err)
		}
		for range 5 {
			r := &journal.Record{Kind: journal.KindData, Key: []byte(strs.Draw(t, "key")), Value: []byte(drawJSON(t, 3))}
			switch rapid.IntRange(0, 9).Draw(t, "odd") {
			case 0:
				r.Kind, r.Value = journal.KindDelete, nil
			case 1:
				r.Value = r.Value[:rapid.IntRange(0, len(r.Value)).Draw(t, "cut")]
			}
			want := e.eval(r)
			if got.Match(r) != want || again.Match(r) != want {
				t.Fatalf("%s: got %v for %q, want %v", e.text, got.Match(r), r.Value, want)
			}
		}
	})
}

// Text comes back from its quotes as it was.
func TestQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			s = rapid.String().Draw(t, "string")
		}
		l := lexer{text: string(appendQuoted(nil, s))}
		if got, err := l.quoted(false); err != nil || got != s || !l.end() {
			t.Fatalf("%q is quoted as %s, which is %q, %v", s, l.text, got, err)
		}
	})
}

// All text parses or gives an error that says where; what parses has a canonical
// form that means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"key = a and (value != 'b' or not kind = delete)", `.a."b c"[0] in (1, 'x', null)`, "size >= 4KiB || time < -10m", `key !~ "^\d+'$"`,
		". exists", ".a not contains '\\xff\\u00e9'", "writer = fedcba9876543210", "((((", "not not", "key ~ '(a|b)*$'", ".a > 2024-05-06T07:08:09Z", "position=1:2+3",
		"key ~ '\\\\'", `key ~ '\Q'x\E'`, `.~\Q\`, `key ~ \Q\'x`, "\x00", ".[", "key = 'a", ".é < -1e5",
	} {
		f.Add(s, `{"a":{"b c":[1,"x"]}}`)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		e, err := Parse(text, testOptions)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > utf8.RuneCountInString(text)+1 || syntax.Reason == "" {
				t.Fatalf("%q: %#v", text, err)
			}
			if lines := strings.Count(err.Error(), "\n"); lines < 2 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		canonical := e.String()
		again, err := Parse(canonical, testOptions)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", text, canonical, err)
		}
		r := example(value)
		if got, want := again.Match(r), e.Match(r); got != want || again.String() != canonical {
			t.Fatalf("%q becomes %q and then %q, %v instead of %v", text, canonical, again.String(), got, want)
		}
	})
}

// Whatever the value is, the walk through it finds what encoding/json finds.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":{"b":[1,2,{"c":"x"}]},"a":3}`, ` [1, "a\"]", null ] `, `{"a":"\ud800\udc00\ud800"}`, `{"\u0061":-1.50e+3}`, `"a`, `{"a":1}x`, "\xff", `{"a":[]}`, "1e5"} {
		f.Add([]byte(s), "a", uint8(0))
	}
	f.Fuzz(func(t *testing.T, value []byte, name string, index uint8) {
		doc, valid := decode(value)
		for _, p := range []path{{}, {{name: name, index: -1}}, {{index: int(index)}}, {{name: name, index: -1}, {index: int(index)}}, {{index: int(index)}, {name: name, index: -1}}} {
			e, err := Parse(string(p.appendText(nil))+" exists", testOptions)
			if err != nil {
				t.Fatal(err)
			}
			r := &journal.Record{Kind: journal.KindData, Value: value}
			if !utf8.ValidString(name) || !utf8.Valid(value) {
				e.Match(r) // encoding/json replaces bytes that are no UTF-8, so it may find another member
				continue
			}
			want, there := walk(doc, p)
			if e.Match(r) != (valid && there) {
				t.Fatalf("%s: got %v for %q", e, e.Match(r), value)
			}
			s, ok := want.(string)
			if !ok || !valid || !there {
				continue
			}
			equal := parse(t, string(appendQuoted(append(p.appendText(nil), " = "...), s)))
			if !equal.Match(r) {
				t.Fatalf("%s is false for %q", equal, value)
			}
		}
	})
}
