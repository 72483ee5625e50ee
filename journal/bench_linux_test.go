package journal_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

// floor is the least that an append can be: one writev of four pieces with
// their checksum, and the question where it went.
type floor struct {
	f         *os.File
	head      [44]byte
	tail      [8]byte
	key, body []byte
}

func (f *floor) append() error {
	var d xxhash.Digest
	d.Reset()
	d.Write(f.head[:]) // a hash does not fail
	d.Write(f.key)
	d.Write(f.body)
	copy(f.tail[:], d.Sum(f.tail[:0]))
	if _, err := unix.Writev(int(f.f.Fd()), [][]byte{f.head[:], f.key, f.body, f.tail[:]}); err != nil {
		return err
	}
	_, err := unix.Seek(int(f.f.Fd()), 0, io.SeekCurrent)
	return err
}

// BenchmarkAppend compares an append without sync with the floor. The two take
// turns in short rounds, so that whatever else the machine does hits both; the
// figure that counts is the ratio.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dir := b.TempDir()
			j := open(b, filepath.Join(dir, "journal"), journal.Options{Sync: journal.SyncNone})
			raw, err := os.OpenFile(filepath.Join(dir, "raw"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
			if err != nil {
				b.Fatal(err)
			}
			defer raw.Close() // only measured
			fl := floor{f: raw, key: make([]byte, 16), body: make([]byte, size)}
			var ours, floors time.Duration
			b.ReportAllocs()
			const round = 50
			for b.Loop() {
				start := time.Now()
				for range round {
					if _, err := j.Append(fl.key, fl.body); err != nil {
						b.Fatal(err)
					}
				}
				middle := time.Now()
				for range round {
					if err := fl.append(); err != nil {
						b.Fatal(err)
					}
				}
				ours += middle.Sub(start)
				floors += time.Since(middle)
				if st, err := raw.Stat(); err != nil || st.Size() > 64<<20 {
					if err := raw.Truncate(0); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*round), "ns/append")
			b.ReportMetric(float64(floors.Nanoseconds())/float64(b.N*round), "ns/floor")
			b.ReportMetric(float64(ours)/float64(floors), "x-floor")
		})
	}
}

// BenchmarkRecords reads a million records of 100 bytes and checks them.
func BenchmarkRecords(b *testing.B) {
	dir := b.TempDir()
	const n = 1_000_000
	j := open(b, dir, journal.Options{Sync: journal.SyncNone})
	for range n {
		if _, err := j.Append(make([]byte, 16), make([]byte, 84)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		seen := 0
		for _, err := range j.Records(journal.Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			seen++
		}
		if seen != n {
			b.Fatalf("%d records", seen)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
