// Package zaplog is a zapcore.Core whose entries stand in a journal, and wait for
// the disk if their level wants it.
//
// Where that is not needed, a journal.LineWriter is a zapcore.WriteSyncer and can
// be given to zapcore.NewCore as it is. zap syncs that by itself only at levels
// above error.
package zaplog

import (
	"go.uber.org/zap/zapcore"

	"github.com/manypen/manypen/journal"
)

type core struct {
	zapcore.LevelEnabler
	enc    zapcore.Encoder
	w      *journal.LineWriter
	syncAt zapcore.LevelEnabler
}

// NewCore returns a core that writes the entries that level enables to w, each as
// one record. A call whose level syncAt enables, zapcore.ErrorLevel for example,
// returns when its entry is on disk, with all that is in front of it; nil is no
// level. w must not be one of Lines if enc is a console encoder that writes stack
// traces, which have several.
func NewCore(enc zapcore.Encoder, w *journal.LineWriter, level, syncAt zapcore.LevelEnabler) zapcore.Core {
	return &core{LevelEnabler: level, enc: enc, w: w, syncAt: syncAt}
}

// With adds fields to the entries of a copy.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	d := *c
	d.enc = c.enc.Clone()
	for _, f := range fields {
		f.AddTo(d.enc)
	}
	return &d
}

// Check adds the core to those that write the entry, if its level is enabled.
func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write appends an entry. What keeps it from the journal zap prints to its
// ErrorOutput.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	line, err := c.enc.EncodeEntry(e, fields)
	if err != nil {
		return err
	}
	defer line.Free()
	// After an entry of these levels zap ends the program, or the goroutine.
	last := e.Level > zapcore.ErrorLevel
	if c.syncAt != nil && c.syncAt.Enabled(e.Level) {
		_, err = c.w.WriteSync(line.Bytes())
	} else if _, err = c.w.Write(line.Bytes()); err == nil && last {
		err = c.w.Flush() // nothing may stay in the buffer
	}
	return err
}

// Sync makes everything durable that was written. If there is nothing to do it
// returns nil.
func (c *core) Sync() error { return c.w.Sync() }
