package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"
)

// process is another process that plays a role.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, role string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t, cmd, in, bufio.NewScanner(out)}
	t.Cleanup(func() {
		_ = in.Close() // the end of its orders ends it
		_ = cmd.Wait()
	})
	return p
}

func (p *process) tell(order ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, order...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) hear() string {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatal("the other process said nothing:", p.out.Err())
	}
	return p.out.Text()
}

func (p *process) do(want string, order ...any) {
	p.t.Helper()
	p.tell(order...)
	if got := p.hear(); got != want {
		p.t.Fatalf("%v: %s, want %s", order, got, want)
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.cmd.Wait()
}

func init() {
	open := map[string]*os.File{}
	roles["locker"] = func(args []string) string {
		f := open[args[1]]
		if f == nil {
			var err error
			// A directory, or a file for reading and writing.
			if f, err = os.OpenFile(args[1], os.O_RDWR, 0); err != nil {
				if f, err = os.Open(args[1]); err != nil {
					return err.Error()
				}
			}
			open[args[1]] = f
		}
		var ok bool
		var err error
		switch args[0] {
		case "dir":
			ok, err = TryLockDir(f, args[2] == "exclusive")
		case "undir":
			ok, err = true, UnlockDir(f)
		case "byte":
			ok, err = TryLockByte(f, 7, args[2] == "exclusive")
		case "wait":
			ok, err = true, LockByte(f, 7)
		case "unbyte":
			ok, err = true, UnlockByte(f, 7)
		}
		return fmt.Sprint(ok, err)
	}

	roles["publisher"] = func(args []string) string {
		useWay(strings.ReplaceAll(args[0], "_", " "))
		dir, err := os.Open(args[1])
		if err != nil {
			return err.Error()
		}
		defer dir.Close()
		switch err := Publish(dir, "f", 0o600, false, content(strings.Repeat(args[2], 100_000))); {
		case err == nil:
			return "won"
		case errors.Is(err, fs.ErrExist):
			return "lost"
		default:
			return err.Error()
		}
	}

	roles["adder"] = func(args []string) string {
		f, err := os.OpenFile(args[0], os.O_RDWR, 0)
		if err != nil {
			return err.Error()
		}
		m, err := MapShared(f, 4096)
		if err := errors.Join(err, f.Close()); err != nil {
			return err.Error()
		}
		for range 100_000 {
			counter(m).Add(1)
		}
		return fmt.Sprint(m.Close())
	}
}

// counter is the second word of a mapping.
func counter(m *Mapping) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&m.Bytes()[8]))
}

func TestPublishProcesses(t *testing.T) {
	var others []*process
	for range 4 {
		others = append(others, start(t, "publisher"))
	}
	for _, way := range []string{"unnamed", "unnamed_without_proc", "temporary_name"} {
		for range 10 {
			dir := newDir(t)
			for i, p := range others {
				p.tell(way, dir.Name(), i)
			}
			winner := -1
			for i, p := range others {
				switch got := p.hear(); {
				case got == "won" && winner < 0:
					winner = i
				case got != "lost":
					t.Errorf("%s: process %d: %s, winner so far %d", way, i, got, winner)
				}
			}
			wantContent(t, dir, "f", strings.Repeat(fmt.Sprint(winner), 100_000))
		}
	}
}

func TestMappingProcesses(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "f", strings.Repeat("\x00", 4096), os.O_RDWR)
	m, err := MapShared(f, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil { // the mapping lives on
		t.Fatal(err)
	}
	a, b := start(t, "adder"), start(t, "adder")
	a.tell(dir.Name() + "/f")
	b.tell(dir.Name() + "/f")
	for _, p := range []*process{a, b} {
		if got := p.hear(); got != "<nil>" {
			t.Fatal(got)
		}
	}
	if got := counter(m).Load(); got != 200_000 {
		t.Errorf("counted %d", got)
	}
	if err := m.Close(); err != nil || m.Bytes() != nil {
		t.Error(err)
	}
	if err := m.Close(); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestMapSharedSizes(t *testing.T) {
	f := newFile(t, newDir(t), "f", "text", os.O_RDWR)
	for _, size := range []int{-1, 0, 5, 4096} {
		if _, err := MapShared(f, size); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%d bytes of 4: %v", size, err)
		}
	}
}
