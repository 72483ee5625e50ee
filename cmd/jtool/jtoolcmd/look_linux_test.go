package jtoolcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/manypen/manypen/journal"
)

// inspect and hist need no permission to write, and say so if they may not read.
func TestLookPermission(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	if err := fill(dir, 100, 200); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(base, "jtool")
	copyExecutable(t, program)
	var user *syscall.SysProcAttr
	if os.Getuid() == 0 {
		user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	first := filepath.Join(dir, "seg.000000001")
	if err := errors.Join(os.Chmod(filepath.Dir(base), 0o711), os.Chmod(base, 0o711), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(first, 0o644)); err != nil {
			t.Error(err)
		}
	})
	as := func(code int, args ...string) string {
		t.Helper()
		_, errOut := runCmd(t, code, &exec.Cmd{Path: program, Args: append([]string{"jtool"}, args...), SysProcAttr: user, Dir: "/"})
		return errOut
	}
	commands := [][]string{{"inspect", dir, "1:8192"}, {"inspect", dir, "1:0"}, {"inspect", dir, "1:9000", "--context", "2"}, {"hist", dir}, {"hist", dir, "--by", "gap"}}
	for _, args := range commands {
		if errOut := as(exitOK, args...); errOut != "" {
			t.Errorf("%s says %q", args[0], errOut)
		}
	}
	if err := os.Chmod(first, 0); err != nil {
		t.Fatal(err)
	}
	for _, args := range commands {
		if errOut := as(exitFailure, args...); !strings.Contains(errOut, "permission denied") || !strings.Contains(errOut, "seg.000000001") {
			t.Errorf("%s says %q", args[0], errOut)
		}
		errOut := as(exitFailure, append(args, "--json")...)
		if n, err := checkJSON([]byte(errOut)); err != nil || n["error"] != 1 {
			t.Errorf("%s --json says %q: %v", args[0], errOut, err)
		}
	}
	if err := os.Chmod(first, 0o644); err != nil {
		t.Fatal(err)
	}
	check(t, dir)
}

// Whoever reads their output may stop doing so.
func TestLookClosedPipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 1<<20)
	for i := range long {
		long[i] = byte(i * i >> 7)
	}
	at, err := j.Append([]byte("long"), long)
	for n := range 20_000 {
		if _, aerr := j.Append(nil, fmt.Append(nil, n)); err == nil {
			err = aerr
		}
	}
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	// Each of them prints more than a pipe holds.
	for _, args := range [][]string{{"inspect", dir, at.String(), "--full"}, {"inspect", dir, at.String(), "--full", "--json"}, {"inspect", dir, at.String(), "--context", "5000"},
		{"hist", dir, "--json", "--interval", "1us"}, {"hist", dir, "--interval", "1us"}} {
		p := start(t, args...)
		p.line(t)
		if err := p.closeOut(); err != nil {
			t.Fatal(err)
		}
		var failed *exec.ExitError
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		errOut := strings.ReplaceAll(p.err.String(), "\n", " ")
		if code := p.cmd.ProcessState.ExitCode(); code != exitOK || errOut != "" && !strings.Contains(errOut, "were merged") {
			t.Errorf("%v exits with %d: %q", args, code, errOut)
		}
	}
	check(t, dir)
}

// A journal that is being written: a writer is at work in front of, between and
// behind the two.
func TestLookLive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	p := start(t, "append", dir, "--ack", "--key", "k")
	var last string
	for n := range 20 {
		p.write(t, fmt.Sprintf("line %d\n", n))
		last, _, _ = strings.Cut(p.line(t), " ")
		out, errOut := jtool(t, exitOK, "", "inspect", dir, last)
		if !strings.Contains(out, fmt.Sprintf("|line %d|", n)) || !strings.Contains(out, "record from "+last) || errOut != "" {
			t.Fatalf("record %d at %s: %q %q", n, last, out, errOut)
		}
		if out, _ := jtool(t, exitOK, "", "hist", dir, "--by", "size"); !strings.Contains(out, fmt.Sprintf("\n%d records, ", n+1)) {
			t.Fatalf("of %d records: %q", n+1, out)
		}
	}
	at, err := journal.ParsePosition(last)
	if err != nil {
		t.Fatal(err)
	}
	at.Offset += 52 + 1 + int64(len("line 19"))
	if out, _ := jtool(t, exitOK, "", "inspect", dir, at.String()); !strings.Contains(out, "the end of the journal") {
		t.Errorf("behind the last record: %q", out)
	}
	// A part of a record, as the writer leaves it while the kernel copies.
	f, err := os.OpenFile(filepath.Join(dir, "seg.000000001"), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 50)
	_, err = io.ReadFull(io.NewSectionReader(f, 8192, 50), b)
	if err == nil {
		_, err = f.Write(b)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if out, _ := jtool(t, exitOK, "", "inspect", dir, at.String()); !strings.Contains(out, "\npending from "+at.String()) {
		t.Errorf("an unfinished record: %q", out)
	}
	if out, _ := jtool(t, exitOK, "", "hist", dir, "--by", "size"); !strings.Contains(out, "\n20 records, ") {
		t.Errorf("with an unfinished record: %q", out)
	}
	p.write(t, "behind it\n")
	p.line(t)
	if out, _ := jtool(t, exitOK, "", "inspect", dir, at.String()); !strings.Contains(out, "\nfragment from "+at.String()) {
		t.Errorf("a torn record: %q", out)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, code := p.wait(t); code != exitOK {
		t.Errorf("append exits with %d: %s", code, p.err.String())
	}
	check(t, dir)
}
