package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// ignoreFlags leaves out what Encode decides on its own.
var ignoreFlags = cmpopts.IgnoreUnexported(Header{})

func drawBytes(maxLen int) *rapid.Generator[[]byte] {
	return rapid.SliceOfN(rapid.Byte(), 0, maxLen)
}

func TestRoundTrip(t *testing.T) {
	f := testFrame()
	var enc Buffer
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Kind:   Kind(rapid.SampledFrom([]byte{1, 2, 3, 5}).Draw(t, "kind")),
			Time:   rapid.Int64().Draw(t, "time"),
			Writer: rapid.Uint64().Draw(t, "writer"),
			Seq:    rapid.Uint64().Draw(t, "seq"),
		}
		key := drawBytes(100).Draw(t, "key")
		value := bytes.Repeat(drawBytes(100).Draw(t, "value"), rapid.IntRange(0, 40).Draw(t, "times"))
		vec, err := enc.Encode(&f, &h, key, value)
		if err != nil {
			t.Fatal(err)
		}
		b := join(vec)
		if int64(len(b)) != h.Size() || len(b) != Overhead+len(key)+len(value) {
			t.Fatalf("%d bytes, Size says %d", len(b), h.Size())
		}
		got, ok := f.ParseHeader(b)
		if !ok || !f.Whole(&got, b) || !got.Interpretable() {
			t.Fatalf("does not parse back: %v", got)
		}
		if diff := cmp.Diff(h, got, ignoreFlags); diff != "" {
			t.Fatal(diff)
		}
		k, v := f.Payload(&got, b)
		if !bytes.Equal(k, key) || !bytes.Equal(v, value) {
			t.Fatalf("payload %x %x, want %x %x", k, v, key, value)
		}
		if cap(k) != len(k) || cap(v) != len(v) {
			t.Fatal("appending to a key or a value would write into the block")
		}
	})
}

// The sizes around the change from contiguous to streamed checksums.
func TestRoundTripSizes(t *testing.T) {
	f := testFrame()
	var enc Buffer
	value := make([]byte, 2*smallRecord)
	for i := range value {
		value[i] = byte(i)
	}
	for n := range value {
		h := Header{Kind: KindData, Seq: 1}
		vec, err := enc.Encode(&f, &h, []byte("key"), value[:n])
		if err != nil {
			t.Fatal(err)
		}
		if _, _, v := parse(t, &f, join(vec)); !bytes.Equal(v, value[:n]) {
			t.Fatalf("value of %d bytes came back different", n)
		}
	}
}

// Each field alone, at its extremes: it reads back, stands at its offset, and
// changes no byte of another field but the checksum.
func TestHeaderFields(t *testing.T) {
	le := binary.LittleEndian
	base := Header{Kind: KindData}
	f := testFrame()
	plain := rawHead(&f, base)
	type value struct {
		h    Header
		want []byte
	}
	kind := func(k byte) value { return value{Header{Kind: Kind(k)}, []byte{k}} }
	flags := func(v byte) value { return value{Header{Kind: KindData, flags: v}, []byte{v}} }
	klen := func(n int) value {
		return value{Header{Kind: KindData, KeyLen: n}, le.AppendUint16(nil, uint16(n))}
	}
	vlen := func(n int) value {
		return value{Header{Kind: KindData, ValueLen: n}, le.AppendUint32(nil, uint32(n))}
	}
	when := func(n int64) value { return value{Header{Kind: KindData, Time: n}, le.AppendUint64(nil, uint64(n))} }
	writer := func(n uint64) value { return value{Header{Kind: KindData, Writer: n}, le.AppendUint64(nil, n)} }
	seq := func(n uint64) value { return value{Header{Kind: KindData, Seq: n}, le.AppendUint64(nil, n)} }
	for _, tt := range []struct {
		name   string
		off    int
		values []value
	}{
		{"kind", 8, []value{kind(1), kind(2), kind(3), kind(4), kind(5), kind(127), kind(128), kind(255)}},
		{"flags", 9, []value{flags(0), flags(1), flags(2), flags(0x80), flags(0xFF)}},
		{"key length", 10, []value{klen(0), klen(1), klen(0xFF), klen(0x100), klen(MaxKey)}},
		{"value length", 12, []value{vlen(0), vlen(1), vlen(0x100), vlen(0x1020304), vlen(MaxSize - Overhead)}},
		{"time", 16, []value{when(0), when(1), when(-1), when(math.MinInt64), when(math.MaxInt64), when(0x102030405060708)}},
		{"writer", 24, []value{writer(0), writer(1), writer(math.MaxUint64), writer(0x102030405060708)}},
		{"seq", 32, []value{seq(0), seq(1), seq(math.MaxUint64), seq(0x102030405060708)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range tt.values {
				b := rawHead(&f, v.h)
				got, ok := f.ParseHeader(b)
				if !ok || got != v.h {
					t.Errorf("%+v reads back as %+v, %v", v.h, got, ok)
				}
				want := bytes.Clone(plain)
				copy(want[tt.off:], v.want)
				if !bytes.Equal(b[:40], want[:40]) {
					t.Errorf("%+v is encoded as %x, want %x", v.h, b[:40], want[:40])
				}
			}
		})
	}
}

func TestHeaderRejects(t *testing.T) {
	f := testFrame()
	raw := func(h Header) []byte { return rawHead(&f, h) }
	long := raw(Header{Kind: KindData})
	binary.LittleEndian.PutUint32(long[12:], math.MaxUint32)
	sum, _ := f.headerSum((*rawHeader)(long))
	(*rawHeader)(long).setSum(sum)
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"short":             raw(Header{Kind: KindData})[:HeaderSize-1],
		"zeros":             make([]byte, HeaderSize),
		"kind 0":            raw(Header{}),
		"too long a value":  raw(Header{Kind: KindData, ValueLen: MaxSize - Overhead + 1}),
		"too long together": raw(Header{Kind: KindData, KeyLen: 1, ValueLen: MaxSize - Overhead}),
		"longest length":    long,
	} {
		if h, ok := f.ParseHeader(b); ok {
			t.Errorf("%s: parses as %+v", name, h)
		}
	}
	if _, ok := f.ParseHeader(append(raw(Header{Kind: KindData}), 1, 2, 3)); !ok {
		t.Error("bytes behind a header must not matter")
	}
}

// Any flipped bit, and any missing or additional byte, is noticed.
func TestEveryBit(t *testing.T) {
	f := testFrame()
	for name, b := range map[string][]byte{
		"plain": encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 2, Seq: 3}, []byte("key"), []byte("the value")),
		"empty": encode(t, &f, &Header{Kind: KindDelete}, nil, nil),
		"masked": encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 2, Seq: 3},
			[]byte("key"), append([]byte("hidden"), f.Marker[:]...)),
		"batch": encodeBatch(t, &f, &Header{Seq: 9}, Entry{KindData, []byte("a"), []byte("b")}, Entry{KindDelete, []byte("c"), nil}),
		"long":  encode(t, &f, &Header{Kind: KindData}, nil, make([]byte, smallRecord)),
	} {
		good, _, _ := parse(t, &f, b)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			if _, ok := f.ParseHeader(b); ok != (bit >= HeaderSize*8) {
				t.Errorf("%s: bit %d flipped: header parses: %v", name, bit, ok)
			}
			if f.Whole(&good, b) {
				t.Errorf("%s: bit %d flipped: whole", name, bit)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
		for n := range b {
			if f.Whole(&good, b[:n]) {
				t.Errorf("%s: whole with %d of %d bytes", name, n, len(b))
			}
		}
		if f.Whole(&good, append(b, 0)) {
			t.Errorf("%s: whole with a byte too many", name)
		}
	}
}

func TestInterpretable(t *testing.T) {
	f := testFrame()
	for _, tt := range []struct {
		kind  Kind
		flags byte
		want  bool
	}{
		{KindData, 0, true}, {KindDelete, 0, true}, {KindMark, 0, true}, {KindBatch, 0, true},
		{KindData, flagMasked, true},
		{KindGap, 0, true}, {6, 0, false}, {255, 0, false}, {6, flagMasked, false},
		{KindData, 2, false}, {KindData, 0x80, false}, {KindData, 0xFF, false}, {KindBatch, 0x40, false},
	} {
		b := forge(&f, Header{Kind: tt.kind, flags: tt.flags, KeyLen: 1, Seq: 1}, []byte("kvalue"))
		h, ok := f.ParseHeader(b)
		if !ok || !f.Whole(&h, b) {
			t.Errorf("kind %d flags %#x: not whole", tt.kind, tt.flags)
		}
		if got := h.Interpretable(); got != tt.want {
			t.Errorf("kind %d flags %#x: interpretable %v", tt.kind, tt.flags, got)
		}
	}
}

// A record that contains the marker of its segment was laid out by no writer.
func TestWholeWithMarkerInside(t *testing.T) {
	f := testFrame()
	for at := range 20 {
		payload := make([]byte, 28)
		copy(payload[at:], f.Marker[:])
		b := forge(&f, Header{Kind: KindData}, payload)
		if h, ok := f.ParseHeader(b); !ok || f.Whole(&h, b) {
			t.Errorf("marker at %d of the payload: header %v, whole", at, ok)
		}
	}
}

func TestLimits(t *testing.T) {
	f := testFrame()
	var enc Buffer
	mib := make([]byte, 1<<20)
	full := make([][]byte, 1023) // 1,023 MiB of one memory
	for i := range full {
		full[i] = mib
	}
	rest := len(mib) - Overhead - BatchHeaderSize
	batch := func(entries ...[]byte) error {
		_, err := enc.EncodeBatch(&f, &Header{}, 1, entries)
		return err
	}
	_, longKey := enc.Encode(&f, &Header{Kind: KindData}, make([]byte, MaxKey+1), nil)
	_, entryKey := AppendEntry(nil, KindData, MaxKey+1, 0)
	for _, tt := range []struct {
		name string
		err  error
		want *SizeError
	}{
		{"key", longKey, &SizeError{"key", MaxKey + 1, MaxKey}},
		{"entry key", entryKey, &SizeError{"key", MaxKey + 1, MaxKey}},
		{"batch by a byte", batch(append(full[:1023:1023], mib[:rest+1])...), &SizeError{"record", MaxSize + 1, MaxSize}},
		{"batch by far", batch(append(full[:1023:1023], mib, mib)...), &SizeError{"batch", MaxSize + 1<<20, MaxSize}},
	} {
		var got *SizeError
		if !errors.As(tt.err, &got) {
			t.Errorf("%s: %v, want a SizeError", tt.name, tt.err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	const want = "key of 65536 bytes is longer than the limit of 65535"
	if longKey.Error() != want {
		t.Errorf("error text %q, want %q", longKey, want)
	}
	if _, err := enc.Encode(&f, &Header{Kind: KindData}, make([]byte, MaxKey), nil); err != nil {
		t.Errorf("longest key: %v", err)
	}
	if _, err := AppendEntry(nil, KindData, MaxKey, MaxSize); err != nil {
		t.Errorf("longest entry: %v", err)
	}
	if _, err := AppendEntry(nil, KindData, 0, MaxSize+1); err == nil {
		t.Error("an entry's value may be longer than a record")
	}
	if strconv.IntSize == 32 || testing.Short() {
		return // the rest takes memory of a gigabyte
	}
	if err := batch(append(full[:1023:1023], mib[:rest])...); err != nil {
		t.Errorf("longest batch: %v", err)
	}
	value := make([]byte, MaxSize-Overhead+1)
	var size *SizeError
	if _, err := enc.Encode(&f, &Header{Kind: KindData}, nil, value); !errors.As(err, &size) || size.What != "record" {
		t.Errorf("value too long by a byte: %v", err)
	}
	h := Header{Kind: KindData}
	if _, err := enc.Encode(&f, &h, nil, value[1:]); err != nil || h.Size() != MaxSize {
		t.Errorf("longest record: %v", err)
	}
}

// Encoding allocates nothing once the buffer has grown; parsing never does.
func TestAllocations(t *testing.T) {
	f := testFrame()
	var enc Buffer
	key := []byte("key")
	small, large := make([]byte, 100), make([]byte, 64<<10)
	hidden := bytes.Repeat(f.Marker[:], 1000)
	pieces := entryPieces(t, []Entry{{KindData, key, small}, {KindDelete, key, nil}, {KindData, key, large}})
	batch := encodeBatch(t, &f, &Header{}, Entry{KindData, key, small}, Entry{KindDelete, key, nil})
	masked := encode(t, &f, &Header{Kind: KindData, Seq: 1}, key, hidden)
	var h Header
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	one := func(value []byte) func() {
		return func() {
			h = Header{Kind: KindData, Seq: 1}
			_, err := enc.Encode(&f, &h, key, value)
			must(err)
		}
	}
	read := func(b []byte) func() {
		return func() {
			var ok bool
			if h, ok = f.ParseHeader(b); !ok || int64(len(b)) != h.Size() {
				t.Fatal("header")
			}
			f.Whole(&h, b)
			_, value := f.Payload(&h, b)
			all, _ := NewEntries(value)
			for e, ok := all.Next(); ok; e, ok = all.Next() {
				_ = e
			}
		}
	}
	for name, do := range map[string]func(){
		"small": one(small), "large": one(large), "masked": one(hidden),
		"batch":      func() { _, err := enc.EncodeBatch(&f, &h, 3, pieces); must(err) },
		"read batch": read(batch), "read masked": read(masked),
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestRelease(t *testing.T) {
	f := testFrame()
	var enc Buffer
	big := bytes.Repeat(f.Marker[:], 1<<18)
	if _, err := enc.Encode(&f, &Header{Kind: KindData}, []byte("key"), big); err != nil {
		t.Fatal(err)
	}
	enc.Release()
	for i, p := range enc.vec[:cap(enc.vec)] {
		if p != nil {
			t.Errorf("piece %d is still referred to", i)
		}
	}
	if enc.masked != nil {
		t.Error("two megabytes of masked payload are kept")
	}
	vec, err := enc.Encode(&f, &Header{Kind: KindData}, nil, []byte("again"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, v := parse(t, &f, join(vec)); string(v) != "again" {
		t.Errorf("after Release: %q", v)
	}
}

// A record that lacks its last bytes does not become whole by zeros or by the
// marker of the record behind it, whatever its checksum is.
func TestEnds(t *testing.T) {
	f := testFrame()
	moved := 0
	for seq := range uint64(20000) {
		h := Header{Kind: KindData, Seq: seq}
		b := encode(t, &f, &h, nil, nil)
		if h.Time > 0 {
			moved++
		}
		for n := 1; n < TrailerSize; n++ {
			for _, next := range [][]byte{make([]byte, n), f.Marker[:n]} {
				if torn := append(bytes.Clone(b[:len(b)-n]), next...); f.Whole(&h, torn) {
					t.Fatalf("record %x is whole with its last %d bytes %x", b, n, next)
				}
			}
		}
	}
	if moved < 20000/256 || moved > 20000/64 {
		t.Errorf("%d of 20000 records needed another time, want about one in 128", moved)
	}
	for n := 1; n < MarkerSize; n++ {
		tail := append(make([]byte, TrailerSize-n), f.Marker[:n]...)
		if f.ends(tail) {
			t.Errorf("a record may end in %x", tail)
		}
		if tail[TrailerSize-1]++; !f.ends(tail) {
			t.Errorf("a record may not end in %x", tail)
		}
	}
}
