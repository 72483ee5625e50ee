package fuzzdir

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
)

// Every seed is read as the oracle says, in every way.
func TestSeeds(t *testing.T) {
	seeds, err := Seeds()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seeds {
		t.Run(s.Name, func(t *testing.T) {
			packed := s.Archive.Pack()
			if again := Unpack(packed).Pack(); !bytes.Equal(again, packed) {
				t.Errorf("packed again it has %d bytes instead of %d", len(again), len(packed))
			}
			if err := Check(packed, t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	seeds, err := Seeds()
	if err != nil {
		b.Fatal(err)
	}
	for _, way := range append([]Ways{0}, Single...) {
		b.Run(way.String(), func(b *testing.B) {
			w := NewWorkspace(scratch(b))
			for n := 0; b.Loop(); n++ {
				a := Mutate(rng(uint64(n)), seeds)
				if err := w.Check(a, way); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// scratch is a directory in memory, where there is one.
func scratch(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "manypen")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func rng(n uint64) *rand.Rand { return rand.New(rand.NewPCG(1, n)) }
