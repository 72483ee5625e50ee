package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/manypen/manypen/journal"
)

// rotateAt is the size of a file or segment, where there is rotation.
const rotateAt = 1 << 20

// way is a way of writing a log.
type way struct {
	Name string
	// prepare makes what the way needs before any process begins; nil for nothing.
	prepare func(dir string) error
	// open is called in each process. One Write writes one line.
	open func(dir string, process int) (io.WriteCloser, error)
	// read hands the lines that are there to the oracle, and says how many files
	// there are and how many records the log itself knows to be missing.
	read func(dir string, o *oracle) (files, missing int, err error)
	// promises says that the way promises to lose nothing, and can tell.
	promises bool
	// cut says that the way has a row in the table of lines cut out.
	cut bool
}

var ways = []way{
	{Name: "lumberjack, no rotation, new file", open: openLumberjack(1 << 20), read: readFiles},
	{Name: "lumberjack, no rotation, file exists", prepare: touch, open: openLumberjack(1 << 20), read: readFiles},
	{Name: "lumberjack, rotation at 1 MB", open: openLumberjack(rotateAt >> 20), read: readFiles},
	{Name: "O_APPEND, no rotation", open: openAppend, read: readFiles, cut: true},
	{Name: "O_APPEND and bufio, no rotation", open: openBuffered, read: readFiles},
	{Name: "O_APPEND, one process rotates", open: openRotated(onlyFirst), read: readFiles},
	{Name: "O_APPEND, each rotates, next free number", open: openRotated(everybody), read: readFiles},
	{Name: "Manypen, no rotation", open: openJournal(journal.DefaultSegmentSize * 16), read: readJournal, promises: true, cut: true},
	{Name: "Manypen, segments of 1 MiB", open: openJournal(rotateAt), read: readJournal, promises: true},
}

func wayNamed(name string) (way, bool) {
	for _, w := range ways {
		if w.Name == name {
			return w, true
		}
	}
	return way{}, false
}

func logFile(dir string) string { return filepath.Join(dir, "app.log") }

func touch(dir string) error { return os.WriteFile(logFile(dir), nil, 0o644) }

func readFiles(dir string, o *oracle) (files, missing int, err error) {
	files, err = o.readFiles(dir)
	return files, 0, err
}

// openLumberjack returns lumberjack's Logger as its documentation shows it, with
// any number of backups (the default). megabytes is MaxSize.
func openLumberjack(megabytes int) func(string, int) (io.WriteCloser, error) {
	return func(dir string, _ int) (io.WriteCloser, error) {
		return &lumberjack.Logger{Filename: logFile(dir), MaxSize: megabytes}, nil
	}
}

func openAppend(dir string, _ int) (io.WriteCloser, error) { return appendTo(logFile(dir)) }

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// buffered is a file behind a bufio.Writer.
type buffered struct {
	*bufio.Writer
	f *os.File
}

func openBuffered(dir string, _ int) (io.WriteCloser, error) {
	f, err := appendTo(logFile(dir))
	if err != nil {
		return nil, err
	}
	return &buffered{bufio.NewWriter(f), f}, nil
}

func (b *buffered) Close() error { return errors.Join(b.Flush(), b.f.Close()) }

// Who rotates.
func onlyFirst(process int) bool { return process == 0 }
func everybody(int) bool         { return true }

// rotated is an O_APPEND file with rotation as it is written by hand: in front of
// each line it looks whether the file under the name is still the one it has, as
// Python's WatchedFileHandler does, and whether it is full; then it is renamed to
// the next free number and a new one is made.
type rotated struct {
	path    string
	rotates bool
	f       *os.File
	number  int
}

func openRotated(who func(process int) bool) func(string, int) (io.WriteCloser, error) {
	return func(dir string, process int) (io.WriteCloser, error) {
		f, err := appendTo(logFile(dir))
		if err != nil {
			return nil, err
		}
		return &rotated{path: logFile(dir), rotates: who(process), f: f, number: 1}, nil
	}
}

func (r *rotated) Write(line []byte) (int, error) {
	mine, err := r.f.Stat()
	if err != nil {
		return 0, err
	}
	there, err := os.Stat(r.path)
	gone := errors.Is(err, fs.ErrNotExist) // somebody is between rename and open
	switch {
	case err != nil && !gone:
		return 0, err
	case gone || !os.SameFile(mine, there):
		err = r.reopen()
	case r.rotates && mine.Size()+int64(len(line)) > rotateAt:
		if err = r.rename(); err == nil {
			err = r.reopen()
		}
	}
	if err != nil {
		return 0, err
	}
	return r.f.Write(line)
}

func (r *rotated) rename() error {
	for ; ; r.number++ {
		backup := fmt.Sprintf("%s.%d", r.path, r.number)
		if _, err := os.Stat(backup); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(r.path, backup)
		} else if err != nil {
			return err
		}
	}
}

func (r *rotated) reopen() error {
	f, err := appendTo(r.path)
	if err != nil {
		return err
	}
	err = r.f.Close()
	r.f = f
	return err
}

func (r *rotated) Close() error { return r.f.Close() }

// entry is a journal that takes lines.
type entry struct{ *journal.Journal }

func openJournal(segment int64) func(string, int) (io.WriteCloser, error) {
	return func(dir string, _ int) (io.WriteCloser, error) {
		j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: segment})
		if err != nil {
			return nil, err
		}
		return entry{j}, nil
	}
}

func (e entry) Write(line []byte) (int, error) {
	if _, err := e.Append(nil, line[:len(line)-1]); err != nil {
		return 0, err
	}
	return len(line), nil
}

// readJournal reads a journal's records as lines, and has it verified.
func readJournal(dir string, o *oracle) (files, missing int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	report, err := journal.Verify(ctx, dir, journal.VerifyOptions{})
	if err != nil {
		return 0, 0, err
	}
	if report.Corrupt() && report.Missing() == 0 {
		return 0, 0, fmt.Errorf("verify: corrupt: %v", report.Problems)
	}
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return 0, 0, err
		}
		o.line(r.Value)
	}
	return report.Segments, int(report.Missing()), nil
}
