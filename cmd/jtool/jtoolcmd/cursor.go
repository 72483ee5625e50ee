package jtoolcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/manypen/manypen/journal"
)

// readCursor returns the position in a cursor file, fs.ErrNotExist if there is
// none yet. A file that exists and is empty counts as none: mktemp makes such.
func readCursor(path string) (journal.Position, error) {
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
		return p, fmt.Errorf("cursor file %s: %w; remove it to begin anew", path, err)
	}
	return p, nil
}

// writeCursor replaces a cursor file in one step, so that whenever the machine
// stops the old position or the new one is in it.
func writeCursor(path string, p journal.Position) (err error) {
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

// saveEvery is how long a cursor file may be behind what was printed.
const saveEvery = time.Second

// cursor keeps a position in a file while a command follows: every second, so
// that one that is killed has not much to repeat, also while nothing happens.
type cursor struct {
	path string // empty if there is no file to keep

	mu    sync.Mutex
	next  journal.Position // the position to read next
	saved bool             // the file has it
	err   error            // the first failure to save

	stop chan struct{}
	wg   sync.WaitGroup
}

// keepCursor saves next, and from then on what is set, until the cursor is
// closed.
func keepCursor(path string, next journal.Position) (*cursor, error) {
	c := &cursor{path: path, next: next, stop: make(chan struct{})}
	if err := c.save(); err != nil || path == "" {
		return c, err
	}
	c.wg.Go(func() {
		tick := time.NewTicker(saveEvery)
		defer tick.Stop()
		for {
			select {
			case <-c.stop:
				return
			case <-tick.C:
				c.save() // c remembers the error
			}
		}
	})
	return c, nil
}

// set says that everything in front of next has been printed. It returns what
// went wrong with the file since.
func (c *cursor) set(next journal.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next, c.saved = next, false
	return c.err
}

func (c *cursor) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.path == "" || c.saved || c.err != nil {
		return c.err
	}
	c.err = writeCursor(c.path, c.next)
	c.saved = c.err == nil
	return c.err
}

// close saves the position for the last time.
func (c *cursor) close() error {
	close(c.stop)
	c.wg.Wait()
	return c.save()
}
