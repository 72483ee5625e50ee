package jtoolcmd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// unescape is the inverse of appendEscaped, by the rules of Go: quotes are
// the only thing that Go escapes in a literal and jtool does not.
func unescape(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}

func TestAppendEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"plain ünï 漢字 🙂":       "plain ünï 漢字 🙂",
		"a\tb\nc\rd\\e":        `a\tb\nc\rd\\e`,
		"\x00\x1b[31m\x7f\x07": `\x00\x1b[31m\x7f\x07`,
		"\xff\xc3(\xe2\x80":    `\xff\xc3(\xe2\x80`,
		"\u202eabc\u2066":      `\u202eabc\u2066`,
		"\u200b\ufeff\u0085":   `\u200b\ufeff\u0085`,
		"\u2028\u2029\u00a0":   `\u2028\u2029\u00a0`,
		"\U000e0001":           `\U000e0001`,
		"\ufffd":               "\ufffd",
		`"'`:                   `"'`,
		"\xed\xa0\x80":         `\xed\xa0\x80`,
	} {
		got := string(appendEscaped([]byte("x"), []byte(text)))
		if got != "x"+want {
			t.Errorf("%q: got %s, want x%s", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "text") {
			text = rapid.String().Draw(t, "string")
		}
		escaped := string(appendEscaped(nil, []byte(text)))
		for _, r := range escaped {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q has %q", escaped, r)
			}
		}
		if back, err := unescape(escaped); err != nil || back != text {
			t.Fatalf("%q is escaped as %q, which is %q, %v", text, escaped, back, err)
		}
	})
}

func exampleRecord() journal.Record {
	return journal.Record{
		Position: journal.Position{Segment: 3, Offset: 8192, Index: 2},
		Next:     journal.Position{Segment: 3, Offset: 9000},
		Time:     time.Unix(1700000000, 120),
		Writer:   0xfedcba9876543210, Seq: 18446744073709551615,
		Kind: journal.KindData, Key: []byte("k\tey"), Value: []byte("v\x00<&>"),
	}
}

func TestFormats(t *testing.T) {
	deleted := exampleRecord()
	deleted.Kind, deleted.Key, deleted.Value = journal.KindDelete, []byte("\xff"), nil
	templates := map[string]string{"template": "{{.Position}} {{.Writer}} {{.Key | escape}} {{.Value | hex}} [{{.Field \"x.y\"}}]"}
	for name, want := range map[string][2]string{
		"json-pretty": {
			"{\n  \"v\": 1,\n  \"type\": \"record\",\n  \"position\": \"3:8192+2\",\n  \"next\": \"3:9000\",\n  \"time\": \"2023-11-14T22:13:20.00000012Z\",\n" +
				"  \"time_ns\": \"1700000000000000120\",\n  \"writer\": \"18364758544493064720\",\n  \"seq\": \"18446744073709551615\",\n  \"kind\": \"data\",\n" +
				"  \"key\": \"k\\tey\",\n  \"value\": \"v\\u0000<&>\"\n}\n",
			"{\n  \"v\": 1,\n  \"type\": \"record\",\n  \"position\": \"3:8192+2\",\n  \"next\": \"3:9000\",\n  \"time\": \"2023-11-14T22:13:20.00000012Z\",\n" +
				"  \"time_ns\": \"1700000000000000120\",\n  \"writer\": \"18364758544493064720\",\n  \"seq\": \"18446744073709551615\",\n  \"kind\": \"delete\",\n" +
				"  \"key_b64\": \"/w==\"\n}\n",
		},
		"logfmt": {
			"position=3:8192+2 time=2023-11-14T22:13:20.00000012Z writer=fedcba9876543210 seq=18446744073709551615 kind=data key=\"k\\tey\" value=\"v\\u0000<&>\"\n",
			"position=3:8192+2 time=2023-11-14T22:13:20.00000012Z writer=fedcba9876543210 seq=18446744073709551615 kind=delete key_b64=\"/w==\"\n",
		},
		"csv": {
			"position,time,writer,seq,kind,key,value,base64\n3:8192+2,2023-11-14T22:13:20.00000012Z,fedcba9876543210,18446744073709551615,data,k\tey,v\x00<&>,\n",
			"3:8192+2,2023-11-14T22:13:20.00000012Z,fedcba9876543210,18446744073709551615,delete,/w==,,key\n",
		},
		"template": {
			"3:8192+2 fedcba9876543210 k\\tey 76003c263e []\n",
			"3:8192+2 fedcba9876543210 \\xff  []\n",
		},
		"short": {
			"3:8192+2\t2023-11-14T22:13:20.000000120Z\tfedcba9876543210:18446744073709551615\tk\\tey\tv\\x00<&>\n",
			"3:8192+2\t2023-11-14T22:13:20.000000120Z\tfedcba9876543210:18446744073709551615\t\\xff\t(deleted)\n",
		},
		"raw": {"v\x00<&>\n", "\n"},
		"json": {
			`{"v":1,"type":"record","position":"3:8192+2","next":"3:9000","time":"2023-11-14T22:13:20.00000012Z","time_ns":"1700000000000000120",` +
				`"writer":"18364758544493064720","seq":"18446744073709551615","kind":"data","key":"k\tey","value":"v\u0000<&>"}` + "\n",
			`{"v":1,"type":"record","position":"3:8192+2","next":"3:9000","time":"2023-11-14T22:13:20.00000012Z","time_ns":"1700000000000000120",` +
				`"writer":"18364758544493064720","seq":"18446744073709551615","kind":"delete","key_b64":"/w=="}` + "\n",
		},
		"hex": {
			"3:8192+2 2023-11-14T22:13:20.000000120Z fedcba9876543210:18446744073709551615 data\n" +
				"key, 4 bytes\n00000000  6b 09 65 79                                       |k.ey|\n" +
				"value, 5 bytes\n00000000  76 00 3c 26 3e                                    |v.<&>|\n\n",
			"3:8192+2 2023-11-14T22:13:20.000000120Z fedcba9876543210:18446744073709551615 delete\n" +
				"key, 1 bytes\n00000000  ff                                                |.|\n\n",
		},
		"verbose": {
			"position  3:8192+2\nnext      3:9000\ntime      2023-11-14T22:13:20.000000120Z\nwriter    fedcba9876543210 (18364758544493064720)\n" +
				"sequence  18446744073709551615\nkind      data\nkey       4 bytes: k\\tey\nvalue     5 bytes: v\\x00<&>\n\n",
			"position  3:8192+2\nnext      3:9000\ntime      2023-11-14T22:13:20.000000120Z\nwriter    fedcba9876543210 (18364758544493064720)\n" +
				"sequence  18446744073709551615\nkind      delete\nkey       1 bytes: \\xff\nvalue     0 bytes: \n\n",
		},
	} {
		o := output{t: &tool{}, name: name, template: templates[name]}
		p, err := o.printing()
		if err != nil {
			t.Fatal(err)
		}
		got := [2]string{string(p.format(bytes.Clone(p.head), exampleRecord())), string(p.format([]byte{}, deleted))}
		if err := p.failed(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

// Whatever the bytes are, JSON gives them back.
func TestJSONLossless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := exampleRecord()
		rec.Key = rapid.SliceOf(rapid.Byte()).Draw(t, "key")
		rec.Value = []byte(rapid.String().Draw(t, "value"))
		line := appendJSON(nil, rec)
		if _, err := checkJSON(line); err != nil {
			t.Fatal(err)
		}
		var o jsonRecord
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatal(err)
		}
		for _, part := range []struct {
			text, b64 *string
			want      []byte
		}{{o.Key, o.KeyB64, rec.Key}, {o.Value, o.ValueB64, rec.Value}} {
			var got string
			if part.text != nil {
				got = *part.text
			} else if b, err := base64.StdEncoding.DecodeString(*part.b64); err == nil {
				got = string(b)
			}
			if got != string(part.want) {
				t.Fatalf("%q comes back as %q", part.want, got)
			}
		}
	})
}

func TestProgressText(t *testing.T) {
	for _, c := range []struct {
		what        string
		done, total int64
		want        string
	}{
		{"bytes", 1 << 30, 3 << 30, "1 GiB of 3 GiB, 512 MiB/s, 4s left"},
		{"bytes", 1 << 30, 0, "1 GiB, 512 MiB/s"},
		{"bytes", 2048, 1024, "2 KiB of 1 KiB, 1 KiB/s, 0s left"},
		{"files", 10, 100, "10 of 100 files, 5/s, 18s left"},
		{"records", 10, 0, "10 records, 5/s"},
		{"records", 0, 5, "0 records, 0/s"},
	} {
		if got := amountOf(c.what, c.done, c.total, 2*time.Second); got != c.want {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestProgressShow(t *testing.T) {
	var out strings.Builder
	p := &progress{t: &tool{err: &out}, what: "bytes", start: time.Now()}
	p.set(5, 10)
	p.show(true)
	if !strings.Contains(out.String(), fmt.Sprintf("[%s%s] 5 B of 10 B", strings.Repeat("#", 15), strings.Repeat(".", 15))) {
		t.Errorf("bar: %q", out.String())
	}
	out.Reset()
	p.t.progress = "json"
	p.show(false)
	if n, err := checkJSON([]byte(out.String())); err != nil || n["status"] != 1 {
		t.Errorf("%q: %v", out.String(), err)
	}
}
