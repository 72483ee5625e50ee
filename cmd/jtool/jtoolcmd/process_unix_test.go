//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a jtool that runs.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err strings.Builder

	closeOut func() error // closes our end of its standard output
}

// start runs jtool, which is this test binary by another name.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startCmd(t, &exec.Cmd{Path: executable(t), Args: append([]string{"jtool"}, args...)})
}

func executable(t testing.TB) string {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func startCmd(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	cmd.Stderr = &p.err
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	p.in, p.out, p.closeOut = in, bufio.NewReader(out), out.Close
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill() // it may have ended by itself
			cmd.Wait()         // only to be rid of it
		}
	})
	return p
}

func (p *process) write(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		t.Fatalf("%v: %s", err, p.err.String())
	}
}

// line waits for the next line of standard output.
func (p *process) line(t testing.TB) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v after %q: %s", err, line, p.err.String())
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait reads the rest of standard output and returns it and the exit code, -1
// for a signal.
func (p *process) wait(t testing.TB) (string, int) {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Error(err)
	}
	var failed *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return string(rest), p.cmd.ProcessState.ExitCode()
}

// jtool runs jtool and returns what it printed; it must exit with code.
func jtool(t testing.TB, code int, in string, args ...string) (out, errOut string) {
	t.Helper()
	cmd := &exec.Cmd{Path: executable(t), Args: append([]string{"jtool"}, args...), Stdin: strings.NewReader(in)}
	return runCmd(t, code, cmd)
}

func runCmd(t testing.TB, code int, cmd *exec.Cmd) (out, errOut string) {
	t.Helper()
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%.200q exits with %d, want %d: %s", cmd.Args, got, code, e.String())
	}
	return o.String(), e.String()
}

func check(t testing.TB, dir string) {
	t.Helper()
	if err := sound(dir); err != nil {
		t.Error(err)
	}
}

// An append that waits for input is stopped: what it has acknowledged is there.
func TestSignals(t *testing.T) {
	for code, s := range map[int]os.Signal{exitInterrupted: os.Interrupt, exitTerminated: syscall.SIGTERM} {
		dir := filepath.Join(t.TempDir(), "j")
		p := start(t, "append", dir, "--ack")
		p.write(t, "one\ntwo\nunfinis")
		p.line(t)
		p.line(t)
		p.signal(t, s)
		if rest, got := p.wait(t); got != code || rest != "" || p.err.String() != "" {
			t.Errorf("%v: exits with %d, want %d: %q %q", s, got, code, rest, p.err.String())
		}
		if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\ntwo\n" {
			t.Errorf("%v: %q is there", s, out)
		}
		check(t, dir)

		follower := start(t, "tail", dir, "-f", "-o", "raw")
		follower.line(t)
		follower.line(t)
		follower.signal(t, s)
		if _, got := follower.wait(t); got != code {
			t.Errorf("%v: tail -f exits with %d, want %d: %s", s, got, code, follower.err.String())
		}
	}
}

// SIGUSR1 asks how far a command is, also if it says nothing by itself.
func TestStatusSignal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	for _, flags := range [][]string{nil, {"--progress=json"}, {"--json"}, {"-q"}} {
		// Standard error is a pipe here, to see the answer before the end.
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close() // only read from
		cmd := &exec.Cmd{Path: executable(t), Args: append([]string{"jtool", "append", dir, "--ack"}, flags...), Stderr: w}
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start(), w.Close()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(in, "one")
		acks := bufio.NewReader(out)
		if _, err := acks.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		answer, err := bufio.NewReader(r).ReadString('\n')
		if len(flags) > 0 && strings.HasSuffix(flags[0], "json") {
			if _, jerr := checkJSON([]byte(answer)); err == nil {
				err = jerr
			}
		} else if !strings.HasPrefix(answer, "jtool: 1 records, ") {
			t.Errorf("%v: answer %q", flags, answer)
		}
		if err != nil {
			t.Errorf("%v: %q, %v", flags, answer, err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(acks)
		if err = errors.Join(err, cmd.Wait()); err != nil || strings.Contains(string(rest), "seconds") {
			t.Errorf("%v: %q, %v", flags, rest, err)
		}
	}
	check(t, dir)
}

// An append is killed at any moment. Everything acknowledged is there once, in
// order, and nothing that was not given; at most one record more than was
// acknowledged, since the last acknowledgement may be lost with its writer.
func TestKilledAppend(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := filepath.Join(t.TempDir(), "j")
	var want []string // what must be there
	for round := range rounds {
		sync := []string{"end", "none", "always"}[rng.IntN(3)]
		p := start(t, "append", dir, "--ack", "--sync", sync, "--segment-size", "256KiB")
		go func() {
			w := bufio.NewWriter(p.in)
			for n := 0; ; n++ {
				if _, err := fmt.Fprintf(w, "%d.%d %s\n", round, n, strings.Repeat("y", n%7*(n%5000))); err != nil {
					return // it was killed
				}
			}
		}()
		acks := rng.IntN(200)
		var seen int
		for ; seen < acks; seen++ {
			p.line(t)
		}
		p.signal(t, syscall.SIGKILL)
		rest, _ := p.wait(t)
		seen += strings.Count(rest, "\n")
		for n := range seen {
			want = append(want, fmt.Sprintf("%d.%d", round, n))
		}
		want = append(want, fmt.Sprintf("?%d.%d", round, seen))
	}
	out, errOut := jtool(t, exitOK, "", "dump", dir, "-o", "raw")
	if errOut != "" {
		t.Errorf("dump says %q", errOut)
	}
	k := 0
	for line := range strings.Lines(out) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if strings.Trim(rest, "y") != "" {
			t.Fatalf("seed %d: %s is not what was given", seed, name)
		}
		for k < len(want) && want[k] != name && want[k] != "?"+name {
			if want[k][0] != '?' {
				t.Fatalf("seed %d: %s is there when %s is due", seed, name, want[k])
			}
			k++
		}
		if k++; k > len(want) {
			t.Fatalf("seed %d: nobody gave %s", seed, name)
		}
	}
	for ; k < len(want); k++ {
		if want[k][0] != '?' {
			t.Fatalf("seed %d: %s is not there", seed, want[k])
		}
	}
	check(t, dir)
}

// Two append at once, while others read: nobody sees damage.
func TestTwoAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	const count = 3000
	jtool(t, exitOK, "", "append", dir, "--segment-size", "64KiB")
	var writers []*process
	for w := range 2 {
		p := start(t, "append", dir, "--key", fmt.Sprint("w", w), "--segment-size", "64KiB", "--sync", []string{"none", "end"}[w])
		go func() {
			in := bufio.NewWriter(p.in)
			for n := range count {
				fmt.Fprintf(in, "%d %s\n", n, strings.Repeat("z", n%300)) // the result shows if it failed
			}
			errors.Join(in.Flush(), p.in.Close())
		}()
		writers = append(writers, p)
	}
	for range 5 {
		for _, args := range [][]string{{"dump"}, {"verify"}, {"tail", "-n", "50"}, {"dump", "-r", "-n", "50"}, {"stat"}, {"ls"}, {"verify", "--strict"}} {
			_, errOut := jtool(t, exitOK, "", append([]string{args[0], dir}, args[1:]...)...)
			if errOut != "" {
				t.Errorf("%v: %s", args, errOut)
			}
		}
	}
	for w, p := range writers {
		if _, code := p.wait(t); code != exitOK {
			t.Errorf("writer %d exits with %d: %s", w, code, p.err.String())
		}
	}
	for w := range 2 {
		out, _ := jtool(t, exitOK, "", "dump", dir, "--key", fmt.Sprint("w", w), "-o", "raw")
		n := 0
		for line := range strings.Lines(out) {
			if line != fmt.Sprintf("%d %s\n", n, strings.Repeat("z", n%300)) {
				t.Fatalf("writer %d: %.50q when %d is due", w, line, n)
			}
			n++
		}
		if n != count {
			t.Errorf("writer %d has %d records", w, n)
		}
	}
	check(t, dir)
}

// A follower sees what another process appends, over rotations, saves its
// cursor when it is stopped, and goes on there without gap or repetition.
func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	cursorFile := filepath.Join(t.TempDir(), "cursor")
	w := start(t, "append", dir, "--ack", "--segment-size", "12KiB", "--sync", "none")
	next, seen := 0, 0
	give := func(count int) {
		t.Helper()
		for range count {
			w.write(t, fmt.Sprintf("%d %s\n", next, strings.Repeat("f", 300)))
			w.line(t)
			next++
		}
	}
	give(5)
	for range 6 {
		f := start(t, "tail", dir, "-f", "-n", "1000", "-o", "raw", "--cursor-file", cursorFile)
		give(50) // while it starts
		for range next - seen {
			if line := f.line(t); !strings.HasPrefix(line, fmt.Sprintf("%d f", seen)) {
				t.Fatalf("%.20q follows when %d is due", line, seen)
			}
			seen++
		}
		f.signal(t, syscall.SIGTERM)
		if rest, code := f.wait(t); code != exitTerminated || rest != "" || f.err.String() != "" {
			t.Fatalf("exits with %d: %q %s", code, rest, f.err.String())
		}
		give(20) // while nobody looks
	}
	if err := w.in.Close(); err != nil {
		t.Fatal(err)
	}
	w.wait(t)
	out, _ := jtool(t, exitOK, "", "tail", dir, "-o", "raw", "--cursor-file", cursorFile)
	if n := strings.Count(out, "\n"); n != next-seen || !strings.HasPrefix(out, fmt.Sprintf("%d f", seen)) {
		t.Errorf("%d records behind the cursor, want %d from %d", n, next-seen, seen)
	}
	check(t, dir)
}

// A cursor is kept while nothing happens too: a follower that is killed then
// repeats nothing.
func TestFollowKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	cursorFile := filepath.Join(t.TempDir(), "cursor")
	jtool(t, exitOK, "one\ntwo\n", "append", dir)
	f := start(t, "tail", dir, "-f", "-o", "raw", "--cursor-file", cursorFile)
	f.line(t)
	f.line(t)
	end, _ := jtool(t, exitOK, "", "verify", dir, "--json")
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		p, err := readCursor(cursorFile)
		if err == nil && strings.Contains(end, fmt.Sprintf(`"end":"%v"`, p)) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("cursor is %v, %v; want the end of %s", p, err, end)
		}
	}
	f.signal(t, syscall.SIGKILL)
	f.wait(t)
	jtool(t, exitOK, "three\n", "append", dir)
	if out, _ := jtool(t, exitOK, "", "tail", dir, "-o", "raw", "--cursor-file", cursorFile); out != "three\n" {
		t.Errorf("it goes on with %q", out)
	}
}

// Segments are pruned under a follower: what it has not read is said to be
// gone, what it has is not repeated, and it goes on.
func TestFollowPruned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	w := start(t, "append", dir, "--ack", "--segment-size", "12KiB", "--sync", "none")
	give := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			w.write(t, fmt.Sprintf("%d %s\n", n, strings.Repeat("p", 300)))
			w.line(t)
		}
	}
	give(0, 100)
	f := start(t, "tail", dir, "-f", "-n", "1000", "-o", "raw")
	f.line(t)
	jtool(t, exitOK, "", "prune", dir, "--max-size", "0")
	give(100, 200)
	jtool(t, exitOK, "", "prune", dir, "--max-size", "0")
	last := 0
	for last < 199 {
		line := f.line(t)
		var n int
		if _, err := fmt.Sscanf(line, "%d p", &n); err != nil || n <= last {
			t.Fatalf("%.20q comes behind %d", line, last)
		}
		last = n
	}
	f.signal(t, os.Interrupt)
	if _, code := f.wait(t); code != exitInterrupted {
		t.Errorf("exits with %d: %s", code, f.err.String())
	}
	if err := w.in.Close(); err != nil {
		t.Fatal(err)
	}
	w.wait(t)
	check(t, dir)
}

// Whoever reads our output may stop doing so.
func TestClosedPipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	if err := fill(dir, 5000, 100); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"dump", dir}, {"dump", dir, "-r"}, {"dump", dir, "--json"}, {"tail", dir, "-n", "5000"}, {"tail", dir, "-f", "-n", "5000"}} {
		p := start(t, args...)
		p.line(t)
		if err := p.closeOut(); err != nil {
			t.Fatal(err)
		}
		var failed *exec.ExitError
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		if code := p.cmd.ProcessState.ExitCode(); code != exitOK || p.err.String() != "" {
			t.Errorf("%v exits with %d: %q", args[0], code, p.err.String())
		}
	}
	// An append whose acknowledgements nobody hears must not look finished.
	p := start(t, "append", dir, "--ack")
	p.write(t, "one\n")
	p.line(t)
	if err := p.closeOut(); err != nil {
		t.Fatal(err)
	}
	p.write(t, "two\n")
	var failed *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &failed) || failed.ExitCode() != exitFailure || !strings.Contains(p.err.String(), "acknowledgements") {
		t.Errorf("append: %v: %s", err, p.err.String())
	}
}

// A long line, in a segment that is much smaller.
func TestLongLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	long := strings.Repeat("0123456789abcdef", 5<<16)
	jtool(t, exitOK, "short\n"+long+"\nshort\n", "append", dir, "--segment-size", "12KiB")
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "short\n"+long+"\nshort\n" {
		t.Errorf("%d bytes come back", len(out))
	}
	check(t, dir)
}
