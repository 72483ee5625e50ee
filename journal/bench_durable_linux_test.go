package journal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

// durableWay is a way to have 156 bytes on disk, in a file of its own.
type durableWay struct {
	name  string
	flags int
	room  int64 // that the file has in advance, within its size if written is set
	// written says that the room holds data already, which is overwritten.
	written bool
	sync    func(fd int, from, n int64) error
	flag    int // of pwritev2
}

func dataSync(fd int, _, _ int64) error { return unix.Fdatasync(fd) }

var durableWays = []durableWay{
	{name: "append", flags: unix.O_APPEND, sync: dataSync},
	{name: "append, fsync", flags: unix.O_APPEND, sync: func(fd int, _, _ int64) error { return unix.Fsync(fd) }},
	{name: "append, room behind the end", flags: unix.O_APPEND, room: 64 << 20, sync: dataSync},
	{name: "append, RWF_DSYNC", flags: unix.O_APPEND, flag: unix.RWF_DSYNC},
	{name: "append, sync_file_range first", flags: unix.O_APPEND, sync: func(fd int, from, n int64) error {
		if err := unix.SyncFileRange(fd, from, n, unix.SYNC_FILE_RANGE_WRITE); err != nil {
			return err
		}
		return unix.Fdatasync(fd)
	}},
	{name: "room within the size", room: 64 << 20, sync: dataSync},
	{name: "written before", room: 4 << 20, written: true, sync: dataSync},
}

// open makes the file.
func (d *durableWay) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|d.flags, 0o600)
	if err != nil || d.room == 0 {
		return f, err
	}
	mode := uint32(unix.FALLOC_FL_KEEP_SIZE)
	if d.flags&unix.O_APPEND == 0 {
		mode = 0
	}
	err = unix.Fallocate(int(f.Fd()), mode, 0, d.room)
	if err == nil && d.written {
		_, err = f.WriteAt(bytes.Repeat([]byte{'x'}, int(d.room)), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return f, err
}

// BenchmarkDurable compares ways to have each record on disk when its append returns,
// next to the journal's. The ratio is that of neighbouring rounds, to the first way.
// Those that write within the size of a file cannot be shared by processes: nobody but
// the kernel knows where the end is.
//
//	go test -run '^$' -bench BenchmarkDurable -benchtime 20x ./journal -dirs EXT4,XFS
func BenchmarkDurable(b *testing.B) { inPlaces(b, benchDurable) }

func benchDurable(b *testing.B, dir string) {
	j := open(b, filepath.Join(dir, "journal"), journal.Options{})
	key, body, rec := make([]byte, 16), make([]byte, 88), make([]byte, 156)
	var names []string
	var ways []func() error
	for i := range durableWays {
		d := &durableWays[i]
		f, err := d.open(filepath.Join(dir, fmt.Sprint("file", i)))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close() // each write was synced
		at := int64(0)
		names = append(names, d.name)
		ways = append(ways, func() error {
			off := at
			if d.flags&unix.O_APPEND != 0 {
				off = -1
			}
			n, err := unix.Pwritev2(int(f.Fd()), [][]byte{rec}, off, d.flag)
			if err == nil && d.sync != nil {
				err = d.sync(int(f.Fd()), at, int64(n))
			}
			at += int64(n)
			return err
		})
	}
	names = append(names, "journal")
	ways = append(ways, func() error { _, err := j.Append(key, body); return err })
	const round = 50
	ratios := make([][]float64, len(ways))
	for b.Loop() {
		var first time.Duration
		for i, f := range ways {
			begin := time.Now()
			for range round {
				if err := f(); err != nil {
					b.Fatalf("%s: %v", names[i], err)
				}
			}
			took := time.Since(begin)
			if i == 0 {
				first = took
			}
			ratios[i] = append(ratios[i], float64(took)/float64(first))
		}
	}
	for i, name := range names {
		slices.Sort(ratios[i])
		b.Logf("%-32s %.2f (%.2f to %.2f) of the time of an append with fdatasync", name,
			ratios[i][len(ratios[i])/2], ratios[i][len(ratios[i])/10], ratios[i][len(ratios[i])*9/10])
	}
}
