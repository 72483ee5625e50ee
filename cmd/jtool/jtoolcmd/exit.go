package jtoolcmd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/manypen/manypen/journal"
)

// Exit codes; longHelp has them in words. 2 is what a crashed Go program exits
// with and never used.
const (
	exitOK          = 0
	exitFailure     = 1
	exitPartial     = 3
	exitCorruption  = 4
	exitFragments   = 5
	exitNoMatch     = 6
	exitNoJournal   = 10
	exitTimeout     = 11
	exitVersion     = 12
	exitUnsafe      = 13
	exitUsage       = 64
	exitInterrupted = 130
	exitTerminated  = 143
)

// exitError is an error with an exit code of its own. Without a text the code
// says everything, and nothing is printed.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Sprintf(format, args...)}
}

// ExitCode returns the exit code of an error that a command of the tree has
// returned; jtool --help lists them.
func ExitCode(err error) int { return exitCode(err) }

func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, journal.ErrVersion):
		return exitVersion
	case errors.Is(err, journal.ErrUnsafe):
		return exitUnsafe
	case errors.Is(err, journal.ErrTimeout):
		return exitTimeout
	case errors.Is(err, journal.ErrNotJournal):
		return exitNoJournal
	}
	return exitFailure
}

// passable reports whether an error costs a reader some records only.
func passable(err error) bool {
	return errors.Is(err, journal.ErrForeign) || errors.Is(err, journal.ErrMissing) ||
		errors.Is(err, journal.ErrCorrupt) || errors.Is(err, journal.ErrPruned)
}

// report prints an error and returns its exit code.
func (t *tool) report(err error) int {
	code := exitCode(err)
	if err != nil && err.Error() != "" {
		t.printError(err, code)
	}
	return code
}

func (t *tool) printError(err error, code int) {
	if !t.json {
		text := strings.ReplaceAll(err.Error(), "\n", "\njtool: ")
		t.err.Write(append(appendSafe([]byte("jtool: "), []byte(text)), '\n')) // nobody to tell of an error
		return
	}
	o := struct {
		V       int    `json:"v"`
		Type    string `json:"type"`
		Message string `json:"message"`
		Code    int    `json:"code"`
		Path    string `json:"path,omitempty"`
		Segment string `json:"segment,omitempty"`
		Offset  string `json:"offset,omitempty"`
	}{V: 1, Type: "error", Message: err.Error(), Code: code}
	var place *journal.Error
	if errors.As(err, &place) {
		o.Path = place.Path
		if place.Segment != 0 {
			o.Segment = strconv.FormatUint(place.Segment, 10)
			o.Offset = strconv.FormatInt(place.Offset, 10)
		}
	}
	t.err.Write(appendLine(nil, o)) // nobody to tell of an error
}

// errPipeClosed says that nobody reads standard output any more.
var errPipeClosed = errors.New("standard output was closed")

// pipeWriter turns the error of a closed pipe into errPipeClosed: that is how
// `jtool dump | head` ends, quietly.
type pipeWriter struct{ w io.Writer }

func (p *pipeWriter) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, fs.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return n, errPipeClosed
	}
	return n, err
}
