package board

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// childVar names, in the environment of a process, the role that it has as a child.
const childVar = "MANYPEN_TORTURE_CHILD"

// Roles are what further processes of this program can be. A role gets the arguments
// of [Child] and returns the exit code; standard input and output are those of the
// process.
type Roles map[string]func(args []string) int

// RunChild runs the role that this process was started for, and does not return. In a
// process that is no child it does nothing. Programs and TestMain call it first.
func RunChild(roles Roles) {
	name := os.Getenv(childVar)
	if name == "" {
		return
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q: a package's Roles are not given to RunChild\n", name)
		os.Exit(2)
	}
	os.Exit(role(os.Args[1:]))
}

// Child is the command that runs this program in a role. It is killed when ctx ends.
func Child(ctx context.Context, role string, args ...string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), childVar+"="+role)
	return cmd, nil
}

// ModuleRoot is the directory of this module's sources, for classes that run what lies
// there. It is an error if the program was not started in it.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("the module of the current directory: %w", err)
	}
	path, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if path != module {
		return "", fmt.Errorf("the current directory belongs to %s, not to %s", path, module)
	}
	return dir, nil
}

const module = "github.com/manypen/manypen"
