package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A document is docs/FORMAT.md.
type document string

// table returns the cells of the first table with these column titles behind
// the heading, without backticks.
func (d document) table(t *testing.T, heading, columns string) (rows [][]string) {
	t.Helper()
	_, rest, ok := strings.Cut(string(d), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("no heading %q", heading)
	}
	_, rest, ok = strings.Cut(rest, "\n| "+columns+" |\n")
	if !ok {
		t.Fatalf("no table %q behind %q", columns, heading)
	}
	width := strings.Count(columns, "|") + 1
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), "`", "")
		}
		if len(cells) != width {
			t.Fatalf("%s: line %q has %d cells, want %d", heading, line, len(cells), width)
		}
		rows = append(rows, cells)
	}
	return rows[1:] // the first is the line under the titles
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.ReplaceAll(s, ",", ""), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(n)
}

func TestFormatDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range map[string]func(*testing.T, document){
		"segment header": docSegmentHeader,
		"frame":          docFrame,
		"record":         docRecord,
		"kinds":          docKinds,
		"batch":          docBatch,
		"masking":        docMasking,
		"classes":        docClasses,
		"limits":         docLimits,
		"example":        docExample,
	} {
		t.Run(name, func(t *testing.T) { check(t, document(text)) })
	}
}

// The fields of a segment's header leave no gap and fill a page. Their meaning
// is tested where the header is encoded.
func docSegmentHeader(t *testing.T, d document) {
	at := int64(0)
	for _, row := range d.table(t, "### 2.2 The header of a segment", "offset | size | field") {
		if off := number(t, row[0]); off != at {
			t.Errorf("%s at %d, want %d", row[2], off, at)
		}
		at += number(t, row[1])
	}
	if at != 4096 {
		t.Errorf("the fields fill %d bytes", at)
	}
}

func docFrame(t *testing.T, d document) {
	var got []string
	for _, row := range d.table(t, "### 2.3 The frame of a segment", "offset | size | field") {
		got = append(got, strings.Join(row, " "))
	}
	if diff := cmp.Diff([]string{"0 16 UUID of the journal", "16 8 segment number", "24 1 try"}, got); diff != "" {
		t.Error(diff) // TestNewFrameDerivation tests what is made of them
	}
}

func docRecord(t *testing.T, d document) {
	want := [][]string{}
	add := func(off, size any, field, header, whole string) {
		want = append(want, []string{fmt.Sprint(off), fmt.Sprint(size), field, header, whole})
	}
	add(0, MarkerSize, "marker", "yes", "yes")
	add(offKind, offFlags-offKind, "kind", "yes", "yes")
	add(offFlags, offKeyLen-offFlags, "flags", "yes", "yes")
	add(offKeyLen, offValLen-offKeyLen, "key length K", "yes", "yes")
	add(offValLen, offTime-offValLen, "value length V", "yes", "yes")
	add(offTime, offWriter-offTime, "time, signed", "yes", "yes")
	add(offWriter, offSeq-offWriter, "writer", "yes", "yes")
	add(offSeq, offSum-offSeq, "sequence", "yes", "yes")
	add(offSum, HeaderSize-offSum, "header checksum", "no", "yes")
	add(HeaderSize, "K", "key", "no", "yes")
	add(fmt.Sprintf("%d+K", HeaderSize), "V", "value", "no", "yes")
	add(fmt.Sprintf("%d+K+V", HeaderSize), TrailerSize, "checksum", "no", "no")
	got := d.table(t, "## 3 A record", "offset | size | field | header checksum | checksum")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-code +document: %s", diff)
	}
}

func docKinds(t *testing.T, d document) {
	n := 0
	for _, row := range d.table(t, "### 3.1 Kinds and flags", "kind | name | meaning") {
		if k := Kind(number(t, row[0])); k.String() != row[1] || !k.Known() {
			t.Errorf("kind %s is called %s, in the code %v", row[0], row[1], k)
		}
		n++
	}
	for k := range 256 {
		if Kind(k).Known() {
			n--
		}
	}
	if n != 0 {
		t.Errorf("the document has %d kinds more than the code", n)
	}
	flags := d.table(t, "### 3.1 Kinds and flags", "flag | name | meaning")
	if len(flags) != 1 || number(t, flags[0][0]) != flagMasked || flags[0][1] != "masked" || knownFlags != flagMasked {
		t.Errorf("flags %v", flags)
	}
}

func docBatch(t *testing.T, d document) {
	rows := d.table(t, "## 4 A batch", "offset | size | field")
	if off := number(t, rows[1][0]); off != BatchHeaderSize || number(t, rows[0][1]) != off {
		t.Errorf("entries begin at %d, want %d", off, BatchHeaderSize)
	}
	var got []string
	for _, row := range d.table(t, "An entry:", "offset | size | field") {
		got = append(got, strings.Join(row, " "))
	}
	want := []string{"0 1 kind, not 0", "1 1 reserved, 0", "2 2 key length K", "4 4 value length V",
		fmt.Sprintf("%d K key", EntryHeaderSize), fmt.Sprintf("%d+K V value", EntryHeaderSize)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-code +document: %s", diff)
	}
	head, err := AppendEntry(nil, 0x11, 0x2233, 0x04556677)
	if err != nil || !bytes.Equal(head, []byte{0x11, 0, 0x33, 0x22, 0x77, 0x66, 0x55, 0x04}) {
		t.Errorf("entry header %x, %v", head, err)
	}
}

// The stream made of the constants of the document is the stream of the code.
func docMasking(t *testing.T, d document) {
	var c []uint64
	for _, row := range d.table(t, "## 5 Masking", "step | constant") {
		c = append(c, uint64(number(t, row[1])))
	}
	state := uint64(42)
	got := make([]byte, 80)
	for i := 0; i < len(got); i += 8 {
		state += c[0]
		z := state
		z = (z ^ z>>c[1]) * c[2]
		z = (z ^ z>>c[3]) * c[4]
		binary.LittleEndian.PutUint64(got[i:], z^z>>c[5])
	}
	xorStream(got, 42)
	if !bytes.Equal(got, make([]byte, 80)) {
		t.Errorf("the streams differ by %x", got)
	}
}

func docClasses(t *testing.T, d document) {
	var want, got []string
	for _, c := range Classes {
		want = append(want, c.String())
	}
	for _, row := range d.table(t, "### 6.4 The classes", "class | shape | meaning") {
		got = append(got, row[0])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-code +document: %s", diff)
	}
}

func docLimits(t *testing.T, d document) {
	rows := map[string]int64{}
	for _, row := range d.table(t, "## 7 Limits", "limit | value") {
		rows[row[0]] = number(t, row[1])
	}
	want := map[string]int64{
		"longest key": MaxKey,
		"longest record, header and checksum included": MaxSize,
		"what a record costs beyond key and value":     Overhead,
		"bytes that one Linux system call moves":       1<<31 - 4096,
		"first position of a record in a segment":      8192,
		"segment numbers below":                        1 << 28,
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-code +document: %s", diff)
	}
}

func docExample(t *testing.T, d document) {
	f := testFrame()
	intro := fmt.Sprintf("Journal `%x`, segment 1: marker\n`%x`, seed `%016x`.", testUUID, f.Marker, f.Seed)
	if !strings.Contains(string(d), intro) {
		t.Errorf("the document lacks %q", intro)
	}
	fields := map[string]string{}
	var b []byte
	for _, row := range d.table(t, "## 9 An example", "offset | bytes | field | value") {
		if off := number(t, row[0]); off != int64(len(b)) {
			t.Errorf("%s at %d, want %d", row[2], off, len(b))
		}
		p, err := hex.DecodeString(strings.ReplaceAll(row[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p...)
		fields[row[2]] = row[3]
	}
	want := Header{
		Kind:   Kind(number(t, fields["kind"])),
		Time:   number(t, fields["time"]),
		Writer: uint64(number(t, fields["writer"])),
		Seq:    uint64(number(t, fields["sequence"])),
	}
	made := encode(t, &f, &want, []byte(fields["key"]), []byte(fields["value"]))
	if !bytes.Equal(made, b) {
		t.Errorf("the document has\n%x, the code makes\n%x", b, made)
	}
	h, key, value := parse(t, &f, b)
	if h != want || string(key) != fields["key"] || string(value) != fields["value"] {
		t.Errorf("the document's bytes say %+v %q %q, want %+v", h, key, value, want)
	}
	if int64(h.KeyLen) != number(t, fields["key length"]) || int64(h.ValueLen) != number(t, fields["value length"]) || number(t, fields["flags"]) != int64(h.flags) {
		t.Errorf("lengths or flags of %+v", h)
	}
}
