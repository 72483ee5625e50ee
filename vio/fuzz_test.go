package vio

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
)

// FuzzTransfer cuts one buffer into a drawn vector and moves it in every way,
// with transfers that end early in drawn places. What arrives must be the buffer,
// and nothing around it may change.
func FuzzTransfer(f *testing.F) {
	f.Add(uint64(1), []byte{28, 16, 200, 8})
	f.Add(uint64(2), bytes.Repeat([]byte{0}, 1100))
	f.Add(uint64(3), bytes.Repeat([]byte{1, 0, 7}, 800))
	f.Add(uint64(4), bytes.Repeat([]byte{255}, 40))
	source := pattern(1<<20, 71)
	file := plainFile(f, nil)
	f.Fuzz(func(t *testing.T, seed uint64, shape []byte) {
		r := rand.New(rand.NewPCG(seed, 0))
		bufs := drawVector(source, shape, r)
		data := concat(bufs)
		fuzzDevice(t, bufs, data, r)
		fuzzCursor(t, bufs, data, r)
		fuzzFile(t, file, bufs, data, r)
		for i, b := range drawVector(source, shape, rand.New(rand.NewPCG(seed, 0))) {
			if !bytes.Equal(b, bufs[i]) {
				t.Fatalf("piece %d of the vector has changed", i)
			}
		}
	})
}

// drawVector cuts pieces from source, whose sizes are those in shape, at times
// multiplied. They may lie in one block, overlap, or be apart.
func drawVector(source, shape []byte, r *rand.Rand) (bufs [][]byte) {
	factor := []int{1, 1, 7, 40}[r.IntN(4)]
	stride := r.IntN(3) // 0: one behind the other
	off, total := 0, 0
	for _, size := range shape {
		n := int(size) * factor
		if total += n; total > 1<<18 || len(bufs) > 5000 {
			break
		}
		if off+n > len(source) {
			off = 0
		}
		b := source[off : off+n]
		if r.IntN(5) == 0 {
			b = b[:n:n]
		}
		bufs = append(bufs, b)
		off = max(0, off+n-stride*r.IntN(50))
	}
	return bufs
}

func fuzzDevice(t *testing.T, bufs [][]byte, data []byte, r *rand.Rand) {
	d := &device{}
	for range r.IntN(20) {
		d.shorts = append(d.shorts, 1+r.IntN(len(data)/4+1))
	}
	off := int64(r.IntN(100))
	if n, err := loopOfVio(d, bufs, off); n != int64(len(data)) || err != nil {
		t.Fatalf("device: %d, %v, want %d", n, err, len(data))
	}
	if len(data) > 0 && !bytes.Equal(d.data[off:], data) {
		t.Fatal("device: bytes differ")
	}
}

func fuzzCursor(t *testing.T, bufs [][]byte, data []byte, r *rand.Rand) {
	w := &breakingVector{breaking{r: r}}
	c := NewCursor(bufs)
	for c.Len() > 0 {
		var to io.Writer = w
		if r.IntN(2) == 0 {
			to = &w.breaking
		}
		before := c.Len()
		if n, err := c.WriteTo(to); err != nil && err != errBroken || before-n != c.Len() {
			t.Fatalf("cursor: %d, %v, %d left of %d", n, err, c.Len(), before)
		}
		if k := min(c.Len(), int64(r.IntN(9))); k > 0 {
			p := make([]byte, k)
			if n, err := c.Read(p); int64(n) != k || err != nil {
				t.Fatalf("cursor: Read %d, %v", n, err)
			}
			w.Buffer.Write(p) // never fails
		}
	}
	if !bytes.Equal(w.Bytes(), data) {
		t.Fatal("cursor: bytes differ")
	}
}

func fuzzFile(t *testing.T, f *os.File, bufs [][]byte, data []byte, r *rand.Rand) {
	frame := bytes.Repeat([]byte{'.'}, 64)
	off := int64(r.IntN(64))
	model := append(append(append([]byte{}, frame...), make([]byte, len(data))...), frame...)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(model, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	n, err := []func() (int64, error){
		func() (int64, error) { return WritevAll(f, bufs) },
		func() (int64, error) { return WritevAllAt(f, bufs, off) },
		func() (int64, error) { return Appendv(f, bufs) }, // no O_APPEND: at the position
		func() (int64, error) { return WritevAt(f, bufs, off) },
		func() (int64, error) { return WritevFlags(f, bufs, off, DontCache) },
		func() (int64, error) { return Writev(f, bufs) },
	}[r.IntN(6)]()
	if n != int64(len(data)) && !errors.Is(err, io.ErrShortWrite) || n == 0 && len(data) > 0 {
		t.Fatalf("file: %d, %v, want %d", n, err, len(data))
	}
	copy(model[off:], data[:n])
	if got := contents(t, f); !bytes.Equal(got, model) {
		t.Fatal("file: bytes differ")
	}
	got := make([]byte, len(model)+9)
	n, err = ReadvFullAt(f, fuzzCut(got, r), 0)
	if n != int64(len(model)) || !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.Equal(got[:n], model) {
		t.Fatalf("file: read %d, %v, want %d and the end", n, err, len(model))
	}
	if !bytes.Equal(got[n:], make([]byte, 9)) {
		t.Fatal("file: bytes behind the end are touched")
	}
}

// fuzzCut cuts b into pieces of drawn sizes, some empty.
func fuzzCut(b []byte, r *rand.Rand) (bufs [][]byte) {
	most := 1 << r.IntN(16)
	for len(b) > 0 {
		n := min(len(b), r.IntN(most+1))
		bufs = append(bufs, b[:n])
		if r.IntN(3) == 0 {
			bufs[len(bufs)-1] = b[:n:n]
		}
		b = b[n:]
	}
	return bufs
}

// TestPipeTransfer is FuzzTransfer for a pipe, which is short where its two ends
// happen to be: what is covered differs from run to run, which no fuzzer likes.
func TestPipeTransfer(t *testing.T) {
	source := pattern(1<<20, 72)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		bufs := drawVector(source, pattern(r.IntN(1500), seed), r)
		throughPipe(t, bufs, concat(bufs), r)
	}
}

// throughPipe moves data from one vector to another through a pipe, which is short
// where its two ends happen to be.
func throughPipe(t *testing.T, bufs [][]byte, data []byte, r *rand.Rand) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := WritevAll(out, bufs)
		sent <- errors.Join(err, out.Close())
	}()
	got := make([]byte, len(data)+3)
	n, err := ReadvFull(in, fuzzCut(got, r))
	if sendErr := <-sent; sendErr != nil {
		t.Fatal(sendErr)
	}
	wantEnd := io.ErrUnexpectedEOF
	if len(data) == 0 {
		wantEnd = io.EOF
	}
	if n != int64(len(data)) || !errors.Is(err, wantEnd) || !bytes.Equal(got[:n], data) {
		t.Fatalf("pipe: %d, %v, want %d and the end", n, err, len(data))
	}
}
