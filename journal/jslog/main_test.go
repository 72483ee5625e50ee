package jslog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/journal"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := roles[role](os.Args[1:]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// raceEnabled is set when the race detector, which allocates, watches.
var raceEnabled bool

const roleVariable = "MANYPEN_TEST_ROLE"

// roles are what a child process, this test binary again, can be.
var roles = map[string]func(args []string) error{}

// child is a running role, its standard input and its standard output.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err strings.Builder
}

// spawn starts a child that ends with the test.
func spawn(t testing.TB, role string, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	c.cmd.Stderr = &c.err
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
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			c.cmd.Process.Kill() // it may have ended by itself
			c.cmd.Wait()         // only to be rid of it
		}
	})
	return c
}

// hear returns the next line of the child.
func (c *child) hear(t testing.TB) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %v: %s", c.cmd.Args, err, c.err.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// finish reads the rest of the child's output and fails the test unless the
// child succeeds.
func (c *child) finish(t testing.TB) string {
	t.Helper()
	rest, err := io.ReadAll(c.out)
	if err != nil {
		t.Error(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("%v: %v: %s", c.cmd.Args, err, c.err.String())
	}
	return string(rest)
}

func open(t testing.TB, dir string, opts journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil && !errors.Is(err, journal.ErrClosed) {
			t.Error(err)
		}
	})
	return j
}

// fresh opens a journal of its own for a test, which is verified at the end.
func fresh(t testing.TB) (j *journal.Journal, dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Cleanup(func() { verify(t, dir) })
	return open(t, dir, journal.Options{Sync: journal.SyncNone}), dir
}

// lines returns the values of all records as a new reader sees them.
func lines(t testing.TB, dir string) []string {
	t.Helper()
	j := open(t, dir, journal.Options{ReadOnly: true})
	defer j.Close() // read only
	var values []string
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, string(rec.Value))
	}
	return values
}

// verify checks everything in dir, and that nothing is wrong with it.
func verify(t testing.TB, dir string) journal.Report {
	t.Helper()
	report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Corrupt() || report.Missing() > 0 || report.Classes[journal.Hole].Count > 0 {
		t.Errorf("journal is damaged: %+v", report)
	}
	return report
}
