// Package portable is about what differs between machines: the order of bytes, the
// width of words, and what an emulator makes of system calls. A journal that was written
// on one machine is read on each other one, and what they say has to be the same, byte
// for byte, and what the oracle says.
//
// The other machines are emulated by qemu-user; 386 runs natively on an amd64.
package portable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// machine is a processor that peers can be run on.
type machine struct {
	arch   string // as the go command calls it
	runner string // program that emulates it, "" if there need be none
	peer   string // path of the program, once it is built
}

// emulators are the names that qemu has for processors.
var emulators = map[string]string{"amd64": "x86_64", "386": "i386", "arm64": "aarch64", "s390x": "s390x"}

// errNoMachine says that a machine cannot be had here.
var errNoMachine = errors.New("cannot be emulated here")

// find returns the machine of an architecture.
func find(arch string) (*machine, error) {
	m := &machine{arch: arch}
	if arch == runtime.GOARCH || arch == "386" && runtime.GOARCH == "amd64" {
		return m, nil
	}
	name := "qemu-" + emulators[arch]
	for _, n := range []string{name, name + "-static"} {
		if path, err := exec.LookPath(n); err == nil {
			m.runner = path
			return m, nil
		}
	}
	return nil, fmt.Errorf("%s %w: there is no %s", arch, errNoMachine, name)
}

// moduleRoot is where the sources are: they are needed to build for other machines.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Root}}", peerPackage).Output()
	if err != nil {
		return "", fmt.Errorf("the sources are needed, and the go command does not find them: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

const peerPackage = "github.com/manypen/manypen/internal/torture/portable/peer"

// build makes the peer of a machine in dir.
func (m *machine) build(ctx context.Context, root, dir string) error {
	m.peer = filepath.Join(dir, "peer-"+m.arch)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", m.peer, peerPackage)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+runtime.GOOS, "GOARCH="+m.arch, "CGO_ENABLED=0")
	cmd.WaitDelay = time.Second // the linker is a child, and holds the pipe
	if out, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("build for %s: %w: %s", m.arch, err, out), ctx.Err())
	}
	return nil
}

// run runs the peer and returns what it prints.
func (m *machine) run(ctx context.Context, args ...string) (string, error) {
	line := append([]string{m.peer}, args...)
	if m.runner != "" {
		line = append([]string{m.runner}, line...)
	}
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w: %s", m.arch, args[0], err, errs.String())
	}
	return string(out), nil
}

// test runs the tests of a package on a machine.
func (m *machine) test(ctx context.Context, root, pkg string) error {
	args := []string{"test", "-short", "-timeout", "14m"}
	env := append(os.Environ(), "GOARCH="+m.arch, "CGO_ENABLED=0")
	if m.runner != "" {
		args = append(args, "-exec", m.runner)
		env = append(env, "VIO_TEST_RUNNER="+m.runner) // for tests that start processes
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir, cmd.Env = root, env
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("GOARCH=%s go test %s: %w:\n%s", m.arch, pkg, err, lastLines(string(out), 60))
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
