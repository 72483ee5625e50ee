//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs jtool on a terminal of its own and returns what that was sent,
// with its line ends as a file has them.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := &exec.Cmd{Path: executable(t), Args: append([]string{"jtool"}, args...)}
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=", "PAGER=cat", "TZ=UTC"), env...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Skip("there is no terminal to be had:", err)
	}
	defer terminal.Close() // only read from
	out, err := io.ReadAll(terminal)
	if err != nil && !errors.Is(err, syscall.EIO) { // which is how Linux says that the other end was closed
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return strings.ReplaceAll(string(out), "\r\n", "\n")
}

// What records hold is shown on a terminal with colours and in columns, and nothing
// of it gets there that is not text.
func TestTerminal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	jtool(t, exitOK, strings.Join(hostile, "\x00"), "append", dir, "--null", "--key", "hostile")
	jtool(t, exitOK, `{"level":"ERROR","msg":"世界"}`+"\n", "append", dir, "--key", "log")
	var sgr = strings.NewReplacer(sgrReset, "", sgrDim, "", sgrBold, "", sgrRed, "", sgrYellow, "", sgrCyan, "")
	unpainted := func(s string) string {
		for _, c := range writerColors {
			s = strings.ReplaceAll(s, c, "")
		}
		return sgr.Replace(s)
	}
	for _, args := range [][]string{
		{"dump", dir}, {"dump", dir, "-o", "verbose"}, {"dump", dir, "-o", "hex"}, {"dump", dir, "-o", "raw"}, {"dump", dir, "--json"},
		{"dump", dir, "-o", "csv"}, {"dump", dir, "-o", "logfmt"}, {"dump", dir, "--template", "{{.Value}}"}, {"tail", dir, "-n", "100"},
		{"tail", dir, "-f", "--for", "50ms", "-n", "100"}, {"get", dir, "hostile"}, {"ls", dir}, {"stat", dir}, {"writers", dir}, {"count", dir},
	} {
		if out := onTerminal(t, nil, args...); !plain(unpainted(out)) || out == "" {
			t.Errorf("%v sends %q", args[0], out)
		}
	}
	out := onTerminal(t, nil, "dump", dir, "--key", "log")
	if !strings.HasPrefix(out, sgrDim+"1:") || !strings.Contains(out, sgrBold+"log"+sgrReset+"  "+sgrRed+`{"level":"ERROR","msg":"世界"}`+sgrReset+"\n") {
		t.Errorf("dump sends %q", out)
	}
	for _, c := range []struct{ env, flag string }{{"NO_COLOR=1", "auto"}, {"TERM=dumb", "auto"}, {"NO_COLOR=", "never"}} {
		if out := onTerminal(t, []string{c.env}, "dump", dir, "--color", c.flag); strings.Contains(out, "\x1b") {
			t.Errorf("%s, --color %s: %q", c.env, c.flag, out)
		}
	}
	if out := onTerminal(t, nil, "writers", dir); !strings.HasPrefix(out, "WRITER") {
		t.Errorf("writers has no header: %q", out)
	}
	check(t, dir)
}

// A pager gets what is printed, and colours too; one that quits early, or cannot be
// started, is no error.
func TestPager(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	if err := fill(dir, 2000, 100); err != nil {
		t.Fatal(err)
	}
	out := onTerminal(t, []string{"PAGER=tail -n 1"}, "dump", dir)
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, sgrDim) || !strings.Contains(out, "001999 x") {
		t.Errorf("through tail -n 1: %q", out)
	}
	if out := onTerminal(t, []string{"PAGER=head -n 2"}, "dump", dir); strings.Count(out, "\n") != 2 {
		t.Errorf("through head -n 2: %q", out)
	}
	for _, env := range []string{"PAGER=", "PAGER=/no/such/pager", "JTOOL_PAGER=cat"} {
		if out := onTerminal(t, []string{"PAGER=head -n 1", env}, "dump", dir, "-n", "5"); strings.Count(out, "\n") != 5 {
			t.Errorf("%s: %q", env, out)
		}
	}
	if out := onTerminal(t, []string{"PAGER=head -n 1"}, "dump", dir, "-n", "5", "--no-pager"); strings.Count(out, "\n") != 5 {
		t.Errorf("--no-pager: %q", out)
	}
	check(t, dir)
}
