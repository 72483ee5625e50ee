package jtoolcmd

import (
	"errors"
	"os"
	"os/exec"
	"strings"
)

// paged runs f with its output going through a pager, if that goes to a terminal
// and nobody has said no. A pager that cannot be started is done without.
func (t *tool) paged(no bool, f func() error) error {
	out := t.out.(*pipeWriter)
	terminal, ok := out.w.(*os.File)
	if no || !t.tty || !ok {
		return f()
	}
	words := pagerWords()
	if len(words) == 0 {
		return f()
	}
	pager := exec.Command(words[0], words[1:]...)
	pager.Stdout, pager.Stderr = terminal, os.Stderr
	if os.Getenv("LESS") == "" {
		pager.Env = append(os.Environ(), "LESS=FRX") // quit if it fits, colours, leave the text
	}
	in, err := pager.StdinPipe()
	if err == nil {
		err = pager.Start()
	}
	if err != nil {
		return f()
	}
	out.w = in
	err = f()
	out.w = terminal
	cerr := in.Close()
	if errors.Is(cerr, os.ErrClosed) {
		cerr = nil
	}
	// How a pager ends says nothing about the data.
	_ = pager.Wait()
	return errors.Join(err, cerr)
}

// pagerWords is the pager's command line, empty for none.
func pagerWords() []string {
	for _, name := range []string{"JTOOL_PAGER", "PAGER"} {
		if text, ok := os.LookupEnv(name); ok {
			words := strings.Fields(text)
			if len(words) > 0 && words[0] == "cat" {
				return nil
			}
			return words
		}
	}
	if _, err := exec.LookPath("less"); err == nil {
		return []string{"less"}
	}
	return nil
}
