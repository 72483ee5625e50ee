package oracle

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// goldens is what the golden files of package record are, by docs/FORMAT.md: records
// and stretches, by offsets from the first record on. The segments are final, and were
// not full when they were closed.
var goldens = map[string]string{
	"batch-masked":            "kind 4 0-100 \"\"=\"\\x03\\x00\\x00\\x00\\x01\\x00\\x05\\x00\\x01\\x00\\x00\\x00first1\\x02\\x00\"",
	"batch-of-three":          "kind 4 0-93 \"\"=\"\\x03\\x00\\x00\\x00\\x01\\x00\\x05\\x00\\x01\\x00\\x00\\x00first1\\x02\\x00\"",
	"corruption":              "corruption 0-62; kind 1 62-124 \"key\"=\"value 2\"",
	"cut-off":                 "kind 1 0-62 \"key\"=\"value 1\"; hole 62-100",
	"delete":                  "kind 2 0-55 \"key\"=\"\"",
	"empty-key":               "kind 1 0-57 \"\"=\"value\"",
	"empty-value":             "kind 1 0-55 \"key\"=\"\"",
	"empty":                   "kind 1 0-52 \"\"=\"\"",
	"fragment-header":         "fragment 0-20; kind 1 20-82 \"key\"=\"value 2\"",
	"fragment-marker":         "fragment 0-3; kind 1 3-65 \"key\"=\"value 2\"",
	"fragment-trailer-unused": "fragment 0-61; unused 61-100; void 100-121",
	"fragment-unused":         "fragment 0-50; unused 50-100; void 100-110",
	"fragment":                "fragment 0-50; kind 1 50-112 \"key\"=\"value 2\"",
	"gap":                     "kind 5 0-60 \"\"=\"\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00\"",
	"garbage":                 "corruption 0-7; kind 1 7-69 \"key\"=\"value 2\"",
	"hole":                    "hole 0-32; kind 1 32-94 \"key\"=\"value 2\"",
	"mark":                    "kind 3 0-68 \"\"=\"\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00 \\x00\\x00\\x00\\x00\\x00\\x00\"",
	"masked":                  "kind 1 0-75 \"key\"=\"has a \\xfc\\x1dN\\x0e\\x1c\\x18,\\x9d in it\"",
	"moved-time":              "kind 1 0-57 \"\"=\"value\"",
	"plain":                   "kind 1 0-60 \"key\"=\"value\"",
	"straddling":              "kind 1 0-62 \"key\"=\"value 1\"; kind 1 62-124 \"key\"=\"value 2\"",
	"unknown-flag":            "kind 1 0-62 \"key\"=\"unknown\"",
	"unknown-kind":            "kind 77 0-62 \"key\"=\"unknown\"",
	"void":                    "kind 1 0-62 \"key\"=\"value 1\"; void 62-124",
}

// golden reads a golden file: its bytes behind a header of zeros, and its limit.
func golden(t *testing.T, path string) *Segment {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	about := regexp.MustCompile(`(?m)^# segment (\d+) of journal ([0-9a-f]{32})(?:, limit (\d+))?`).FindSubmatch(text)
	if about == nil {
		t.Fatalf("%s: no segment and journal", path)
	}
	s := &Segment{Final: true, Cut: -1, Bytes: make([]byte, HeaderSize)}
	if _, err := hex.Decode(s.UUID[:], about[2]); err != nil {
		t.Fatal(err)
	}
	if s.Number, err = strconv.ParseUint(string(about[1]), 10, 64); err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^\d{4}  ((?:[0-9a-f]{2} )*[0-9a-f]{2})`).FindAllSubmatch(text, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(string(line[1]), " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		s.Bytes = append(s.Bytes, b...)
	}
	s.Size = int64(len(s.Bytes))
	s.Limit = s.Size
	if len(about[3]) > 0 {
		n, err := strconv.ParseInt(string(about[3]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.Limit = HeaderSize + n
	}
	s.Marker, s.Seed = FrameOf(s.UUID, s.Number)
	return s
}

// told is what the oracle makes of a segment, in order.
func told(t *testing.T, s *Segment) string {
	t.Helper()
	var j Journal
	if err := j.read(s); err != nil {
		t.Fatal(err)
	}
	var list []string
	stretches := j.Stretches
	for _, f := range s.Frames {
		for len(stretches) > 0 && stretches[0].From < f.From {
			list = append(list, fmt.Sprintf("%s %d-%d", stretches[0].Class, stretches[0].From-HeaderSize, stretches[0].To-HeaderSize))
			stretches = stretches[1:]
		}
		list = append(list, fmt.Sprintf("kind %d %d-%d %.20q=%.20q", f.Kind, f.From-HeaderSize, f.To-HeaderSize, f.Key, f.Value))
	}
	for _, st := range stretches {
		list = append(list, fmt.Sprintf("%s %d-%d", st.Class, st.From-HeaderSize, st.To-HeaderSize))
	}
	return strings.Join(list, "; ")
}

func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("../../../record/testdata/golden/*.txt")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d golden files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		want, ok := goldens[name]
		if got := told(t, golden(t, path)); !ok || got != want {
			t.Errorf("%q: %q,", name, got)
		}
	}
}

// The example of section 9 of the document.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "## 9 An example")
	if !ok {
		t.Fatal("there is no example")
	}
	example, _, _ = strings.Cut(example, "\n## ")
	head := regexp.MustCompile("Journal `([0-9a-f]{32})`, segment 1: marker\\s+`([0-9a-f]{16})`, seed `([0-9a-f]{16})`").FindStringSubmatch(example)
	if head == nil {
		t.Fatal("the example names no frame")
	}
	s := &Segment{Header: Header{Number: 1, Limit: HeaderSize + 60}, Final: true, Cut: -1, Bytes: make([]byte, HeaderSize)}
	if _, err := hex.Decode(s.UUID[:], []byte(head[1])); err != nil {
		t.Fatal(err)
	}
	s.Marker, s.Seed = FrameOf(s.UUID, 1)
	if m := hex.EncodeToString(s.Marker[:]); m != head[2] || fmt.Sprintf("%016x", s.Seed) != head[3] {
		t.Errorf("marker %s, seed %016x", m, s.Seed)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| \\d+ \\| `([0-9a-f ]+)`").FindAllStringSubmatch(example, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(row[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		s.Bytes = append(s.Bytes, b...)
	}
	s.Size = int64(len(s.Bytes))
	if got, want := told(t, s), `kind 1 0-60 "key"="value"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if f := s.Frames; len(f) == 1 && (f[0].Time != 1700000000123456789 || f[0].Writer != 0x1122334455667788 || f[0].Seq != 1) {
		t.Errorf("%+v", f[0])
	}
}

// header is the bytes of a segment header, both pages.
func header(h Header) []byte {
	p := make([]byte, page)
	copy(p, magic)
	put := binary.LittleEndian.PutUint64
	binary.LittleEndian.PutUint32(p[8:], formatOne)
	binary.LittleEndian.PutUint32(p[12:], HeaderSize)
	copy(p[16:], h.UUID[:])
	put(p[32:], h.Number)
	put(p[40:], uint64(h.Limit))
	put(p[48:], uint64(h.Longest))
	marker, seed := FrameOf(h.UUID, h.Number)
	copy(p[80:], marker[:])
	put(p[88:], seed)
	put(p[96:], uint64(h.PreviousLimit))
	put(p[104:], uint64(h.PreviousLongest))
	binary.LittleEndian.PutUint32(p[116:], h.Flags)
	put(p[120:], h.CutSegment)
	put(p[128:], uint64(h.CutOffset))
	put(p[pageHashAt:], hash(p[:pageHashAt]))
	return append(p, p...)
}

// What the headers of later segments say of one: sections 2.2 and 6.
func TestNeighbours(t *testing.T) {
	uuid := [16]byte{1, 2, 3}
	const limit, longest = HeaderSize + 100, 1000
	id := fmt.Sprintf("manypen journal 1 %x", uuid)
	id += fmt.Sprintf(" %016x\n", hash([]byte(id)))
	torn := func(b []byte) []byte { // a marker and no more
		marker, _ := FrameOf(uuid, 1)
		return append(b, marker[:]...)
	}
	first := header(Header{UUID: uuid, Number: 1, Limit: limit, Longest: longest})
	second := func(flags uint32, cut uint64, at int64) []byte {
		return header(Header{UUID: uuid, Number: 2, Limit: limit, Longest: longest, PreviousLimit: limit, PreviousLongest: longest,
			Flags: flags, CutSegment: cut, CutOffset: at})
	}
	pad := func(b []byte, n int64) []byte { return append(b, make([]byte, n-int64(len(b)))...) }
	for _, c := range []struct {
		name, id string
		files    map[uint64][]byte
		want     string
	}{
		{"the last one waits", id, map[uint64][]byte{1: torn(first)}, "[{1 8192 8200 pending}]"},
		{"closed early", id, map[uint64][]byte{1: pad(torn(first), limit), 2: second(0, 0, 0)}, "[{1 8192 8200 fragment} {1 8200 8292 unused}]"},
		{"full", id, map[uint64][]byte{1: pad(torn(first), limit), 2: second(Rolled, 0, 0)}, "[{1 8192 8292 corruption}]"},
		{"too short", id, map[uint64][]byte{1: first, 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
		{"cut off", id, map[uint64][]byte{1: torn(first), 2: second(0, 1, HeaderSize)}, "[{1 8192 8200 dropped}]"},
		{"no journal.id", "", map[uint64][]byte{1: first, 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
		{"a journal.id with another sum", strings.Replace(id, "01", "02", 1), map[uint64][]byte{1: first, 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
		{"no header but the next one", id, map[uint64][]byte{1: make([]byte, HeaderSize), 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
		{"the other page is another journal's", id, map[uint64][]byte{1: append(header(Header{UUID: [16]byte{9}, Number: 1, Limit: 9000, Longest: longest})[:page], first[page:]...)}, "[]"},
		{"the other page is another segment's", id, map[uint64][]byte{1: append(second(0, 0, 0)[:page], first[page:]...), 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
		{"one page", id, map[uint64][]byte{1: append(make([]byte, page), first[page:]...), 2: second(Rolled, 0, 0)}, "[{1 8192 8292 hole}]"},
	} {
		j, err := Parse([]byte(c.id), c.files)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := fmt.Sprint(j.Stretches); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if _, err := Parse(nil, map[uint64][]byte{1: make([]byte, 100)}); err == nil {
		t.Error("a journal of nobody is read")
	}
}

// Which journal it is, where journal.id is lost: section 2.1.
func TestElect(t *testing.T) {
	a, b := [16]byte{1}, [16]byte{2}
	of := func(uuid [16]byte, n uint64) []byte {
		return header(Header{UUID: uuid, Number: n, Limit: 9000, Longest: 1000})
	}
	for _, c := range []struct {
		name  string
		files map[uint64][]byte
		want  [16]byte
	}{
		{"most", map[uint64][]byte{1: of(a, 1), 2: of(b, 2), 3: of(b, 3)}, b},
		{"ahead first", map[uint64][]byte{1: of(a, 1), 2: of(b, 2), 3: of(b, 3), 4: of(a, 4)}, b},
		{"one each", map[uint64][]byte{4: of(b, 4), 5: of(a, 5)}, b},
		{"the second page", map[uint64][]byte{1: append(of(b, 7)[:page], of(a, 1)[page:]...), 2: of(b, 3)}, a},
	} {
		if got, ok := elect(c.files); !ok || got != c.want {
			t.Errorf("%s: %x, %t; want %x", c.name, got, ok, c.want)
		}
	}
	if got, ok := elect(map[uint64][]byte{1: of(a, 2)}); ok {
		t.Errorf("a segment with another number has elected %x", got)
	}
}

// Damage at the end of a segment that is not final is told, and what lies in front of it.
func TestTold(t *testing.T) {
	s := golden(t, "../../../record/testdata/golden/corruption.txt")
	s.Bytes = s.Bytes[:s.Size-62] // the record with the flipped bit alone
	s.Size, s.Final, s.Limit = s.Size-62, false, 1<<20
	var j Journal
	if err := j.read(s); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(j.Stretches, j.Told), "[{1 8192 8254 pending}] [{1 8192 8254 corruption}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMissing(t *testing.T) {
	j := Journal{
		Segments: []*Segment{{Header: Header{Number: 1}}},
		Records:  []Record{{Writer: 1, Seq: 1}, {Writer: 1, Seq: 4}, {Writer: 2, Seq: 3}, {Writer: 3, Seq: 1}},
		Gaps:     []Frame{{Writer: 2, Seq: 2, Value: []byte{2, 0, 0, 0, 0, 0, 0, 0}}},
	}
	if got, want := fmt.Sprint(j.Missing()), "map[1:2 2:1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	j.Segments[0].Number = 2 // the beginning was removed
	if got, want := fmt.Sprint(j.Missing()), "map[1:2]"; got != want {
		t.Errorf("pruned: got %s, want %s", got, want)
	}
	// A mark says that writer 3 had got to 4; of writer 9 there is no record.
	j.deliver(&Segment{}, &Frame{Kind: Mark, Interpreted: true, Writer: 3, Seq: 4})
	j.deliver(&Segment{}, &Frame{Kind: Mark, Interpreted: true, Writer: 3, Seq: 2})
	j.deliver(&Segment{}, &Frame{Kind: Mark, Interpreted: true, Writer: 9, Seq: 7})
	if got, want := fmt.Sprint(j.Missing()), "map[1:2 3:3]"; got != want {
		t.Errorf("with marks: got %s, want %s", got, want)
	}
}
