package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// value makes the bytes of one record of a test writer: they can be told from
// every other record's, and checked without knowing anything but themselves.
func value(writer string, i, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+64), "%s %d %d ", writer, i, size)
	rng := rand.New(rand.NewPCG(uint64(i), xxhash.Sum64String(writer)))
	start := len(b)
	for len(b) < min(size, 1000) {
		b = append(b, byte(rng.Uint32()))
	}
	// The rest repeats that: a writer should spend its time in appending.
	for len(b) < size {
		b = append(b, b[start:start+min(len(b)-start, size-len(b))]...)
	}
	return b
}

// parse returns what a value says it is, after it has compared it.
func parse(b []byte) (writer string, i int, err error) {
	fields := bytes.SplitN(b, []byte(" "), 4)
	if len(fields) != 4 {
		return "", 0, fmt.Errorf("value %.40q is nobody's", b)
	}
	writer = string(fields[0])
	i, err = strconv.Atoi(string(fields[1]))
	if err != nil {
		return "", 0, err
	}
	size, err := strconv.Atoi(string(fields[2]))
	if err == nil && !bytes.Equal(b, value(writer, i, size)) {
		err = fmt.Errorf("value of %s %d is not what was appended", writer, i)
	}
	return writer, i, err
}

// sizeBetween is log-uniform: small records are as frequent as large ones.
func sizeBetween(rng *rand.Rand, lo, hi int) int {
	return int(math.Exp(math.Log(float64(lo)) + rng.Float64()*(math.Log(float64(hi))-math.Log(float64(lo)))))
}

var processOptions = journal.Options{Sync: journal.SyncNone, SegmentSize: 4 << 20, MaxRecord: 8 << 20}

// roleAppend appends records of 10 bytes to 64 KiB: DIR NAME COUNT.
func roleAppend(args []string) error {
	dir, name := args[0], args[1]
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	j, err := journal.Open(dir, processOptions)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, xxhash.Sum64String(name)))
	for i := range count {
		if _, err := j.Append([]byte(name), value(name, i, sizeBetween(rng, 10, 64<<10))); err != nil {
			return err
		}
	}
	return j.Close()
}

// roleFollow follows the journal until it has seen COUNT records and prints a
// hash of their positions and values: DIR COUNT.
func roleFollow(args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	h, seen := xxhash.New(), 0
	for rec, err := range j.Follow(context.Background(), journal.Position{}) {
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%v %d %d ", rec.Position, rec.Writer, rec.Seq)
		h.Write(rec.Value) // a hash does not fail
		if seen++; seen == count {
			break
		}
	}
	fmt.Printf("%016x\n", h.Sum64())
	return j.Close()
}

// Eight processes append at once while two follow. Nothing is lost, repeated or
// interleaved, each writer's records are in its order, and both followers, like
// a reader that comes afterwards, have seen the same sequence.
func TestProcesses(t *testing.T) {
	for name, dir := range places(t) {
		t.Run(name, func(t *testing.T) {
			const writers = 8
			open(t, dir, processOptions).Close() // followers need a journal
			total := strconv.Itoa(writers * *flagRecords)
			followers := []*child{spawn(t, "follow", dir, total), spawn(t, "follow", dir, total)}
			var appenders []*child
			for i := range writers {
				appenders = append(appenders, spawn(t, "append", dir, fmt.Sprint("w", i), strconv.Itoa(*flagRecords)))
			}
			for _, c := range appenders {
				c.finish(t)
			}
			first := followers[0].finish(t)
			if second := followers[1].finish(t); first != second || len(first) < 16 {
				t.Errorf("followers saw %q and %q", first, second)
			}
			late := spawn(t, "follow", dir, total)
			if third := late.finish(t); third != first {
				t.Errorf("a later reader saw %q, the followers %q", third, first)
			}
			next := make(map[string]int)
			j := open(t, dir, journal.Options{ReadOnly: true})
			for rec, err := range j.Records(journal.Position{}) {
				if err != nil {
					t.Fatal(err)
				}
				w, i, err := parse(rec.Value)
				if err != nil {
					t.Fatal(err)
				}
				if i != next[w] || string(rec.Key) != w {
					t.Fatalf("record %d of %s comes when %d is due", i, w, next[w])
				}
				next[w]++
			}
			if len(next) != writers {
				t.Errorf("%d writers instead of %d", len(next), writers)
			}
			report := verify(t, dir)
			if report.Records != uint64(writers**flagRecords) {
				t.Errorf("%d records instead of %d", report.Records, writers**flagRecords)
			}
			for _, class := range []journal.DamageClass{journal.Fragment, journal.Hole} {
				if report.Classes[class].Count != 0 {
					t.Errorf("%d times %v without a kill", report.Classes[class].Count, class)
				}
			}
		})
	}
}

// roleBig appends values of 1 to 4 MiB until it is killed and acknowledges
// each: DIR NAME.
func roleBig(args []string) error {
	j, err := journal.Open(args[0], processOptions)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(2, xxhash.Sum64String(args[1])))
	for i := 0; ; i++ {
		ack, err := j.AppendAck(nil, value(args[1], i, 1<<20+rng.IntN(3<<20)))
		if err != nil {
			return err
		}
		fmt.Println(ack.Position, ack.Seq, i)
	}
}

// Of four writers of large values two are killed at random moments, again and
// again. Everything acknowledged is there exactly once; what the killed left
// behind are fragments, not corruption.
func TestKilledWriters(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var fragments uint64
	for name, base := range places(t) {
		for round := range *flagRounds {
			dir := fmt.Sprintf("%s/%d", base, round)
			acked := killRound(t, rng, dir)
			seen := make(map[string]int)
			for _, rec := range all(t, dir) {
				w, i, err := parse(rec.Value)
				if err != nil {
					t.Fatal(err)
				}
				seen[fmt.Sprint(w, " ", rec.Position, " ", rec.Seq, " ", i)]++
			}
			for ack := range acked {
				if seen[ack] != 1 {
					t.Errorf("%s round %d: acknowledged record %q is there %d times", name, round, ack, seen[ack])
				}
			}
			for rec, n := range seen {
				if n != 1 {
					t.Errorf("%s round %d: record %q is there %d times", name, round, rec, n)
				}
			}
			fragments += verify(t, dir).Classes[journal.Fragment].Count
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d fragments", fragments)
}

// killRound runs four writers, kills two after a random number of bytes they
// have acknowledged, then the others, and returns all acknowledgements.
func killRound(t *testing.T, rng *rand.Rand, dir string) map[string]bool {
	t.Helper()
	type result struct {
		name string
		out  []byte
	}
	results := make(chan result)
	var children []*child
	for i := range 4 {
		name := fmt.Sprint("w", i)
		c := spawn(t, "big", dir, name)
		children = append(children, c)
		acks := 2 + rng.IntN(4)
		if i < 2 {
			acks = rng.IntN(4)
		}
		spins := rng.IntN(3_000_000)
		go func() { // kill it within the append after the last awaited ack
			var got bytes.Buffer
			tee := bufio.NewReader(io.TeeReader(c.out, &got))
			for range acks {
				if _, err := tee.ReadString('\n'); err != nil {
					break
				}
			}
			for range spins { // a random moment, not a time
			}
			c.cmd.Process.Kill() // it may have failed; then Wait says so
			io.Copy(io.Discard, tee)
			results <- result{name, got.Bytes()}
		}()
	}
	acked := make(map[string]bool)
	for range children {
		r := <-results
		for line := range strings.Lines(string(r.out)) {
			if strings.HasSuffix(line, "\n") {
				acked[r.name+" "+strings.TrimSuffix(line, "\n")] = true
			}
		}
	}
	for _, c := range children {
		c.cmd.Wait() // killed
		if c.err.Len() > 0 {
			t.Errorf("a writer failed: %s", c.err.String())
		}
	}
	return acked
}
