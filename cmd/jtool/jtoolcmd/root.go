// Package jtoolcmd is the command tree of jtool. A program that keeps a journal
// can mount it under a command of its own.
//
// What commands print on standard output is data, what they print on standard
// error is for people. Exit codes are part of the contract; see [Main].
package jtoolcmd

import (
	"cmp"
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
	"github.com/manypen/manypen/journal"
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

	// decode is Options.Decode.
	decode func(journal.Record) (key, value string)
	// tty says that standard output is a terminal, terminal that standard error is
	// one, colored that what people read is coloured.
	tty, terminal, colored bool
	// stopped is the exit code of the signal that ended the run, 0 if none did.
	// It is written before the context ends and read after the run has.
	stopped int
	// keepCode says that the exit code is that of a command which got the signal.
	keepCode bool
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
  6    no match: get; dump, tail and count with --exit-status
  10   no journal there
  11   a lock was not to be had in time
  12   the journal has a format version that this program does not know
  13   the file system is not safe for a second writer; doctor: or a promise of
       the journal does not hold there
  64   usage
  130  interrupted; 143 terminated`

// Options configures the command tree. The zero value is jtool itself.
type Options struct {
	// Name is what the command is called; jtool by default.
	Name string
	// In, Out and Err are the standard streams by default.
	In       io.Reader
	Out, Err io.Writer
	// Decode makes text of a key and a value that are no text, such as protocol
	// buffers, for the formats that people read: short, verbose and templates. What
	// in it does not print is escaped. Formats for programs show the bytes as they
	// are. It may be called by several goroutines.
	Decode func(r journal.Record) (key, value string)
}

// New returns the command tree. A program that mounts it under a command of its own
// exits with [ExitCode] of the error that running it returns, and prints that error
// unless its text is empty.
func New(opts Options) *cobra.Command {
	root, _ := newRoot(opts)
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

func newRoot(opts Options) (*cobra.Command, *tool) {
	if opts.In == nil {
		opts.In = os.Stdin
	}
	if opts.Out == nil {
		opts.Out = os.Stdout
	}
	if opts.Err == nil {
		opts.Err = os.Stderr
	}
	t := &tool{
		in: opts.In, out: &pipeWriter{w: opts.Out}, err: &lockedWriter{w: opts.Err},
		tty: isTerminal(opts.Out), terminal: isTerminal(opts.Err) && os.Getenv("TERM") != "dumb", decode: opts.Decode,
	}
	root := &cobra.Command{
		Use:           cmp.Or(opts.Name, "jtool"),
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
	root.SetIn(opts.In)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see %s --help", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.BoolVar(&t.json, "json", false, "print one JSON object a line")
	f.BoolVarP(&t.quiet, "quiet", "q", false, "print no progress and no notes, errors only")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "tell of normal remains (fragments, voids) too")
	f.StringVar(&t.color, "color", "auto", "colours: auto (on a terminal, unless NO_COLOR is set), always or never")
	f.StringVar(&t.progress, "progress", "auto", "progress on standard error: auto, json or none")
	t.addCommands(root)
	t.usageErrors(root)
	return root, t
}

// addCommands adds the commands, in the groups in which --help lists them.
func (t *tool) addCommands(root *cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"read", "Read:", []*cobra.Command{t.dumpCmd(), t.tailCmd(), t.getCmd(), t.countCmd(), t.histCmd(), t.exportCmd()}},
		{"write", "Write:", []*cobra.Command{t.appendCmd(), t.importCmd(), t.runCmd()}},
		{"check", "Look into and check:", []*cobra.Command{t.verifyCmd(), t.statCmd(), t.lsCmd(), t.writersCmd(), t.inspectCmd()}},
		{"machine", "Try the machine:", []*cobra.Command{t.doctorCmd(), t.benchCmd()}},
		{"keep", "Keep:", []*cobra.Command{t.pruneCmd(), t.snapshotCmd(), t.repairCmd()}},
		{"", "", []*cobra.Command{t.manCmd(), t.versionCmd()}},
	} {
		if g.id != "" {
			root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		}
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
}

func (t *tool) checkFlags() error {
	switch t.color {
	case "auto":
		t.colored = t.tty && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		t.colored = true
	case "never":
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
	// A closed pipe is to be an error of the write, which ends the run quietly. The
	// signals are not ignored but dropped: a command that run begins would go on
	// ignoring them.
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, syscall.SIGPIPE)
	// An append beyond a file size limit is to be an error with a position.
	if s := host.FileSizeSignal(); s != nil {
		signal.Notify(dropped, s)
	}
	root, t := newRoot(Options{In: in, Out: out, Err: errOut})
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
	if t.keepCode {
		return t.report(err)
	}
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
