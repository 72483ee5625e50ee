// Package zerologw is a zerolog.LevelWriter whose events stand in a journal. The
// level decides whether a call waits for the disk; nobody has to read the JSON
// again for that.
package zerologw

import (
	"github.com/rs/zerolog"

	"github.com/manypen/manypen/journal"
)

// Writer writes each event to W as one record.
type Writer struct {
	W *journal.LineWriter
	// SyncAt is the level from which on a call returns when its event is on disk,
	// with all that is in front of it. The zero value is zerolog.DebugLevel;
	// zerolog.Disabled is no level. Events without a level do not wait.
	SyncAt zerolog.Level
}

var _ zerolog.LevelWriter = Writer{}

// Write appends an event of which no level is known.
func (w Writer) Write(p []byte) (int, error) { return w.W.Write(p) }

// WriteLevel appends an event.
func (w Writer) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	if level >= w.SyncAt && level < zerolog.NoLevel {
		return w.W.WriteSync(p)
	}
	n, err := w.W.Write(p)
	if err == nil && (level == zerolog.FatalLevel || level == zerolog.PanicLevel) {
		err = w.W.Flush() // the program ends: nothing may stay in the buffer
	}
	return n, err
}

// Close closes W, as zerolog does before it ends the program at a fatal event.
func (w Writer) Close() error { return w.W.Close() }
