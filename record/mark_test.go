package record

import (
	"errors"
	"testing"
)

func TestMark(t *testing.T) {
	f := testFrame()
	var enc Buffer
	for _, at := range []Position{{Segment: 1}, {Segment: 1<<28 - 1, Offset: 1<<36 - 1}} {
		h := Header{Time: 1, Writer: 2, Seq: 3}
		vec, err := enc.EncodeMark(&f, &h, at)
		if err != nil {
			t.Fatal(err)
		}
		b := join(vec)
		if len(b) != MarkSize || h.Size() != MarkSize {
			t.Errorf("a mark of %d bytes, size %d, want %d", len(b), h.Size(), MarkSize)
		}
		got, ok := f.ParseHeader(b)
		if !ok || !f.Whole(&got, b) || got.Seq != 3 {
			t.Fatalf("does not parse back: %+v", got)
		}
		_, value := f.Payload(&got, b)
		if p, ok := ParseMark(&got, value); !ok || p != at {
			t.Errorf("carries %v, %v, want %v", p, ok, at)
		}
	}
	for name, h := range map[string]Header{"data": {Kind: KindData}, "unknown flag": {Kind: KindMark, flags: 0x80}} {
		if _, ok := ParseMark(&h, make([]byte, 16)); ok {
			t.Errorf("%s passes for a mark", name)
		}
	}
	h := Header{Kind: KindMark}
	for name, value := range map[string]string{"short": "1:8192", "negative": "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"} {
		if _, ok := ParseMark(&h, []byte(value)); ok {
			t.Errorf("a mark with a %s value is believed", name)
		}
	}
}

// What the next segments tell of a segment decides what its end is.
func TestEnding(t *testing.T) {
	f := testFrame()
	var enc Buffer
	one := func(seq uint64) []byte {
		h := Header{Kind: KindData, Writer: 1, Seq: seq}
		vec, err := enc.Encode(&f, &h, nil, []byte("value"))
		if err != nil {
			t.Fatal(err)
		}
		return join(vec)
	}
	rec := one(1)
	n := int64(len(rec))
	both := append(append([]byte(nil), rec...), one(2)...)
	zeros := append(append([]byte(nil), rec...), make([]byte, 100)...)
	for _, tt := range []struct {
		name  string
		b     []byte
		limit int64
		e     Ending
		want  []span
	}{
		{"closed early", zeros, n + 100, Ending{}, []span{{From: 0, To: n}, {From: n, To: n + 100, Class: Unused}}},
		{"full", zeros, n + 100, Ending{Full: true}, []span{{From: 0, To: n}, {From: n, To: n + 100, Class: Hole}}},
		{"full, zeros beyond", zeros, n + 60, Ending{Full: true},
			[]span{{From: 0, To: n}, {From: n, To: n + 60, Class: Hole}, {From: n + 60, To: n + 100, Class: Void}}},
		{"cut", both, 2 * n, Ending{Cut: n}, []span{{From: 0, To: n}, {From: n, To: 2 * n, Class: Dropped}}},
		{"cut at the limit", both, n, Ending{Cut: n}, []span{{From: 0, To: n}, {From: n, To: 2 * n, Class: Void}}},
		{"cut from the first", both, 2 * n, Ending{Full: true, Cut: 1},
			[]span{{From: 0, To: n}, {From: n, To: 2 * n, Class: Dropped}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := scanEnding(t, tt.b, ScannerOptions{Frame: f, Limit: tt.limit}, true, tt.e)
			if len(got) != len(tt.want) {
				t.Fatalf("got %+v", got)
			}
			for i, w := range tt.want {
				if g := got[i]; g.From != w.From || g.To != w.To || g.Class != w.Class {
					t.Errorf("[%d, %d) %v, want [%d, %d) %v", g.From, g.To, g.Class, w.From, w.To, w.Class)
				}
			}
		})
	}
}

func TestGap(t *testing.T) {
	f := testFrame()
	var enc Buffer
	for _, c := range []struct{ from, to uint64 }{{1, 1}, {3, 5}, {1, 1<<64 - 1}} {
		h := Header{Time: 1, Writer: 2, Seq: c.to}
		vec, err := enc.EncodeGap(&f, &h, c.from)
		if err != nil {
			t.Fatal(err)
		}
		b := join(vec)
		if len(b) != GapSize || h.Size() != GapSize {
			t.Errorf("a gap of %d bytes, size %d, want %d", len(b), h.Size(), GapSize)
		}
		got, ok := f.ParseHeader(b)
		if !ok || !f.Whole(&got, b) || got.Seq != c.to || got.Writer != 2 {
			t.Fatalf("does not parse back: %+v", got)
		}
		_, value := f.Payload(&got, b)
		if from, ok := ParseGap(&got, value); !ok || from != c.from {
			t.Errorf("begins at %d, %v, want %d", from, ok, c.from)
		}
	}
	value := []byte("\x03\x00\x00\x00\x00\x00\x00\x00")
	for name, h := range map[string]Header{
		"data": {Kind: KindData, Seq: 5}, "unknown flag": {Kind: KindGap, Seq: 5, flags: 0x80},
		"end in front of its beginning": {Kind: KindGap, Seq: 2},
	} {
		if _, ok := ParseGap(&h, value); ok {
			t.Errorf("%s passes for a gap", name)
		}
	}
	h := Header{Kind: KindGap, Seq: 5}
	for name, value := range map[string]string{"short": "\x03", "long": string(value) + "\x00", "zero": "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if _, ok := ParseGap(&h, []byte(value)); ok {
			t.Errorf("a gap with a %s value is believed", name)
		}
	}
}

// Notes are what no reader is given.
func TestNote(t *testing.T) {
	for k := range 256 {
		if kind := Kind(k); kind.Note() != (kind == KindMark || kind == KindGap) {
			t.Errorf("%v is a note: %v", kind, kind.Note())
		}
	}
}

// With KeepTime a record keeps its time, by the mask if it ends badly without; few
// cannot be laid out at all, and are refused.
func TestKeepTime(t *testing.T) {
	f := testFrame()
	keep, move := Buffer{KeepTime: true}, Buffer{}
	masked, refused := 0, 0
	for seq := range uint64(100_000) {
		want := Header{Kind: KindData, Time: 1700000000123456789, Writer: 7, Seq: seq + 1}
		h := want
		vec, err := keep.Encode(&f, &h, []byte("key"), []byte("value"))
		if err != nil {
			if !errors.Is(err, ErrLayout) {
				t.Fatal(err)
			}
			refused++
			continue
		}
		b := join(vec)
		got, ok := f.ParseHeader(b)
		if !ok || !f.Whole(&got, b) || h.Time != want.Time || got.Time != want.Time {
			t.Fatalf("record %d has the time %d, %d was asked for", seq, got.Time, want.Time)
		}
		if key, value := f.Payload(&got, b); string(key) != "key" || string(value) != "value" {
			t.Fatalf("record %d has key %q and value %q", seq, key, value)
		}
		// What needs no mask is as it always was.
		plain := want
		if same := join(must(move.Encode(&f, &plain, []byte("key"), []byte("value")))); got.Masked() != (plain.Time != want.Time) {
			t.Fatalf("record %d: masked %v, otherwise %x", seq, got.Masked(), same)
		}
		if got.Masked() {
			masked++
		}
	}
	// One in 128 each, by the hash of what is written above.
	if masked < 300 || masked > 1500 || refused == 0 || refused > 50 {
		t.Errorf("%d of 100000 records are masked, %d refused", masked, refused)
	}
}

func must(vec [][]byte, err error) [][]byte {
	if err != nil {
		panic(err)
	}
	return vec
}
