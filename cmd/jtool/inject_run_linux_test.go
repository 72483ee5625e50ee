package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
)

// hang is when a run counts as hung. It is a thousand times what a run takes:
// nobody holds a lock, so nothing in it waits. No further run is made then, for
// one that goes round in circles may fill the disk.
const (
	hang   = 2 * time.Minute
	margin = 20 * time.Second
)

// rig is what all runs share.
type rig struct {
	strace []string // with the arguments that all runs have
	locked string   // jtool with the main goroutine on the main thread
	plain  string   // jtool
	base   string   // directory of all journals
	boot   string   // name of the control file of this boot
	tally  tally
	hung   atomic.Bool // a run was
}

func newRig(t *testing.T) *rig {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed:", err)
	}
	// strace knows files by the paths that the kernel gives them.
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, err := host.BootID()
	if err != nil {
		t.Skip("journals of this machine have no control files:", err)
	}
	r := &rig{base: base, boot: control.Name(id)}
	r.build(t)
	// -y shows which file a call was about. With a filter in the kernel only
	// the calls of interest stop; old versions of strace and some sandboxes
	// do not have it.
	r.strace = []string{strace, "-f", "-qq", "-y", "-e", "signal=none", "--seccomp-bpf"}
	if err := r.probe(); err != nil {
		r.strace = r.strace[:len(r.strace)-1]
		if err := r.probe(); err != nil {
			t.Skip("strace may not trace here, or is too old:", err)
		}
	}
	return r
}

// probe traces a run as the others are traced.
func (r *rig) probe() error {
	args := append(slices.Clone(r.strace[1:]), "-o", os.DevNull, "-e", "trace=openat",
		"-e", "inject=openat:error=EIO:when=1000..1001", r.plain, "version")
	if out, err := exec.Command(r.strace[0], args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %.300s", err, out)
	}
	return nil
}

// build builds jtool as it is, and with one more file that locks the main
// goroutine to its thread: the only change that makes strace's counts mean
// something. No race detector and no libc, whose calls would come first.
func (r *rig) build(t *testing.T) {
	t.Helper()
	r.plain, r.locked = filepath.Join(r.base, "plain"), filepath.Join(r.base, "locked")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	lock, overlay := filepath.Join(r.base, "lock.go"), filepath.Join(r.base, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "lock.go"): lock}})
	err = errors.Join(err, os.WriteFile(overlay, text, 0o600), os.WriteFile(lock,
		[]byte("package main\n\nimport \"runtime\"\n\nfunc init() { runtime.LockOSThread() }\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-o", r.plain}, {"-o", r.locked, "-overlay", overlay}} {
		cmd := exec.Command("go", append([]string{"build"}, append(args, ".")...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
}

// result is how a run ended.
type result struct {
	code           int // -1: a signal
	signal         syscall.Signal
	hung           bool
	stdout, stderr string
	trace          string
	hits           int // calls that failed

	crash string // first words of one, "" for none
	own   bool   // it is the Go runtime's
}

// command is strace on a run of jtool. A fault without a call is none, and all
// calls are traced.
func (r *rig) command(ctx context.Context, run *run, f fault, log string) *exec.Cmd {
	args := append(slices.Clone(r.strace[1:]), "-o", log)
	if f.call != "" {
		args = append(args, "-e", "trace="+f.call, "-e", f.inject())
	} else {
		args = slices.DeleteFunc(args, func(a string) bool { return a == "--seccomp-bpf" }) // there is nothing to filter
	}
	if f.mode.paths {
		for _, path := range run.paths(r.boot) {
			args = append(args, "-P", path)
		}
	}
	program := r.locked
	if f.mode.free {
		program = r.plain
	}
	cmd := exec.CommandContext(ctx, r.strace[0], append(append(args, program), run.args...)...)
	cmd.Env = os.Environ()
	if !f.mode.free {
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	}
	// To end strace alone would set free what it traces.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = margin / 2
	return cmd
}

// jtool makes a run.
func (r *rig) jtool(t *testing.T, run *run, f fault) result {
	t.Helper()
	limit := time.Now().Add(hang)
	if end, ok := t.Deadline(); ok && end.Add(-margin).Before(limit) {
		limit = end.Add(-margin) // when that is over nobody would end what runs
	}
	ctx, cancel := context.WithDeadline(t.Context(), limit)
	defer cancel()
	log := filepath.Join(run.path, "trace")
	cmd := r.command(ctx, run, f, log)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	in, err := os.Open(run.input)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() // only read from
	cmd.Stdin = in
	err = cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) && ctx.Err() == nil {
		t.Fatal(err)
	}
	trace, err := readSome(log)
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	res := result{code: cmd.ProcessState.ExitCode(), hung: ctx.Err() != nil,
		stdout: stdout.String(), stderr: stderr.String(), trace: trace}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		res.signal = status.Signal()
	}
	res.hits = strings.Count(res.trace, injected)
	res.crash, res.own = crashOf(f, res)
	if res.hung {
		r.hung.Store(true)
	}
	return res
}

// readSome reads a trace, but not all of one that goes round in circles.
func readSome(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read from
	b, err := io.ReadAll(io.LimitReader(f, 16<<20))
	return string(b), err
}

// injected is strace's mark of a call that it made fail.
const injected = "(INJECTED)"

var traceLine = regexp.MustCompile(`^(\d+) +(\w+)\(`)

// callsOf counts the calls of a trace, for each the most that one thread makes.
func callsOf(trace string) map[string]int {
	threads := make(map[string]map[string]int)
	most := make(map[string]int)
	for line := range strings.Lines(trace) {
		m := traceLine.FindStringSubmatch(line)
		if m == nil {
			continue // the second half of a call
		}
		if threads[m[1]] == nil {
			threads[m[1]] = make(map[string]int)
		}
		threads[m[1]][m[2]]++
		most[m[2]] = max(most[m[2]], threads[m[1]][m[2]])
	}
	return most
}

func tailOf(text string, lines int) string {
	all := strings.SplitAfter(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}

// tally is what the runs have come to, for the log.
type tally struct {
	mu        sync.Mutex
	runs      int
	struck    int // runs in which a call failed
	hits      int
	calls     map[string]int // hits
	codes     map[int]int
	crashes   map[string]int // of the runtime
	unnoticed map[string]int // exit code 0 after a hard error
	mended    int            // runs with EINTR and exit code 0
	late      map[string]int // all acknowledged, and not 0
}

func (y *tally) add(f fault, res result) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.calls == nil {
		y.calls, y.codes, y.crashes = make(map[string]int), make(map[int]int), make(map[string]int)
		y.unnoticed, y.late = make(map[string]int), make(map[string]int)
	}
	y.runs++
	if res.hits == 0 {
		return
	}
	y.struck++
	y.hits += res.hits
	y.calls[f.call] += res.hits
	switch {
	case res.own:
		y.crashes[f.call+": "+numbers.ReplaceAllString(res.crash, "N")]++
		return
	case res.code == 0 && f.errno == "EINTR":
		y.mended++
	case res.code == 0:
		y.unnoticed[siteOf(res.trace)]++
	case strings.Count(res.stdout, "\n") >= f.scenario.lines:
		y.late[siteOf(res.trace)]++
	}
	y.codes[res.code]++
}

var (
	numbers   = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)
	tracePath = regexp.MustCompile(`<(/[^>]*)>`)
	traceName = regexp.MustCompile(`"([^"]*)"`)
)

// siteOf names the first call of a trace that failed, and what kind of file it
// was about.
func siteOf(trace string) string {
	for line := range strings.Lines(trace) {
		m := traceLine.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, injected) {
			continue
		}
		kind := ""
		if p := tracePath.FindStringSubmatch(line); p != nil {
			kind = p[1]
		}
		if p := traceName.FindStringSubmatch(line); p != nil && strings.Contains(line, "at(") {
			kind = p[1]
		}
		kind = filepath.Base(kind)
		for _, prefix := range []string{"seg.", "ctl.", "tmp.", "#", "pipe:", "run."} {
			if strings.HasPrefix(kind, prefix) {
				kind = prefix
			}
		}
		if strings.Contains(line, "O_TMPFILE") {
			kind = "O_TMPFILE"
		}
		return m[2] + " " + kind
	}
	return "?"
}

func (y *tally) log(t *testing.T) {
	y.mu.Lock()
	defer y.mu.Unlock()
	t.Logf("%d runs; in %d of them calls failed, %d in all; exit codes %v; %d runs went on after EINTR", y.runs, y.struck, y.hits, y.codes, y.mended)
	t.Logf("failed calls: %v", y.calls)
	for _, m := range []struct {
		name   string
		counts map[string]int
	}{
		{"the runtime gave up", y.crashes},
		{"exit code 0 after an error", y.unnoticed},
		{"all acknowledged, and an error", y.late},
	} {
		for _, key := range slices.Sorted(maps.Keys(m.counts)) {
			t.Logf("%s: %s: %d", m.name, key, m.counts[key])
		}
	}
}
