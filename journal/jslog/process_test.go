package jslog_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// A large run by hand:
//
//	go test ./journal/jslog -run Processes -v -jslog.calls 100000 -jslog.procs 8
var (
	flagCalls = flag.Int("jslog.calls", 3000, "calls that each process logs in TestProcesses")
	flagProcs = flag.Int("jslog.procs", 4, "processes of TestProcesses")
)

func init() { roles["log"] = roleLog }

// bufferSize is what a process may hold back in TestProcesses.
const bufferSize = 4 << 10

func processOptions(buffered bool) *jslog.Options {
	opts := &jslog.Options{SyncAt: slog.Level(12), AddSource: true}
	if buffered {
		opts.Buffer = jslog.Buffer{Size: bufferSize, FlushAt: slog.LevelError}
	}
	return opts
}

// roleLog logs COUNT calls, or without an end if COUNT is negative, and says on
// its standard output how many of them have returned: DIR NAME COUNT BUFFERED.
func roleLog(args []string) error {
	dir, name := args[0], args[1]
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 256 << 10})
	if err != nil {
		return err
	}
	var failure error
	opts := processOptions(args[3] == "true")
	opts.OnError = func(err error) { failure = err }
	h := jslog.New(j, opts)
	log := slog.New(h).With("process", name)
	rng := rand.New(rand.NewPCG(1, uint64(len(name))))
	padding := strings.Repeat("näher <&> \n", 100)
	fmt.Println("ready")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil { // all begin at the same time
		return err
	}
	for i := 0; i != count; i++ {
		level := slog.LevelInfo
		if i%500 == 499 {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "a call", "i", i, "size", rng.IntN(1000), "text", padding[:rng.IntN(400)])
		if count < 0 {
			fmt.Println(i)
		}
	}
	if err := h.Close(); err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	if st := h.Stats(); st != (jslog.Stats{Handled: uint64(count)}) {
		return fmt.Errorf("%d calls gave %+v", count, st)
	}
	return j.Close()
}

// logged is what the journal has of a process: how many records, and the bytes
// of the largest.
func logged(t *testing.T, dir string) (next map[string]int, largest int) {
	t.Helper()
	next = make(map[string]int)
	for _, line := range lines(t, dir) {
		var rec struct {
			Msg, Process string
			I            int
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if rec.Msg != "a call" || rec.I != next[rec.Process] {
			t.Fatalf("%s, where call %d of %s is due", line, next[rec.Process], rec.Process)
		}
		next[rec.Process]++
		largest = max(largest, len(line))
	}
	return next, largest
}

// Processes log at the same time into one journal, of segments that are full all
// the time. Nothing is lost, nothing is there twice, each process's calls are in
// their order.
func TestProcesses(t *testing.T) {
	for _, buffered := range []string{"false", "true"} {
		t.Run("buffered="+buffered, func(t *testing.T) {
			dir := t.TempDir()
			children := startLoggers(t, dir, *flagProcs, *flagCalls, buffered)
			for _, c := range children {
				c.finish(t)
			}
			next, _ := logged(t, dir)
			for i := range *flagProcs {
				if name := fmt.Sprint("p", i); next[name] != *flagCalls {
					t.Errorf("%s has %d records of %d calls", name, next[name], *flagCalls)
				}
			}
			report := verify(t, dir)
			t.Logf("%d records in %d segments, %d batches", report.Records, report.Segments, report.Batches)
			if want := uint64(*flagProcs * *flagCalls); report.Records != want {
				t.Errorf("%d records instead of %d", report.Records, want)
			}
		})
	}
}

// startLoggers starts processes and lets them begin together.
func startLoggers(t *testing.T, dir string, procs, calls int, buffered string) []*child {
	t.Helper()
	var children []*child
	for i := range procs {
		children = append(children, spawn(t, "log", dir, fmt.Sprint("p", i), strconv.Itoa(calls), buffered))
	}
	for _, c := range children {
		if line := c.hear(t); line != "ready" {
			t.Fatalf("a child says %q", line)
		}
	}
	for _, c := range children {
		if _, err := io.WriteString(c.in, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	return children
}

// The same, and one process is killed somewhere in it. Without a buffer every
// call of it that had returned is there; with one, at most what the buffer held
// is missing, and nothing in front of it. The others lose nothing.
func TestKilledProcess(t *testing.T) {
	for _, buffered := range []string{"false", "true"} {
		t.Run("buffered="+buffered, func(t *testing.T) {
			dir := t.TempDir()
			victim := startLoggers(t, dir, 1, -1, buffered)[0]
			returned := -1
			kill := 200 + rand.IntN(*flagCalls)
			t.Logf("killed after call %d", kill)
			others := make([]*child, *flagProcs-1)
			for i := range others {
				others[i] = spawn(t, "log", dir, fmt.Sprint("q", i), strconv.Itoa(*flagCalls), buffered)
				if line := others[i].hear(t); line != "ready" {
					t.Fatalf("a child says %q", line)
				}
				if _, err := io.WriteString(others[i].in, "go\n"); err != nil {
					t.Fatal(err)
				}
			}
			for returned < kill {
				returned = number(t, victim.hear(t))
			}
			if err := victim.cmd.Process.Signal(os.Kill); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(victim.out)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(rest)) {
				if whole, ok := strings.CutSuffix(line, "\n"); ok {
					returned = number(t, whole)
				}
			}
			if err := victim.cmd.Wait(); err == nil || victim.err.Len() > 0 {
				t.Errorf("the victim ended with %v, and said %q", err, victim.err.String())
			}
			for _, c := range others {
				c.finish(t)
			}
			next, largest := logged(t, dir)
			for i := range others {
				if name := fmt.Sprint("q", i); next[name] != *flagCalls {
					t.Errorf("%s has %d records of %d calls", name, next[name], *flagCalls)
				}
			}
			// The call it was in may have come through, or any number of those whose
			// numbers were still on their way.
			missing := returned + 1 - next["p0"]
			t.Logf("%d calls had returned, %d of them are missing", returned+1, missing)
			if buffered == "false" && missing > 0 {
				t.Errorf("%d calls that had returned are not in the journal", missing)
			}
			// A line has more than 150 bytes; one goroutine never fills the second buffer.
			if most := (bufferSize + largest) / 150; buffered == "true" && missing > most {
				t.Errorf("%d calls are missing, more than the %d a buffer can hold", missing, most)
			}
			verify(t, dir)
		})
	}
}

func number(t *testing.T, line string) int {
	t.Helper()
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
