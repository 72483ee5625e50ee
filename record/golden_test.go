package record

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// A golden segment: its parts, and with them what each byte means.
type golden struct {
	name, about string
	limit       int64 // 0: the length of the segment
	parts       func(t rapid.TB, f *Frame) []part
}

// A part is a run of bytes with a meaning.
type part struct {
	bytes   []byte
	meaning string
}

// dissect names the fields of a record, or of as much of it as there is.
func dissect(b []byte) (parts []part) {
	var r rawHeader
	copy(r[:], b)
	masked := ""
	if r.flags()&flagMasked != 0 {
		masked = ", masked"
	}
	take := func(n int, format string, args ...any) {
		if n = min(n, len(b)); n > 0 {
			parts = append(parts, part{b[:n], fmt.Sprintf(format, args...)})
			b = b[n:]
		}
	}
	take(8, "marker")
	take(1, "kind %v", r.kind())
	take(1, "flags %#x", r.flags())
	take(2, "key length %d", r.keyLen())
	take(4, "value length %d", r.valueLen())
	take(8, "time %d", r.time())
	take(8, "writer %#x", r.writer())
	take(8, "sequence %d", r.seq())
	take(4, "header checksum %#08x", r.sum())
	take(int(r.keyLen()), "key%s", masked)
	if r.kind() == KindBatch && masked == "" {
		take(4, "number of entries")
		for n := int(r.valueLen()) - 4; n > 0; {
			k, v := int(b[2])|int(b[3])<<8, int(b[4])
			take(1, "entry kind %v", Kind(b[0]))
			take(1, "reserved")
			take(2, "entry key length %d", k)
			take(4, "entry value length %d", v)
			take(k, "entry key")
			take(v, "entry value")
			n -= 8 + k + v
		}
	} else {
		take(int(r.valueLen()), "value%s", masked)
	}
	take(8, "checksum")
	if len(b) > 0 {
		parts = append(parts, part{b, "left over"})
	}
	return parts
}

// goldenHeader is the header that golden records share.
func goldenHeader(kind Kind, seq uint64) *Header {
	return &Header{Kind: kind, Time: 1700000000123456789, Writer: 0x1122334455667788, Seq: seq}
}

func goldens() []golden {
	one := func(kind Kind, key, value string) func(t rapid.TB, f *Frame) []part {
		return func(t rapid.TB, f *Frame) []part {
			return dissect(encode(t, f, goldenHeader(kind, 1), []byte(key), []byte(value)))
		}
	}
	record := func(t rapid.TB, f *Frame, seq uint64) []byte {
		return encode(t, f, goldenHeader(KindData, seq), []byte("key"), fmt.Appendf(nil, "value %d", seq))
	}
	batch := func(t rapid.TB, f *Frame, value []byte) []byte {
		return encodeBatch(t, f, goldenHeader(KindBatch, 1),
			Entry{KindData, []byte("first"), []byte("1")}, Entry{KindDelete, []byte("second"), nil}, Entry{KindData, nil, value})
	}
	unknown := func(h Header) func(t rapid.TB, f *Frame) []part {
		h.Time, h.Writer, h.Seq, h.KeyLen = 1700000000123456789, 0x1122334455667788, 1, 3
		return func(_ rapid.TB, f *Frame) []part { return dissect(forge(f, h, []byte("keyunknown"))) }
	}
	torn := func(cut int, behind func(t rapid.TB, f *Frame) []part) func(t rapid.TB, f *Frame) []part {
		return func(t rapid.TB, f *Frame) []part {
			b := record(t, f, 1)
			if cut < 0 {
				cut += len(b)
			}
			return append(dissect(b[:cut]), behind(t, f)...)
		}
	}
	second := func(t rapid.TB, f *Frame) []part { return dissect(record(t, f, 2)) }
	blank := func(n int) func(t rapid.TB, f *Frame) []part {
		return func(rapid.TB, *Frame) []part { return []part{{make([]byte, n), "zeros"}} }
	}
	return []golden{
		{"plain", "a record with key and value", 0, one(KindData, "key", "value")},
		{"empty-key", "a record without a key", 0, one(KindData, "", "value")},
		{"empty-value", "a record without a value", 0, one(KindData, "key", "")},
		{"empty", "the shortest record: neither key nor value", 0, one(KindData, "", "")},
		{"delete", "a tombstone", 0, one(KindDelete, "key", "")},
		{"mark", "a mark: everything in front of 1:8192 was on disk; its sequence is that of its writer's last record", 0,
			one(KindMark, "", "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00")},
		{"gap", "a gap: the records 3 to 5 of the writer are known not to be in this journal", 0, func(t rapid.TB, f *Frame) []part {
			var enc Buffer
			vec, err := enc.EncodeGap(f, goldenHeader(KindGap, 5), 3)
			if err != nil {
				t.Fatalf("%v", err)
			}
			return dissect(join(vec))
		}},
		{"unknown-kind", "a kind of a later version: a record, not to be interpreted", 0, unknown(Header{Kind: 77})},
		{"unknown-flag", "a flag of a later version: a record, not to be interpreted", 0, unknown(Header{Kind: KindData, flags: 0x80})},
		{"masked", "a value with the marker of the segment in it, stored masked", 0, func(t rapid.TB, f *Frame) []part {
			return dissect(encode(t, f, goldenHeader(KindData, 1), []byte("key"), cat([]byte("has a "), f.Marker[:], []byte(" in it"))))
		}},
		{"moved-time", "a record made a nanosecond earlier: it would have ended as a torn one may", 0, func(t rapid.TB, f *Frame) []part {
			want := goldenHeader(KindData, 0)
			for h := *want; h.Time == want.Time; {
				want.Seq++
				h = *want
				encode(t, f, &h, nil, []byte("value"))
			}
			return dissect(encode(t, f, want, nil, []byte("value")))
		}},
		{"batch-of-three", "an envelope of three entries", 0, func(t rapid.TB, f *Frame) []part { return dissect(batch(t, f, []byte("3"))) }},
		{"batch-masked", "an envelope with the marker in an entry", 0, func(t rapid.TB, f *Frame) []part { return dissect(batch(t, f, f.Marker[:])) }},
		{"fragment", "a record torn in its value, another one behind it", 0, torn(50, second)},
		{"fragment-header", "a record torn in its header, another one behind it", 0, torn(20, second)},
		{"fragment-marker", "a record torn in its marker, another one behind it", 0, torn(3, second)},
		{"fragment-unused", "a record torn in its value, segment closed early", 100, torn(50, blank(60))},
		{"fragment-trailer-unused", "a record torn in its trailer, segment closed early", 100, torn(-1, blank(60))},
		{"hole", "zeros in front of a record", 0, func(t rapid.TB, f *Frame) []part { return append(blank(32)(t, f), second(t, f)...) }},
		{"cut-off", "a segment that lost its end", 100, func(t rapid.TB, f *Frame) []part { return dissect(record(t, f, 1)) }},
		{"void", "a record that starts at the limit", 62, func(t rapid.TB, f *Frame) []part {
			return append(dissect(record(t, f, 1)), second(t, f)...)
		}},
		{"straddling", "a record that starts below the limit and ends beyond it", 64, func(t rapid.TB, f *Frame) []part {
			return append(dissect(record(t, f, 1)), second(t, f)...)
		}},
		{"corruption", "a flipped bit in a value", 0, func(t rapid.TB, f *Frame) []part {
			return append(dissect(flip(record(t, f, 1), 50)), second(t, f)...)
		}},
		{"garbage", "bytes that are no record", 0, func(t rapid.TB, f *Frame) []part {
			return append([]part{{[]byte("garbage"), "garbage"}}, second(t, f)...)
		}},
	}
}

// text renders a golden segment: comments, lines of OFFSET BYTES MEANING, and
// the events of the final segment behind equals signs.
func (g *golden) text(t rapid.TB) string {
	f := testFrame()
	var out strings.Builder
	parts := g.parts(t, &f)
	var seg []byte
	for _, p := range parts {
		seg = append(seg, p.bytes...)
	}
	limit := g.limit
	if limit == 0 {
		limit = int64(len(seg))
	}
	fmt.Fprintf(&out, "# %s\n# segment 1 of journal %x, limit %d\n", g.about, testUUID, limit)
	off := 0
	for _, p := range parts {
		for meaning := p.meaning; len(p.bytes) > 0; meaning = "" {
			n := min(len(p.bytes), 16)
			line := fmt.Sprintf("%04d  %-47s  %s", off, fmt.Sprintf("% x", p.bytes[:n]), meaning)
			fmt.Fprintln(&out, strings.TrimRight(line, " "))
			off, p.bytes = off+n, p.bytes[n:]
		}
	}
	for _, e := range scan(t, seg, ScannerOptions{Frame: f, Limit: limit}, true) {
		fmt.Fprintf(&out, "= %d %d %v", e.From, e.To, e.Class)
		if e.Class == Whole {
			fmt.Fprintf(&out, " %v seq %d key %q value %q", e.Kind, e.Seq, e.Key, e.Value)
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

// readGolden returns the bytes and the events that a golden file lists.
func readGolden(t testing.TB, text string) (seg []byte, limit int64, events []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			if _, s, ok := strings.Cut(line, ", limit "); ok {
				n, err := strconv.ParseInt(s, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				limit = n
			}
		case strings.HasPrefix(line, "= "):
			events = append(events, line[2:])
		default:
			off, err := strconv.Atoi(line[:4])
			if err != nil || off != len(seg) {
				t.Fatalf("line %q: want offset %d", line, len(seg))
			}
			b, err := hex.DecodeString(strings.ReplaceAll(line[6:min(6+47, len(line))], " ", ""))
			if err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			seg = append(seg, b...)
		}
	}
	return seg, limit, events
}

// goldenSegments returns the bytes of every golden file, for seeding.
func goldenSegments(t testing.TB) (segs [][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		seg, _, _ := readGolden(t, string(text))
		segs = append(segs, seg)
	}
	return segs
}

func TestGolden(t *testing.T) {
	dir := filepath.Join("testdata", "golden")
	names := map[string]bool{}
	for _, g := range goldens() {
		name := filepath.Join(dir, g.name+".txt")
		names[name] = true
		t.Run(g.name, func(t *testing.T) {
			made := g.text(t)
			if *update {
				if err := os.MkdirAll(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(made), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			stored, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(stored), made); diff != "" {
				t.Errorf("the encoder makes other bytes (-stored +made):\n%s", diff)
			}
			checkGolden(t, string(stored))
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !names[name] {
			t.Errorf("%s belongs to no case", name)
		}
	}
}

// checkGolden reads the stored bytes with the oracle and holds its events
// against the stored ones.
func checkGolden(t *testing.T, stored string) {
	t.Helper()
	seg, limit, want := readGolden(t, stored)
	var got []string
	for _, e := range newOracle(testFrame(), seg, limit, true, Ending{}).events(0) {
		s := fmt.Sprintf("%d %d %v", e.From, e.To, e.Class)
		if e.Class == Whole {
			s += fmt.Sprintf(" %v seq %d key %q value %q", e.Kind, e.Seq, e.Key, e.Value)
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the stored bytes say something else (-stored +read): %s", diff)
	}
}
