package child

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// Conn is the child's end.
type Conn struct {
	ctx   context.Context
	out   io.Writer
	lines chan string
}

// Role is what a child does. It should end soon after the context: its parent is
// gone then, or wants it to end.
type Role func(ctx context.Context, c *Conn, args []string) error

// Serve plays the role that args names. The end of in ends the context.
func Serve(ctx context.Context, in io.Reader, out io.Writer, roles map[string]Role, args []string) error {
	if len(args) == 0 || roles[args[0]] == nil {
		return fmt.Errorf("%s is for processes that experiments start, and knows no role %q", Command, args)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &Conn{ctx: ctx, out: out, lines: make(chan string)}
	// It may wait for input when the role has ended; it ends with the process.
	go func() {
		defer cancel()
		for s := bufio.NewScanner(in); s.Scan(); {
			select {
			case c.lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := c.Say(greeting); err != nil {
		return err
	}
	return roles[args[0]](ctx, c, args[1:])
}

// Say sends a line, formatted, by one write: a kill cuts no line that the parent
// has seen the beginning of, unless it is longer than a pipe takes at once.
func (c *Conn) Say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

// Hear waits for a line of the parent, or the end of the context.
func (c *Conn) Hear() (string, error) {
	select {
	case line := <-c.lines:
		return line, nil
	case <-c.ctx.Done():
		return "", c.ctx.Err()
	}
}

// Heard returns a line of the parent if there is one.
func (c *Conn) Heard() (line string, ok bool) {
	select {
	case line = <-c.lines:
		return line, true
	default:
		return "", false
	}
}
