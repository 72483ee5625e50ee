package jtoolcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/manypen/manypen/journal"
)

// readCursor returns the position in a cursor file, fs.ErrNotExist if there is
// none yet. A file that exists and is empty counts as none: mktemp makes such.
func readCursor(path string) (journal.Position, error) {
	if path == "" {
		return journal.Position{}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return journal.Position{}, err
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return journal.Position{}, fs.ErrNotExist
	}
	p, err := journal.ParsePosition(text)
	if err != nil {
		return p, fmt.Errorf("cursor file %s: %w", path, err)
	}
	return p, nil
}

// writeCursor replaces a cursor file in one step, so that whenever the machine
// stops the old position or the new one is in it.
func writeCursor(path string, p journal.Position) (err error) {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = fmt.Fprintln(f, p)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
