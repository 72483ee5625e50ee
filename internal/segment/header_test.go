package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/record"
)

// fields are the fields of a header page, in order and without a gap.
var fields = []struct {
	off, size int
	name      string
}{
	{0, 8, "magic"},
	{8, 4, "version"},
	{12, 4, "header size"},
	{16, 16, "uuid"},
	{32, 8, "number"},
	{40, 8, "limit"},
	{48, 8, "longest record"},
	{56, 8, "created"},
	{64, 16, "boot id"},
	{80, 8, "marker"},
	{88, 8, "seed"},
	{96, 8, "limit of the predecessor"},
	{104, 8, "longest record of the predecessor"},
	{112, 4, "ahead"},
	{116, 3972, "zeros"},
	{4088, 8, "hash"},
}

// dissect writes a page as the golden file has it.
func dissect(b []byte) string {
	var s strings.Builder
	for _, f := range fields {
		p := b[f.off:][:f.size]
		if f.name == "zeros" {
			if len(bytes.Trim(p, "\x00")) > 0 {
				p = bytes.TrimRight(p, "\x00")
			} else {
				fmt.Fprintf(&s, "%04d  %-48s %d zeros\n", f.off, "00 ...", f.size)
				continue
			}
		}
		text := f.name
		if f.size == 8 && f.name != "magic" && f.name != "marker" && f.name != "seed" && f.name != "hash" || f.size == 4 {
			var v [8]byte
			copy(v[:], p)
			text += fmt.Sprintf(" %d", binary.LittleEndian.Uint64(v[:]))
		}
		fmt.Fprintf(&s, "%04d  %-48s %s\n", f.off, fmt.Sprintf("% x", p), text)
	}
	return s.String()
}

// The bytes of a header, each annotated. A change of this file is a change of
// the format.
func TestHeaderGolden(t *testing.T) {
	const path = "testdata/header.txt"
	h := goldenSegment(2)
	h.Limits = Limits{Limit: 64 << 20, MaxRecord: 1 << 20}
	b := h.encode()
	if len(b) != HeaderSize || !bytes.Equal(b[:pageSize], b[pageSize:]) {
		t.Fatalf("header of %d bytes, or pages that differ", len(b))
	}
	got := "# one of the two equal header pages of segment 2 of journal 6d616e7970656e000102030405060708\n" + dissect(b)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	end := 0
	for _, f := range fields {
		if f.off != end {
			t.Errorf("%s begins at %d, the field before it ends at %d", f.name, f.off, end)
		}
		end = f.off + f.size
	}
	if end != pageSize {
		t.Errorf("the fields end at %d of %d", end, pageSize)
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := func(label string) Limits {
			return Limits{
				Limit:     rapid.Int64Range(HeaderSize+1, MaxLimit).Draw(t, label+" limit"),
				MaxRecord: rapid.Int64Range(record.Overhead, record.MaxSize).Draw(t, label+" max record"),
			}
		}
		id := func(label string) (b [16]byte) {
			copy(b[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
			return b
		}
		h := Header{
			UUID: id("uuid"), Number: rapid.Uint64Range(1, MaxNumber).Draw(t, "number"), Limits: limits("own"),
			Created: rapid.Int64().Draw(t, "created"), Boot: id("boot"), Ahead: rapid.Uint32().Draw(t, "ahead"),
			Rolled: rapid.Bool().Draw(t, "rolled"), Doubted: rapid.Bool().Draw(t, "doubted"), PrevSize: rapid.Int64().Draw(t, "prev size"),
			Cut: record.Position{
				Segment: rapid.Uint64Range(0, MaxNumber).Draw(t, "cut in"),
				Offset:  rapid.Int64Range(0, MaxLimit).Draw(t, "cut at"),
			},
		}
		if rapid.Bool().Draw(t, "has a predecessor") {
			h.Prev = limits("prev")
		}
		got, damaged, err := parseHeader(h.encode(), anything)
		if got != h || damaged != [2]bool{} || err != nil {
			t.Fatalf("got %+v, %v, %v; want %+v", got, damaged, err, h)
		}
	})
}

// resum gives a page the right checksum again, as somebody would who changed it
// on purpose, or another version.
func resum(page []byte) {
	binary.LittleEndian.PutUint64(page[offPageSum:], xxhash.Sum64(page[:offPageSum]))
}

// Every field of its own is checked, also in a page whose checksum is right.
func TestHeaderFields(t *testing.T) {
	h := goldenSegment(2)
	put32 := func(off int, v uint32) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint32(p[off:], v) }
	}
	put64 := func(off int, v uint64) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint64(p[off:], v) }
	}
	for _, c := range []struct {
		name   string
		change func(page []byte)
		want   error
	}{
		{"nothing", func([]byte) {}, nil},
		{"magic", func(p []byte) { p[0]++ }, ErrHeaderLost},
		{"magic as text", func(p []byte) { copy(p, "\x89MNYPEN\r") }, ErrHeaderLost},
		{"version 0", put32(offVersion, 0), ErrVersion},
		{"version 2", put32(offVersion, 2), ErrVersion},
		{"highest version", put32(offVersion, 1<<32-1), ErrVersion},
		{"header size", put32(offHeaderSize, 4096), ErrHeaderLost},
		{"uuid without its marker", func(p []byte) { p[offUUID]++ }, ErrHeaderLost},
		{"number without its marker", put64(offNumber, 3), ErrHeaderLost},
		{"marker", func(p []byte) { p[offMarker+7]++ }, ErrHeaderLost},
		{"seed", func(p []byte) { p[offSeed]++ }, ErrHeaderLost},
		{"limit inside the header", put64(offLimit, HeaderSize), ErrHeaderLost},
		{"limit 0", put64(offLimit, 0), ErrHeaderLost},
		{"limit beyond the highest", put64(offLimit, MaxLimit+1), ErrHeaderLost},
		{"limit negative", put64(offLimit, 1<<63), ErrHeaderLost},
		{"longest record too short", put64(offMaxRecord, record.Overhead-1), ErrHeaderLost},
		{"longest record too long", put64(offMaxRecord, record.MaxSize+1), ErrHeaderLost},
		{"longest record negative", put64(offMaxRecord, 1<<64-1), ErrHeaderLost},
		// Nobody depends on these; any value is allowed.
		{"created", put64(offCreated, 1<<63), nil},
		{"boot id", func(p []byte) { p[offBoot]++ }, nil},
		{"predecessor", put64(offPrevLimit, 12345), nil},
		{"ahead", put32(offAhead, 7), nil},
		{"reserved", func(p []byte) { p[offPrevSize+8] = 1 }, nil},
		{"unknown flag", put32(offFlags, 4), nil},
		{"cut", put64(offCutOffset, 1<<63), nil},
	} {
		b := h.encode()
		page := b[:pageSize]
		c.change(page)
		resum(page)
		both := append(bytes.Clone(page), page...)
		if _, damaged, err := parseHeader(both, anything); !errors.Is(err, c.want) || (c.want == nil) == damaged[0] || damaged[0] != damaged[1] {
			t.Errorf("%s in both pages: %v, damaged %v; want %v", c.name, err, damaged, c.want)
		}
		// One page that is whole decides, whatever the other one says.
		got, damaged, err := parseHeader(b, anything)
		if err != nil || damaged != [2]bool{c.want != nil, false} || c.want != nil && got != h {
			t.Errorf("%s in the first page: %v, damaged %v", c.name, err, damaged)
		}
		swapped := append(bytes.Clone(b[pageSize:]), page...)
		if got, damaged, err := parseHeader(swapped, anything); err != nil || damaged != [2]bool{false, c.want != nil} || got != h {
			t.Errorf("%s in the second page: %v, damaged %v", c.name, err, damaged)
		}
	}
}

func anything(*Header) bool { return true }

// A page that is whole and of another segment, or another journal, is damage to this
// header as long as the other page is this segment's own.
func TestHeaderMisplacedPage(t *testing.T) {
	h := goldenSegment(2)
	own := func(g *Header) bool { return g.UUID == h.UUID && g.Number == h.Number }
	neighbour, stranger := goldenSegment(1), h
	stranger.UUID[3]++
	for _, other := range []Header{neighbour, stranger} {
		for i := range 2 {
			b := h.encode()
			copy(b[i*pageSize:], other.encode()[:pageSize])
			got, damaged, err := parseHeader(b, own)
			if want := [2]bool{i == 0, i == 1}; got != h || damaged != want || err != nil {
				t.Errorf("page %d of segment %d: segment %d, damaged %v, %v", i, other.Number, got.Number, damaged, err)
			}
			clear(b[(1-i)*pageSize:][:pageSize])
			if got, _, err := parseHeader(b, own); got != other || err != nil {
				t.Errorf("page %d alone: segment %d, %v; want what it says", i, got.Number, err)
			}
		}
		if got, damaged, err := parseHeader(other.encode(), own); got != other || damaged != [2]bool{} || err != nil {
			t.Errorf("both pages: segment %d, damaged %v, %v; want what they say", got.Number, damaged, err)
		}
	}
}

// A newer version is refused by name, also if it keeps its checksum elsewhere.
func TestHeaderNewerVersion(t *testing.T) {
	h := goldenSegment(1)
	newer := func(v uint32, sum bool) []byte {
		p := h.encode()[:pageSize]
		binary.LittleEndian.PutUint32(p[offVersion:], v)
		if sum {
			resum(p)
		}
		return p
	}
	lost := make([]byte, pageSize)
	for _, c := range []struct {
		name          string
		first, second []byte
		want          error
	}{
		{"both pages whole", newer(2, true), newer(2, true), ErrVersion},
		{"first page lost", lost, newer(2, true), ErrVersion},
		{"second page lost", newer(2, true), lost, ErrVersion},
		{"another checksum", newer(2, false), newer(2, false), ErrVersion},
		{"one page, another checksum", newer(2, false), lost, ErrHeaderLost},
		{"two pages that disagree", newer(2, false), newer(3, false), ErrHeaderLost},
		{"an older one, another checksum", newer(0, false), newer(0, false), ErrHeaderLost},
		{"ours and a newer one", h.encode()[:pageSize], newer(2, true), nil},
	} {
		_, _, err := parseHeader(append(bytes.Clone(c.first), c.second...), anything)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want == ErrVersion && !strings.Contains(fmt.Sprint(err), "found 2, this program knows 1") {
			t.Errorf("%s: %q does not name both versions", c.name, err)
		}
	}
}

// Every single bit of both pages: the other page makes up for it, and exactly
// the one that was hit is reported.
func TestHeaderEveryBit(t *testing.T) {
	h := goldenSegment(2)
	b := h.encode()
	step := 1
	if testing.Short() {
		step = 97
	}
	for bit := 0; bit < 8*len(b); bit += step {
		b[bit/8] ^= 1 << (bit % 8)
		got, damaged, err := parseHeader(b, anything)
		if want := [2]bool{bit/8 < pageSize, bit/8 >= pageSize}; got != h || damaged != want || err != nil {
			t.Fatalf("bit %d of byte %d: damaged %v, %v", bit%8, bit/8, damaged, err)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
}

// Any prefix of a header, and any bytes at all, are judged without a panic.
func TestHeaderPrefix(t *testing.T) {
	h := goldenSegment(2)
	b := h.encode()
	for n := range len(b) {
		_, damaged, err := parseHeader(b[:n], anything)
		if want := [2]bool{n < pageSize, true}; damaged != want || (err == nil) != (n >= pageSize) || err != nil && err != ErrHeaderLost {
			t.Fatalf("%d bytes: damaged %v, %v", n, damaged, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		c := bytes.Clone(b)
		for range rapid.IntRange(1, 20).Draw(t, "changes") {
			c[rapid.IntRange(0, len(c)-1).Draw(t, "offset")] = rapid.Byte().Draw(t, "byte")
		}
		got, _, err := parseHeader(c[:rapid.IntRange(0, len(c)).Draw(t, "length")], anything)
		if err == nil && got != h {
			t.Fatalf("another header came out: %+v", got)
		}
	})
}
