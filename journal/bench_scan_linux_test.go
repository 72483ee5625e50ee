package journal_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// BenchmarkScan reads records of 100 bytes and of 64 KiB, warm and with every
// checksum verified, in several ways, and takes turns with the least that this can
// be: reads of 256 KiB into one buffer and one xxhash64 for each record. The
// figures that count are the ratios to it; they are medians of the rounds.
func BenchmarkScan(b *testing.B) {
	for _, c := range []struct{ n, size int }{{1_000_000, 100}, {20_000, 64 << 10}} {
		b.Run(fmt.Sprint(c.size), func(b *testing.B) {
			dir := b.TempDir()
			j := open(b, dir, journal.Options{Sync: journal.SyncNone})
			key, value := make([]byte, 16), make([]byte, c.size)
			for range c.n {
				if _, err := j.Append(key, value); err != nil {
					b.Fatal(err)
				}
			}
			scan := func(opts journal.ScanOptions) func() {
				return func() {
					seen := 0
					for rec, err := range j.Scan(opts) {
						if err != nil || len(rec.Value) != c.size {
							b.Fatal(rec.Position, err)
						}
						seen++
					}
					if seen != c.n {
						b.Fatalf("%d records", seen)
					}
				}
			}
			verify := func(workers int) func() {
				return func() {
					r, err := journal.Verify(b.Context(), dir, journal.VerifyOptions{Workers: workers})
					if err != nil || r.Records != uint64(c.n) {
						b.Fatalf("%d records: %v", r.Records, err)
					}
				}
			}
			ways := []struct {
				name string
				run  func()
			}{
				{"floor", func() { scanFloor(b, dir, c.n, 16+c.size+52) }},
				{"scan", scan(journal.ScanOptions{Reuse: true})},
				{"records", scan(journal.ScanOptions{})},
				{"reverse", scan(journal.ScanOptions{Reverse: true})},
				{"verify", verify(1)},
				{"verify2", verify(2)},
			}
			took := make([][]time.Duration, len(ways))
			for b.Loop() {
				for i, w := range ways {
					start := time.Now()
					w.run()
					took[i] = append(took[i], time.Since(start))
				}
			}
			median := func(i int) float64 {
				slices.Sort(took[i])
				return took[i][len(took[i])/2].Seconds()
			}
			for i, w := range ways[1:] {
				b.ReportMetric(median(i+1)/median(0), w.name+"/floor")
			}
			b.ReportMetric(median(4)/median(5), "verify/verify2")
			b.ReportMetric(float64(c.n)/median(1), "records/s")
		})
	}
}

// scanFloor reads all segments and hashes them in pieces of the given size.
func scanFloor(b *testing.B, dir string, n, size int) {
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 256<<10)
	seen, sum := 0, uint64(0)
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		have := 0
		for off := int64(8192); ; {
			k, err := f.ReadAt(buf[have:], off)
			if err != nil && err != io.EOF {
				b.Fatal(err)
			}
			if k == 0 {
				break
			}
			off += int64(k)
			rest := buf[:have+k]
			for len(rest) >= size {
				sum += xxhash.Sum64(rest[:size])
				seen++
				rest = rest[size:]
			}
			have = copy(buf, rest)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if seen < n || sum == 0 {
		b.Fatalf("%d pieces, want %d", seen, n)
	}
}
