package record

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// checkHidden encodes key and value and makes sure that the marker occurs at
// offset 0 only, that both come back, and that the caller's memory is as it was.
func checkHidden(t rapid.TB, f *Frame, h *Header, key, value []byte) {
	t.Helper()
	k, v := bytes.Clone(key), bytes.Clone(value)
	b := encode(t, f, h, key, value)
	if !bytes.Equal(k, key) || !bytes.Equal(v, value) {
		t.Fatal("encoding changed its input")
	}
	if at := bytes.LastIndex(b, f.Marker[:]); at != 0 {
		t.Fatalf("the marker occurs at %d of the record %x", at, b)
	}
	got, k, v := parse(t, f, b)
	if !bytes.Equal(k, key) || !bytes.Equal(v, value) {
		t.Fatalf("payload %x %x, want %x %x", k, v, key, value)
	}
	if got != *h {
		t.Fatalf("header %+v, want %+v", got, *h)
	}
}

// cat concatenates without touching its arguments.
func cat(pieces ...[]byte) []byte { return bytes.Join(pieces, nil) }

func TestMasking(t *testing.T) {
	f := testFrame()
	m := f.Marker[:]
	many := bytes.Repeat(m, 1000)
	for _, tt := range []struct {
		name       string
		key, value []byte
	}{
		{"key is it", m, nil},
		{"value is it", nil, m},
		{"both are it", m, m},
		{"inside the key", cat([]byte("a"), m, []byte("b")), []byte("value")},
		{"inside the value", []byte("key"), cat([]byte("a"), m, []byte("b"))},
		{"at the end of the key", cat([]byte("a"), m), []byte("value")},
		{"at the end of the value", []byte("key"), cat(make([]byte, 5000), m)},
		{"many times", many, many},
		{"many times, other alignment", many[1:], many[3:]},
		{"behind halves of it", nil, cat(m[:7], m[:1], m[:4], m)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := Header{Kind: KindData, Time: 5, Writer: 6, Seq: 7}
			checkHidden(t, &f, &h, tt.key, tt.value)
			if !h.Masked() {
				t.Error("not masked")
			}
		})
	}
	for cut := 1; cut < MarkerSize; cut++ {
		for _, pad := range []int{0, 3, 2000} { // over the seam, contiguous and streamed
			h := Header{Kind: KindData, Writer: 6, Seq: 7}
			checkHidden(t, &f, &h, cat(make([]byte, pad), m[:cut]), cat(m[cut:], make([]byte, pad)))
			if !h.Masked() {
				t.Errorf("cut at %d, pad %d: not masked", cut, pad)
			}
			h = Header{Kind: KindData, Writer: 6, Seq: 7}
			checkHidden(t, &f, &h, cat(make([]byte, pad), m[:cut]), cat([]byte{^m[cut]}, m[cut+1:], make([]byte, pad)))
			if h.Masked() {
				t.Errorf("cut at %d, pad %d: masked without need", cut, pad)
			}
		}
	}
}

// The marker over the seam of header and key: its first bytes are the last of
// the header, whose checksum a search over sequence numbers makes fit.
func TestMaskingOverHeader(t *testing.T) {
	f := testFrame()
	for cut := 1; cut <= 2; cut++ {
		h := Header{Kind: KindData, Writer: 6, KeyLen: MarkerSize - cut, ValueLen: 3}
		for !bytes.HasSuffix(rawHead(&f, h), f.Marker[:cut]) {
			h.Seq++
		}
		checkHidden(t, &f, &h, f.Marker[cut:], []byte("end"))
		if !h.Masked() {
			t.Errorf("cut at %d: not masked", cut)
		}
	}
}

// The marker over the seam of value and trailer: the value ends in its first
// bytes, the checksum begins with the others.
func TestMaskingOverTrailer(t *testing.T) {
	f := testFrame()
	for missing := 1; missing <= 2; missing++ {
		value := cat([]byte("value"), f.Marker[:MarkerSize-missing])
		h := Header{Kind: KindData, Writer: 6}
		for ; ; h.Seq++ {
			b := forge(&f, Header{Kind: KindData, Writer: 6, Seq: h.Seq}, value)
			if bytes.HasPrefix(b[len(b)-TrailerSize:], f.Marker[MarkerSize-missing:]) {
				break
			}
		}
		checkHidden(t, &f, &h, nil, value)
		if !h.Masked() {
			t.Errorf("%d bytes in the trailer: not masked", missing)
		}
	}
}

// A time that is the marker moves by a nanosecond; a writer that is the marker
// can be hidden by nothing, and the search for a mask ends.
func TestMaskingHeader(t *testing.T) {
	f := testFrame()
	marker := binary.LittleEndian.Uint64(f.Marker[:])
	h := Header{Kind: KindData, Time: int64(marker)}
	checkHidden(t, &f, &h, []byte("key"), []byte("value"))
	if h.Time != int64(marker)+1 {
		t.Errorf("time moved by %d ns, want 1", h.Time-int64(marker))
	}
	var enc Buffer
	h = Header{Kind: KindData, Writer: marker}
	if vec, err := enc.Encode(&f, &h, nil, nil); err == nil {
		t.Errorf("writer %x encoded as %x", marker, join(vec))
	}
}

func TestMaskingBatch(t *testing.T) {
	f := testFrame()
	m := f.Marker[:]
	want := []Entry{{KindData, m, cat(m, m)}, {KindDelete, []byte("k"), nil}, {KindData, m[:3], m[3:]}}
	h := Header{Seq: 1}
	b := encodeBatch(t, &f, &h, want...)
	if !h.Masked() || bytes.Count(b, m) != 1 {
		t.Fatalf("masked %v, the marker occurs %d times", h.Masked(), bytes.Count(b, m))
	}
	_, _, value := parse(t, &f, b)
	got := collect(t, value)
	for i, e := range got {
		if e.Kind != want[i].Kind || !bytes.Equal(e.Key, want[i].Key) || !bytes.Equal(e.Value, want[i].Value) {
			t.Errorf("entry %d is %v, want %v", i, e, want[i])
		}
	}
}

func TestMaskingProperty(t *testing.T) {
	f := testFrame()
	piece := rapid.OneOf(rapid.Just(f.Marker[:]), rapid.Just(f.Marker[:3]), rapid.Just(f.Marker[3:]), drawBytes(9))
	pieces := rapid.SliceOfN(piece, 0, 9)
	rapid.Check(t, func(rt *rapid.T) {
		key, value := join(pieces.Draw(rt, "key")), join(pieces.Draw(rt, "value"))
		h := Header{Kind: KindData, Time: rapid.Int64().Draw(rt, "time"), Seq: 1}
		checkHidden(t, &f, &h, key, value)
	})
}

// The key stream against the published splitmix64 sequence of seed 1234567.
func TestKeyStream(t *testing.T) {
	want := []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821}
	got := make([]byte, 8*len(want))
	xorStream(got, 1234567)
	for i, w := range want {
		if g := binary.LittleEndian.Uint64(got[8*i:]); g != w {
			t.Errorf("word %d is %d, want %d", i, g, w)
		}
	}
	for n := range got { // a part of a word is its low bytes
		p := make([]byte, n)
		xorStream(p, 1234567)
		if !bytes.Equal(p, got[:n]) {
			t.Errorf("stream of %d bytes is %x, want %x", n, p, got[:n])
		}
		xorStream(p, 1234567)
		if !bytes.Equal(p, make([]byte, n)) {
			t.Errorf("twice over %d bytes leaves %x", n, p)
		}
	}
}
