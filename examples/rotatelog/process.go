package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strconv"
)

// work is a process that logs.
func work(cfg config, number string, out io.Writer) error {
	p, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("%s: %w", processEnv, err)
	}
	l := cfg.logger()
	log.SetOutput(l) // as with lumberjack
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	for n := range cfg.lines {
		log.Printf(lineFormat, p, n, "GET /index.html 200")
		// Package log cannot say whether Write has failed, Close can; a byte for
		// each line lets the first process kill this one in the middle.
		if _, err := out.Write([]byte{'.'}); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	return l.Close()
}

// lineFormat is what a process logs: its number, that of the line from 0, and a
// request.
const lineFormat = "process %d line %d %s with enough text to make a line of a usual length"

// parseLine reads what package log has made of that.
func parseLine(text []byte) (p, n int, err error) {
	i := bytes.Index(text, []byte("process "))
	if i < 0 {
		return 0, 0, fmt.Errorf("%q is no line of this program", text)
	}
	if _, err := fmt.Sscanf(string(text[i:]), "process %d line %d", &p, &n); err != nil {
		return 0, 0, fmt.Errorf("%q: %w", text, err)
	}
	if want := fmt.Sprintf(lineFormat, p, n, "GET /index.html 200"); want != string(text[i:]) {
		return 0, 0, fmt.Errorf("%q is not %q", text, want)
	}
	return p, n, nil
}

// process is one that logs, as the first process sees it.
type process struct {
	cmd    *exec.Cmd
	out    io.Reader
	victim bool
	lines  int // that it has told of
	err    error
}

// runProcesses lets the processes log and returns how many lines each has told
// of. The last one is killed, if one is to be, when it has told of half of its
// lines.
func runProcesses(cfg config, errs *os.File) ([]int, error) {
	var all []*process
	var err error
	for p := range cfg.procs {
		var started *process
		if started, err = startProcess(cfg, p, errs); err != nil {
			break
		}
		all = append(all, started)
	}
	done := make(chan *process)
	for _, p := range all {
		if err != nil { // another one did not start
			_ = p.cmd.Process.Kill() // it may have ended; Wait tells
		}
		go func() {
			p.listen((cfg.lines + 1) / 2)
			done <- p
		}()
	}
	for range all {
		p := <-done
		if p.err != nil {
			err = errors.Join(err, p.err)
		}
	}
	told := make([]int, len(all))
	for i, p := range all {
		if told[i] = p.lines; err == nil && !p.victim && p.lines != cfg.lines {
			err = fmt.Errorf("process %d has told of %d lines instead of %d", i, p.lines, cfg.lines)
		}
	}
	return told, err
}

func startProcess(cfg config, number int, errs *os.File) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, cfg.flags()...), victim: cfg.kill && number == cfg.procs-1}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", processEnv, number))
	p.cmd.Stderr = errs
	if p.victim { // it never comes to its end
		p.cmd.Args = append(p.cmd.Args, "-lines", strconv.Itoa(1<<30))
	}
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// listen counts what a process says until it has ended.
func (p *process) listen(killAt int) {
	r := bufio.NewReader(p.out)
	for {
		if _, err := r.ReadByte(); err != nil {
			break
		}
		if p.lines++; p.victim && p.lines == killAt {
			if p.err = p.cmd.Process.Kill(); p.err != nil {
				break
			}
		}
	}
	err := p.cmd.Wait()
	if p.victim && err == nil {
		p.err = errors.Join(p.err, errors.New("the victim was killed and ended well"))
	}
	if !p.victim {
		p.err = errors.Join(p.err, err)
	}
}
