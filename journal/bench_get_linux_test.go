package journal_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// numbered appends n records of 16 byte keys, in an order that looks random, and
// 100 byte values.
func numbered(b *testing.B, dir string, n int) {
	b.Helper()
	j := open(b, dir, journal.Options{Sync: journal.SyncNone})
	var batch journal.Batch
	for i := range n {
		batch.Put(numberedKey(i), make([]byte, 100))
		if batch.Len() == 100 || i == n-1 {
			if _, err := j.AppendBatch(&batch); err != nil {
				b.Fatal(err)
			}
			batch.Reset()
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

func numberedKey(i int) []byte {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:], uint64(i)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(key[8:], uint64(i))
	return key[:]
}

// BenchmarkGet asks for the records of a million keys in random order on one core,
// in turns with the least that can be: a Go map and a pread of the record, whose
// checksum is verified.
func BenchmarkGet(b *testing.B) {
	dir := b.TempDir()
	const n = 1_000_000
	j := open(b, dir, journal.Options{Sync: journal.SyncNone})
	places := make(map[string]journal.Position, n)
	for i := range n {
		p, err := j.Append(numberedKey(i), make([]byte, 100))
		if err != nil {
			b.Fatal(err)
		}
		places[string(numberedKey(i))] = p
	}
	files := make(map[uint64]*os.File)
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		b.Fatal(err)
	}
	for i, name := range names {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close() // only read from
		files[uint64(i)+1] = f
	}
	if _, err := j.Get(numberedKey(0)); err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const round = 20_000
	rng := rand.New(rand.NewPCG(1, 2))
	var ours, floor []time.Duration
	sum := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		for range round {
			if _, err := j.Get(numberedKey(rng.IntN(n))); err != nil {
				b.Fatal(err)
			}
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		for range round {
			p := places[string(numberedKey(rng.IntN(n)))]
			rec := make([]byte, 168)
			if _, err := files[p.Segment].ReadAt(rec, p.Offset); err != nil {
				b.Fatal(err)
			}
			sum += xxhash.Sum64(rec[:160])
		}
		floor = append(floor, time.Since(start))
	}
	slices.Sort(ours)
	slices.Sort(floor)
	b.ReportMetric(round/ours[len(ours)/2].Seconds(), "gets/s")
	b.ReportMetric(float64(ours[len(ours)/2])/float64(floor[len(floor)/2]), "/floor")
	if sum == 0 {
		b.Fatal("nothing was read")
	}
}

// BenchmarkOpenKeys opens a journal of ten million keys and gets one: with sidecars,
// and without any, so that all segments are read. Memory is what the heap has in
// use afterwards, for each key.
func BenchmarkOpenKeys(b *testing.B) {
	dir := b.TempDir()
	const n = 10_000_000
	numbered(b, dir, n)
	get := func(opt journal.Options) time.Duration {
		start := time.Now()
		j := open(b, dir, opt)
		if _, err := j.Get(numberedKey(n / 3)); err != nil {
			b.Fatal(err)
		}
		took := time.Since(start)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapInuse)/n, "B/key")
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		return took
	}
	var scan, sidecars []time.Duration
	for b.Loop() {
		old, err := filepath.Glob(filepath.Join(dir, "idx.*"))
		if err != nil {
			b.Fatal(err)
		}
		for _, name := range old {
			if err := os.Remove(name); err != nil {
				b.Fatal(err)
			}
		}
		scan = append(scan, get(journal.Options{ReadOnly: true}))
		get(journal.Options{}) // leaves sidecars
		if made, err := filepath.Glob(filepath.Join(dir, "idx.*")); err != nil || len(made) < 15 {
			b.Fatalf("%d sidecars: %v", len(made), err)
		}
		sidecars = append(sidecars, get(journal.Options{ReadOnly: true}))
	}
	slices.Sort(scan)
	slices.Sort(sidecars)
	b.ReportMetric(scan[len(scan)/2].Seconds(), "scan-s")
	b.ReportMetric(sidecars[len(sidecars)/2].Seconds(), "sidecars-s")
	b.ReportMetric(float64(scan[len(scan)/2])/float64(sidecars[len(sidecars)/2]), "scan/sidecars")
}

// BenchmarkManySegments looks at the end of a journal of 10,000 segments, and into
// it by time.
func BenchmarkManySegments(b *testing.B) {
	dir := b.TempDir()
	j := open(b, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	var middle journal.Record
	value := make([]byte, 8<<10)
	for i := 0; ; i++ {
		p, err := j.Append(fmt.Append(nil, i), value)
		if err != nil {
			b.Fatal(err)
		}
		if p.Segment == 5000 {
			if middle, err = j.ReadAt(p); err != nil {
				b.Fatal(err)
			}
		}
		if p.Segment == 10_000 && p.Offset > 40_000 {
			break
		}
	}
	for name, f := range map[string]func(*journal.Journal) error{
		"Tail10": func(j *journal.Journal) error {
			k := 0
			for _, err := range j.Scan(journal.ScanOptions{Reverse: true}) {
				if k++; err != nil || k == 10 {
					return err
				}
			}
			return nil
		},
		"Seek": func(j *journal.Journal) error {
			p, err := j.Seek(middle.Time)
			if err == nil && p != middle.Position {
				err = fmt.Errorf("got %v, want %v", p, middle.Position)
			}
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				j := open(b, dir, journal.Options{ReadOnly: true})
				if err := f(j); err != nil {
					b.Fatal(err)
				}
				if err := j.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
