package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// result is what one race has left.
type result struct {
	Way          string `json:"way"`
	Processes    int    `json:"processes"`
	Run          int    `json:"run"`          // from 1
	Acknowledged int    `json:"acknowledged"` // lines whose Write has returned nil
	Refused      int    `json:"refused"`      // lines whose Write has returned an error
	Lost         int    `json:"lost"`         // acknowledged, and in no file
	Duplicated   int    `json:"duplicated"`   // lines that are there more than once
	Torn         int    `json:"torn"`         // what is between two line ends and is no line
	Zeros        int    `json:"zero_bytes"`   // in front of lines
	Extra        int    `json:"not_acknowledged_but_there"`
	Files        int    `json:"files"`
	Missing      int    `json:"missing_by_its_own_account"`
	CanTell      bool   `json:"can_tell"`

	promises bool
}

// contestant is one process of a race.
type contestant struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  io.ReadCloser
	errs bytes.Buffer
	said []byte // of each line
	err  error
}

// race lets processes write in one way, in a new directory, and counts. With
// kill, process 0 writes without an end and is killed when it has said that half
// of its lines are there: so it is in the middle of its work for certain.
func race(w way, dir string, procs, lines int, kill bool) (result, error) {
	r := result{Way: w.Name, Processes: procs, CanTell: w.promises, promises: w.promises}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return r, err
	}
	if w.prepare != nil {
		if err := w.prepare(dir); err != nil {
			return r, err
		}
	}
	said, err := write(w, dir, procs, lines, kill)
	if err != nil {
		return r, err
	}
	tried := make([]int, procs)
	for p := range said {
		// The victim may have written one more line than it could tell of.
		if kill && p == 0 {
			said[p] = append(said[p], saidRefused)
		}
		tried[p] = len(said[p])
		r.Acknowledged += bytes.Count(said[p], []byte{saidYes})
		r.Refused += bytes.Count(said[p], []byte{saidRefused})
	}
	if kill {
		r.Refused-- // that one
	}
	o := newOracle(tried)
	if r.Files, r.Missing, err = w.read(dir, o); err != nil {
		return r, err
	}
	r.Lost, r.Duplicated, r.Extra = o.count(said)
	r.Torn, r.Zeros = o.torn, o.zeros
	return r, nil
}

// write runs the processes and returns what each said.
func write(w way, dir string, procs, lines int, kill bool) (said [][]byte, err error) {
	all := make([]*contestant, procs)
	defer func() {
		if err == nil {
			return
		}
		for _, c := range all {
			if c != nil {
				_ = c.cmd.Process.Kill() // err says what is wrong already
				_ = c.cmd.Wait()
			}
		}
	}()
	for p := range all {
		c, err := startContestant(job{Way: w.Name, Dir: dir, Process: p, Lines: lines, Victim: kill && p == 0})
		if err != nil {
			return nil, err
		}
		all[p] = c
	}
	for p, c := range all {
		if _, err := io.ReadFull(c.out, make([]byte, 1)); err != nil {
			return nil, fmt.Errorf("process %d did not get ready: %w", p, err)
		}
	}
	for p, c := range all {
		if _, err := c.in.Write([]byte{'\n'}); err != nil {
			return nil, fmt.Errorf("process %d: %w", p, err)
		}
	}
	var listening sync.WaitGroup
	for p, c := range all {
		killAt := -1
		if kill && p == 0 {
			killAt = (lines + 1) / 2
		}
		listening.Go(func() { c.listen(killAt) })
	}
	listening.Wait()
	for p, c := range all {
		waited := c.cmd.Wait()
		all[p] = nil
		switch victim := kill && p == 0; {
		case c.err != nil:
			err = errors.Join(err, fmt.Errorf("process %d: %w", p, c.err))
		case victim && waited == nil:
			err = errors.Join(err, errors.New("the victim ended before it was killed"))
		case !victim && waited != nil:
			err = errors.Join(err, fmt.Errorf("process %d: %w: %s", p, waited, strings.TrimSpace(c.errs.String())))
		case !victim && len(c.said) != lines:
			err = errors.Join(err, fmt.Errorf("process %d told of %d lines instead of %d", p, len(c.said), lines))
		}
		said = append(said, c.said)
	}
	return said, err
}

func startContestant(j job) (*contestant, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	c := &contestant{cmd: exec.Command(self)}
	c.cmd.Env = append(os.Environ(), jobEnv+"="+string(text))
	c.cmd.Stderr = &c.errs
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return c, c.cmd.Start()
}

// listen takes what a process says until it has ended, and kills it when it has
// told of so many lines; -1 is never.
func (c *contestant) listen(killAt int) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := c.out.Read(buffer)
		c.said = append(c.said, buffer[:n]...)
		if killAt >= 0 && len(c.said) >= killAt {
			killAt = -1
			if err := c.cmd.Process.Kill(); err != nil {
				c.err = fmt.Errorf("kill: %w", err)
			}
		}
		if err != nil {
			if err != io.EOF {
				c.err = errors.Join(c.err, err)
			}
			return
		}
	}
}
