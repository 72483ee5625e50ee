package procs

import (
	"bytes"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"syscall"

	"github.com/manypen/manypen/internal/torture/board"
)

// exec is a process of this program that runs, in a group of its own.
type exec struct {
	cmd *osexec.Cmd
	in  io.WriteCloser
	out *os.File
	err bytes.Buffer // to be read when the process has ended
}

func run(c *board.Case, role string, args ...string) (*exec, error) {
	cmd, err := board.Child(c.Context(), role, args...)
	if err != nil {
		return nil, err
	}
	e := &exec{cmd: cmd}
	cmd.Stderr = &e.err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if e.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	err = cmd.Start()
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	e.out = r
	return e, nil
}

// wait waits for the end of the process, whose output has been read to its end.
func (e *exec) wait() error { return errors.Join(e.cmd.Wait(), e.out.Close()) }

// signal sends a signal. That the process has ended already is no error.
func (e *exec) signal(s syscall.Signal) error {
	if err := e.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (e *exec) kill() error { return e.signal(syscall.SIGKILL) }

func (e *exec) errors() []byte { return e.err.Bytes() }
