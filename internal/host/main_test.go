package host

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// roleVar makes the test binary play one of the roles instead of running tests,
// so that tests can have other processes.
const roleVar = "HOST_TEST_ROLE"

// A role obeys one line of its standard input after the other, and says what
// came of it by one line of its own.
var roles = map[string]func(args []string) string{}

func TestMain(m *testing.M) {
	if name := os.Getenv(roleVar); name != "" {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			fmt.Println(roles[name](strings.Fields(in.Text())))
		}
		os.Exit(0)
	}
	// On js/wasm the runtime has a goroutine of its own.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
}

// raceEnabled is set when the race detector, which allocates, watches.
var raceEnabled bool

// newDir makes an empty directory and opens it. When the test ends no
// temporary name may be left in it.
func newDir(t *testing.T) *os.File {
	t.Helper()
	return openDir(t, t.TempDir())
}

func openDir(t *testing.T, path string) *os.File {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		noTemps(t, dir)
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func noTemps(t *testing.T, dir *os.File) {
	t.Helper()
	names, err := ListIn(dir)
	if err != nil {
		t.Error(err)
	}
	if i := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, TempPrefix) }); i >= 0 {
		t.Errorf("%s was left behind", names[i])
	}
}

// content writes text, for Publish and Replace.
func content(text string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	}
}

func wantContent(t *testing.T, dir *os.File, name, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(dir.Name(), name))
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s has %d bytes, want %d, or others", name, len(got), len(want))
	}
}

// newFile makes a file and opens it.
func newFile(t *testing.T, dir *os.File, name, text string, flag int) *os.File {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir.Name(), name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenIn(dir, name, flag)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
