//go:build !vio_portable

package vio

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	benchWriters = append(benchWriters, struct {
		name  string
		write func(f *os.File, bufs [][]byte) error
	}{"xsys", func(f *os.File, bufs [][]byte) error {
		// EINVAL for more than 1024 pieces; not safe against Close.
		_, err := unix.Writev(int(f.Fd()), bufs)
		return err
	}})
}

// inTurns runs each of the ways in turns of a few calls, so that what happens on
// the machine meanwhile hits all of them, and reports the median of its turns in
// ns per call, and the ratio of the first to each other.
func inTurns(b *testing.B, f *os.File, calls int, names []string, ways []func() error) {
	b.Helper()
	times := make([][]float64, len(ways))
	for b.Loop() {
		for i, way := range ways {
			if err := f.Truncate(0); err != nil { // a file that grows would measure the disk
				b.Fatal(err)
			}
			start := time.Now()
			for range calls {
				if err := way(); err != nil {
					b.Fatal(err)
				}
			}
			times[i] = append(times[i], float64(time.Since(start))/float64(calls))
		}
	}
	median := func(i int) float64 { slices.Sort(times[i]); return times[i][len(times[i])/2] }
	for i, name := range names {
		b.ReportMetric(median(i), name+"-ns")
		if i > 0 {
			b.ReportMetric(median(0)/median(i), names[0]+"/"+name)
		}
	}
	b.ReportMetric(0, "ns/op") // of all ways together: it says nothing
}

// BenchmarkAgainstXsys sets Appendv against the wrapper of x/sys.
func BenchmarkAgainstXsys(b *testing.B) {
	for _, shape := range []struct{ pieces, size int }{{4, 16}, {4, 1 << 10}, {4, 64 << 10}, {64, 16}, {1024, 16}, {1024, 1 << 10}} {
		b.Run(fmt.Sprintf("%dx%d", shape.pieces, shape.size), func(b *testing.B) {
			f := tempFile(b, nil)
			bufs := even(make([]byte, shape.pieces*shape.size), shape.pieces)
			fd := int(f.Fd())
			inTurns(b, f, max(1, 256/shape.pieces), []string{"vio", "xsys"}, []func() error{
				func() error { _, err := Appendv(f, bufs); return err },
				func() error { _, err := unix.Writev(fd, bufs); return err },
			})
		})
	}
}

// BenchmarkCostCurve sets the three ways of a vector into the system call
// against each other: an iovec for each piece, one copy, and, for pieces that lie
// in one block, one iovec for them. The rule of copySize comes from here.
func BenchmarkCostCurve(b *testing.B) {
	for _, read := range []bool{false, true} {
		for _, pieces := range []int{2, 4, 8, 16, 64, 1024} {
			for _, size := range []int{16, 64, 256, 512, 1 << 10, 2 << 10, 4 << 10, 16 << 10} {
				if pieces*size > 1<<20 {
					continue
				}
				b.Run(fmt.Sprintf("read=%t/%dx%d", read, pieces, size), func(b *testing.B) { costCurve(b, read, pieces, size) })
			}
		}
	}
}

func costCurve(b *testing.B, read bool, pieces, size int) {
	block := make([]byte, pieces*size)
	apart := vectorOf(even(block, pieces)) // their capacity does not reach to the next
	joined := vectorOf(nil)
	for i := range pieces {
		joined.bufs = append(joined.bufs, block[i*size:(i+1)*size])
	}
	f, data := tempFile(b, nil), tempFile(b, block)
	move := func(iovs []iov) error { _, err := sysWrite(f, iovs, place{off: Current}); return err }
	if read {
		move = func(iovs []iov) error { _, err := sysRead(data, iovs, place{}); return err }
	}
	var iovs [MaxIovs]iov
	inTurns(b, f, max(4, 256/pieces), []string{"iovecs", "copy", "merged"}, []func() error{
		func() error { return move(iovs[:fillMerged(iovs[:], &apart)]) },
		func() error {
			p := getBuffer(len(block))
			defer putBuffer(p)
			if !read {
				p.b = apart.gather(p.b, len(block))
			}
			setIov(&iovs[0], p.b[:len(block)])
			err := move(iovs[:1])
			if read {
				apart.scatter(p.b[:len(block)])
			}
			return err
		},
		func() error { return move(iovs[:fillMerged(iovs[:], &joined)]) },
	})
}
