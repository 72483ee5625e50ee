// Package exampletest is what the tests of the examples share.
package exampletest

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

// NeedLinux skips a test elsewhere: a second writer is refused there.
func NeedLinux(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("several processes write one journal on Linux only")
	}
}

// Run carries out the program that run is, with nothing to read, and returns what it
// ends with and what it says. Its standard error is a file, as its children have it too.
func Run(t testing.TB, run func(args []string, in io.Reader, out io.Writer, errs *os.File) int, args ...string) (status int, out, errs string) {
	t.Helper()
	var o bytes.Buffer
	e, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() // only read from
	status = run(args, strings.NewReader(""), &o, e)
	said, err := os.ReadFile(e.Name())
	if err != nil {
		t.Fatal(err)
	}
	return status, o.String(), string(said)
}

// Verify checks everything in dir, and that nothing is wrong with it.
func Verify(t testing.TB, dir string) journal.Report {
	t.Helper()
	r, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Corrupt() || r.Missing() > 0 {
		t.Errorf("verify: corrupt %v, missing %d", r.Corrupt(), r.Missing())
	}
	return r
}
