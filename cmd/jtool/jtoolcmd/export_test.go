package jtoolcmd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"bufio"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// unplaced FILE FILE compares two exports, but for the positions.
func cmdUnplaced(ts *testscript.TestScript, neg bool, args []string) {
	want, err := unplaced(ts.ReadFile(args[0]))
	ts.Check(err)
	got, err := unplaced(ts.ReadFile(args[1]))
	ts.Check(err)
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("-%s +%s:\n%s", args[0], args[1], diff)
	}
}

// unplaced returns the objects of an export. Of a position it keeps which entry of a
// batch it is, of the time of such an entry not the last digits, which a copy may move.
func unplaced(text string) (all []map[string]any, err error) {
	for line := range strings.Lines(text) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			return nil, err
		}
		unit := func(name string) string {
			at, _, _ := strings.Cut(fmt.Sprint(o[name]), "+")
			return at
		}
		_, index, _ := strings.Cut(fmt.Sprint(o["position"]), "+")
		if index != "" || unit("position") == unit("next") {
			ns, err := strconv.ParseInt(fmt.Sprint(o["time_ns"]), 10, 64)
			if err != nil {
				return nil, err
			}
			o["time_ns"] = ns / 1000
			delete(o, "time")
		}
		o["position"] = index
		delete(o, "next")
		all = append(all, o)
	}
	return all, nil
}

// Every record comes back from its line as it was.
func TestParseLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 20), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }))
		at := func(name string) journal.Position {
			return journal.Position{
				Segment: rapid.Uint64Range(1, 1<<28-1).Draw(t, name), Offset: rapid.Int64Range(0, 1<<35).Draw(t, name),
				Index: rapid.IntRange(0, 9).Draw(t, name),
			}
		}
		want := journal.Record{
			Position: at("position"), Next: at("next"), Time: time.Unix(0, rapid.Int64().Draw(t, "time")),
			Writer: rapid.Uint64().Draw(t, "writer"), Seq: rapid.Uint64().Draw(t, "seq"),
			Kind: rapid.SampledFrom([]journal.Kind{journal.KindData, journal.KindDelete}).Draw(t, "kind"),
			Key:  text.Draw(t, "key"),
		}
		if want.Kind == journal.KindData {
			want.Value = text.Draw(t, "value")
		}
		line := appendJSON(nil, want)
		got, other, err := parseLine(bytes.TrimSuffix(line, []byte("\n")), true)
		if err != nil || other != "" {
			t.Fatalf("%s: %q, %v", line, other, err)
		}
		same := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", line, diff)
		}
	})
}

// A line that is wrong is named by what is wrong with it.
func TestParseLineErrors(t *testing.T) {
	const good = `"v":1,"type":"record","kind":"data","key":"k","value":"v","time_ns":"5","writer":"1","seq":"1"`
	if _, _, err := parseLine([]byte("{"+good+"}"), true); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`{`:                                "the beginning of a JSON object only",
		`{"type":"rec`:                     "the beginning of a JSON object only",
		`no`:                               "no JSON object, by byte 2",
		`7`:                                "a JSON number; want an object",
		`[]`:                               "a JSON array; want an object",
		`{} {}`:                            "no JSON object, by byte 4",
		"{\"type\":\"\xff\"}":              "no UTF-8",
		`{}`:                               `"type" is missing`,
		`{"type":7}`:                       `"type" is a number`,
		`{"type":"record","v":2}`:          `"v" is 2`,
		`{"type":"record"}`:                `"kind" is missing`,
		`{"type":"record","kind":"batch"}`: `"kind" is "batch"; want data or delete`,
		`{"type":"record","kind":"data"}`:  `"key" is missing, and so is "key_b64"`,
		`{"type":"record","kind":"data","key":"k"}`:                                       `"value" is missing, and so is "value_b64"`,
		`{"type":"record","kind":"data","key":"k","key_b64":"aw==","value":""}`:           `"key" and "key_b64" are both there`,
		`{"type":"record","kind":"data","key_b64":"%","value":""}`:                        `"key_b64": illegal base64`,
		`{"type":"record","kind":"delete","key":"k","value":"v"}`:                         "a deletion has no value",
		`{"type":"record","kind":"data","key":"k","value":"","position":"here"}`:          `"position": position "here": want SEGMENT:OFFSET`,
		`{"type":"record","kind":"data","key":"k","value":""}`:                            `"time_ns" is missing, which --keep needs`,
		`{"type":"record","kind":"data","key":"k","value":"","time_ns":"1"}`:              `"writer" is missing`,
		`{"type":"record","kind":"data","key":"k","value":"","time_ns":"1","writer":"x"}`: `"writer" is "x"; want a decimal number`,
		`{"type":"record","kind":"data","key":"k","value":"","time_ns":"1","writer":"1"}`: `"seq" is missing`,
	} {
		_, _, err := parseLine([]byte(line), true)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "jsonLine") {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if _, other, err := parseLine([]byte(`{"v":1,"type":"damage","class":"hole"}`), true); err != nil || other != "damage" {
		t.Errorf("%q, %v", other, err)
	}
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("long ", 50_000)
	r := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader("one\n\n"+long+"\nlast")), 16)
	for _, want := range []string{"one", "", long} {
		if got, err := readLine(r, 1<<20); string(got) != want || err != nil {
			t.Fatalf("%.20q, %v, want %.20q", got, err, want)
		}
	}
	if got, err := readLine(r, 1<<20); string(got) != "last" || err == nil {
		t.Errorf("%q, %v", got, err)
	}
	for _, size := range []int{99, 100, 101, 5000} {
		_, err := readLine(bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", size-1)+"\n"), 16), 100)
		if (err != nil) != (size > 100) {
			t.Errorf("%d bytes, limit of 100: %v", size, err)
		}
	}
}

// FuzzParseLine: no line does anything but fail, and what passes is a record that
// stays what it is when it is exported.
func FuzzParseLine(f *testing.F) {
	rec := journal.Record{Position: journal.Position{Segment: 1, Offset: 8192}, Time: time.Unix(1, 0), Writer: 1, Seq: 1, Kind: journal.KindData}
	f.Add(appendJSON(nil, rec), true)
	rec.Key, rec.Value = []byte{0xFF}, []byte("text")
	f.Add(appendJSON(nil, rec), true)
	rec.Kind = journal.KindDelete
	f.Add(appendJSON(nil, rec), false)
	f.Add([]byte(`{"type":"damage"}`), false)
	f.Add([]byte(`{"type":"record","kind":"data","key":"\ud800","value_b64":"`+base64.StdEncoding.EncodeToString([]byte("v"))+`"}`), false)
	f.Fuzz(func(t *testing.T, line []byte, keep bool) {
		rec, other, err := parseLine(line, keep)
		if err != nil || other != "" {
			return
		}
		again, _, err := parseLine(appendJSON(nil, rec), keep)
		if err != nil || !bytes.Equal(again.Key, rec.Key) || !bytes.Equal(again.Value, rec.Value) || again.Kind != rec.Kind ||
			!again.Time.Equal(rec.Time) || again.Writer != rec.Writer || again.Seq != rec.Seq || again.Position != rec.Position {
			t.Fatalf("%s became %+v and then %+v: %v", line, rec, again, err)
		}
	})
}
