package vio

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

var benchShapes = []struct{ pieces, size int }{
	{4, 16}, {4, 1 << 10}, {4, 64 << 10}, {64, 16}, {64, 1 << 10}, {64, 64 << 10},
	{1024, 16}, {1024, 1 << 10}, {1024, 64 << 10},
}

type benchWriter struct {
	name  string
	write func(f *os.File, bufs [][]byte) error
}

// benchWriters are the ways to append a vector that are compared. bench_linux
// adds the system call wrapper of x/sys. bufio and net.Buffers make several
// calls, so that another process can write between them.
var benchWriters = []benchWriter{
	{"vio", func(f *os.File, bufs [][]byte) error {
		_, err := Appendv(f, bufs)
		return err
	}},
	{"copy", func() func(f *os.File, bufs [][]byte) error {
		var b []byte // kept, as a careful program would
		return func(f *os.File, bufs [][]byte) error {
			b = b[:0]
			for _, piece := range bufs {
				b = append(b, piece...)
			}
			_, err := f.Write(b)
			return err
		}
	}()},
	{"bufio", func() func(f *os.File, bufs [][]byte) error {
		w := bufio.NewWriterSize(nil, 64<<10)
		return func(f *os.File, bufs [][]byte) error {
			w.Reset(f)
			for _, piece := range bufs {
				if _, err := w.Write(piece); err != nil {
					return err
				}
			}
			return w.Flush()
		}
	}()},
	{"netbuffers", func() func(f *os.File, bufs [][]byte) error {
		var v net.Buffers // WriteTo consumes it
		return func(f *os.File, bufs [][]byte) error {
			v = append(v[:0], bufs...)
			consumed := v
			_, err := consumed.WriteTo(f)
			return err
		}
	}()},
}

// BenchmarkAppend sets the ways to append a vector against each other.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range benchShapes {
		b.Run(fmt.Sprintf("%dx%d", shape.pieces, shape.size), func(b *testing.B) {
			f := tempFile(b, nil)
			bufs := even(make([]byte, shape.pieces*shape.size), shape.pieces)
			var names []string
			var ways []func() error
			for _, w := range benchWriters {
				names = append(names, w.name)
				ways = append(ways, func() error { return w.write(f, bufs) })
			}
			calls := min(256/shape.pieces, 16<<20/(shape.pieces*shape.size))
			inTurns(b, f, max(1, calls), names, ways)
		})
	}
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

func BenchmarkReadvAt(b *testing.B) {
	for _, shape := range benchShapes {
		b.Run(fmt.Sprintf("%dx%d", shape.pieces, shape.size), func(b *testing.B) {
			data := make([]byte, shape.pieces*shape.size)
			f := tempFile(b, data)
			bufs := even(data, shape.pieces)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadvFullAt(f, bufs, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
