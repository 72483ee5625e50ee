package journal_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
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

func init() { roles["always"] = roleAlways }

// roleAlways appends durable records until it is killed: DIR.
func roleAlways(args []string) error {
	j, err := journal.Open(args[0], journal.Options{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		if _, err := j.Append(nil, make([]byte, 100)); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("syncing")
		}
	}
}

// BenchmarkAppendBesideSync measures appends without sync alone and beside a
// second process that is in fdatasync nearly all of the time.
func BenchmarkAppendBesideSync(b *testing.B) {
	for _, beside := range []bool{false, true} {
		b.Run(fmt.Sprintf("beside=%t", beside), func(b *testing.B) {
			dir := b.TempDir()
			j := open(b, dir, journal.Options{Sync: journal.SyncNone})
			if beside {
				c := spawn(b, "always", dir)
				if _, err := c.out.ReadString('\n'); err != nil {
					b.Fatal(err, c.err.String())
				}
			}
			var times []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := j.Append(nil, make([]byte, 100)); err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			for _, p := range []float64{0.5, 0.99, 0.999} {
				b.ReportMetric(float64(times[int(p*float64(len(times)-1))].Nanoseconds()), fmt.Sprintf("ns-p%g", p*100))
			}
		})
	}
}

// BenchmarkGroupCommit measures durable appends of goroutines that share one
// handle: the more wait at the same time, the fewer syncs each of them costs.
func BenchmarkGroupCommit(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			j := open(b, b.TempDir(), journal.Options{})
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range goroutines {
				all.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if _, err := j.Append(nil, make([]byte, 100)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			s := j.Stats()
			b.ReportMetric(float64(s.Records)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(s.Syncs)/float64(s.Records), "syncs/record")
		})
	}
}

// BenchmarkAppendGoroutines compares goroutines that append to one handle with as many
// that make the calls of the floor on one file.
func BenchmarkAppendGoroutines(b *testing.B) {
	for _, n := range []int{2, 8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			j := open(b, filepath.Join(dir, "journal"), journal.Options{Sync: journal.SyncNone})
			raw, err := os.OpenFile(filepath.Join(dir, "raw"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
			if err != nil {
				b.Fatal(err)
			}
			defer raw.Close() // only measured
			const each = 500
			together := func(f func(k int) error) time.Duration {
				var wg sync.WaitGroup
				start := time.Now()
				for range n {
					wg.Go(func() {
						for k := range each {
							if err := f(k); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				return time.Since(start)
			}
			var ratios []float64
			var ours time.Duration
			for b.Loop() {
				key, body := make([]byte, 16), make([]byte, 100)
				a := together(func(int) error { _, err := j.Append(key, body); return err })
				c := together(func(k int) error {
					fl := floor{f: raw, key: key, body: body}
					return fl.append()
				})
				ours += a
				ratios = append(ratios, float64(c)/float64(a))
				if err := raw.Truncate(0); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "x-floor-throughput")
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N*n*each), "ns/append")
		})
	}
}
