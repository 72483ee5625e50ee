package jtoolcmd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// What a shell exits with if a command is not there, or cannot be run.
const (
	exitNotFound   = 127
	exitCannotRun  = 126
	exitBySignal   = 128     // and the number of the signal
	longestOutput  = 1 << 20 // of a line
	lingerAfterEnd = time.Second
)

func (t *tool) runCmd() *cobra.Command {
	w := writing{t: t}
	var key, errKey string
	var tee bool
	cmd := &cobra.Command{
		Use:   "run DIR [--key K] -- CMD...",
		Short: "Run a command and append each line it prints as a record",
		Long: `run starts a command, appends every line of its standard output and standard error
as a record, and exits with its exit code, or 128 and the number of the signal that
ended it. Signals that ask to stop are passed on to it.

A line is a record as soon as its newline is there, and survives the death of the
command and of jtool from then on; what has no newline yet when the command ends is
a record too. One of more than 1 MiB becomes several records. What cannot be
appended, because the disk is full for instance, is printed on standard error
instead, and the exit code is 1 if the command's was 0. A process that the command
leaves behind is listened to for a second.`,
		Example: `  jtool run DIR --key backup -- /usr/local/bin/backup --verbose
  jtool run DIR --key out --stderr-key err --tee -- make`,
		Args: cobra.MinimumNArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 || cmd.ArgsLenAtDash() > 1 {
				return usagef("run needs a journal and a command: jtool run DIR -- CMD...")
			}
			if !cmd.Flags().Changed("stderr-key") {
				errKey = key
			}
			path, err := exec.LookPath(args[1])
			if err != nil {
				return &exitError{notRunnable(err), err.Error()} // before a journal is made
			}
			if err := w.open(cmd, args[0], "lines", 0); err != nil {
				return err
			}
			c := capture{w: &w, tee: tee, keys: [2][]byte{[]byte(key), []byte(errKey)}}
			err = c.run(path, args[1:])
			if ferr := w.finish(nil); ferr != nil && err == nil {
				err = ferr
			} else if ferr != nil {
				t.printError(ferr, exitFailure) // the exit code is the command's
			}
			return err
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "key of the records")
	cmd.Flags().StringVar(&errKey, "stderr-key", "", "key of the lines of standard error, if another one")
	cmd.Flags().BoolVar(&tee, "tee", false, "print the lines too, on the stream they came from")
	return cmd
}

func notRunnable(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitCannotRun
}

// capture is a command that runs, and its two streams.
type capture struct {
	w    *writing
	tee  bool
	keys [2][]byte // of standard output and standard error

	mu   sync.Mutex
	lost int   // lines that were not appended
	err  error // why the first was not
}

// run runs the command to its end, and then until nobody writes to its streams any
// more or a second has passed without a line. The end of the context is no reason to
// stop: the command has got the signal too, and decides.
func (c *capture) run(path string, args []string) error {
	cmd := exec.Command(path)
	cmd.Args, cmd.Stdin = args, os.Stdin
	var ends [2]*os.File
	for i, to := range []*io.Writer{&cmd.Stdout, &cmd.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer w.Close() // the command's own copy is what matters
		defer r.Close() // only read from
		ends[i], *to = r, w
	}
	if err := cmd.Start(); err != nil {
		return &exitError{exitCannotRun, err.Error()}
	}
	for _, w := range []io.Writer{cmd.Stdout, cmd.Stderr} {
		w.(*os.File).Close() // cannot fail in a way that matters: nothing was written
	}
	c.w.t.keepCode = true
	stop := passSignals(cmd.Process)
	var lines sync.WaitGroup
	var heard [2]chan struct{}
	for i, r := range ends {
		heard[i] = make(chan struct{}, 1)
		lines.Go(func() { c.read(i, r, heard[i]) })
	}
	err := cmd.Wait()
	stop()
	c.linger(ends, heard, &lines)
	return c.verdict(cmd, err)
}

// passSignals hands signals that ask to stop to the command. Those that a terminal
// sends it gets by itself too; twice is as good as once to who wants to stop.
func passSignals(p *os.Process) (stop func()) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case s := <-signals:
				// It fails if the process has just ended, which is what was asked for.
				_ = p.Signal(s)
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(done)
		wg.Wait()
	}
}

// linger waits for the ends of the streams, as long as something is heard.
func (c *capture) linger(ends [2]*os.File, heard [2]chan struct{}, lines *sync.WaitGroup) {
	ended := make(chan struct{})
	go func() { lines.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return
		case <-heard[0]:
		case <-heard[1]:
		case <-time.After(lingerAfterEnd):
			c.w.t.note("the command has ended and left a process behind that has its output open; what that prints from now on is not appended")
			for _, r := range ends {
				if r.SetReadDeadline(time.Now()) != nil {
					return // no deadlines here: the reader ends with the program
				}
			}
			<-ended
			return
		}
	}
}

// read appends the lines of one stream.
func (c *capture) read(stream int, r io.Reader, heard chan<- struct{}) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		select {
		case heard <- struct{}{}:
		default:
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < longestOutput:
			continue
		case err == nil || errors.Is(err, bufio.ErrBufferFull) || len(line) > 0:
			c.line(stream, line)
			line = line[:0]
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return // the end, or the deadline of linger
		}
	}
}

// line appends one line, or prints it if that cannot be done.
func (c *capture) line(stream int, line []byte) {
	out := [2]io.Writer{c.w.t.out, c.w.t.err}[stream]
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.w.put(c.keys[stream], bytes.TrimSuffix(line, []byte("\n")), ""); err != nil {
		if c.lost++; c.err == nil {
			c.err = err
			c.w.t.note("cannot append, and print what should have been: %v", err)
		}
		out = c.w.t.err
	} else if !c.tee {
		return
	}
	out.Write(line) // there is nobody to tell
}

// verdict is the command's exit code as an error.
func (c *capture) verdict(cmd *exec.Cmd, err error) error {
	var exit *exec.ExitError
	code := 0
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = exitBySignal + int(status.Signal())
		}
	case err != nil:
		return fmt.Errorf("%s: %w", cmd.Path, err)
	}
	if c.lost > 0 {
		text := fmt.Sprintf("%d lines were not appended but printed on standard error: %v", c.lost, c.err)
		if code == 0 {
			code = exitFailure
		}
		return &exitError{code, text}
	}
	if code == 0 {
		return nil
	}
	return &exitError{code: code}
}
