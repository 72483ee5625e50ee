package where

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

var now = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// testOptions reads times, sizes and writers in notations of the test's own.
var testOptions = Options{
	Now: now,
	Time: func(s string, now time.Time) (time.Time, error) {
		if d, err := time.ParseDuration(strings.TrimPrefix(s, "-")); err == nil {
			return now.Add(-d), nil
		}
		if sec, ok := strings.CutPrefix(s, "@"); ok {
			n, err := strconv.ParseInt(sec, 10, 64)
			return time.Unix(n, 0), err
		}
		return time.Parse(time.RFC3339Nano, s)
	},
	Size: func(s string) (int64, error) {
		digits, unit := strings.CutSuffix(s, "KiB")
		n, err := strconv.ParseInt(digits, 10, 32)
		if unit {
			n *= 1024
		}
		return n, err
	},
	Writer: func(s string) ([2]uint64, error) {
		hex, err := strconv.ParseUint(s, 16, 64)
		if dec, err := strconv.ParseUint(s, 10, 64); err == nil {
			return [2]uint64{hex, dec}, nil
		}
		return [2]uint64{hex, hex}, err
	},
}

func parse(t testing.TB, text string) *Expr {
	t.Helper()
	e, err := Parse(text, testOptions)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func example(value string) *journal.Record {
	return &journal.Record{
		Position: journal.Position{Segment: 3, Offset: 8192, Index: 2},
		Time:     now.Add(-time.Minute),
		Writer:   0xfedcba9876543210, Seq: 1 << 60,
		Kind: journal.KindData, Key: []byte("the key"), Value: []byte(value),
	}
}

// expect checks expressions against one record.
func expect(t *testing.T, r *journal.Record, cases map[string]bool) {
	t.Helper()
	for text, want := range cases {
		e := parse(t, text)
		if got := e.Match(r); got != want {
			t.Errorf("%s: got %v for %q", text, got, r.Value)
		}
		again := parse(t, e.String())
		if got := again.Match(r); got != want || again.String() != e.String() {
			t.Errorf("%s: its canonical form %s gives %v, and %s", text, e, got, again)
		}
		if got := parse(t, "not ("+text+")").Match(r); got == want {
			t.Errorf("not (%s): got %v", text, got)
		}
	}
}

func TestRecordFields(t *testing.T) {
	expect(t, example("some value"), map[string]bool{
		"key = 'the key'": true, `key == "the key"`: true, "key = the": false, "key != the": true,
		"key ~ ^the": true, "key !~ ^the": false, "key ~ '^The'": false, "key contains 'e k'": true, "key not contains x": true,
		"key in (a, 'the key', b)": true, "key not in (a, b)": true, "key IN (a)": false,
		"key < tif": true, "key > the": true, "key <= 'the key'": true, "key >= 'the key\\x00'": false,
		"key exists": true, "value exists": true, "value not exists": false, "time exists": true,
		"value = 'some value'": true, "value contains ''": true, "value ~ '(?i)VALUE$'": true,
		"time = 2024-05-06T07:07:09Z": true, "time = 2024-05-06T09:07:09+02:00": true, "time > -2m": true, "time < -1m": false,
		"time <= -1m": true, "time >= -1m and time < -30s": true, "time != -1m": false, "time in (-1m, -2m)": true,
		"writer = fedcba9876543210": true, "writer = 18364758544493064720": true, "writer != 1": true, "writer in (1, fedcba9876543210)": true,
		"seq = 1152921504606846976": true, "seq > 1152921504606846975": true, "seq < 1152921504606846977": true, "seq = 1152921504606846977": false,
		"kind = data": true, "kind != delete": true, "kind in (data, delete)": true, "kind = delete": false,
		"position = 3:8192+2": true, "position > 3:8192": true, "position < 3:8193": true, "position >= 4:8192": false,
		"segment = 3": true, "segment in (1, 2)": false, "segment >= 3": true,
		"size = 17": true, "size < 1KiB": true, "size >= 0": true, "size > 17": false,
		// Operators.
		"kind = data and key = x": false, "kind = data && key != x": true, "kind = delete or size > 3": true, "kind=delete||size>3": true,
		"not kind = delete": true, "!kind = delete": true, "!!kind=data": true, "not not not kind = data": false,
		"kind = delete and kind = delete or kind = data": true, "kind = data or kind = delete and kind = delete": true,
		"(kind = data or kind = delete) and kind = delete": false, "NOT (kind = data AND key = x)": true,
		"kind = data\n\tand\r\nsize > 1": true,
	})
	binary := example("")
	binary.Key, binary.Value = []byte("\xff\x00'\"\\"), []byte("\xc3(")
	expect(t, binary, map[string]bool{
		`key = '\xff\x00\'"\\'`: true, `key = "\xff\x00'\"\\"`: true, `key contains '\x00'`: true, `key > '\xfe'`: true, `key contains '\u00ff'`: false,
		`value = '\xC3('`: true, `value ~ '^.\($'`: true, `. exists`: false, "value = ''": false, "key = ''": false,
	})
	expect(t, &journal.Record{Kind: journal.KindData}, map[string]bool{
		"key = ''": true, "key exists": true, "value = ''": true, "value exists": true, "size = 0": true, ".a exists": false, "key ~ '^$'": true,
	})
	// A deletion has a key and no value.
	expect(t, &journal.Record{Kind: journal.KindDelete, Key: []byte("k")}, map[string]bool{
		"kind = delete": true, "key = k": true, "value exists": false, "value = ''": false, "value != ''": true, "value ~ ''": false,
		"value !~ x": true, "value contains ''": false, ". exists": false, ".a = 1": false, ".a != 1": true, "size = 1": true,
	})
}

// What is true of a record without a field: the table of the package's comment.
func TestMissing(t *testing.T) {
	for _, value := range []string{``, `{}`, `[]`, `"a"`, `{"b":1}`, `not json`, `{"a":1`, `{"a":1}}`, `{"a":1,}`, `{'a':1}`, `{"a":01}`, "{\"a\":1}\x00", `{"a":1}{}`, `[{"a":1}]`, `null`} {
		expect(t, example(value), map[string]bool{
			".a = 1": false, "not .a = 1": true, ".a != 1": true, ".a < 1": false, ".a >= 1": false, "not .a < 1": true,
			".a exists": false, ".a not exists": true, "not .a exists": true, ".a exists and .a != 1": false,
			".a in (1, 2)": false, ".a not in (1, 2)": true, ".a ~ 1": false, ".a !~ 1": true, ".a contains 1": false, ".a not contains 1": true,
			".a = null": false, ".a != null": true, ".a = false": false,
		})
	}
	// Of another type is like missing, but for exists.
	for _, a := range []string{`"1"`, `true`, `null`, `[1]`, `{"b":1}`, `"x"`} {
		expect(t, example(`{"a":`+a+`}`), map[string]bool{
			".a = 1": false, ".a != 1": true, ".a < 1": false, ".a > 1": false, ".a <= 1": false, ".a >= 1": false, ".a exists": true, ".a = 'one'": false,
		})
	}
}

func TestPaths(t *testing.T) {
	expect(t, example(`{"level":"error","user":{"name":"ann","tags":["a","b",["c"]]},"odd name":1,"":2,"items":[{"id":1},{"id":2}],"dup":1,"dup":2,`+
		`"o":{"x":1},"o":{"y":2},"a\u0062c":3,"é":4,"x-y":5,"@t":6,"nested\"quote":{"]}":7},"e":{},"f":[ ], "last" : null }`), map[string]bool{
		".level = error": true, ".level = 'error'": true, ".level = info": false, ".level in (error, fatal)": true, ".level > erro": true,
		".user.name = ann": true, ".user.missing exists": false, ".user.name.more exists": false, ".user.tags[0] = a": true,
		".user.tags[2][0] = c": true, ".user.tags[3] exists": false, ".user.tags contains b": true, ".user.tags contains c": false, ".user.tags not contains z": true,
		`."odd name" = 1`: true, `.'odd name' = 1`: true, `.["odd name"] = 1`: true, `."" = 2`: true,
		".items[1].id = 2": true, ".items.id exists": false, ".items[0] exists": true, ".items[0] = 1": false, ".level[0] exists": false,
		".dup = 2": true, ".dup = 1": false, ".o.x exists": false, ".o.y = 2": true, ".abc = 3": true, ".é = 4": true, `."\u00e9" = 4`: true, ".x-y = 5": true, ".@t = 6": true,
		`."nested\"quote"."]}" = 7`: true, ".e exists": true, ".e.x exists": false, ".f[0] exists": false, ".last = null": true, ".last exists": true,
		". exists": true, ".[0] exists": false,
	})
	expect(t, example(" \n[10, {\"a\":[true,false]}, \"]\", []]\t"), map[string]bool{
		".[0] = 10": true, ".[1].a[1] = false": true, ".[2] = ']'": true, ".[3] exists": true, ".[3][0] exists": false, ".[4] exists": false, ".a exists": false,
		". contains 10": true, ". contains 11": false, ". = 10": false,
	})
	expect(t, example(` 42 `), map[string]bool{". = 42": true, ". > 41": true, ".a exists": false, ".[0] exists": false, ". ~ '^42$'": true})
	deep := strings.Repeat("[", 9999) + "1" + strings.Repeat("]", 9999)
	expect(t, example(deep), map[string]bool{". exists": true, ".[0][0][0] exists": true})
	expect(t, example("["+deep+"]]"), map[string]bool{". exists": false})
}

func TestTypes(t *testing.T) {
	doc := `{"n":42,"f":42.0,"e":4.2e1,"neg":-7,"big":9007199254740993,"huge":123456789012345678901234567890,"tiny":1e-400,"vast":1e400,"z":-0.0,` +
		`"kib":4096,"s":"42","t":true,"u":false,"nul":null,"ts":"2024-05-06T07:08:00.5Z","off":"2024-05-06T09:08:00.5+02:00","day":"2024-05-06","esc":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude42\ud800x","bad":"` + "\xff" + `"}`
	expect(t, example(doc), map[string]bool{
		".n = 42": true, ".n = 42.0": true, ".n = 4.2e1": true, ".n = +42": true, ".n = 42.": true, ".f = 42": true, ".e = 42": true, ".n = '42'": false, ".s = 42": false, ".s = '42'": true,
		".neg < 0": true, ".neg = -7": true, ".neg > -8": true, ".neg < -6.5": true, ".neg < .5": true,
		".big = 9007199254740993": true, ".big = 9007199254740992": false, ".big > 9007199254740992": true, ".big < 9007199254740994": true,
		".huge = 123456789012345678901234567890": true, ".huge > 123456789012345678901234567889": true, ".huge = 1.2345678901234567890123456789e29": true,
		".tiny > 0": true, ".tiny < 1e-399": true, ".vast > 1e399": true, ".vast < 1e1000000000": true, ".z = 0": true, ".z >= 0": true,
		".kib = 4KiB": true, ".kib >= 4KiB": true, ".kib = '4KiB'": false,
		".t = true": true, ".t = 'true'": false, ".u = false": true, ".u != true": true, ".nul = null": true, ".nul = 'null'": false, ".t in (false, true)": true,
		".ts = 2024-05-06T07:08:00.5Z": true, ".off = 2024-05-06T07:08:00.500Z": true, ".ts > -10s": true, ".ts > -8s": false, ".ts < 2024-05-06T07:08:01Z": true,
		".n > @0": false, ".ts > @0": true, ".day > -10m": false, ".day = 2024-05-06": true, ".ts > 2024-05-06": true, ".ts = '2024-05-06T07:08:00.5Z'": true,
		".n ~ '^4'": true, ".t ~ ^t": true, ".nul ~ .": false, ".n contains 2": true, ".e ~ 'e1$'": true, ".s contains 4KiB": false,
		`.esc = 'a"\\/\x08\x0c\n\r\té\U0001F642\ufffdx'`: true, `.esc ~ '\n'`: true, ".esc contains '🙂'": true, `.bad = '\xff'`: true, ".bad ~ '^.$'": true,
		".n = 007": false, ".s = 0x2a": false,
	})
}

func TestDecimal(t *testing.T) {
	ordered := []string{"-1e999999999999999999", "-2", "-1.5", "-1.05", "-1", "-0.99", "-1e-9", "0", "1e-9", "0.000000002", "0.1", "0.11", "1", "1.0000000000000000000000000000000001", "1.5", "2", "10", "10.01", "99", "100", "123456789012345678901234567890", "1e300", "9e999999999999999999"}
	for i, a := range ordered {
		for j, b := range ordered {
			x, ok1 := parseDecimal([]byte(a))
			y, ok2 := parseDecimal([]byte(b))
			if want := map[bool]int{true: 1, false: -1}[i > j]; !ok1 || !ok2 || i != j && x.compare(y) != want || i == j && x.compare(y) != 0 {
				t.Errorf("%s and %s: %v %v, %d", a, b, ok1, ok2, x.compare(y))
			}
		}
	}
	for _, same := range [][]string{{"0", "-0", "0.0", "0e5", ".0", "-0.000e-3"}, {"1", "1.0", "10e-1", "0.1e1", "+1", "1.", "0.01E+2", "1000e-3"}, {"1200", "1.2e3", "12e2", "0.0012e6"}} {
		for _, s := range same {
			a, ok1 := parseDecimal([]byte(same[0]))
			b, ok2 := parseDecimal([]byte(s))
			if !ok1 || !ok2 || a.compare(b) != 0 || b.compare(a) != 0 {
				t.Errorf("%s is not %s", s, same[0])
			}
		}
	}
	for _, s := range []string{"", "-", "+", ".", "e5", "1e", "1e+", "1e1.5", "--1", "1-", "007", "-01", "0x10", "1_0", "1 ", "nan", "1e9999999999999999999", "1..2"} {
		if d, ok := parseDecimal([]byte(s)); ok {
			t.Errorf("%q is taken for %+v", s, d)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		reason string
	}{
		{"", 1, "want a field: one of key, value"},
		{".level =", 9, "want a value after '='"},
		{".level = )", 10, "want a value after '='"},
		{".level = and", 10, "as a value it needs quotes"},
		{".level", 7, "want an operator after .level"},
		{".level error", 8, "want an operator after .level"},
		{"level = error", 1, `there is no field "level"; want one of key, value, time`},
		{"level = error", 1, "a path into JSON such as .level"},
		{"and", 1, "want a field here"},
		{"(key = a", 9, "closing parenthesis"},
		{"key = a)", 8, "want 'and', 'or' or the end"},
		{"key = a key = b", 9, "want 'and', 'or' or the end"},
		{"key = 'a", 7, "closing '"},
		{"key = 'a\\", 7, "closing '"},
		{`key = 'a\d'`, 9, "there is no such escape"},
		{`key = '\xf'`, 8, "2 hexadecimal digits"},
		{`key = '\U00110000'`, 8, "no such character"},
		{`key = '\ud800'`, 8, "no such character"},
		{"key ~ '('", 7, "missing closing )"},
		{"key ~ 'a{1001}'", 7, "want a regular expression"},
		{"key in a", 8, "want '(' after 'in'"},
		{"key in (a", 10, "want ',' or ')'"},
		{"key in ()", 9, "want a value after '('"},
		{"key in (a,)", 11, "want a value after ','"},
		{"key not = a", 9, "want 'in', 'contains' or 'exists' after 'not'"},
		{"size ~ 5", 6, "size is no text; '~' wants key, value or a path"},
		{"time contains x", 6, "time is no text"},
		{"kind < data", 6, "want = != or in"},
		{"kind = gone", 8, "want data or delete"},
		{"writer > 5", 8, "want = != or in"},
		{"writer = zz", 10, "want a writer's number"},
		{"seq = -1", 7, "want a number from 0"},
		{"segment = 18446744073709551616", 11, "want a number from 0"},
		{"position = 5", 12, "want SEGMENT:OFFSET"},
		{"time > yesterday", 8, "yesterday"},
		{"time > @99999999999999", 8, "out of range"},
		{".a > @99999999999999", 6, "out of range"},
		{"size > big", 8, "big"},
		{"size > -1", 8, "not negative"},
		{".a < true", 6, "want = or !="},
		{".a..b = 1", 4, "want a name after '.'"},
		{"..a = 1", 2, "want a name after '.'"},
		{".a[x] = 1", 4, "want a number from 0"},
		{".a[2147483648] = 1", 4, "want a number from 0"},
		{".a[0 = 1", 5, "want ']'"},
		{"key = \x1b", 7, "quotes around it"},
		{"key = a\xff", 8, "quotes around it"},
		{"'key' = 1", 1, "want a field here"},
		{"ключ = a", 1, "there is no field"},
		{".ключ = a b", 11, "want 'and', 'or' or the end"},
		{strings.Repeat("(", 101) + "key = a" + strings.Repeat(")", 101), 102, "nested more than 100 levels"},
		{strings.Repeat("not ", 101) + "key = a", 404, "nested more than 100 levels"},
		{strings.Repeat(".a", 101) + " = 1", 201, "more than 100 steps"},
	} {
		e, err := Parse(c.text, testOptions)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v, %v", c.text, e, err)
			continue
		}
		if syntax.Column != c.column || !strings.Contains(syntax.Reason, c.reason) {
			t.Errorf("%s: column %d: %s; want %d: %s", c.text, syntax.Column, syntax.Reason, c.column, c.reason)
		}
	}
	_, err := Parse("key = "+strings.Repeat("a", MaxLength), testOptions)
	if err == nil || !strings.Contains(err.Error(), "want at most 65536") {
		t.Errorf("a long one: %.100v", err)
	}
	parse(t, strings.Repeat("(", 100)+"key = a"+strings.Repeat(")", 100))
	parse(t, strings.Repeat(".a", 100)+" = 1")
}

// The three lines of an error. What is in the expression cannot change a terminal
// or move the caret.
func TestErrorText(t *testing.T) {
	for text, want := range map[string]string{
		".level =":            "column 9: want a value after '='\n  .level =\n          ^",
		"key\t= '\x1b[31m' x": "column 15: want 'and', 'or' or the end here\n  key = '?[31m' x\n                ^",
		"key = 'ключ' or":     "column 16: want a field: one of " + fieldNames + ", or a path such as .level\n  key = 'ключ' or\n                 ^",
		strings.Repeat("key = a or ", 20) + "x": "column 221: there is no field \"x\"; want one of " + fieldNames + ", or a path into JSON such as .x\n" +
			"  ..." + strings.Repeat("key = a or ", 20)[160:] + "x\n" + strings.Repeat(" ", 65) + "^",
	} {
		if _, err := Parse(text, testOptions); err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v\nwant\n%s", text, err, want)
		}
	}
}

func TestString(t *testing.T) {
	for text, want := range map[string]string{
		"key=a AND(value!=b||NOT kind==data)": "key = 'a' and (value != 'b' or not kind = data)",
		"(key=a and key=b) or (((key=c)))":    "key = 'a' and key = 'b' or key = 'c'",
		"not (key = a and key = b)":           "not (key = 'a' and key = 'b')",
		"!(!key = a)":                         "not not key = 'a'",
		".a.b[0].\"c d\".['e'] = 1":           "",
		".a.b[0].\"c d\"['e'] = 1":            ".a.b[0].'c d'.e = 1",
		".[1][2] exists":                      ".[1][2] exists",
		". not exists":                        ". not exists",
		".a in (1, 'x', true, null, -1.50)":   ".a in (1, 'x', true, null, -1.50)",
		".a not in (1)":                       ".a != 1",
		"key not contains 'x\\n\\xff\u202e'":  `key not contains 'x\n\xff\U0000202e'`,
		`key =~ "a'b\"c\d\\"`:                 `key ~ 'a\'b"c\d\\'`,
		"time > -10m":                         "time > 2024-05-06T06:58:09Z",
		"size < 4KiB":                         "size < 4096",
		".size < 4KiB":                        ".size < 4096",
		"writer = 0000000000000010":           "writer = 0000000000000010",
		"position >= 1:8192+3":                "position >= 1:8192+3",
		"seq = 007":                           "seq = 7",
	} {
		e, err := Parse(text, testOptions)
		if want == "" {
			if err == nil {
				t.Errorf("%s is accepted", text)
			}
			continue
		}
		if err != nil || e.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, e, err, want)
		}
	}
	var none *Expr
	if none.String() != "" || !none.Match(&journal.Record{}) {
		t.Error("no expression is not true of everything")
	}
}

func TestDefaults(t *testing.T) {
	e, err := Parse("time >= 2024-01-01T00:00:00Z and size < 100 and writer = 18364758544493064720", Options{})
	if err != nil || !e.Match(example("x")) {
		t.Errorf("%v, %v", e, err)
	}
	for _, text := range []string{"size = 4KiB", "time > -10m", "writer = fedcba9876543210", "size = 9223372036854775808"} {
		if e, err := Parse(text, Options{}); err == nil {
			t.Errorf("%s is taken for %v", text, e)
		}
	}
}

func TestGrep(t *testing.T) {
	for _, c := range []struct {
		want, not []string
		value     string
		match     bool
	}{
		{nil, nil, "x", true},
		{[]string{"error"}, nil, "an ERROR", true},
		{[]string{"Error"}, nil, "an ERROR", false},
		{[]string{"Error"}, nil, "an Error", true},
		{[]string{`\Serror`}, nil, "anERROR", false},
		{[]string{"(?-i)error"}, nil, "an ERROR", false},
		{[]string{"(?i)Error"}, nil, "an ERROR", true},
		{[]string{"é"}, nil, "É", true},
		{[]string{"É"}, nil, "é", false},
		{[]string{"a", "b"}, nil, "b", true},
		{[]string{"a", "b"}, nil, "c", false},
		{nil, []string{"a", "b"}, "b", false},
		{nil, []string{"a", "b"}, "c", true},
		{[]string{"a"}, []string{"b"}, "ab", false},
		{[]string{"a"}, []string{"b"}, "a", true},
		{[]string{"^x$"}, nil, "a\nx\nb", false},
		{[]string{"(?m)^x$"}, nil, "a\nx\nb", true},
		{[]string{"x|y"}, nil, "Y", true},
		{[]string{"\x00"}, nil, "a\x00b", true},
	} {
		m, err := Grep(c.want, c.not)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(example(c.value)); got != c.match {
			t.Errorf("%q but not %q: got %v for %q", c.want, c.not, got, c.value)
		}
	}
	for _, bad := range []string{"", "(", "a**", `\`} {
		for _, lists := range [][2][]string{{{bad}, nil}, {nil, {"x", bad}}} {
			if m, err := Grep(lists[0], lists[1]); err == nil {
				t.Errorf("%q is taken for %v", bad, m)
			}
		}
	}
	deleted := &journal.Record{Kind: journal.KindDelete}
	yes, err1 := Grep([]string{".*"}, nil)
	no, err2 := Grep(nil, []string{".*"})
	if err := errors.Join(err1, err2); err != nil || yes.Match(deleted) || !no.Match(deleted) {
		t.Errorf("a deletion has a value: %v", err)
	}
}

func TestAnd(t *testing.T) {
	var none *Expr
	a, b := parse(t, "key contains key"), parse(t, "size > 1KiB")
	r := example("v")
	for _, c := range []struct {
		m    Matcher
		want bool
	}{
		{And(), true}, {And(nil, none), true}, {And(a), true}, {And(a, nil), true}, {And(b, none), false},
		{And(a, b), false}, {And(And(a, a), a), true}, {And(And(a, b), a), false},
	} {
		if got := c.m.Match(r); got != c.want {
			t.Errorf("%v: got %v", c.m, got)
		}
	}
}

func TestConcurrent(t *testing.T) {
	e := parse(t, `.a = 1 and .b.c contains x or .d ~ "^A"`)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				one := (g+i)%2 == 0
				r := example(fmt.Sprintf(`{"a":%d,"b":{"c":["y","x"]},"d":"\u0042"}`, map[bool]int{true: 1, false: 2}[one]))
				if e.Match(r) != one {
					t.Errorf("got %v for %s", !one, r.Value)
				}
			}
		})
	}
	wg.Wait()
}

// Tests of a record's numbers and key allocate nothing, and neither does JSON once
// there is memory.
func TestAllocations(t *testing.T) {
	r := example(benchmarkValue)
	for _, text := range []string{"size > 10 and time > -1h and key ~ '^the' and seq > 5", "key in (a, b, 'the key')", "value contains error", ".level = error and .status >= 500 and .user.name ~ ^a"} {
		e := parse(t, text)
		if !e.Match(r) {
			t.Errorf("%s is false", text)
		}
		// The garbage collector empties the pool of states now and then, and under the
		// race detector it is leaky on purpose.
		least := math.Inf(1)
		for range 50 {
			least = min(least, testing.AllocsPerRun(1, func() { e.Match(r) }))
		}
		if e.paths == 0 {
			least = testing.AllocsPerRun(100, func() { e.Match(r) })
		}
		if least != 0 {
			t.Errorf("%s: %v allocations", text, least)
		}
	}
}

const benchmarkValue = `{"time":"2024-05-06T07:08:09.123456Z","level":"error","msg":"request failed","status":503,"user":{"id":12345,"name":"ann"},"path":"/api/v1/things/4711","took_ms":12.75,"tags":["a","b"]}`

func BenchmarkMatch(b *testing.B) {
	r := example(benchmarkValue)
	for _, c := range []struct{ name, text string }{
		{"size", "size > 10"},
		{"time", "time > -1h"},
		{"key", "key = 'the key'"},
		{"keyPattern", "key ~ '^the'"},
		{"valueContains", "value contains '\"error\"'"},
		{"json", ".level = error"},
		{"jsonOther", ".level = warning"},
		{"jsonNumber", ".status >= 500"},
		{"jsonThree", ".level = error and .status >= 500 and .user.name = ann"},
		{"cheapFirst", ".level = error and size > 1KiB"},
	} {
		b.Run(c.name, func(b *testing.B) {
			e := parse(b, c.text)
			b.ReportAllocs()
			b.SetBytes(int64(len(r.Value)))
			for b.Loop() {
				e.Match(r)
			}
		})
	}
}

// Times at the ends of what a record can have.
func TestExtremeTimes(t *testing.T) {
	for _, ns := range []int64{math.MinInt64, 0, math.MaxInt64} {
		r := &journal.Record{Time: time.Unix(0, ns), Kind: journal.KindData}
		text := "time = " + canonical(r.Time)
		if e := parse(t, text); !e.Match(r) || cmp.Diff(text, e.String()) != "" {
			t.Errorf("%s is false, or %s", text, e)
		}
	}
}
