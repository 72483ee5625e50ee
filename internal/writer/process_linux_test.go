package writer

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/internal/host"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	goleak.VerifyTestMain(m)
}

// Other processes are this test binary again, with a role. A role prints a line
// when it has come to a point, and goes on when it is sent one.
const (
	roleVariable = "MANYPEN_TEST_ROLE"
	dirVariable  = "MANYPEN_TEST_DIR"
)

// play is main of a child process.
func play(role string) int {
	dir := os.Getenv(dirVariable)
	say := func(line string) { fmt.Println(line) }
	in := bufio.NewReader(os.Stdin)
	await := func() { in.ReadString('\n') }
	fail := func(err error) int { fmt.Fprintln(os.Stderr, role+":", err); return 1 }
	switch role {
	case "lock-directory": // hold the directory lock as one who makes a segment does
		f, err := os.Open(dir)
		if err != nil {
			return fail(err)
		}
		if ok, err := host.TryLockDir(f, together); !ok || err != nil {
			return fail(fmt.Errorf("no lock: %v", err))
		}
		say("ready")
		await()
	case "lock-page": // be in a sync, for ever
		w, err := Open(dir, small)
		if err != nil {
			return fail(err)
		}
		if ok, err := w.page.TryLock(); !ok || err != nil {
			return fail(fmt.Errorf("no lock: %v", err))
		}
		say("ready")
		await()
	case "open-and-die": // open the journal and die at some point of it
		go func() { await(); os.Exit(3) }()
		say("ready")
		for {
			w, err := Open(dir, small)
			if err != nil {
				return fail(err)
			}
			if err := w.Close(); err != nil {
				return fail(err)
			}
		}
	}
	return fail(fmt.Errorf("no such role"))
}

// child is a running role.
type child struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func spawn(t testing.TB, role, dir string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	if line := c.hear(); line != "ready" {
		t.Fatalf("%s said %q", role, line)
	}
	return c
}

func (c *child) hear() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// kill ends the child by SIGKILL and waits until it is gone.
func (c *child) kill() {
	if c.cmd.ProcessState != nil {
		return
	}
	c.cmd.Process.Kill() // it may have ended by itself
	c.cmd.Wait()         // its state says how
}
