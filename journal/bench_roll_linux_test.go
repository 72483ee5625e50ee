package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/journal"
)

const (
	rollSegment = 64 << 20
	rollRound   = 4 * rollSegment
)

// rolling is a floor that begins a new file each 64 MiB, and does with the old one what
// a journal has to.
type rolling struct {
	syncs  bool  // in another goroutine, for which the next roll waits
	begin  bool  // makes the new file durable before it is used
	behind int64 // bytes after which the kernel is told to write what is there; 0: never
}

// run returns how long the appends took. What is synced behind the last roll is waited
// for, so that it does not run beside the next way, and does not count.
func (r rolling) run(dir string, key, body []byte) (took time.Duration, err error) {
	start := time.Now()
	fl := floor{key: key, body: body}
	size := int64(len(fl.head) + len(key) + len(body) + len(fl.tail))
	d, err := os.Open(dir)
	if err != nil {
		return 0, err
	}
	defer d.Close() // only synced
	synced := make(chan error, 1)
	synced <- nil
	for n := range rollRound / rollSegment {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(n)), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
		if err != nil {
			return 0, err
		}
		if r.begin {
			if _, err := f.Write(make([]byte, 8192)); err != nil {
				return 0, err
			}
			if err := f.Sync(); err != nil {
				return 0, err
			}
			if err := d.Sync(); err != nil {
				return 0, err
			}
		}
		fl.f = f
		told := int64(0)
		for at := int64(0); at < rollSegment; at += size {
			if err := fl.append(); err != nil {
				return 0, err
			}
			if r.behind > 0 && at-told >= r.behind {
				from := told
				told = at
				if err := unix.SyncFileRange(int(f.Fd()), from, told-from, unix.SYNC_FILE_RANGE_WRITE); err != nil {
					return 0, err
				}
			}
		}
		if err := <-synced; err != nil {
			return 0, err
		}
		go func() {
			var err error
			if r.syncs {
				err = unix.Fdatasync(int(f.Fd()))
			}
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			synced <- err
		}()
	}
	took = time.Since(start)
	return took, <-synced
}

// BenchmarkRoll says what of the time of large records is due to segments that are full:
// floors that do ever more of what a roll does, and the journal. They take turns; the
// figures are medians of the ratios to the first floor of the same round.
func BenchmarkRoll(b *testing.B) {
	ways := []struct {
		name string
		rolling
	}{
		{"floor", rolling{}},
		{"begin", rolling{begin: true}},
		{"sync", rolling{syncs: true}},
		{"begin+sync", rolling{begin: true, syncs: true}},
		{"begin+sync+behind", rolling{begin: true, syncs: true, behind: 8 << 20}},
	}
	for _, size := range []int{16 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			base := b.TempDir()
			key, body := make([]byte, 16), make([]byte, size)
			ours := func(dir string) (took time.Duration, err error) {
				start := time.Now()
				j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
				if err != nil {
					return 0, err
				}
				for at := 0; at < rollRound; at += size + 68 {
					if _, err := j.Append(key, body); err != nil {
						return 0, err
					}
				}
				took = time.Since(start)
				return took, j.Close()
			}
			ratios := make([][]float64, len(ways)+1)
			for b.Loop() {
				var first time.Duration
				for i := range ratios {
					dir := filepath.Join(base, "d")
					if err := os.Mkdir(dir, 0o700); err != nil {
						b.Fatal(err)
					}
					run := ours
					if i < len(ways) {
						run = func(dir string) (time.Duration, error) { return ways[i].run(dir, key, body) }
					}
					took, err := run(dir)
					if err != nil {
						b.Fatal(err)
					}
					if i == 0 {
						first = took
					}
					ratios[i] = append(ratios[i], float64(took)/float64(first))
					if err := os.RemoveAll(dir); err != nil {
						b.Fatal(err)
					}
				}
			}
			for i, r := range ratios {
				slices.Sort(r)
				name := "journal"
				if i < len(ways) {
					name = ways[i].name
				}
				b.ReportMetric(r[len(r)/2], name)
			}
		})
	}
}
