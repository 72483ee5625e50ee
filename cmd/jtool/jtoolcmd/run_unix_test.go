//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A signal is the command's to answer: what it prints then is captured, and its
// exit code is the one of run. A second signal is passed on as well.
//
//	command         run
//	"ready"
//	                SIGTERM, passed on
//	"not yet"
//	                SIGINT, passed on
//	"bye", exit 5
//	                exit 5
func TestRunSignals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	script := `trap 'echo not yet' TERM; trap 'echo bye; exit 5' INT; echo ready; while :; do sleep 0.01; done`
	p := start(t, "run", dir, "--tee", "--", "sh", "-c", script)
	if line := p.line(t); line != "ready" {
		t.Fatalf("got %q", line)
	}
	p.signal(t, syscall.SIGTERM)
	if line := p.line(t); line != "not yet" {
		t.Fatalf("got %q", line)
	}
	p.signal(t, os.Interrupt)
	if rest, code := p.wait(t); rest != "bye\n" || code != 5 {
		t.Errorf("exits with %d after %q: %s", code, rest, p.err.String())
	}
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "ready\nnot yet\nbye\n" {
		t.Errorf("%q is there", out)
	}
	check(t, dir)
}

// A line is in the journal as soon as its newline is there: it survives SIGKILL of
// run, whose command goes on without it.
func TestRunKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	p := start(t, "run", dir, "--tee", "--", "cat")
	p.write(t, "one\ntwo\n")
	if a, b := p.line(t), p.line(t); a != "one" || b != "two" {
		t.Fatalf("got %q, %q", a, b)
	}
	p.write(t, "no newline")
	p.signal(t, os.Kill)
	p.wait(t)
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\ntwo\n" {
		t.Errorf("%q is there", out)
	}
	check(t, dir)
}

// What cannot be appended is printed, and the exit code says so.
func TestRunCannotAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	jtool(t, exitOK, "", "append", dir, "--segment-size", "12KiB", "--max-record", "100")
	for _, c := range []struct {
		script string
		code   int
	}{{"echo one; printf '%0200d\\n' 7; echo two", exitFailure}, {"printf '%0200d\\n' 7; exit 3", 3}} {
		out, errOut := jtool(t, c.code, "", "run", dir, "--", "sh", "-c", c.script)
		if out != "" || strings.Count(errOut, strings.Repeat("0", 199)+"7\n") != 1 || !strings.Contains(errOut, "1 lines were not appended") {
			t.Errorf("%s: %q, %q", c.script, out, errOut)
		}
	}
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\ntwo\n" {
		t.Errorf("%q is there", out)
	}
	check(t, dir)
}
