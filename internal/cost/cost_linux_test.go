package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

// program builds the program, without what the test is built with.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cost")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// quiet makes the runtime do little by itself.
func quiet(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	return cmd
}

// calls are the system calls of a run that have to do with files, by name.
func calls(t *testing.T, cost, op string, times int) map[string]int {
	t.Helper()
	dir := t.TempDir()
	list := filepath.Join(dir, "calls")
	cmd := quiet(exec.Command("strace", "-f", "-qq", "-o", list, "-e", "trace=%file,%desc", "-e", "signal=none",
		cost, op, strconv.Itoa(times), filepath.Join(dir, "j")))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	n := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +(\w+)\(`).FindAllStringSubmatch(string(b), -1) {
		n[m[1]]++
	}
	return n
}

// The operations leave what they should in the journal. It also makes the library a part
// of this test, so that go test knows when to count again.
func TestOperations(t *testing.T) {
	for op, want := range map[string]int{"append": 3, "append 1 KiB": 3, "append, durable": 3, "batch": 300, "get": 3} {
		dir := filepath.Join(t.TempDir(), "j")
		if err := run([]string{op, "3", dir}); err != nil {
			t.Errorf("%s: %v", op, err)
			continue
		}
		r, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
		if err != nil || r.Records != uint64(want) {
			t.Errorf("%s: %d records, want %d: %v", op, r.Records, want, err)
		}
	}
}

// The system calls of an operation, and no other ones.
func TestSystemCalls(t *testing.T) {
	if out, err := exec.Command("strace", "-f", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot be used here: %v: %s", err, out)
	}
	cost := program(t)
	for op, want := range map[string]string{
		"append":          "lseek 1, writev 1",
		"append 1 KiB":    "lseek 1, writev 1",
		"append, durable": "fcntl 2, fdatasync 1, fstat 1, lseek 1, writev 1",
		"batch":           "lseek 1, writev 1",
		"get":             "lseek 2, pread64 1, writev 1", // one of append in front of it
	} {
		const times = 200
		few, many := calls(t, cost, op, times), calls(t, cost, op, 3*times)
		var got []string
		for _, name := range []string{"fcntl", "fdatasync", "flock", "fstat", "lseek", "newfstatat", "openat", "pread64", "preadv", "pwrite64", "readv", "write", "writev"} {
			each := float64(many[name]-few[name]) / (2 * times)
			if each > 0.02 { // less is the runtime's
				got = append(got, fmt.Sprint(name, " ", math.Round(100*each)/100))
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s; want %s", op, s, want)
		}
	}
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// instructions counts those of a run inside of a function.
func instructions(t *testing.T, cost, op string, times int, function string) float64 {
	t.Helper()
	cmd := quiet(exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
		"--toggle-collect="+function, cost, op, strconv.Itoa(times), filepath.Join(t.TempDir(), "j")))
	out, err := cmd.CombinedOutput()
	m := collected.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v: %s", err, out)
	}
	n, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n / float64(times)
}

// The instructions of an operation, within a band. Whoever makes one cheaper lowers the
// number; whoever needs more says why.
func TestInstructions(t *testing.T) {
	const counted = "go1.26" // another compiler makes other instructions
	if runtime.GOARCH != "amd64" || !strings.HasPrefix(runtime.Version(), counted) {
		t.Skipf("the numbers are of %s on amd64", counted)
	}
	if out, err := exec.Command("valgrind", "--version").CombinedOutput(); err != nil {
		t.Skipf("valgrind cannot be used here: %v: %s", err, out)
	}
	cost := program(t)
	for _, c := range []struct {
		op, function string
		times        int
		want         float64
	}{
		{"append", "main.appended", 4000, 2540},
		{"append 1 KiB", "main.appendedLarge", 4000, 3520},
		{"append, durable", "main.appended", 500, 12300},
		{"batch", "main.batched", 500, 34200},
		{"get", "main.got", 4000, 3330},
	} {
		got := instructions(t, cost, c.op, c.times, c.function)
		t.Logf("%s: %.0f instructions", c.op, got)
		if got < 0.9*c.want || got > 1.1*c.want {
			t.Errorf("%s: %.0f instructions, want %.0f, or a tenth more or less", c.op, got, c.want)
		}
	}
}
