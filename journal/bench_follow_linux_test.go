package journal_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/journal"
)

func init() {
	roles["latency"] = roleLatency
	roles["wakes"] = roleWakes
}

// roleWakes sleeps on a word of a mapped file, which is waked with the time behind
// it, and prints how late that was: FILE WAKES. It is the least that telling another
// process can be.
func roleWakes(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	m, err := host.MapShared(f, 4096)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	word, sent := wordsOf(m)
	fmt.Println("sleeping")
	late := make([]time.Duration, 0, n)
	for seen := uint32(0); len(late) < n; {
		if err := host.WaitWord((*uint32)(word), seen, time.Second); err != nil {
			return err
		}
		now := time.Now().UnixNano()
		w := atomic.LoadUint32((*uint32)(word))
		if w == seen {
			continue
		}
		late = append(late, time.Duration(now-sent.Load()))
		if seen = w; w == uint32(n) {
			break // some may have come together
		}
	}
	printLate(late)
	return nil
}

func wordsOf(m *host.Mapping) (word *uint32, sent *atomic.Int64) {
	b := m.Bytes()
	return (*uint32)(unsafe.Pointer(&b[0])), (*atomic.Int64)(unsafe.Pointer(&b[64]))
}

func printLate(late []time.Duration) {
	slices.Sort(late)
	n := len(late)
	fmt.Println(late[n/2].Nanoseconds(), late[n*99/100].Nanoseconds(), late[n-1].Nanoseconds())
}

// roleLatency follows n records, each of which is the time at which its append was
// called, and prints how late they came: DIR RECORDS READONLY.
func roleLatency(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	j, err := journal.Open(args[0], journal.Options{ReadOnly: args[2] == "true", Sync: journal.SyncNone})
	if err != nil {
		return err
	}
	defer j.Close() // only read from
	fmt.Println("following")
	late := make([]time.Duration, 0, n)
	for rec, err := range j.Follow(context.Background(), journal.Position{}) {
		now := time.Now().UnixNano()
		if err != nil {
			return err
		}
		late = append(late, time.Duration(now-int64(binary.LittleEndian.Uint64(rec.Value))))
		if len(late) == n {
			break
		}
	}
	printLate(late)
	return nil
}

// BenchmarkFollow measures how long it takes from the call of an append until
// another process has the record in its Follow, on a machine that has nothing else
// to do: the median, the 99th percentile and the most, in microseconds.
//
// How long it takes to wake another process at all is measured in the same way:
// a processor that had nothing to do is slow to begin.
func BenchmarkFollow(b *testing.B) {
	const n = 5000
	every := func(b *testing.B, pause time.Duration, c *child, send func() error) {
		if line, err := c.out.ReadString('\n'); err != nil {
			b.Fatal(line, err)
		}
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for range n {
			<-tick.C
			if err := send(); err != nil {
				b.Fatal(err)
			}
		}
		out, err := bufio.NewReader(strings.NewReader(c.finish(b))).ReadString('\n')
		if err != nil {
			b.Fatal(err)
		}
		for i, f := range strings.Fields(out) {
			ns, err := strconv.ParseFloat(f, 64)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(ns/1e3, []string{"p50-us", "p99-us", "max-us"}[i])
		}
	}
	for _, pause := range []time.Duration{20 * time.Microsecond, 300 * time.Microsecond} {
		b.Run(fmt.Sprintf("raw/%v", pause), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "word")
			if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
				b.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close() // only mapped
			m, err := host.MapShared(f, 4096)
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close() // only looked at
			word, sent := wordsOf(m)
			every(b, pause, spawn(b, "wakes", path, fmt.Sprint(n)), func() error {
				sent.Store(time.Now().UnixNano())
				atomic.AddUint32(word, 1)
				return host.WakeWord(word)
			})
		})
		for _, readOnly := range []bool{false, true} {
			b.Run(fmt.Sprintf("readonly=%v/%v", readOnly, pause), func(b *testing.B) {
				dir := b.TempDir()
				j := open(b, dir, journal.Options{Sync: journal.SyncNone})
				every(b, pause, spawn(b, "latency", dir, fmt.Sprint(n), fmt.Sprint(readOnly)), func() error {
					_, err := j.Append(nil, binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixNano())))
					return err
				})
			})
		}
	}
}

// BenchmarkTell is what it costs a writer that nobody follows: a look at one word,
// against an append of 100 bytes without sync.
func BenchmarkTell(b *testing.B) {
	d := b.TempDir()
	dir, err := os.Open(d)
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close() // only looked into
	id := control.Identity{UUID: [16]byte{1}, Boot: [16]byte{2}}
	if err := control.Create(dir, id, 1, 0, 0o600, true); err != nil {
		b.Fatal(err)
	}
	page, err := control.Open(dir, id)
	if err != nil {
		b.Fatal(err)
	}
	defer page.Close() // only looked at
	j := open(b, b.TempDir(), journal.Options{Sync: journal.SyncNone})
	var tell, appended time.Duration
	for b.Loop() {
		start := time.Now()
		for range 1000 {
			page.Tell()
		}
		tell += time.Since(start)
		start = time.Now()
		for range 1000 {
			if _, err := j.Append(nil, make([]byte, 100)); err != nil {
				b.Fatal(err)
			}
		}
		appended += time.Since(start)
	}
	b.ReportMetric(100*float64(tell)/float64(appended), "%ofAppend")
}
