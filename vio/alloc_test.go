package vio

import (
	"os"
	"testing"
)

// No call allocates once the pools are warm. This also proves that the closures
// and RawConns of the implementation stay off the heap, which no rule of the
// language promises.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops items at random")
	}
	f := tempFile(t, pattern(2<<20, 14))
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, shape := range []struct{ pieces, size int }{
		{0, 0}, {1, 16}, {4, 16}, {4, 1 << 10}, {4, 4 << 10}, {8, 16}, {9, 16}, {64, 16}, {64, 4 << 10},
		{1024, 16}, {1024, 1 << 10}, {1500, 16}, {1500, 100}, {1500, 1 << 10},
	} {
		count := shape.pieces
		bufs := even(make([]byte, count*shape.size), max(count, 1))
		check := func(name string, call func() (int64, error)) {
			t.Helper()
			var n int64
			var err error
			allocs := testing.AllocsPerRun(100, func() { n, err = call() })
			if err != nil {
				t.Errorf("%s, %d pieces: %v", name, count, err)
			}
			if allocs != 0 {
				t.Errorf("%s, %d pieces, %d bytes: %v allocations, want 0", name, count, n, allocs)
			}
		}
		if portable && shape.pieces*shape.size > maxPooled {
			continue // one buffer for all of it, which is not kept
		}
		check("Appendv", func() (int64, error) { return Appendv(null, bufs) })
		check("ReadvAt", func() (int64, error) { return ReadvAt(f, bufs, 7) })
		check("ReadvFullAt", func() (int64, error) { return ReadvFullAt(f, bufs, 7) })
		check("Len", func() (int64, error) { n, _ := Len(bufs); return n, nil })
	}
}
