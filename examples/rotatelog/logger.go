package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/manypen/manypen/journal"
)

// Logger is an io.WriteCloser that appends what is written to a journal. It takes
// the place of lumberjack's type of the same name, and has its fields; but any
// number of processes may write the same Filename at the same time.
//
// A Write is one record. Package log calls Write once for each message, so a
// message is never torn or mixed with another's. A Write that has returned nil
// survives the death of every process; a loss of power takes what is younger than
// 100 ms.
//
// The journal is opened by the first Write. A Logger may be used by any number of
// goroutines; its fields must not be changed after the first Write.
type Logger struct {
	// Filename is the directory of the journal; it is made if it is not there. There
	// is no default.
	Filename string

	// MaxSize is the size of a segment in megabytes (MiB), 100 by default, at most
	// 32768. Lumberjack rotates files of that size. A journal's segments are of
	// interest to nobody but retention, which removes whole ones.
	MaxSize int

	// MaxAge is how many days of 24 hours a message is kept at least, when it is
	// removed for its age. By default nothing is.
	MaxAge int

	// MaxBackups is how many segments are kept beside the newest one. By default
	// all are.
	MaxBackups int

	// MaxTotal is the size of all segments in megabytes, beyond which the oldest are
	// removed; there is no limit by default. Lumberjack has no such limit. The newest
	// segment counts, and is never removed.
	MaxTotal int

	// LocalTime makes Dump print local time instead of UTC. (Lumberjack uses it in
	// the names of backups.)
	LocalTime bool

	// Compress is not supported: with it every Write fails. A compressed segment
	// could not be read beside the others any more.
	Compress bool

	mu      sync.RWMutex // writing: to open and close; reading: to use journal
	journal *journal.Journal

	failed struct {
		sync.Mutex
		n     int
		first error
	}
}

var _ io.WriteCloser = (*Logger)(nil)

const (
	megabyte       = 1 << 20
	defaultMaxSize = 100
	day            = 24 * time.Hour
)

// options checks the fields. What a Logger cannot do is an error, for who has
// asked for it relies on it.
func (l *Logger) options() (journal.Options, error) {
	const mostDays = 100 * 366
	switch {
	case l.Filename == "":
		return journal.Options{}, errors.New("rotatelog: Filename is empty; name a directory for the log")
	case l.Compress:
		return journal.Options{}, errors.New("rotatelog: Compress is not supported; leave it out, and limit the size with MaxTotal or MaxBackups")
	case l.MaxSize < 0 || l.MaxSize > 32<<10:
		return journal.Options{}, fmt.Errorf("rotatelog: MaxSize is %d MB; want 1 to 32768, or 0 for %d", l.MaxSize, defaultMaxSize)
	case l.MaxAge < 0 || l.MaxAge > mostDays:
		return journal.Options{}, fmt.Errorf("rotatelog: MaxAge is %d days; want 1 to %d, or 0 for no limit", l.MaxAge, mostDays)
	case l.MaxBackups < 0 || l.MaxTotal < 0:
		return journal.Options{}, fmt.Errorf("rotatelog: MaxBackups is %d and MaxTotal %d; neither may be negative", l.MaxBackups, l.MaxTotal)
	}
	o := journal.Options{
		Sync:        journal.SyncInterval,
		NoIndex:     true, // messages have no keys
		SegmentSize: defaultMaxSize * megabyte,
		Retention:   l.retention(),
	}
	if l.MaxSize > 0 {
		o.SegmentSize = int64(l.MaxSize) * megabyte
	}
	return o, nil
}

func (l *Logger) retention() journal.Retention {
	r := journal.Retention{
		MaxAge:   time.Duration(l.MaxAge) * day,
		MaxBytes: int64(l.MaxTotal) * megabyte,
	}
	if l.MaxBackups > 0 {
		r.MaxSegments = l.MaxBackups + 1
	}
	return r
}

// open returns with a lock for reading and an open journal, or with neither.
func (l *Logger) open() error {
	for {
		l.mu.RLock()
		if l.journal != nil {
			return nil
		}
		l.mu.RUnlock()
		if err := l.openOnce(); err != nil {
			return err
		}
	}
}

func (l *Logger) openOnce() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.journal != nil {
		return nil
	}
	o, err := l.options()
	if err != nil {
		return err
	}
	if info, err := os.Stat(l.Filename); err == nil && !info.IsDir() {
		return fmt.Errorf("rotatelog: %s is a file; Filename names a directory", l.Filename)
	}
	l.journal, err = journal.Open(l.Filename, o)
	return err
}

// Write appends p as one record, without the line end at its end if it has one:
// what prints records puts one behind each. Package log drops the error, so Close
// tells of it too.
func (l *Logger) Write(p []byte) (int, error) {
	if _, err := l.append(bytes.TrimSuffix(p, []byte("\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *Logger) append(p []byte) (at journal.Position, err error) {
	defer func() {
		if err != nil {
			l.failed.Lock()
			defer l.failed.Unlock()
			if l.failed.n++; l.failed.first == nil {
				l.failed.first = err
			}
		}
	}()
	if err := l.open(); err != nil {
		return at, err
	}
	defer l.mu.RUnlock()
	return l.journal.Append(nil, p)
}

// Rotate removes what MaxAge, MaxBackups and MaxTotal give up, now. Without it
// that is done when the journal is opened and whenever a segment is full, so there
// is no need to call it, but for a program that writes little and has a MaxAge.
// Unlike lumberjack's it begins no new segment, and there is nothing to reopen
// after a signal: nobody moves the files away.
func (l *Logger) Rotate() error {
	if err := l.open(); err != nil {
		return err
	}
	defer l.mu.RUnlock()
	_, err := l.journal.Retain(l.retention())
	return err
}

// Close waits for the writes under way and closes the journal, which syncs it. A
// later Write opens it again. The error says how many writes have failed since the
// first one or since the last Close.
func (l *Logger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed.Lock()
	defer l.failed.Unlock()
	var err error
	if l.failed.n > 0 {
		err = fmt.Errorf("rotatelog: %d writes have failed, the first one: %w", l.failed.n, l.failed.first)
		l.failed.n, l.failed.first = 0, nil
	}
	if l.journal != nil {
		err = errors.Join(err, l.journal.Close())
		l.journal = nil
	}
	return err
}

// Dump writes the log as text: all messages since a time, or all there are if that
// is zero, up to the last one of now. In front of those of a segment stands a line
// ==> NAME, begun TIME <==, as tail prints it of several files. It needs no more
// than read permission, and Filename; writers may be at work in any process.
func (l *Logger) Dump(w io.Writer, since time.Time) (err error) {
	j, err := journal.Open(l.Filename, journal.Options{ReadOnly: true, NoIndex: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	var from journal.Position
	if !since.IsZero() {
		if from, err = j.Seek(since); err != nil {
			return err
		}
	}
	segment := uint64(0)
	for r, err := range j.Records(from) {
		if errors.Is(err, journal.ErrPruned) {
			continue // retention was faster; the loop goes on behind the gap
		}
		if err != nil {
			return err
		}
		if r.Position.Segment != segment {
			segment = r.Position.Segment
			if err := l.heading(w, j, segment); err != nil {
				return err
			}
		}
		if _, err := w.Write(append(r.Value, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// heading writes the line in front of the messages of a segment.
func (l *Logger) heading(w io.Writer, j *journal.Journal, segment uint64) error {
	segments, err := j.Segments()
	if err != nil {
		return err
	}
	for _, s := range segments {
		if s.Number != segment {
			continue
		}
		begun := s.Created.UTC()
		if l.LocalTime {
			begun = s.Created.Local()
		}
		_, err := fmt.Fprintf(w, "==> %s, begun %s <==\n", s.Name, begun.Format("2006-01-02T15:04:05.000Z07:00"))
		return err
	}
	// It was removed meanwhile, while it is still being read.
	_, err = fmt.Fprintf(w, "==> segment %d, removed <==\n", segment)
	return err
}
