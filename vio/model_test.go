package vio

import (
	"bytes"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// The model of a file is one buffer. Appends grow it; every read must be the
// copy of a part of it, cut into pieces in any way.
func TestModel(t *testing.T) {
	source := pattern(1<<16, 12)
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		f, err := os.CreateTemp(dir, "model")
		if err != nil {
			t.Fatal(err)
		}
		path := f.Name()
		f.Close()
		defer os.Remove(path)
		f, err = openAppend(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var model []byte
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				bufs := drawPieces(t, source)
				n, err := Appendv(f, bufs)
				want := concat(bufs)
				if n != int64(len(want)) || err != nil {
					t.Fatalf("Appendv = %d, %v, want %d, nil", n, err, len(want))
				}
				model = append(model, want...)
			},
			"read":      func(t *rapid.T) { modelRead(t, f, model, ReadvAt, false) },
			"read full": func(t *rapid.T) { modelRead(t, f, model, ReadvFullAt, true) },
			"": func(t *rapid.T) {
				if fi, err := f.Stat(); err != nil || fi.Size() != int64(len(model)) {
					t.Fatalf("file has %d bytes, %v, want %d", fi.Size(), err, len(model))
				}
			},
		})
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, model) {
			t.Fatalf("file differs from the model (%v)", err)
		}
	})
}

// drawSizes draws piece sizes: mostly few pieces, at times far over MaxIovs.
func drawSizes(t *rapid.T) []int {
	cycle := rapid.SliceOfN(rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 20), rapid.IntRange(0, 9000)), 0, 10).Draw(t, "sizes")
	rounds := rapid.SampledFrom([]int{1, 1, 1, 1, 3, 30, 300}).Draw(t, "rounds")
	var sizes []int
	total := 0
	for range rounds {
		for _, n := range cycle {
			if total += n; total > 3<<20 {
				return sizes
			}
			sizes = append(sizes, n)
		}
	}
	return sizes
}

// drawPieces cuts pieces out of source, which may overlap in it.
func drawPieces(t *rapid.T, source []byte) [][]byte {
	stride := rapid.IntRange(0, 5000).Draw(t, "stride")
	var bufs [][]byte
	for i, n := range drawSizes(t) {
		off := i * stride % (len(source) - n)
		if n == 0 && i%2 == 0 {
			bufs = append(bufs, nil)
			continue
		}
		bufs = append(bufs, source[off:off+n])
	}
	return bufs
}

type readFunc func(*os.File, [][]byte, int64) (int64, error)

func modelRead(t *rapid.T, f *os.File, model []byte, read readFunc, full bool) {
	sizes := drawSizes(t)
	total := 0
	for _, n := range sizes {
		total += n
	}
	off := rapid.IntRange(0, len(model)+10).Draw(t, "off")
	got := make([]byte, total)
	n, err := read(f, cut(got, sizes...), int64(off))
	have := model[min(off, len(model)):]
	have = have[:min(total, len(have))]
	switch {
	case n > int64(len(have)) || !bytes.Equal(got[:n], have[:n]):
		t.Fatalf("at %d: read %d bytes that are not the model's %d", off, n, len(have))
	case total == 0:
		if err != nil {
			t.Fatalf("at %d: empty vector: %v", off, err)
		}
	case len(have) == 0:
		if err != io.EOF {
			t.Fatalf("at %d, the end: %v, want EOF", off, err)
		}
	case full && n != int64(len(have)):
		t.Fatalf("at %d: read %d bytes of %d", off, n, len(have))
	case (err != nil) != (full && len(have) < total):
		t.Fatalf("at %d: %d of %d bytes, error %v", off, n, total, err)
	case !full && n == 0:
		t.Fatalf("at %d: no byte, though there are %d", off, len(have))
	}
	for _, b := range got[n:] {
		if b != 0 {
			t.Fatalf("at %d: bytes behind the %d read are touched", off, n)
		}
	}
}
