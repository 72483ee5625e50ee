//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

func init() { systemCommands["lockdir"] = cmdLockDir }

// lockdir DIR holds the lock of a journal's directory until the script ends. A
// lock belongs to an open file, so jtool is locked out as by another process.
func cmdLockDir(ts *testscript.TestScript, neg bool, args []string) {
	d, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { ts.Check(d.Close()) })
	ts.Check(unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}
