// Package jtoolcmd is the command tree of jtool. A program that keeps a journal
// can mount it under a command of its own.
//
// What commands print on standard output is data, what they print on standard
// error is for people. Exit codes are part of the contract; see [Main].
package jtoolcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/internal/host"
)

// tool is what all commands of one run share.
type tool struct {
	in       io.Reader
	out, err io.Writer

	json     bool
	quiet    bool
	verbose  bool
	color    string
	progress string

	// terminal says that standard error is one.
	terminal bool
	// stopped is the exit code of the signal that ended the run, 0 if none did.
	// It is written before the context ends and read after the run has.
	stopped int
}

const longHelp = `jtool reads and writes journals beside any number of live writers. Commands that
read need no write permission and wait for nobody.

Positions are SEGMENT:OFFSET or SEGMENT:OFFSET+INDEX. Times are RFC 3339, a date,
@SECONDS, "now", or a duration before now such as -10m. Sizes take k, M, G and
KiB, MiB, GiB.

Exit codes:
  0    ok
  1    any other failure
  3    partial: some records cannot be read, all others were delivered
  4    corruption (verify)
  5    fragments only, with --strict (verify)
  6    no match: get; dump and tail with --exit-status
  10   no journal there
  11   a lock was not to be had in time
  12   the journal has a format version that this program does not know
  13   the file system is not safe for a second writer
  64   usage
  130  interrupted; 143 terminated`

// New returns the command tree. It reads from in and writes to out and err.
func New(in io.Reader, out, errOut io.Writer) *cobra.Command {
	root, _ := newRoot(in, out, errOut)
	return root
}

// lockedWriter lets the progress and the command write to standard error at
// the same time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func newRoot(in io.Reader, out, errOut io.Writer) (*cobra.Command, *tool) {
	t := &tool{in: in, out: &pipeWriter{w: out}, err: &lockedWriter{w: errOut}, terminal: isTerminal(errOut)}
	root := &cobra.Command{
		Use:           "jtool",
		Short:         "Read and write append-only journals",
		Long:          longHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usagef("unknown command %q; jtool --help lists them", args[0])
		},
		Args: cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return t.checkFlags()
		},
	}
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetIn(in)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see %s --help", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.BoolVar(&t.json, "json", false, "print one JSON object a line")
	f.BoolVarP(&t.quiet, "quiet", "q", false, "print no progress and no notes, errors only")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "tell of normal remains (fragments, voids) too")
	f.StringVar(&t.color, "color", "auto", "auto, always or never; accepted, and nothing is coloured yet")
	f.StringVar(&t.progress, "progress", "auto", "progress on standard error: auto, json or none")
	root.AddCommand(t.appendCmd(), t.importCmd(), t.dumpCmd(), t.getCmd(), t.tailCmd(),
		t.verifyCmd(), t.statCmd(), t.lsCmd(), t.pruneCmd(), t.snapshotCmd(), t.versionCmd())
	t.usageErrors(root)
	return root, t
}

func (t *tool) checkFlags() error {
	switch t.color {
	case "auto", "always", "never":
	default:
		return usagef("--color=%s: want auto, always or never", t.color)
	}
	switch t.progress {
	case "auto", "json", "none":
	default:
		return usagef("--progress=%s: want auto, json or none", t.progress)
	}
	return nil
}

// Main runs jtool with args and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	// A closed pipe is to be an error of the write, which ends the run quietly.
	signal.Ignore(syscall.SIGPIPE)
	// An append beyond a file size limit is to be an error with a position.
	if s := host.FileSizeSignal(); s != nil {
		signal.Ignore(s)
	}
	root, t := newRoot(in, out, errOut)
	root.SetArgs(args)
	t.json = wantsJSON(args)
	ctx, stop := t.untilSignal()
	err := root.ExecuteContext(ctx)
	stop()
	if errors.Is(err, errPipeClosed) {
		err = nil
	}
	// What a command says about the data is not asked for any more if it was
	// stopped; that it could not save its cursor is.
	var e *exitError
	if t.stopped != 0 && (err == nil || errors.Is(err, context.Canceled) || errors.As(err, &e)) {
		return t.stopped
	}
	return t.report(err)
}

// usageErrors makes what cobra finds wrong with the arguments of its own
// commands an error in usage.
func (t *tool) usageErrors(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Args = func(_ *cobra.Command, args []string) error {
				if found, _, err := root.Find(args); len(args) > 0 && (err != nil || found == root) {
					return usagef("there is no command %q; jtool --help lists them", args[0])
				}
				return nil
			}
		}
		if c.Name() != "completion" {
			continue
		}
		c.Args, c.RunE = exactArgs(1), func(_ *cobra.Command, args []string) error {
			return usagef("completion %s: want bash, zsh, fish or powershell", args[0])
		}
		for _, shell := range c.Commands() {
			shell.Args = exactArgs(0)
		}
	}
}

// wantsJSON reports whether --json is among args: an error in those in front of
// it is to be told in JSON too.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--json", "--json=true":
			return true
		case "--":
			return false
		}
	}
	return false
}

// untilSignal returns a context that the first signal to stop ends. A second
// one ends the program at once.
func (t *tool) untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case s := <-signals:
			t.stopped = exitInterrupted
			if s == syscall.SIGTERM {
				t.stopped = exitTerminated
			}
			signal.Stop(signals)
			cancel()
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel()
	}
}

// exactArgs is cobra.ExactArgs with a usage error.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %d argument(s), not %d: %s", cmd.Name(), n, len(args), cmd.UseLine())
		}
		return nil
	}
}

func (t *tool) note(format string, args ...any) {
	switch {
	case t.quiet:
	case t.json:
		t.err.Write(appendLine(nil, jsonNote{1, "status", "note", fmt.Sprintf(format, args...)})) // nobody to tell of an error
	default:
		fmt.Fprintf(t.err, "jtool: "+format+"\n", args...)
	}
}

type jsonNote struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Message string `json:"message"`
}
