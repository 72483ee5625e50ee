package record

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func drawEntries(t *rapid.T) []Entry {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
		return Entry{
			Kind:  Kind(rapid.ByteRange(1, 255).Draw(t, "kind")),
			Key:   drawBytes(20).Draw(t, "key"),
			Value: drawBytes(40).Draw(t, "value"),
		}
	}), 1, 12).Draw(t, "entries")
}

func collect(t rapid.TB, value []byte) (got []Entry) {
	t.Helper()
	all, ok := NewEntries(value)
	if !ok {
		t.Fatalf("batch %x has a bad form", value)
	}
	for n := all.Len(); ; n-- {
		if all.Len() != n {
			t.Fatalf("%d entries left, want %d", all.Len(), n)
		}
		e, ok := all.Next()
		if !ok {
			if n != 0 {
				t.Fatalf("%d entries are missing", n)
			}
			return got
		}
		got = append(got, e)
	}
}

func TestBatchRoundTrip(t *testing.T) {
	f := testFrame()
	rapid.Check(t, func(rt *rapid.T) {
		want := drawEntries(rt)
		h := Header{Kind: KindData, KeyLen: 7, Time: 1, Writer: 2, Seq: 3}
		b := encodeBatch(t, &f, &h, want...)
		got, key, value := parse(t, &f, b)
		if got.Kind != KindBatch || got.KeyLen != 0 || len(key) != 0 || got.Seq != 3 {
			rt.Fatalf("envelope %+v", got)
		}
		if diff := cmp.Diff(want, collect(t, value), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// Entries with a wrong count, a zero kind, a non-zero reserved byte, a length
// beyond the end or bytes left over make the batch bad as a whole.
func TestEntriesForm(t *testing.T) {
	good := binary.LittleEndian.AppendUint32(nil, 3)
	for _, p := range entryPieces(t, []Entry{{KindData, []byte("a"), []byte("first")}, {KindDelete, []byte("b"), nil}, {KindData, nil, nil}}) {
		good = append(good, p...)
	}
	if len(collect(t, good)) != 3 {
		t.Fatal("the good batch is bad")
	}
	edit := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(good)) }
	set := func(off int, v byte) []byte { return edit(func(b []byte) []byte { b[off] = v; return b }) }
	bad := map[string][]byte{
		"empty": nil, "half a count": good[:3], "count 0": {0, 0, 0, 0}, "count without entries": {1, 0, 0, 0},
		"count too small": set(0, 2), "count too large": set(0, 4), "count beyond 31 bits": set(3, 0x80),
		"largest count": edit(func(b []byte) []byte { binary.LittleEndian.PutUint32(b, math.MaxUint32); return b }),
		"kind 0":        set(4, 0), "reserved byte": set(5, 1), "reserved byte of the last": set(len(good)-7, 0x80),
		"key too long": set(6, 255), "longest key": edit(func(b []byte) []byte { b[6], b[7] = 255, 255; return b }),
		"value too long": set(8, 200), "longest value": edit(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], math.MaxUint32); return b }),
		"a byte left over": append(bytes.Clone(good), 0),
	}
	for name, b := range bad {
		if _, ok := NewEntries(b); ok {
			t.Errorf("%s: accepted", name)
		}
	}
	for n := range good {
		if _, ok := NewEntries(good[:n]); ok {
			t.Errorf("accepted with %d of %d bytes", n, len(good))
		}
	}
}

func TestEntriesTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBytes(64).Draw(t, "value")
		all, ok := NewEntries(b)
		if !ok {
			return
		}
		used := BatchHeaderSize
		for e, ok := all.Next(); ok; e, ok = all.Next() {
			used += EntryHeaderSize + len(e.Key) + len(e.Value)
		}
		if used != len(b) {
			t.Fatalf("entries account for %d of %d bytes", used, len(b))
		}
	})
}

// A batch of bad form under a good checksum is no record. Its payload is left
// as it was found: were it left unmasked, what the mask hides would surface.
func TestBatchOfBadForm(t *testing.T) {
	f := testFrame()
	inner := encode(t, &f, &Header{Kind: KindData, Seq: 66}, nil, []byte("inner"))
	h := Header{Kind: KindBatch, Seq: 2}
	last := encode(t, &f, &Header{Kind: KindData, Seq: 3}, nil, []byte("last"))
	for name, batch := range map[string][]byte{
		"masked":   encode(t, &f, &h, nil, append(make([]byte, BatchHeaderSize), inner...)),
		"plain":    encode(t, &f, &Header{Kind: KindBatch}, nil, []byte{1, 0, 0, 0}),
		"with key": encode(t, &f, &Header{Kind: KindBatch}, []byte("k"), []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}),
	} {
		for _, reuse := range []bool{false, true} {
			seg := append(bytes.Clone(batch), last...)
			want := []span{
				{From: 0, To: int64(len(batch)), Class: Corruption},
				{From: int64(len(batch)), To: int64(len(seg)), Kind: KindData, Seq: 3, Value: "last"},
			}
			got := scan(t, seg, ScannerOptions{Frame: f, Limit: int64(len(seg)), Reuse: reuse}, true)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if !(&h).Masked() {
		t.Error("the masked batch is not masked")
	}
}
