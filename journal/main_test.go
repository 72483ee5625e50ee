package journal_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/journal"
)

// Larger runs by hand are made with these; docs/TESTING.md has the lines.
var (
	flagRecords = flag.Int("records", 300, "records each process appends in TestProcesses")
	flagRounds  = flag.Int("rounds", 4, "rounds of TestKilledWriters")
	flagDirs    = flag.String("dirs", "", "comma-separated directories to run process tests in, each on a file system of interest")
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

const roleVariable = "MANYPEN_TEST_ROLE"

// roles are what a child process, this test binary again, can be.
var roles = map[string]func(args []string) error{
	"append": roleAppend,
	"big":    roleBig,
	"follow": roleFollow,
}

// child is a running role and its standard output.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
	err strings.Builder
}

func spawn(t testing.TB, role string, args ...string) *child {
	t.Helper()
	c := newChild(role, args...)
	c.start(t)
	return c
}

func newChild(role string, args ...string) *child {
	line := again(os.Args[0], args...)
	c := &child{cmd: exec.Command(line[0], line[1:]...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	c.cmd.Stderr = &c.err
	return c
}

// again is the command line that runs exe, which is this binary, through the program in
// VIO_TEST_RUNNER if that is set: the kernel may not run the binaries of another
// architecture by itself.
func again(exe string, args ...string) []string {
	line := append([]string{exe}, args...)
	if runner := os.Getenv("VIO_TEST_RUNNER"); runner != "" {
		line = append([]string{runner}, line...)
	}
	return line
}

// start starts a child that ends with the test.
func (c *child) start(t testing.TB) {
	t.Helper()
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			c.cmd.Process.Kill() // it may have ended by itself
			c.cmd.Wait()         // only to be rid of it
		}
	})
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

// places returns a fresh directory on every file system to test on.
func places(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"temp": t.TempDir()}
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "manypen"); err == nil {
			found["shm"] = dir
		}
	}
	if *flagDirs != "" {
		found = make(map[string]string)
		for _, base := range strings.Split(*flagDirs, ",") {
			dir, err := os.MkdirTemp(base, "manypen")
			if err != nil {
				t.Fatal(err)
			}
			found[base] = dir
		}
	}
	for _, dir := range found {
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
	}
	return found
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

// all returns every record of a journal as a new reader sees them.
func all(t testing.TB, dir string) []journal.Record {
	t.Helper()
	j := open(t, dir, journal.Options{ReadOnly: true})
	defer j.Close() // read only
	var recs []journal.Record
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	return recs
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

// segments returns the paths of the segment files.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
