package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/manypen/manypen/journal"
)

// told identifies a command that somebody was answered.
type told struct {
	client string
	number int
}

// crew runs the service processes. All of it happens in the goroutine of run; the
// others only pass on what the services say.
type crew struct {
	cfg    config
	errs   *os.File
	events chan event
	all    map[string]*process // by client

	answers map[told]string // outcomes
	killed  map[string]bool // clients whose first process was killed
	started int
	refused int      // commands that were not sent; those of the killed are not known
	again   []string // how those that were killed started again
}

// process is a service process.
type process struct {
	client   string
	cmd      *exec.Cmd
	in       io.WriteCloser
	doomed   bool
	finished bool
}

// event is a line that a process said, or its end.
type event struct {
	from  *process
	line  string
	ended bool
	err   error
}

func newCrew(cfg config, errs *os.File) *crew {
	return &crew{
		cfg: cfg, errs: errs, events: make(chan event), all: make(map[string]*process),
		answers: make(map[told]string), killed: make(map[string]bool),
	}
}

// run returns when all commands of all clients are decided.
func (c *crew) run() error {
	for i := range c.cfg.services {
		if err := c.start(fmt.Sprintf("client-%d", i)); err != nil {
			return err
		}
	}
	for !c.finished() {
		if err := c.take(<-c.events); err != nil {
			return err
		}
	}
	return nil
}

func (c *crew) finished() bool {
	for _, p := range c.all {
		if !p.finished || p.doomed {
			return false
		}
	}
	return len(c.killed) == c.cfg.kills
}

// start starts a service for a client.
func (c *crew) start(client string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, c.cfg.flags()...)
	cmd.Env = append(os.Environ(), clientEnv+"="+client)
	cmd.Stderr = c.errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{client: client, cmd: cmd, in: in}
	c.all[client] = p
	c.started++
	go func() {
		// What a process said before it was killed is still in the pipe; it has
		// ended only when all of that is read.
		for r := bufio.NewReader(out); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				break
			}
			c.events <- event{from: p, line: strings.TrimSpace(line)}
		}
		c.events <- event{from: p, ended: true, err: cmd.Wait()}
	}()
	return nil
}

// take takes an event while commands are sent.
func (c *crew) take(e event) error {
	p := e.from
	if e.ended {
		delete(c.all, p.client)
		_ = p.in.Close() // nobody reads it
		if !p.doomed || e.err == nil {
			return fmt.Errorf("%s ended: %v", p.client, e.err)
		}
		return c.start(p.client)
	}
	kind, rest, _ := strings.Cut(e.line, " ")
	var err error
	switch kind {
	case lineStarted:
		if c.killed[p.client] {
			c.again = append(c.again, rest)
		}
	case lineFinished:
		n := 0
		_, err = fmt.Sscan(rest, &n)
		c.refused += n
		p.finished = true
	case lineDecided:
		var number int
		var outcome string
		if _, err = fmt.Sscanf(rest, "%d %q", &number, &outcome); err == nil {
			err = c.decided(p, number, outcome)
		}
	default:
		err = errors.New("nobody knows what that means")
	}
	if err != nil {
		return fmt.Errorf("%s said %q: %w", p.client, e.line, err)
	}
	return nil
}

// decided takes an answer, and kills the service that gave it if it is time to:
// when it has half of its commands behind it. It is busy with the next one then.
func (c *crew) decided(p *process, number int, outcome string) error {
	k := told{p.client, number}
	if old, twice := c.answers[k]; twice {
		return fmt.Errorf("command %d was answered %q before", number, old)
	}
	c.answers[k] = outcome
	if len(c.killed) < c.cfg.kills && !c.killed[p.client] && number >= (c.cfg.commands+1)/2 {
		c.killed[p.client] = true
		p.doomed = true
		return p.cmd.Process.Kill()
	}
	return nil
}

// states asks all services for their state at a position, and lets them end.
func (c *crew) states(end journal.Position) (map[string]string, error) {
	states := make(map[string]string)
	for _, p := range c.all {
		if _, err := fmt.Fprintln(p.in, end); err != nil {
			return nil, errors.Join(err, c.stop())
		}
	}
	for len(c.all) > 0 {
		e := <-c.events
		switch digest, is := strings.CutPrefix(e.line, lineState+" "); {
		case is:
			states[e.from.client] = digest
		case e.ended && e.err == nil:
			_ = e.from.in.Close() // nobody reads it
			delete(c.all, e.from.client)
		default:
			if e.ended {
				delete(c.all, e.from.client)
			}
			return nil, errors.Join(fmt.Errorf("%s said %q at the end: %v", e.from.client, e.line, e.err), c.stop())
		}
	}
	return states, nil
}

// stop ends all services after a failure, and waits for them.
func (c *crew) stop() error {
	for _, p := range c.all {
		_ = p.cmd.Process.Kill() // it may have ended; Wait tells
	}
	for len(c.all) > 0 {
		if e := <-c.events; e.ended {
			delete(c.all, e.from.client)
		}
	}
	return nil
}
