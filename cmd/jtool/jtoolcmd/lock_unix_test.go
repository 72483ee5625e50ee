//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func init() {
	systemCommands["lockdir"] = cmdLockDir
	systemCommands["closed"] = cmdClosed
	systemCommands["powerless"] = cmdPowerless
}

// runAs runs jtool with nothing to read and returns its exit code and standard error.
func runAs(ts *testscript.TestScript, stdout *os.File, user *syscall.SysProcAttr, program string, args []string) (code int, errOut string) {
	var e strings.Builder
	cmd := &exec.Cmd{Path: program, Args: append([]string{"jtool"}, args...), Dir: ts.MkAbs("."), Stderr: &e, SysProcAttr: user}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.Env = append(os.Environ(), "HOME="+ts.MkAbs("."))
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		ts.Fatalf("jtool %q: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), e.String()
}

// closed CODE ARG... runs jtool with a standard output that nobody reads. It must
// exit with CODE, quietly if that is 0.
func cmdClosed(ts *testscript.TestScript, neg bool, args []string) {
	r, w, err := os.Pipe()
	ts.Check(err)
	ts.Check(r.Close())
	defer w.Close() // nothing can be written to it
	self, err := os.Executable()
	ts.Check(err)
	code, errOut := runAs(ts, w, nil, self, args[1:])
	if code != int(number(ts, args[0])) || code == 0 && errOut != "" {
		ts.Fatalf("jtool %q exits with %d, want %s: %s", args[1:], code, args[0], errOut)
	}
}

// powerless CODE PATTERN ARG... runs jtool as somebody who may do nothing that not
// everybody may. It must exit with CODE and say PATTERN.
func cmdPowerless(ts *testscript.TestScript, neg bool, args []string) {
	self, err := os.Executable()
	ts.Check(err)
	var user *syscall.SysProcAttr
	if os.Getuid() == 0 {
		user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		// The way to this binary is not open to everybody, that to the script's
		// directory is made so.
		program := ts.MkAbs("jtool-for-all")
		if _, err := os.Stat(program); err != nil {
			b, err := os.ReadFile(self)
			ts.Check(err)
			ts.Check(os.WriteFile(program, b, 0o755))
			for dir := ts.MkAbs("."); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
				st, err := os.Stat(dir)
				ts.Check(err)
				if st.Mode()&0o001 == 0 {
					ts.Check(os.Chmod(dir, st.Mode().Perm()|0o011))
				}
			}
		}
		self = program
	}
	code, errOut := runAs(ts, nil, user, self, args[2:])
	matched, err := regexp.MatchString(args[1], errOut)
	ts.Check(err)
	if code != int(number(ts, args[0])) || !matched {
		ts.Fatalf("jtool %q exits with %d, want %s: %s", args[2:], code, args[0], errOut)
	}
}

// lockdir DIR holds the lock of a journal's directory until the script ends. A
// lock belongs to an open file, so jtool is locked out as by another process.
func cmdLockDir(ts *testscript.TestScript, neg bool, args []string) {
	d, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { ts.Check(d.Close()) })
	ts.Check(unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}
