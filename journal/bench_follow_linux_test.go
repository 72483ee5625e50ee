package journal_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/journal"
)

func init() { roles["latency"] = roleLatency }

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
	slices.Sort(late)
	fmt.Println(late[n/2].Nanoseconds(), late[n*99/100].Nanoseconds(), late[n-1].Nanoseconds())
	return nil
}

// BenchmarkFollow measures how long it takes from the call of an append until
// another process has the record in its Follow, on a machine that has nothing else
// to do: the median, the 99th percentile and the most, in microseconds.
func BenchmarkFollow(b *testing.B) {
	for _, readOnly := range []bool{false, true} {
		b.Run(fmt.Sprintf("readonly=%v", readOnly), func(b *testing.B) {
			dir := b.TempDir()
			j := open(b, dir, journal.Options{Sync: journal.SyncNone})
			const n = 5000
			c := spawn(b, "latency", dir, fmt.Sprint(n), fmt.Sprint(readOnly))
			if line, err := c.out.ReadString('\n'); err != nil {
				b.Fatal(line, err)
			}
			tick := time.NewTicker(300 * time.Microsecond)
			defer tick.Stop()
			for range n {
				<-tick.C
				if _, err := j.Append(nil, binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))); err != nil {
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
		})
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
			if err := page.Tell(); err != nil {
				b.Fatal(err)
			}
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
