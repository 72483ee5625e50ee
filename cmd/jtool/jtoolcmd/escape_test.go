package jtoolcmd

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// hostile are texts that would do something to a terminal, were they printed.
var hostile = []string{
	"\x1b[2J\x1b[H", "\x1b]0;title\x07", "\x1b]52;c;ZXZpbA==\x07", "\x1bP+q\x1b\\", "\x9b31m", "\u009b31m", "\u0085", "\r", "\b\b\b", "\x7f",
	"\x00", "\x0e", "a\u202eb", "\u2066", "\ufeff", "\u200b", "\xff\xfe", "\xe2\x80", "\U000e0001", "\u2028", "\x1b[6n", "\v\f",
}

// plain reports whether nothing but characters that print, and newlines and tabs, is
// in text.
func plain(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) })
}

// Whatever a record holds, no format lets it control a terminal.
func TestNothingHostileReachesATerminal(t *testing.T) {
	tl := &tool{tty: true}
	var formats []printing
	names := []string{"short", "verbose", "json", "json-pretty", "raw", "hex", "logfmt", "csv", "template"}
	for _, name := range names {
		o := output{t: tl, name: name}
		if name == "template" {
			o.template = "{{.Key}} {{.Value}} {{.JSON.a}}"
		}
		p, err := o.printing()
		if err != nil {
			t.Fatal(err)
		}
		formats = append(formats, p)
	}
	check := func(t interface {
		Helper()
		Errorf(string, ...any)
	}, key, value []byte) {
		t.Helper()
		rec := exampleRecord()
		rec.Key, rec.Value = key, value
		for i, p := range formats {
			if got := string(p.format(nil, rec)); !plain(got) {
				t.Errorf("%s of %q, %q: %q", names[i], key, value, got)
			}
		}
		if got := string(sanitized(appendValue, appendSafe)(nil, rec)); !plain(got) {
			t.Errorf("get of %q: %q", value, got)
		}
	}
	for _, text := range hostile {
		check(t, []byte(text), []byte(text))
		b, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			t.Fatal(err)
		}
		check(t, nil, b)
	}
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		check(t, []byte(part.Draw(t, "key")), []byte(part.Draw(t, "a")+part.Draw(t, "b")))
	})
}

// What prints stays as it is, and JSON stays the same JSON.
func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n": "plain\ttext\n", "ünï 世界 🙂": "ünï 世界 🙂", "\x1b[31m": `\x1b[31m`, "a\rb": `a\x0db`, "\xff": `\xff`, "\u202e": `\u202e`, "\U000e0001": `\U000e0001`,
	} {
		if got := string(appendSafe(nil, []byte(in))); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rec := exampleRecord()
		rec.Key = []byte(rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()).Draw(t, "key"))
		line := appendJSON(nil, rec)
		var want, got map[string]any
		if json.Unmarshal(line, &want) != nil || json.Unmarshal(appendSafeJSON(nil, line), &got) != nil {
			t.Fatalf("%q is no JSON any more", line)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// On a terminal values stand in one column, whatever cells the characters of keys
// take, unless a key is wider than a column gets.
func TestColumns(t *testing.T) {
	print := (&tool{tty: true, colored: true}).columns(true)
	var at []int
	for _, key := range []string{"the widest of them", "door", "日本語", "é", "👩 x", ""} {
		rec := journal.Record{Position: journal.Position{Segment: 1, Offset: 8192}, Time: time.Unix(0, 0), Writer: 7, Seq: 1, Kind: journal.KindData, Key: []byte(key), Value: []byte("VALUE")}
		line := string(print(nil, rec))
		for _, color := range append([]string{sgrReset, sgrDim, sgrBold, sgrRed, sgrYellow, sgrCyan}, writerColors[:]...) {
			line = strings.ReplaceAll(line, color, "")
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("%q has a sequence that is no colour", line)
		}
		before, _, ok := strings.Cut(line, "VALUE\n")
		if !ok {
			t.Fatalf("%q has no value", line)
		}
		at = append(at, runewidth.StringWidth(before))
	}
	for i := range at {
		if at[i] != at[0] {
			t.Errorf("values stand in columns %v", at)
			break
		}
	}
}

func TestLevelColor(t *testing.T) {
	for value, want := range map[string]string{
		`{"time":"x","level":"ERROR","msg":"m"}`: sgrRed, `{"level":"error"}`: sgrRed, `{"level":"Fatal"`: sgrRed, `{"level":"panic"}`: sgrRed,
		`{"level":"WARN+1"}`: sgrYellow, `{"level":"warning"}`: sgrYellow, `{"level":"debug"}`: sgrDim, `{"level":"INFO"}`: "",
		`level":"ERROR"`: "", `{}`: "", "": "", `{"level":"`: "", `{"level":7}`: "",
	} {
		if got := levelColor([]byte(value)); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}
