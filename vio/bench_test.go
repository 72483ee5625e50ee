package vio

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var benchShapes = []struct{ pieces, size int }{
	{4, 16}, {4, 1 << 10}, {64, 16}, {64, 1 << 10},
	{1024, 16}, {1024, 1 << 10}, {1500, 16}, {1500, 1 << 10},
}

// benchWriters are the ways to append a vector that are compared. bench_linux
// adds the system call wrapper of x/sys.
var benchWriters = []struct {
	name  string
	write func(f *os.File, bufs [][]byte) error
}{
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
}

// BenchmarkAppend writes to a file and to the null device. The latter costs
// the kernel almost nothing and so shows what the caller's side costs.
func BenchmarkAppend(b *testing.B) {
	for _, target := range []string{"null", "file"} {
		for _, shape := range benchShapes {
			bufs := even(make([]byte, shape.pieces*shape.size), shape.pieces)
			for _, w := range benchWriters {
				name := fmt.Sprintf("%s/%dx%d/%s", target, shape.pieces, shape.size, w.name)
				b.Run(name, func(b *testing.B) { benchAppend(b, target, bufs, w.write) })
			}
		}
	}
}

func benchAppend(b *testing.B, target string, bufs [][]byte, write func(*os.File, [][]byte) error) {
	path := os.DevNull
	if target == "file" {
		path = filepath.Join(b.TempDir(), "file")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	total, _ := Len(bufs)
	b.SetBytes(total)
	b.ReportAllocs()
	var size int64
	for b.Loop() {
		if err := write(f, bufs); err != nil {
			b.Skip(err)
		}
		// A file that grows without end would measure the disk.
		if size += total; size > 64<<20 && target == "file" {
			b.StopTimer()
			if err := f.Truncate(0); err != nil {
				b.Fatal(err)
			}
			size = 0
			b.StartTimer()
		}
	}
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
