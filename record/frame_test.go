package record

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

func TestNewFrame(t *testing.T) {
	seen := map[[MarkerSize]byte]uint64{}
	seeds := map[uint64]uint64{}
	for n := range uint64(20000) {
		f := NewFrame(testUUID, n)
		if f.Marker[0] < 0xF8 {
			t.Fatalf("segment %d: marker %x begins below f8", n, f.Marker)
		}
		if bytes.IndexByte(f.Marker[1:], f.Marker[0]) >= 0 {
			t.Fatalf("segment %d: the first byte of marker %x occurs twice", n, f.Marker)
		}
		if m, ok := seen[f.Marker]; ok {
			t.Fatalf("segments %d and %d share marker %x", m, n, f.Marker)
		}
		if m, ok := seeds[f.Seed]; ok {
			t.Fatalf("segments %d and %d share seed %x", m, n, f.Seed)
		}
		seen[f.Marker], seeds[f.Seed] = n, n
		if f != NewFrame(testUUID, n) {
			t.Fatalf("segment %d has two frames", n)
		}
	}
}

func TestNewFrameByUUID(t *testing.T) {
	base := NewFrame(testUUID, 1)
	for bit := range 128 {
		u := testUUID
		u[bit/8] ^= 1 << (bit % 8)
		f := NewFrame(u, 1)
		if f.Marker == base.Marker || f.Seed == base.Seed {
			t.Errorf("bit %d of the UUID does not change the frame", bit)
		}
	}
}

// The derivation, written down a second time from docs/FORMAT.md.
func TestNewFrameDerivation(t *testing.T) {
	retried := 0
	for n := range uint64(1000) {
		in := binary.LittleEndian.AppendUint64(testUUID[:len(testUUID):len(testUUID)], n)
		in = append(in, 0)
		want := Frame{Seed: xxhash.Sum64(in)}
		for {
			in[24]++
			binary.LittleEndian.PutUint64(want.Marker[:], xxhash.Sum64(in))
			want.Marker[0] |= 0xF8
			if bytes.Count(want.Marker[:], want.Marker[:1]) == 1 {
				break
			}
			retried++
		}
		if got := NewFrame(testUUID, n); got != want {
			t.Fatalf("segment %d: frame %x, want %x", n, got, want)
		}
	}
	if retried == 0 {
		t.Error("no segment needed a second try: the rule was not tested")
	}
}

// A record of another segment or another journal does not check out.
func TestFrameForeign(t *testing.T) {
	f := testFrame()
	b := encode(t, &f, &Header{Kind: KindData, Writer: 1, Seq: 1}, []byte("k"), []byte("v"))
	other := testUUID
	other[0]++
	for name, g := range map[string]Frame{
		"segment": NewFrame(testUUID, 2),
		"journal": NewFrame(other, 1),
		"marker":  {Marker: NewFrame(testUUID, 2).Marker, Seed: f.Seed},
		"seed":    {Marker: f.Marker, Seed: f.Seed ^ 1},
		"high":    {Marker: f.Marker, Seed: f.Seed ^ 1<<63},
	} {
		h, ok := g.ParseHeader(b)
		if ok && g.Whole(&h, b) {
			t.Errorf("another %s: the record checks out", name)
		}
		if ok && name != "high" { // the header holds the low half of the hash only
			t.Errorf("another %s: the header checks out", name)
		}
	}
}

func TestFrameFind(t *testing.T) {
	f := testFrame()
	m := f.Marker[:]
	for at := range 40 {
		b := append(bytes.Repeat(m[:1], at), m...)
		if got := f.Find(append(b, m...)); got != at {
			t.Errorf("found at %d, want %d", got, at)
		}
		if got := f.Find(b[:len(b)-1]); got != -1 {
			t.Errorf("half a marker found at %d", got)
		}
	}
	if f.Find(nil) != -1 {
		t.Error("found in nothing")
	}
}

// occurs must say what a search in the concatenation says.
func TestFrameOccurs(t *testing.T) {
	f := testFrame()
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		var pieces [][]byte
		fragment := rapid.Custom(func(t *rapid.T) []byte {
			lo := rapid.IntRange(0, MarkerSize).Draw(t, "lo")
			return f.Marker[lo:rapid.IntRange(lo, MarkerSize).Draw(t, "hi")]
		})
		filler := rapid.SliceOfN(rapid.SampledFrom(append([]byte{0}, f.Marker[:]...)), 0, 20)
		if rapid.Bool().Draw(t, "plant") {
			// One byte string with a marker, cut at random places.
			b := bytes.Join([][]byte{filler.Draw(t, "front"), f.Marker[:], filler.Draw(t, "behind")}, nil)
			for len(b) > 0 {
				n := rapid.IntRange(0, min(len(b), 20)).Draw(t, "cut")
				pieces, b = append(pieces, b[:n]), b[n:]
			}
		} else {
			pieces = rapid.SliceOfN(rapid.OneOf(filler, fragment), 0, 8).Draw(t, "pieces")
		}
		want := bytes.Contains(join(pieces), f.Marker[:])
		if want {
			found++
		}
		if got := f.occurs(pieces); got != want {
			t.Fatalf("occurs(%x) = %v", pieces, got)
		}
	})
	if found == 0 {
		t.Error("no draw contained the marker")
	}
}

// Every way to cut a marker into up to three pieces, with empty ones between.
func TestFrameOccursSeams(t *testing.T) {
	f := testFrame()
	m := f.Marker[:]
	for i := range MarkerSize + 1 {
		for j := i; j <= MarkerSize; j++ {
			for _, pad := range []int{0, 1, 6, 7, 8, 20} {
				z := make([]byte, pad)
				pieces := [][]byte{append(bytes.Clone(z), m[:i]...), nil, m[i:j], {}, append(bytes.Clone(m[j:]), z...)}
				if !f.occurs(pieces) {
					t.Errorf("cut at %d and %d, padded by %d: not found", i, j, pad)
				}
				pieces[2] = append([]byte{0}, pieces[2]...)
				if got, want := f.occurs(pieces), bytes.Contains(join(pieces), m); got != want {
					t.Errorf("broken at %d: occurs = %v, want %v", i, got, want)
				}
			}
		}
	}
}
