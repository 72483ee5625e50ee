// Growth measures whether appending costs the same in a large journal as in a small one:
// the time of an append, as a multiple of the bare system calls in the same moments, and
// the memory of the handle, from one thousand records to a hundred million, and from one
// segment to ten thousand.
//
//	go -C bench run ./growth                            some minutes, and 20 GB
//	go -C bench run ./growth -records 1000000 -segments 100
//
// In the end all records are read and counted.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/vio"
)

var (
	flagDir      = flag.String("dir", "", "directory to work in; a temporary one by default")
	flagRecords  = flag.Int("records", 100_000_000, "records of the first journal")
	flagSegments = flag.Int("segments", 10_000, "segments of the second one, of 1 MiB each")
)

const (
	keySize, valueSize = 16, 32
	headSize, sumSize  = 44, 8
	recordSize         = headSize + keySize + valueSize + sumSize
	smallSegment       = 1 << 20
)

func main() {
	flag.Parse()
	if err := run(os.Stdout, *flagDir, *flagRecords, *flagSegments); err != nil {
		fmt.Fprintln(os.Stderr, "growth:", err)
		os.Exit(1)
	}
}

func run(to io.Writer, dir string, records, segments int) error {
	base, err := os.MkdirTemp(dir, "growth")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base) // what is left is temporary
	for _, part := range []struct {
		name    string
		segment int64
		stops   []int // numbers of records
	}{
		{"segments of 64 MiB", 0, powers(1000, records, 1)},
		{"segments of 1 MiB", smallSegment, powers(1, segments, smallSegment/recordSize)},
	} {
		if err := grow(to, base, part.name, part.segment, part.stops); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// powers are first, 10 times that and so on, up to last, each times unit.
func powers(first, last, unit int) (all []int) {
	for n := first; n <= last; n *= 10 {
		all = append(all, n*unit)
	}
	return all
}

// Rounds of a window, in which journal and floor take turns, and the appends of each.
const (
	rounds = 100
	turn   = 1000
)

// grow fills a journal, stops at some sizes, and measures what the next appends cost.
func grow(to io.Writer, base, name string, segmentSize int64, stops []int) error {
	fl, err := newFloor(filepath.Join(base, "floor"))
	if err != nil {
		return err
	}
	defer fl.f.Close() // only measured
	empty := heap()
	dir := filepath.Join(base, "journal")
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: segmentSize})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(to, "\n**%s**\n\n| records | segments | ns an append | ns of the floor | ratio | memory of the handle, KiB |\n|--:|--:|--:|--:|--:|--:|\n", name); err != nil {
		return err
	}
	n := 0
	ours := func() error {
		n++
		binary.BigEndian.PutUint64(fl.key[:], uint64(n))
		_, err := j.Append(fl.key[:], fl.value[:])
		return err
	}
	for _, stop := range stops {
		for n < stop {
			if err := ours(); err != nil {
				return err
			}
		}
		syscall.Sync() // or what was written before is written to disk beside what is measured
		a, b, err := window(ours, fl)
		if err != nil {
			return err
		}
		_, newest, err := j.SegmentRange()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "| %d | %d | %d | %d | %.2f | %d |\n", stop, newest, a.Nanoseconds(), b.Nanoseconds(), float64(a)/float64(b), max(0, heap()-empty)>>10); err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return err
	}
	if err := count(dir, n); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// window returns the time of an append and of one of the floor, in turns.
func window(ours func() error, fl *floor) (a, b time.Duration, err error) {
	for range rounds {
		start := time.Now()
		for range turn {
			if err := ours(); err != nil {
				return 0, 0, err
			}
		}
		middle := time.Now()
		for range turn {
			if err := fl.append(); err != nil {
				return 0, 0, err
			}
		}
		a += middle.Sub(start)
		b += time.Since(middle)
	}
	return a / (rounds * turn), b / (rounds * turn), fl.f.Truncate(0)
}

// floor is what nobody can do without: header, key, value and checksum by one gathered
// write, and the question where it has got to.
type floor struct {
	f     *os.File
	head  [headSize]byte
	key   [keySize]byte
	value [valueSize]byte
	sum   [sumSize]byte
	vec   [4][]byte
	d     xxhash.Digest
}

func newFloor(path string) (*floor, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o644)
	fl := &floor{f: f}
	fl.vec = [4][]byte{fl.head[:], fl.key[:], fl.value[:], fl.sum[:]}
	return fl, err
}

func (fl *floor) append() error {
	binary.LittleEndian.PutUint64(fl.head[:], uint64(time.Now().UnixNano()))
	fl.d.Reset()
	for _, b := range fl.vec[:3] {
		fl.d.Write(b) // a hash does not fail
	}
	binary.LittleEndian.PutUint64(fl.sum[:], fl.d.Sum64())
	if _, err := vio.Appendv(fl.f, fl.vec[:]); err != nil {
		return err
	}
	_, err := fl.f.Seek(0, io.SeekCurrent)
	return err
}

// heap is the memory in use after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one has found by finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// count reads all records, which must be those that were appended, in their order.
func count(dir string, want int) error {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer j.Close() // only read from
	n := 0
	for rec, err := range j.Scan(journal.ScanOptions{Reuse: true}) {
		if err != nil {
			return err
		}
		n++
		if got := binary.BigEndian.Uint64(rec.Key); got != uint64(n) {
			return fmt.Errorf("record %d is where %d should be", got, n)
		}
	}
	if n != want {
		return fmt.Errorf("%d records were appended and %d are there", want, n)
	}
	return nil
}
