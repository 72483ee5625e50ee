package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/internal/host"
)

// Other processes are this test binary again, with a role. A role says "ready",
// obeys one line of its standard input after the other, and answers each.
const (
	roleVariable = "MANYPEN_CONTROL_ROLE"
	dirVariable  = "MANYPEN_CONTROL_DIR"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var testID = Identity{
	UUID: [16]byte{'m', 'a', 'n', 'y', 'p', 'e', 'n', 0, 1, 2, 3, 4, 5, 6, 7, 8},
	Boot: [16]byte{0xB0, 0x07, 1},
}

func play(role string) error {
	dir, err := os.Open(os.Getenv(dirVariable))
	if err != nil {
		return err
	}
	p, err := Open(dir, testID)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch verb, arg, _ := strings.Cut(in.Text(), " "); verb {
		case "raise": // raise every word to each number up to arg, and watch them
			n, err := strconv.ParseUint(arg, 10, 64)
			if err != nil {
				return err
			}
			if err := climb(p, n); err != nil {
				return err
			}
			fmt.Println("done")
		case "lock":
			ok, err := p.TryLock()
			fmt.Println(ok, err)
		case "unlock":
			fmt.Println(p.Unlock())
		case "await": // say so, and sleep until somebody lets the lock go
			turn := p.Turn()
			fmt.Println("going to sleep")
			for p.Turn() == turn {
				if err := p.Await(turn, time.Hour); err != nil {
					return err
				}
			}
			fmt.Println("awake")
		case "listen": // say so, and sleep until there is news
			seen := p.Listen()
			fmt.Println("listening")
			for told := false; !told; {
				if told, err = p.AwaitNews(seen, time.Hour); err != nil {
					return err
				}
			}
			fmt.Println("news")
		case "begin":
			fmt.Println(p.Begin())
		case "failed":
			p.Failed()
			fmt.Println("done")
		default:
			return fmt.Errorf("%s: no such verb", verb)
		}
	}
	return in.Err()
}

// climb raises the words step by step and reports one that goes back.
func climb(p *Page, n uint64) error {
	var active, ok uint64
	var syn Pos
	for i := uint64(1); i <= n; i++ {
		p.RaiseActive(i)
		p.Succeeded(i, At(i, int64(i)))
		a, s, o := p.Active(), p.Syn(), p.OK()
		if a < active || s < syn || o < ok || a < i || s < At(i, int64(i)) || o < i {
			return fmt.Errorf("words went from %d, %v, %d to %d, %v, %d at step %d", active, syn, ok, a, s, o, i)
		}
		active, syn, ok = a, s, o
	}
	return nil
}

// child is a running role.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func spawn(t *testing.T, dir *os.File) *child {
	t.Helper()
	line := []string{os.Args[0]}
	// The kernel may not run the binaries of another architecture by itself.
	if runner := os.Getenv("VIO_TEST_RUNNER"); runner != "" {
		line = append([]string{runner}, line...)
	}
	c := &child{t: t, cmd: exec.Command(line[0], line[1:]...)}
	c.cmd.Env = append(os.Environ(), roleVariable+"=page", dirVariable+"="+dir.Name())
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
	if got := c.hear(); got != "ready" {
		t.Fatalf("child said %q", got)
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

func (c *child) tell(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// ask tells and hears.
func (c *child) ask(line, want string) {
	c.t.Helper()
	c.tell(line)
	if got := c.hear(); got != want {
		c.t.Fatalf("%s: child says %q, want %q", line, got, want)
	}
}

// kill ends the child by SIGKILL and waits until it is gone.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		c.cmd.Process.Kill() // it may have ended by itself
		c.cmd.Wait()         // its state says how
	}
}

// needShared skips a test where processes share no memory.
func needShared(t *testing.T) {
	t.Helper()
	if !host.Shared {
		t.Skip("there are no shared pages on this system")
	}
}

func newDir(t *testing.T) *os.File {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// create makes the control file of testID in dir.
func create(t *testing.T, dir *os.File, active uint64, syn Pos) {
	t.Helper()
	needShared(t)
	if err := Create(dir, testID, active, syn, 0o644, false); err != nil {
		t.Fatal(err)
	}
}

// open maps the control file until the test ends.
func open(t *testing.T, dir *os.File) *Page {
	t.Helper()
	p, err := Open(dir, testID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return p
}

func path(dir *os.File) string { return filepath.Join(dir.Name(), Name(testID.Boot)) }

// needFaults skips a test that touches memory which is gone. The emulator of arm64 says
// of such a fault that it was at address 0, which a program takes for a nil pointer.
func needFaults(t *testing.T) {
	t.Helper()
	if runtime.GOARCH == "arm64" && os.Getenv("VIO_TEST_RUNNER") != "" {
		t.Skip("qemu-user does not tell where a fault was")
	}
}
