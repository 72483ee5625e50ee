package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/record"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

var testUUID = [16]byte([]byte("manypen\x00\x01\x02\x03\x04\x05\x06\x07\x08"))

const testLimit = headerSize + 8192

// header makes the two pages of a segment's header, as section 2.2 of
// docs/FORMAT.md says.
func header(n uint64, limit int64, flags uint32, cut record.Position) []byte {
	p := make([]byte, pageSize)
	le := binary.LittleEndian
	copy(p, magic)
	le.PutUint32(p[8:], version)
	le.PutUint32(p[12:], headerSize)
	copy(p[16:], testUUID[:])
	le.PutUint64(p[32:], n)
	le.PutUint64(p[40:], uint64(limit))
	le.PutUint64(p[48:], 1<<20)
	le.PutUint64(p[56:], 1700000000000000000)
	copy(p[64:], "sixteen byte boot")
	frame := record.NewFrame(testUUID, n)
	copy(p[80:], frame.Marker[:])
	le.PutUint64(p[88:], frame.Seed)
	if n > 1 {
		le.PutUint64(p[96:], testLimit)
		le.PutUint64(p[104:], 1<<20)
	}
	le.PutUint32(p[112:], 1)
	le.PutUint32(p[116:], flags)
	le.PutUint64(p[120:], cut.Segment)
	le.PutUint64(p[128:], uint64(cut.Offset))
	le.PutUint64(p[pageSize-8:], xxhash.Sum64(p[:pageSize-8]))
	return append(p, p...)
}

// maker lays out the records of one segment.
type maker struct {
	t     testing.TB
	frame record.Frame
	seq   uint64
	b     []byte
}

func newMaker(t testing.TB, n uint64) *maker {
	return &maker{t: t, frame: record.NewFrame(testUUID, n), b: header(n, testLimit, 0, record.Position{})}
}

func (m *maker) head(kind record.Kind) *record.Header {
	m.seq++
	return &record.Header{Kind: kind, Time: 1700000000123456789, Writer: 0x1122334455667788, Seq: m.seq}
}

func (m *maker) put(vec [][]byte, err error) {
	if err != nil {
		m.t.Fatal(err)
	}
	for _, p := range vec {
		m.b = append(m.b, p...)
	}
}

// add appends a record and returns its offset.
func (m *maker) add(kind record.Kind, key, value string) int {
	var buf record.Buffer
	at := len(m.b)
	m.put(buf.Encode(&m.frame, m.head(kind), []byte(key), []byte(value)))
	return at
}

func (m *maker) batch(entries ...record.Entry) int {
	var buf record.Buffer
	var pieces [][]byte
	for _, e := range entries {
		b, err := record.AppendEntry(nil, e.Kind, len(e.Key), len(e.Value))
		if err != nil {
			m.t.Fatal(err)
		}
		pieces = append(pieces, b, e.Key, e.Value)
	}
	at := len(m.b)
	m.put(buf.EncodeBatch(&m.frame, m.head(record.KindBatch), uint32(len(entries)), pieces))
	return at
}

func (m *maker) mark(to record.Position) int {
	var buf record.Buffer
	at := len(m.b)
	m.put(buf.EncodeMark(&m.frame, m.head(record.KindMark), to))
	m.seq--
	return at
}

// torn appends the first n bytes of a record.
func (m *maker) torn(n int, key, value string) int {
	at := m.add(record.KindData, key, value)
	m.b = m.b[:at+n]
	return at
}

// seal extends the segment with zeros to its limit.
func (m *maker) seal() { m.b = append(m.b, make([]byte, testLimit-len(m.b))...) }

// scene is a journal and what is looked at in it.
type scene struct {
	name     string
	segments map[uint64][]byte
	at       record.Position
	opt      Options
	fails    string // what the error says
	want     Result // What, Class and Foreign
}

func one(m *maker) map[uint64][]byte { return map[uint64][]byte{1: m.b} }

// closed is segment 1 with another one behind it.
func closed(m *maker, flags uint32, cut record.Position) map[uint64][]byte {
	return map[uint64][]byte{1: m.b, 2: header(2, testLimit, flags, cut)}
}

func whole(what What) Result            { return Result{What: what} }
func damaged(class record.Class) Result { return Result{What: Damage, Class: class} }

func at(off int) record.Position { return record.Position{Segment: 1, Offset: int64(off)} }

func recordScenes(t testing.TB) []scene {
	three := newMaker(t, 1)
	first := three.add(record.KindData, "key", "value")
	empty := three.add(record.KindData, "", "")
	deleted := three.add(record.KindDelete, "key", "")
	three.add(record.KindData, "control", "\x1b]0;owned\x07\x1b[31m\u202e\n")
	control := len(three.b) - 30

	masked := newMaker(t, 1)
	hidden := masked.add(record.KindData, "key", "marker: "+string(masked.frame.Marker[:])+" and more than one line of it")

	batches := newMaker(t, 1)
	group := batches.batch(record.Entry{Kind: record.KindData, Key: []byte("a"), Value: []byte("1")},
		record.Entry{Kind: record.KindDelete, Key: []byte("b")}, record.Entry{Kind: record.KindData, Value: []byte("three")})
	hiddenGroup := batches.batch(record.Entry{Kind: record.KindData, Key: []byte("m"), Value: batches.frame.Marker[:]})
	mark := batches.mark(record.Position{Segment: 1, Offset: int64(group)})

	long := newMaker(t, 1)
	repeated := long.add(record.KindData, "k", strings.Repeat("abcdefghijklmnop", 4)+strings.Repeat("z", 100)+strings.Repeat("0123456789", 500))

	entry := at(group)
	entry.Index = 2
	beyond := entry
	beyond.Index = 3
	none := at(first)
	none.Index = 1
	return []scene{
		{name: "plain", segments: one(three), at: at(first), want: whole(Record)},
		{name: "inside", segments: one(three), at: at(first + 50), want: whole(Record), opt: Options{Context: 1}},
		{name: "oldest", segments: one(three), want: whole(Record)},
		{name: "empty", segments: one(three), at: at(empty), want: whole(Record), opt: Options{Context: 5}},
		{name: "delete", segments: one(three), at: at(deleted), want: whole(Record)},
		{name: "control", segments: one(three), at: at(control), want: whole(Record)},
		{name: "masked", segments: one(masked), at: at(hidden), want: whole(Record)},
		{name: "batch", segments: one(batches), at: at(group), want: whole(Record)},
		{name: "batch-entry", segments: one(batches), at: entry, want: whole(Record)},
		{name: "batch-masked", segments: one(batches), at: at(hiddenGroup), want: whole(Record)},
		{name: "batch-beyond", segments: one(batches), at: beyond, fails: "the batch there has 3"},
		{name: "no-batch", segments: one(three), at: none, fails: "is no batch"},
		{name: "mark", segments: one(batches), at: at(mark), want: whole(Record)},
		{name: "long", segments: one(long), at: at(repeated), want: whole(Record)},
		{name: "end", segments: one(three), at: at(len(three.b)), want: whole(End)},
		{name: "beyond", segments: one(three), at: at(len(three.b) + 1), fails: "is behind the end of the journal, which is at"},
		{name: "no-segment", segments: one(three), at: record.Position{Segment: 7, Offset: headerSize}, fails: "there is no segment 7; the journal has 1 to 1"},
		{name: "nothing", at: at(headerSize), fails: "no segments yet"},
		{name: "header", segments: one(three), at: at(100), want: whole(Header)},
		{name: "header-second", segments: closed(three, flagRolled|flagDoubted, record.Position{Segment: 1, Offset: int64(deleted)}),
			at: record.Position{Segment: 2, Offset: pageSize}, want: whole(Header)},
	}
}

func damageScenes(t testing.TB) []scene {
	flipped := func(off int, bit byte) *maker {
		m := newMaker(t, 1)
		m.add(record.KindData, "key", "value one")
		m.add(record.KindData, "key", "value two")
		m.b[headerSize+off] ^= bit
		return m
	}
	torn := newMaker(t, 1)
	tornAt := torn.torn(60, "key", strings.Repeat("v", 100))
	tornGood := torn.add(record.KindData, "key", "good")
	tornEarly := torn.torn(5, "key", "x")
	torn.add(record.KindData, "key", "good")

	void := newMaker(t, 1)
	void.add(record.KindData, "key", strings.Repeat("v", testLimit-headerSize))
	voidAt := void.add(record.KindData, "key", "again elsewhere")
	voidTorn := void.torn(50, "key", "value")

	sealed := newMaker(t, 1)
	sealed.add(record.KindData, "key", "value")
	sealedTorn := sealed.torn(50, "key", "a value that was never written")
	sealed.seal()

	filled := newMaker(t, 1)
	filled.add(record.KindData, "key", "value")
	filled.seal()

	full := newMaker(t, 1)
	full.add(record.KindData, "key", strings.Repeat("v", testLimit-headerSize))
	fullVoid := full.add(record.KindData, "key", "again elsewhere")

	zeros := newMaker(t, 1)
	first := zeros.add(record.KindData, "key", "value")
	lost := zeros.add(record.KindData, "key", strings.Repeat("v", 100))
	zeros.add(record.KindData, "key", "value")
	clear(zeros.b[lost : lost+155])

	short := newMaker(t, 1)
	short.add(record.KindData, "key", "value")

	pending := newMaker(t, 1)
	pending.add(record.KindData, "key", "value")
	pendingAt := pending.torn(50, "key", "value")

	tail := newMaker(t, 1)
	tail.add(record.KindData, "key", "value")
	tailAt := tail.add(record.KindData, "key", "value")
	tail.b[tailAt+46] ^= 1

	cut := newMaker(t, 1)
	cut.add(record.KindData, "key", "value")
	cutAt := cut.add(record.KindData, "key", "dropped")
	cut.seal()

	page := newMaker(t, 1)
	page.add(record.KindData, "key", "value")
	page.b[40] ^= 1
	misplaced := newMaker(t, 1)
	copy(misplaced.b, header(2, testLimit, 0, record.Position{})[:pageSize])
	inMisplaced := misplaced.add(record.KindData, "key", "value")
	lostHeader := newMaker(t, 1)
	lostHeader.add(record.KindData, "key", "value")
	clear(lostHeader.b[:headerSize])

	garbage := newMaker(t, 1)
	garbageAt := len(garbage.b)
	garbage.b = append(garbage.b, "this was never a record\x1b[2J, and it is longer than the header of one"...)
	garbage.add(record.KindData, "key", "value")

	other := &maker{t: t, frame: record.NewFrame(testUUID, 2), b: header(2, testLimit, 0, record.Position{})}
	otherAt := other.add(record.KindData, "key", "of segment 2")
	later := newMaker(t, 1)
	later.add(record.KindData, "key", "value")
	for page := range 2 {
		p := later.b[page*pageSize:][:pageSize]
		binary.LittleEndian.PutUint32(p[8:], version+1)
		binary.LittleEndian.PutUint64(p[pageSize-8:], xxhash.Sum64(p[:pageSize-8]))
	}

	return []scene{
		{name: "foreign", segments: one(other), at: at(otherAt), want: Result{What: Record, Foreign: true}},
		{name: "foreign-header", segments: one(other), at: at(0), want: Result{What: Header, Foreign: true}},
		{name: "later", segments: one(later), at: at(headerSize), fails: "format version is not known to this program: found 2"},
		{name: "later-header", segments: one(later), at: at(0), fails: "found 2, this program knows 1"},
		{name: "flipped-header", segments: one(flipped(20, 0x10)), at: at(headerSize), want: damaged(record.Corruption)},
		{name: "flipped-length", segments: one(flipped(13, 0x10)), at: at(headerSize + 3), want: damaged(record.Corruption)},
		{name: "flipped-marker", segments: one(flipped(2, 0x01)), at: at(headerSize), want: damaged(record.Corruption)},
		{name: "flipped-value", segments: one(flipped(50, 0x20)), at: at(headerSize), want: damaged(record.Corruption), opt: Options{Context: 2}},
		{name: "garbage", segments: one(garbage), at: at(garbageAt + 5), want: damaged(record.Corruption)},
		{name: "torn", segments: one(torn), at: at(tornAt), want: damaged(record.Fragment)},
		{name: "torn-then-good", segments: one(torn), at: at(tornGood), want: whole(Record), opt: Options{Context: 3}},
		{name: "torn-marker", segments: one(torn), at: at(tornEarly), want: damaged(record.Fragment)},
		{name: "torn-sealed", segments: closed(sealed, 0, record.Position{}), at: at(sealedTorn), want: damaged(record.Fragment)},
		{name: "void", segments: closed(void, flagRolled, record.Position{}), at: at(voidAt + 20), want: damaged(record.Void)},
		{name: "void-torn", segments: closed(void, flagRolled, record.Position{}), at: at(voidTorn), want: damaged(record.Void)},
		{name: "unused", segments: closed(sealed, 0, record.Position{}), at: at(testLimit - 1), want: damaged(record.Unused)},
		{name: "hole", segments: one(zeros), at: at(lost + 100), want: damaged(record.Hole), opt: Options{Context: 1}},
		{name: "hole-missing", segments: closed(short, flagRolled, record.Position{}), at: at(len(short.b)), want: damaged(record.Hole)},
		{name: "behind-closed", segments: closed(short, flagRolled, record.Position{}), at: at(testLimit), fails: "and the journal goes on at 2:8192"},
		{name: "void-open", segments: one(full), at: at(fullVoid), want: damaged(record.Void)},
		{name: "end-full", segments: map[uint64][]byte{1: full.b[:fullVoid]}, at: at(fullVoid), want: whole(End)},
		{name: "hole-full", segments: closed(filled, flagRolled, record.Position{}), at: at(testLimit - 1), want: damaged(record.Hole)},
		{name: "pending", segments: one(pending), at: at(pendingAt + 1), want: whole(Pending), opt: Options{Context: 1}},
		{name: "flipped-last", segments: one(tail), at: at(tailAt), want: damaged(record.Corruption)},
		{name: "dropped", segments: closed(cut, 0, at(cutAt)), at: at(cutAt + 10), want: damaged(record.Dropped)},
		{name: "header-damaged", segments: one(page), at: at(0), want: Result{What: Header, Class: record.Corruption}},
		{name: "header-other", segments: one(page), at: at(pageSize), want: whole(Header)},
		{name: "header-misplaced", segments: one(misplaced), at: at(0), want: Result{What: Header, Class: record.Corruption}},
		{name: "header-misplaced-record", segments: one(misplaced), at: at(inMisplaced), want: whole(Record)},
		{name: "header-lost", segments: one(lostHeader), at: at(first), want: whole(Record)},
		{name: "header-short", segments: map[uint64][]byte{1: header(1, testLimit, 0, record.Position{})[:pageSize+20]}, at: at(pageSize), want: Result{What: Header, Class: record.Hole}},
		{name: "entry-of-damage", segments: one(torn), at: record.Position{Segment: 1, Offset: int64(tornAt), Index: 1}, fails: "what is there is fragment"},
	}
}

// write makes a directory with these segments.
func (s *scene) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for n, b := range s.segments {
		if err := os.WriteFile(filepath.Join(dir, segmentName(n)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s *scene) run(t testing.TB, dir string) (Result, string, error) {
	t.Helper()
	s.opt.UUID = testUUID
	var b []byte
	r, err := Inspect(t.Context(), dir, s.at, s.opt, func(l Line) error {
		b = append(l.AppendText(b), '\n')
		return nil
	})
	return r, string(b), err
}

func TestGolden(t *testing.T) {
	for _, s := range append(recordScenes(t), damageScenes(t)...) {
		t.Run(s.name, func(t *testing.T) {
			dir := s.write(t)
			r, text, err := s.run(t, dir)
			if s.fails != "" {
				if err == nil || !strings.Contains(err.Error(), s.fails) {
					t.Fatalf("got %v, want %s", err, s.fails)
				}
				return
			}
			if err != nil || r.What != s.want.What || r.Class != s.want.Class || r.Foreign != s.want.Foreign {
				t.Fatalf("got %+v, %v; want %+v", r, err, s.want)
			}
			if i := strings.IndexFunc(text, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
				t.Errorf("%q is printed", text[i])
			}
			path := filepath.Join("testdata", s.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), text); d != "" {
				t.Error(d)
			}
		})
	}
}

// Every golden file belongs to a scene.
func TestGoldenFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, s := range append(recordScenes(t), damageScenes(t)...) {
		have[s.name] = true
	}
	for _, p := range paths {
		if name := strings.TrimSuffix(filepath.Base(p), ".golden"); !have[name] {
			t.Errorf("%s belongs to nothing", p)
		}
	}
}

// Whatever a segment holds, something is shown that lies around the position, or an
// error says why not; and nothing is printed that could change a terminal.
func FuzzInspect(f *testing.F) {
	for _, s := range append(recordScenes(f), damageScenes(f)...) {
		f.Add(s.segments[1], s.at.Offset, s.at.Index, s.segments[2] != nil)
	}
	f.Fuzz(func(t *testing.T, b []byte, off int64, index int, final bool) {
		s := scene{segments: map[uint64][]byte{1: b}, at: record.Position{Segment: 1, Offset: off, Index: index}, opt: Options{Context: 1}}
		if final {
			s.segments[2] = header(2, testLimit, 0, record.Position{})
		}
		if off < 0 || index < 0 {
			return // no position
		}
		r, text, err := s.run(t, s.write(t))
		if i := strings.IndexFunc(text, func(c rune) bool { return c != '\n' && (c < ' ' || c > '~') }); i >= 0 {
			t.Errorf("%q is printed", text[i])
		}
		place := record.Position{Segment: 1, Offset: off}
		if err == nil && (place.Before(r.From) || r.What != End && !place.Before(r.To)) {
			t.Errorf("%v comes to %+v", place, r)
		}
	})
}

// An error of the output ends the work, and is the error.
func TestEmitError(t *testing.T) {
	s := recordScenes(t)[0]
	dir := s.write(t)
	broken := errors.New("broken")
	n := 0
	_, err := Inspect(t.Context(), dir, s.at, Options{UUID: testUUID}, func(Line) error { n++; return broken })
	if !errors.Is(err, broken) || n != 1 {
		t.Errorf("got %v after %d lines", err, n)
	}
}

// With Full nothing is left out, without it little of a long value is read.
func TestFull(t *testing.T) {
	m := newMaker(t, 1)
	value := make([]byte, 5000)
	for i := range value {
		value[i] = byte(i * i >> 3)
	}
	off := m.add(record.KindData, "key", string(value))
	var entries []record.Entry
	for i := range 100 {
		entries = append(entries, record.Entry{Kind: record.KindData, Key: fmt.Appendf(nil, "%d", i)})
	}
	group := m.batch(entries...)
	s := scene{segments: one(m)}
	dir := s.write(t)
	for _, full := range []bool{false, true} {
		var shown []byte
		titles := 0
		for _, p := range []record.Position{at(off), at(group)} {
			if _, err := Inspect(t.Context(), dir, p, Options{UUID: testUUID, Full: full}, func(l Line) error {
				if l.Kind == Bytes && p.Offset == int64(off) {
					shown = append(shown, l.Bytes...)
				}
				if l.Kind == Title && strings.HasPrefix(l.Text, "entry ") {
					titles++
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		want, wantTitles := "key"+string(value[:Shown]), ShownEntries
		if full {
			want, wantTitles = "key"+string(value), 100
		}
		if !bytes.Equal(shown, []byte(want)) || titles != wantTitles {
			t.Errorf("full %v: %d bytes, %d entries are shown", full, len(shown), titles)
		}
	}
}

func TestTimeText(t *testing.T) {
	for ns, want := range map[int64]string{0: "1970-01-01T00:00:00.000000000Z", -1: "1969-12-31T23:59:59.999999999Z", 1<<63 - 1: "2262-04-11T23:47:16.854775807Z"} {
		if got := timeText(ns); got != want {
			t.Errorf("%v: got %s", time.Duration(ns), got)
		}
	}
}
