package jtoolcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
)

// inWorkshop calls f with a new directory on the file system of dir, and removes it
// again. It is in dir, or beside it if dir does not exist. A journal does not mind:
// names that begin with a dot are none of its files.
func (t *tool) inWorkshop(dir, name string, f func(path string) error) (err error) {
	base, err := standing(dir)
	if err != nil {
		return err
	}
	path, err := os.MkdirTemp(base, ".manypen-"+name+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if rerr := os.RemoveAll(path); rerr != nil {
			// Who interrupts a command is told nothing else, but must know this.
			t.printError(fmt.Errorf("%s is left behind: %w", path, rerr), exitFailure)
			err = errors.Join(err, &exitError{code: exitFailure})
		}
	}()
	return f(path)
}

// standing returns dir, or the directory in which it would be made.
func standing(dir string) (string, error) {
	st, err := os.Stat(dir)
	if err == nil {
		if !st.IsDir() {
			return "", &exitError{exitNoJournal, dir + " is not a directory"}
		}
		return dir, nil
	}
	parent := filepath.Dir(filepath.Clean(dir))
	st, perr := os.Stat(parent)
	switch {
	case perr == nil && !st.IsDir():
		return "", &exitError{exitNoJournal, parent + " is not a directory"}
	case perr != nil && errors.Is(err, fs.ErrNotExist):
		return "", &exitError{exitNoJournal, fmt.Sprintf("there is neither %s nor a directory to make it in", dir)}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return parent, nil
}

// childCmd adds the hidden command to parent by which it starts other processes of
// this program, and returns how.
func (t *tool) childCmd(parent *cobra.Command, roles func() map[string]child.Role) (program func() (child.Program, error)) {
	parent.AddCommand(&cobra.Command{
		Use:                child.Command,
		Short:              "Be a process of an experiment",
		Hidden:             true,
		DisableFlagParsing: true, // what follows are names of files
		RunE: func(cmd *cobra.Command, args []string) error {
			return child.Serve(cmd.Context(), t.in, t.out, roles(), args)
		},
	})
	return func() (child.Program, error) {
		// The tree may be mounted under other commands.
		return child.Of(strings.Fields(parent.CommandPath())[1:]...)
	}
}
