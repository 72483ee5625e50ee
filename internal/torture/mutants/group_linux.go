package mutants

import (
	"os/exec"
	"syscall"
)

// together makes cmd the first of a process group that is killed as one: what runs the
// faults starts further processes, and a mutant may leave them waiting for ever.
func together(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
