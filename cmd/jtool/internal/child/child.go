// Package child runs further processes of this program, for experiments that one
// process cannot make.
//
// A child is the program itself, started by a hidden command and told its role.
// Parent and child talk in lines over the child's standard input and output. No
// child outlives its parent or its deadline: it ends when its input does, and it
// is killed when its time is up.
package child

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Command is the name of the hidden command, below the one that needs it. No
// directory is likely to have it.
const Command = ":child"

// inChild is set in the environment of every child. A program that does not know
// the hidden command, and does what it always does, cannot start children of its
// own then.
const inChild = "MANYPEN_CHILD"

// greeting is the first line of a child: what says something else is another
// program.
const greeting = "manypen child"

// grace is how long a process may take to end once it has been killed. It is up
// only if a system call of it does not return.
const grace = 5 * time.Second

// ErrStuck says that a process that was killed does not end.
var ErrStuck = errors.New("cannot be killed: a system call of it does not return")

// Program is how to start this program as a child.
type Program struct {
	path string
	args []string // args[0] is the name by which the program is called
}

// Of returns the program, given the words of its command line that lead to the
// parent of the hidden command.
func Of(words ...string) (Program, error) {
	if os.Getenv(inChild) != "" {
		return Program{}, fmt.Errorf("the environment has %s: this is a process of an experiment, which cannot start another one", inChild)
	}
	path, err := os.Executable()
	if err != nil {
		return Program{}, err
	}
	// A program that is several by its name must get the same one again.
	args := append([]string{os.Args[0]}, words...)
	return Program{path, append(args, Command)}, nil
}

// Process is a child that runs. One goroutine may read what it says while another
// one does everything else. After Wait nothing can be read from it.
type Process struct {
	name   string
	cmd    *exec.Cmd
	ctx    context.Context // with the time limit
	cancel context.CancelFunc
	limit  time.Duration
	in     io.WriteCloser
	read   sync.Mutex // held by who reads out
	out    *bufio.Reader
	err    tail
	ended  chan struct{} // closed when the process has ended
	result error         // of cmd.Wait; to be read after ended
	whole  chan struct{} // closed when out has been read to its end
	done   sync.Once
}

// Start starts a child in a role. It is killed when ctx ends or the time limit is
// up. It must be ended by [Process.Wait].
func (p Program) Start(ctx context.Context, limit time.Duration, role string, args ...string) (*Process, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	cmd := exec.CommandContext(ctx, p.path)
	cmd.Args = append(append(append([]string{}, p.args...), role), args...)
	cmd.Env = append(os.Environ(), inChild+"=1")
	c := &Process{name: role, cmd: cmd, ctx: ctx, cancel: cancel, limit: limit, ended: make(chan struct{}), whole: make(chan struct{})}
	cmd.Stderr = &c.err
	cmd.WaitDelay = grace // for what else may have the end of the pipe
	out, w, err := os.Pipe()
	if err != nil {
		cancel()
		return nil, err
	}
	cmd.Stdout = w
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err := errors.Join(err, w.Close()); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("start %s: %w", role, err), out.Close())
	}
	c.in, c.out = in, bufio.NewReader(out)
	go func() {
		defer close(c.ended)
		c.result = cmd.Wait()
		<-c.whole
		out.Close() // only read from
	}()
	if line, err := c.Line(); err != nil || line != greeting {
		c.Kill()
		return nil, fmt.Errorf("%s does not take the command %s: it says %q: %w",
			p.path, Command, line, errors.Join(err, c.Wait()))
	}
	return c, nil
}

// PID is the number of the process.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// Line waits for the next line of the child. At its end it returns io.EOF, also
// when a kill has cut the last line.
func (c *Process) Line() (string, error) {
	c.read.Lock()
	defer c.read.Unlock()
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// Lines returns all lines up to the end.
func (c *Process) Lines() (lines []string, err error) {
	for {
		line, err := c.Line()
		switch {
		case err == io.EOF:
			return lines, nil
		case err != nil:
			return lines, err
		}
		lines = append(lines, line)
	}
}

// Expect waits for the next line, which must begin with a word, and returns the
// rest.
func (c *Process) Expect(word string) (string, error) {
	line, err := c.Line()
	if err != nil {
		return "", fmt.Errorf("process %q ended where %q was due: %w", c.name, word, errors.Join(err, c.Wait()))
	}
	rest, ok := strings.CutPrefix(line, word)
	if !ok {
		return "", fmt.Errorf("process %q says %q where %q was due", c.name, line, word)
	}
	return strings.TrimSpace(rest), nil
}

// Tell sends the child a line.
func (c *Process) Tell(line string) error {
	_, err := io.WriteString(c.in, line+"\n")
	return err
}

// Kill ends the child by SIGKILL, or as the system ends a process. What it has
// said can still be read. One that has ended already is no error.
func (c *Process) Kill() error {
	if err := c.cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Wait lets the child end, by closing its input, and waits for it. The error says
// how it ended if that was not by itself and well; the second time it is the same.
func (c *Process) Wait() error {
	c.done.Do(func() {
		c.in.Close() // the child may be gone
		// What nobody reads must not keep it from ending.
		go func() {
			defer close(c.whole)
			c.read.Lock()
			defer c.read.Unlock()
			io.Copy(io.Discard, c.out) // ends with the process
		}()
	})
	deadline, _ := c.ctx.Deadline() // there is one
	timer := time.NewTimer(time.Until(deadline) + grace)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		return fmt.Errorf("process %d (%s) %w", c.PID(), c.name, ErrStuck)
	}
	late := errors.Is(c.ctx.Err(), context.DeadlineExceeded)
	c.cancel()
	switch {
	case c.result == nil:
		return nil
	case late:
		return fmt.Errorf("process %q was not done after %v: %w%s", c.name, c.limit, c.result, c.err.text())
	}
	return fmt.Errorf("process %q: %w%s", c.name, c.result, c.err.text())
}

// Killed reports whether an error of Wait says that a signal ended the child.
func Killed(err error) bool {
	var failed *exec.ExitError
	return errors.As(err, &failed) && !failed.Exited()
}

// tail keeps the end of what a child says on standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailSize; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := bytes.TrimSpace(t.b); len(text) > 0 {
		return ": " + string(text)
	}
	return ""
}
