package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
)

// master holds the listener and the workers. All of it happens in one goroutine.
type master struct {
	cfg  config
	errs *os.File
	l    *net.TCPListener
	file *os.File // of l, which workers inherit

	live    map[int]*worker
	started int
	killed  map[int]bool
	answers []answer // of the clients
}

// worker is one process that serves.
type worker struct {
	cmd *exec.Cmd
	in  io.Closer // the worker ends when this does
}

// newMaster listens, and starts the workers.
func newMaster(cfg config, errs *os.File) (m *master, err error) {
	m = &master{cfg: cfg, errs: errs, live: make(map[int]*worker), killed: make(map[int]bool)}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.stop())
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return m, err
	}
	m.l = l.(*net.TCPListener)
	if m.file, err = m.l.File(); err != nil {
		return m, err
	}
	for range cfg.workers {
		if err := m.start(); err != nil {
			return m, err
		}
	}
	return m, nil
}

// start starts a worker and waits until it serves.
func (m *master) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m.started++
	cmd := exec.Command(self, m.cfg.flags()...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", workerEnv, m.started))
	cmd.Stderr = m.errs
	cmd.ExtraFiles = []*os.File{m.file} // listenerFD
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
	m.live[m.started] = &worker{cmd, in}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("worker %d said %q instead of that it is ready: %w", m.started, line, err)
	}
	return nil
}

// run sends all requests and kills workers in between: whenever so many requests
// have been answered, the one that has answered last, which is busy.
func (m *master) run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	answers := make(chan answer)
	go load(ctx, m.l.Addr().String(), m.cfg.clients, m.cfg.requests, answers)
	var err error
	answered := 0
	for a := range answers {
		m.answers = append(m.answers, a)
		if a.err != nil || a.wrong != nil {
			continue
		}
		answered++
		due := len(m.killed) < m.cfg.kills && answered >= (len(m.killed)+1)*m.cfg.requests/(m.cfg.kills+2)
		if due && m.live[a.worker] != nil && err == nil {
			if err = m.replace(a.worker); err != nil {
				cancel() // there may be nobody left to answer
			}
		}
	}
	if err == nil && len(m.killed) < m.cfg.kills {
		err = fmt.Errorf("%d kills came about instead of %d: too few requests were answered", len(m.killed), m.cfg.kills)
	}
	return err
}

// replace kills a worker and starts another one. The connections it had are
// reset; those that nobody has accepted yet wait in the listener for the others.
func (m *master) replace(number int) error {
	w := m.live[number]
	if err := w.cmd.Process.Kill(); err != nil {
		return err
	}
	m.killed[number] = true
	delete(m.live, number)
	_ = w.in.Close() // nobody reads it
	if err := w.cmd.Wait(); err == nil {
		return fmt.Errorf("worker %d was killed and ended well", number)
	}
	return m.start()
}

// stop ends the workers and waits for them.
func (m *master) stop() (err error) {
	for _, w := range m.live {
		err = errors.Join(err, w.in.Close())
	}
	for number, w := range m.live {
		if e := w.cmd.Wait(); e != nil {
			err = errors.Join(err, fmt.Errorf("worker %d: %w", number, e))
		}
	}
	clear(m.live)
	if m.file != nil {
		err = errors.Join(err, m.file.Close())
	}
	if m.l != nil {
		err = errors.Join(err, m.l.Close())
	}
	return err
}
