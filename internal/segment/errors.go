package segment

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/manypen/manypen/record"
)

// Sentinels for decisions, matched with errors.Is through an [Error].
var (
	// ErrNotJournal: the directory, or a file in it, is not ours.
	ErrNotJournal = errors.New("not a journal")
	// ErrVersion: written by a newer version of the format.
	ErrVersion = errors.New("format version is not known to this program")
	// ErrForeign: a segment belongs to another journal or carries another number.
	ErrForeign = errors.New("segment does not belong here")
	// ErrMissing: a segment between two others is gone.
	ErrMissing = errors.New("segment is missing")
	// ErrPruned: what was asked for was dropped by retention.
	ErrPruned = errors.New("position was pruned")
	// ErrNoRecord: no record begins at a position.
	ErrNoRecord = errors.New("no record at this position")
	// ErrHeaderLost: both pages of a segment's header are damaged.
	ErrHeaderLost = errors.New("segment header is damaged")
)

// Error adds the place to a cause. It is made where the place is known, once.
type Error struct {
	Op      string // what was being done: "open", "append", "sync" ...
	Path    string // of the file, or of the directory
	Segment uint64 // 0 if the error is not about a segment
	Offset  int64  // in the segment, in bytes; 0 is its header
	Err     error
}

func (e *Error) Error() string {
	if e.Segment == 0 {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err)
	}
	return fmt.Sprintf("%s %s at %d:%d: %v", e.Op, e.Path, e.Segment, e.Offset, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Placed adds to an error of the system which operation it ended and where, for an
// operation on the directory path as a whole. An error that says so itself, and one that
// the system has no part in, is returned as it is.
func Placed(op, path string, err error) error {
	if err == nil {
		return nil // in front of what errors.As wants on the heap: every append comes here
	}
	var placed *Error
	var system *fs.PathError
	if errors.As(err, &placed) || !errors.As(err, &system) {
		return err
	}
	if pe, ok := err.(*fs.PathError); ok { // nothing is wrapped around it: say the path once
		path, err = pe.Path, pe.Err
	}
	return &Error{Op: op, Path: path, Err: err}
}

func foreignf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrForeign}, args...)...)
}

// GoneError says that segments were removed that a reader wanted.
type GoneError struct {
	From   record.Position // where the reader was
	Oldest record.Position // where it can go on
	Err    error           // ErrPruned or ErrMissing
}

func (e *GoneError) Error() string {
	return e.Err.Error() + "; the journal goes on at " + e.Oldest.String()
}

func (e *GoneError) Unwrap() error { return e.Err }
