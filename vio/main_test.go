package vio

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// childEnv names the role that a re-executed test binary plays instead of
// running tests.
const childEnv = "VIO_TEST_CHILD"

// children are the roles, set by the files that use them. A child prints what
// is wrong and exits with 1.
var children = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if err := children[role](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// child returns the command that runs role in another process.
func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := again(t, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	return cmd
}

// again returns the command that runs this binary once more, through the program
// in VIO_TEST_RUNNER if that is set: the kernel may not run the binaries of
// another architecture by itself.
func again(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Skip("no executable to run again:", err)
	}
	if runner := os.Getenv("VIO_TEST_RUNNER"); runner != "" {
		exe, args = runner, append([]string{os.Args[0]}, args...)
	}
	return exec.Command(exe, args...)
}

func runChild(t *testing.T, role string, args ...string) {
	t.Helper()
	if out, err := child(t, role, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
}

// tempFile returns a new O_APPEND file that has content.
func tempFile(tb testing.TB, content []byte) *os.File {
	tb.Helper()
	f, err := openAppend(filepath.Join(tb.TempDir(), "file"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() }) // tests that close it have checked that
	if _, err := f.Write(content); err != nil {
		tb.Fatal(err)
	}
	return f
}

func contents(tb testing.TB, f *os.File) []byte {
	tb.Helper()
	got, err := os.ReadFile(f.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// pattern returns n bytes that repeat nowhere within reason.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	r.Read(b) // never fails
	return b
}

// cut cuts b into pieces of the given sizes, and a last one with the rest if
// there is any.
func cut(b []byte, sizes ...int) [][]byte {
	var v [][]byte
	for _, n := range sizes {
		v = append(v, b[:n:n])
		b = b[n:]
	}
	if len(b) > 0 {
		v = append(v, b)
	}
	return v
}

// even cuts b into count pieces of equal size.
func even(b []byte, count int) [][]byte {
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = len(b) / count
	}
	return cut(b, sizes...)
}

func concat(v [][]byte) []byte { return bytes.Join(v, nil) }

// wantError checks that err is an *Error with these fields and this cause.
func wantError(tb testing.TB, err error, op string, f *os.File, n, want int64, cause error) {
	tb.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		tb.Fatalf("error is %T %v, want *Error of %v", err, err, cause)
	}
	path := ""
	if f != nil {
		path = f.Name()
	}
	if e.Op != op || e.Path != path || e.N != n || e.Want != want {
		tb.Errorf("error is %+v, want op %s, path %s, %d of %d bytes", e, op, path, n, want)
	}
	if !errors.Is(err, cause) {
		tb.Errorf("error is %v, want %v", err, cause)
	}
}

// appendAll is an Appendv that must succeed.
func appendAll(tb testing.TB, f *os.File, v [][]byte) {
	tb.Helper()
	want, _ := Len(v)
	if n, err := Appendv(f, v); n != want || err != nil {
		tb.Fatalf("Appendv = %d, %v, want %d, nil", n, err, want)
	}
}

// readBack checks that ReadvFullAt finds want at off, in pieces of these sizes.
func readBack(tb testing.TB, f *os.File, want []byte, off int64, sizes ...int) {
	tb.Helper()
	got := make([]byte, len(want))
	n, err := ReadvFullAt(f, cut(got, sizes...), off)
	if len(want) > 0 && (n != int64(len(want)) || err != nil) {
		tb.Fatalf("ReadvFullAt = %d, %v, want %d, nil", n, err, len(want))
	}
	if !bytes.Equal(got, want) {
		tb.Fatalf("ReadvFullAt at %d: bytes differ", off)
	}
}

func sum(sizes []int) (n int) {
	for _, size := range sizes {
		n += size
	}
	return n
}
