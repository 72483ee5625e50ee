package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

// A value in a mapped file that somebody has cut off cannot be read. Who recovers from
// that finds the handle as it was, and so do the goroutines beside it.
func TestValueCutOff(t *testing.T) {
	gone := cutOffMapping(t, 16<<10)
	for _, size := range []int{100, 16 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "j")
			j := open(t, dir, journal.Options{Sync: journal.SyncNone})
			const goroutines, rounds = 4, 200
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
					for i := range rounds {
						if i%5 == 0 && !appendPanics(j, gone[:size]) {
							t.Error("nothing was wrong with a value that cannot be read")
						}
						if _, err := j.Append(nil, make([]byte, size)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
			if err != nil || r.Records != goroutines*rounds || r.Missing() != 0 || len(r.Damage) != 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// cutOffMapping is memory that is mapped and not there.
func cutOffMapping(t *testing.T, size int) []byte {
	f, err := os.Create(filepath.Join(t.TempDir(), "mapped"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // the mapping stays
	if err := f.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	return b
}

func appendPanics(j *journal.Journal, value []byte) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	_, _ = j.Append(nil, value) // neither result can come
	return false
}
