package jslog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// both is a slog.JSONHandler and ours, which are told the same.
type both struct {
	j      *journal.Journal
	text   *bytes.Buffer
	theirs slog.Handler
	ours   slog.Handler
	end    *journal.Position // of what was read
}

func newBoth(j *journal.Journal, end *journal.Position, o slog.HandlerOptions) *both {
	text := new(bytes.Buffer)
	return &both{
		j:      j,
		end:    end,
		text:   text,
		theirs: slog.NewJSONHandler(text, &o),
		ours:   jslog.New(j, &jslog.Options{AddSource: o.AddSource, Level: o.Level, ReplaceAttr: o.ReplaceAttr}),
	}
}

// handle gives a record to both and returns what they made of it.
func (b *both) handle(t interface{ Fatal(...any) }, r slog.Record) (theirs, ours string) {
	b.text.Reset()
	if err := b.theirs.Handle(context.Background(), r.Clone()); err != nil {
		t.Fatal(err)
	}
	if err := b.ours.Handle(context.Background(), r.Clone()); err != nil {
		t.Fatal(err)
	}
	for rec, err := range b.j.Records(*b.end) {
		if err != nil {
			t.Fatal(err)
		}
		*b.end, ours = rec.Next, string(rec.Value)
	}
	return strings.TrimSuffix(b.text.String(), "\n"), ours
}

func here() uintptr {
	var pcs [1]uintptr
	runtime.Callers(2, pcs[:])
	return pcs[0]
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

type (
	pair    struct{ A, B int }
	weird   struct{ C chan int }
	quiet   struct{}
	group0  struct{}
	loop    struct{ n int }
	text    struct{ s string }
	marshal struct{ s string }
	both2   struct{ s string }
	nilErr  struct{ s string }
	panics  struct{}
)

func (quiet) LogValue() slog.Value  { return slog.StringValue("<hidden>") }
func (group0) LogValue() slog.Value { return slog.GroupValue() }
func (l loop) LogValue() slog.Value {
	if l.n == 0 {
		return slog.GroupValue(slog.Int("n", 1), slog.Any("m", quiet{}))
	}
	return slog.AnyValue(loop{l.n - 1})
}
func (x text) MarshalText() ([]byte, error)    { return []byte(x.s), nil }
func (x marshal) MarshalJSON() ([]byte, error) { return []byte(x.s), nil }
func (x both2) MarshalJSON() ([]byte, error)   { return json.Marshal(x.s) }
func (x both2) Error() string                  { return "never seen" }
func (x *nilErr) Error() string                { return x.s }
func (panics) Error() string                   { panic("no") }

var values = map[string]any{
	"string": "a", "empty": "", "html": "<b>&amp;</b>", "quote": `"\/`, "control": "\x00\x01\b\f\n\r\t\x1f\x7f",
	"unicode": "über 日本 \u2028\u2029 \U0001F600", "invalid": "a\xff\xc3(\xe2\x28\xa1b\xf0\x9f", "replacement": "\ufffd",
	"surrogate": "\xed\xa0\x80", "long": strings.Repeat("x", 5000) + "\n" + strings.Repeat("é", 3000),
	"int": -1, "int64": int64(math.MinInt64), "uint64": uint64(math.MaxUint64), "bool": true, "uintptr": uintptr(7),
	"zero": 0.0, "negative zero": math.Copysign(0, -1), "third": 1. / 3, "small": 1e-7, "smaller": 1.5e-300, "border": 1e-6,
	"below": 9.999999e-7, "large": 1e21, "larger": 1.7976931348623157e308, "almost": 999999999999999900000., "integer": 100., "float32": float32(0.1),
	"tiny": 5e-324, "nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1),
	"duration": time.Second, "negative duration": -time.Nanosecond,
	"time": noon, "local": noon.In(time.FixedZone("X", 5400)), "west": noon.In(time.FixedZone("", -3*3600-1800)), "odd zone": noon.In(time.FixedZone("X", 3723)),
	"wide zone": noon.In(time.FixedZone("X", 25*3600)), "whole second": noon.Truncate(time.Second), "zero time": time.Time{}, "year 9999": time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC),
	"now": time.Now(), "year 0": time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), "time pointer": &noon,
	"nil": nil, "error": errors.New("bad \"thing\""), "wrapped": fmt.Errorf("x: %w", errIO), "level": slog.LevelWarn, "odd level": slog.Level(3), "level pointer": new(slog.LevelVar),
	"bytes": []byte("hi"), "strings": []string{"a", "<", "\b"}, "map": map[string]int{"b": 1, "a": 2}, "struct": pair{1, 2}, "pointer": &pair{3, 4}, "raw": json.RawMessage(`{"a": 1}`),
	"number": json.Number("1.50"), "unmarshalable": weird{}, "func": func() {}, "nested func": []any{func() {}}, "text": text{"x<y"}, "marshal": marshal{`{"a" :  [1]}`}, "bad marshal": marshal{`{`},
	"marshals and fails": both2{"seen"}, "nil error": (*nilErr)(nil), "error pointer": &nilErr{"e"}, "panics": panics{}, "nil pointer": (*pair)(nil), "nil marshaler": (*time.Time)(nil),
	"valuer": quiet{}, "valuers": loop{3}, "empty group": group0{}, "source": &slog.Source{Function: "f", File: "a/b.go", Line: 3}, "part of a source": &slog.Source{Line: 3},
	"no source": &slog.Source{}, "nil source": (*slog.Source)(nil), "source value": slog.Source{Line: 1}, "group": slog.GroupValue(slog.Int("a", 1), slog.Group("b", "c", 2)), "attrs": []slog.Attr{slog.Int("a", 1)},
	"complex": 1i, "rune": 'x', "byte": byte('x'), "valuer in a slice": []any{quiet{}}, "error in a slice": []error{errors.New("x")},
}

var errIO = errors.New("input/output error")

// Every kind of value gives the bytes that slog gives, alone, in groups and
// preformatted.
func TestValues(t *testing.T) {
	j, _ := fresh(t)
	var end journal.Position
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for way, b := range map[string]*both{
				"plain":  newBoth(j, &end, slog.HandlerOptions{}),
				"source": newBoth(j, &end, slog.HandlerOptions{AddSource: true}),
				"replace": newBoth(j, &end, slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
					a.Key = fmt.Sprint(groups, a.Key)
					return a
				}}),
			} {
				for _, r := range []slog.Record{
					record(slog.Any("k", v)),
					record(slog.Any("", v)),
					record(slog.Int("a", 1), slog.Any("<k>\n", v), slog.Int("a", 2)),
					record(slog.Group("g", slog.Any("k", v)), slog.Group("", slog.Any("in", v)), slog.Int("z", 0)),
					record(slog.Group("g", slog.Group("h", slog.Any("k", v))), slog.Int("z", 0)),
					{Message: "no time", Level: slog.LevelError},
				} {
					for depth, with := range []func(h slog.Handler) slog.Handler{
						func(h slog.Handler) slog.Handler { return h },
						func(h slog.Handler) slog.Handler { return h.WithAttrs([]slog.Attr{slog.Any("w", v)}) },
						func(h slog.Handler) slog.Handler {
							return h.WithGroup("g").WithAttrs([]slog.Attr{slog.Any("w", v), slog.Int("i", 1)}).WithGroup("h")
						},
						func(h slog.Handler) slog.Handler {
							return h.WithAttrs([]slog.Attr{slog.Int("i", 1)}).WithGroup("g").WithGroup("h").WithAttrs([]slog.Attr{slog.Any("w", v)})
						},
					} {
						c := *b
						c.theirs, c.ours = with(b.theirs), with(b.ours)
						theirs, ours := c.handle(t, r)
						if slogForgets(theirs, name, way) {
							continue
						}
						if theirs != ours {
							t.Errorf("%s %d: slog gives\n%s\nand we\n%s", way, depth, theirs, ours)
						}
					}
				}
			}
		})
	}
}

// slogForgets reports whether a group of which nothing is left has confused slog,
// see TestNotJSON.
func slogForgets(line, value, way string) bool {
	return (value == "no source" || value == "nil source") && (way == "replace" || !json.Valid([]byte(line)))
}

// record is one with a time and a source.
func record(attrs ...slog.Attr) slog.Record {
	r := slog.NewRecord(noon, slog.LevelInfo, "a <message>", here())
	r.AddAttrs(attrs...)
	return r
}

// Whatever is built of the parts above, and whatever ReplaceAttr does, slog
// gives the same bytes, unless what it gives is not JSON.
func TestSameAsSlog(t *testing.T) {
	j, _ := fresh(t)
	var end journal.Position
	keys := rapid.SampledFrom([]string{"a", "b", "", "drop", "<\"", "time", "level", "msg", "source", "g"})
	var names []string
	for name := range values {
		names = append(names, name)
	}
	vanished := false // an attribute is among them that no handler prints
	var attr *rapid.Generator[slog.Attr]
	attr = rapid.Custom(func(t *rapid.T) slog.Attr {
		key := keys.Draw(t, "key")
		switch rapid.IntRange(0, 7).Draw(t, "what") {
		case 0:
			return slog.Attr{}
		case 1, 2:
			return slog.GroupAttrs(key, rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[slog.Attr] { return attr }), 0, 3).Draw(t, "group")...)
		case 3:
			return slog.String(key, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
		case 4:
			return slog.Float64(key, rapid.Float64().Draw(t, "float"))
		case 5:
			at := time.Unix(rapid.Int64Range(-60_000_000_000, 250_000_000_000).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
			return slog.Time(key, at.In(time.FixedZone("", rapid.IntRange(-86399, 86399).Draw(t, "zone"))))
		case 6:
			return slog.Any(key, rapid.String().Draw(t, "string"))
		}
		name := rapid.SampledFrom(names).Draw(t, "value")
		vanished = vanished || name == "nil source" || name == "no source"
		return slog.Any(key, values[name])
	})
	attrs := rapid.SliceOfN(attr, 0, 4)
	different := 0
	rapid.Check(t, func(t *rapid.T) {
		replace := rapid.IntRange(0, len(replacers)-1).Draw(t, "replace")
		o := slog.HandlerOptions{AddSource: rapid.Bool().Draw(t, "source"), ReplaceAttr: replacers[replace]}
		vanished = false
		b := newBoth(j, &end, o)
		for range rapid.IntRange(0, 4).Draw(t, "with") {
			if rapid.Bool().Draw(t, "grouped") {
				name := rapid.SampledFrom([]string{"g", "h", "<"}).Draw(t, "name")
				b.theirs, b.ours = b.theirs.WithGroup(name), b.ours.WithGroup(name)
				continue
			}
			with := attrs.Draw(t, "attrs")
			b.theirs, b.ours = b.theirs.WithAttrs(with), b.ours.WithAttrs(with)
		}
		r := slog.NewRecord(noon, slog.Level(rapid.IntRange(-9, 13).Draw(t, "level")), rapid.String().Draw(t, "message"), here())
		if rapid.IntRange(0, 5).Draw(t, "no time") == 0 {
			r.Time = time.Time{}
		}
		if rapid.IntRange(0, 5).Draw(t, "no source") == 0 {
			r.PC = 0
		}
		r.AddAttrs(attrs.Draw(t, "record")...)
		theirs, ours := b.handle(t, r)
		if !json.Valid([]byte(ours)) {
			t.Fatalf("this is not JSON:\n%s", ours)
		}
		if !json.Valid([]byte(theirs)) || vanished && replace == looksAtGroups {
			different++
			return
		}
		if theirs != ours {
			t.Fatalf("slog gives\n%s\nand we\n%s", theirs, ours)
		}
	})
	t.Logf("slog was wrong about, or may have been, %d lines", different)
}

// looksAtGroups is the place of the one that does among replacers.
const looksAtGroups = 1

// replacers either drop attributes or look at the groups: after it has dropped a
// whole group slog takes it to be still open.
var replacers = []func([]string, slog.Attr) slog.Attr{
	nil,
	func(groups []string, a slog.Attr) slog.Attr {
		a.Key = fmt.Sprint(groups == nil, len(groups), groups, a.Key)
		return a
	},
	func(groups []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case "drop", slog.TimeKey, slog.LevelKey:
			return slog.Attr{}
		}
		return a
	},
	func([]string, slog.Attr) slog.Attr { return slog.Attr{} },
	func(_ []string, a slog.Attr) slog.Attr {
		switch {
		case a.Key == "a", a.Key == slog.MessageKey:
			a.Value = slog.AnyValue(loop{2})
		case a.Key == slog.LevelKey:
			a.Value = slog.GroupValue(slog.Int("x", 1), slog.Int("drop", 1))
		}
		return a
	},
}

// These are the two places where slog.JSONHandler of Go 1.26 does not write
// JSON. When it does one day, its line is the same as ours.
func TestNotJSON(t *testing.T) {
	j, _ := fresh(t)
	var end journal.Position
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == "drop" {
			return slog.Attr{}
		}
		a.Key = strings.Join(append(groups, a.Key), ".")
		return a
	}
	for name, c := range map[string]struct {
		opts slog.HandlerOptions
		attr slog.Attr
		want string
	}{
		"group": {
			slog.HandlerOptions{ReplaceAttr: drop}, slog.Group("g", "drop", 1),
			`{"time":"2026-11-23T12:00:00.123456Z","level":"INFO","msg":"a <message>","a":1,"z":2}`,
		},
		"year": {
			slog.HandlerOptions{}, slog.Time("t", time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)),
			`{"time":"2026-11-23T12:00:00.123456Z","level":"INFO","msg":"a <message>","a":1,"t":"!ERROR:time.Time year outside of range [0,9999]","z":2}`,
		},
	} {
		theirs, ours := newBoth(j, &end, c.opts).handle(t, record(slog.Int("a", 1), c.attr, slog.Int("z", 2)))
		if ours != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, ours, c.want)
		}
		if json.Valid([]byte(theirs)) && theirs != ours {
			t.Errorf("%s: slog gives JSON now, and another line than we:\n%s\n%s", name, theirs, ours)
		}
	}
}

func TestSlogtest(t *testing.T) {
	for name, opts := range map[string]jslog.Options{
		"plain":    {},
		"buffered": {Buffer: jslog.Buffer{Size: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			var dir string
			slogtest.Run(t, func(t *testing.T) slog.Handler {
				var j *journal.Journal
				j, dir = fresh(t)
				h := jslog.New(j, &opts)
				t.Cleanup(func() {
					if err := h.Close(); err != nil {
						t.Error(err)
					}
				})
				return flusher{h}
			}, func(t *testing.T) map[string]any {
				all := lines(t, dir)
				if len(all) != 1 {
					t.Fatalf("%d records instead of one", len(all))
				}
				var m map[string]any
				if err := json.Unmarshal([]byte(all[0]), &m); err != nil {
					t.Fatal(err)
				}
				return m
			})
		})
	}
}

// flusher is a handler whose records are in the journal at once.
type flusher struct{ *jslog.Handler }

func (f flusher) Handle(ctx context.Context, r slog.Record) error {
	return errors.Join(f.Handler.Handle(ctx, r), f.Flush())
}

func (f flusher) WithAttrs(attrs []slog.Attr) slog.Handler {
	return flusher{f.Handler.WithAttrs(attrs).(*jslog.Handler)}
}

func (f flusher) WithGroup(name string) slog.Handler {
	return flusher{f.Handler.WithGroup(name).(*jslog.Handler)}
}

// A derived handler does not change what it was made of, nor its siblings.
func TestSiblings(t *testing.T) {
	j, dir := fresh(t)
	base := jslog.New(j, &jslog.Options{ReplaceAttr: replacers[2]}).WithGroup("g").WithAttrs([]slog.Attr{slog.Int("a", 1)}).WithGroup("h")
	one, two := base.WithGroup("one"), base.WithGroup("two")
	attrs := []slog.Attr{slog.Int("x", 1)}
	for _, h := range []slog.Handler{one, two, base, one.WithAttrs(attrs), two.WithAttrs(attrs), base.WithAttrs(attrs), base.WithGroup(""), base.WithAttrs(nil)} {
		if err := h.Handle(context.Background(), record(slog.Int("b", 2))); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`{"msg":"a <message>","g":{"a":1,"h":{"one":{"b":2}}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"two":{"b":2}}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"b":2}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"one":{"x":1,"b":2}}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"two":{"x":1,"b":2}}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"x":1,"b":2}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"b":2}}}`,
		`{"msg":"a <message>","g":{"a":1,"h":{"b":2}}}`,
	}
	if diff := cmp.Diff(want, lines(t, dir)); diff != "" {
		t.Error(diff)
	}
}
