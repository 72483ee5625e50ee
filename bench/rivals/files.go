package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// Files of lines: no checksum, no position, no length. The values of this program have
// no line feed in them.
var files = []contestant{
	{name: "os.File, O_APPEND", plain: untilExit, durable: untilPower, goroutines: true, processes: true, open: openFile, count: countLines},
	{name: "lumberjack", module: "gopkg.in/natefinch/lumberjack.v2", plain: untilExit, why: "offers no durable append", goroutines: true, open: openLumberjack, count: countLines},
	{name: slogFloor, plain: untilExit, why: "offers no durable append", goroutines: true, processes: true, logger: true, open: openSlog, count: countLines},
	{name: "slog, JSON, bufio of 64 KiB", plain: nothing, why: "offers no durable append", goroutines: true, logger: true, open: openSlogBuffered, count: countLines},
	{name: "slog, JSON, lumberjack", module: "gopkg.in/natefinch/lumberjack.v2", plain: untilExit, why: "offers no durable append", goroutines: true, logger: true, open: openSlogLumberjack, count: countLines},
	{name: "zerolog, O_APPEND", module: "github.com/rs/zerolog", plain: untilExit, why: "offers no durable append", goroutines: true, processes: true, logger: true, open: openZerolog, count: countLines},
	{name: "Manypen, slog", plain: untilExit, durable: untilPower, goroutines: true, processes: true, logger: true, open: openJslog(nil), count: countManypen},
	{name: "Manypen, slog, buffered", plain: nothing, why: "is buffered", goroutines: true, logger: true, open: openJslog(&jslog.Options{Buffer: jslog.Buffer{Size: 64 << 10}}), count: countManypen},
}

// slogFloor is what a logger is compared with.
const slogFloor = "slog, JSON, O_APPEND"

func lineFile(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
}

func countLines(dir string, _ options) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "log"))
	return bytes.Count(b, []byte("\n")), err
}

// lines writes key and value as they are.
type lines struct {
	w    io.WriteCloser
	sync func() error
}

type line struct {
	*lines
	b []byte
}

func openLumberjack(dir string, _ options) (writer, error) {
	return &lines{w: &lumberjack.Logger{Filename: filepath.Join(dir, "log"), MaxSize: 1 << 20}}, nil
}

func openFile(dir string, o options) (writer, error) {
	f, err := lineFile(dir)
	w := &lines{w: f}
	if o.durable {
		w.sync = func() error { return dataSync(f) }
	}
	return w, err
}

func (w *lines) appender() appender { return &line{lines: w} }
func (w *lines) close() error       { return w.w.Close() }

func (l *line) append(key, value []byte) error {
	l.b = append(append(append(append(l.b[:0], key...), ' '), value...), '\n')
	if _, err := l.w.Write(l.b); err != nil || l.sync == nil {
		return err
	}
	return l.sync()
}

// logger is somebody who logs: key and value are attributes.
type logger struct {
	log func(key, value string) error
	end func() error
}

func (w logger) appender() appender             { return w }
func (w logger) append(key, value []byte) error { return w.log(string(key), string(value)) }
func (w logger) close() error                   { return w.end() }

// info logs a record as programs do, with some attributes beside what it is about.
// slog keeps the error of a handler to itself: a record that is not there is noticed
// when they are counted.
func info(l *slog.Logger, end func() error) logger {
	return logger{func(key, value string) error {
		l.Info("record", "key", key, "user", 1234, "took", 56*time.Millisecond, "ok", true, "value", value)
		return nil
	}, end}
}

func openSlog(dir string, _ options) (writer, error) {
	f, err := lineFile(dir)
	return info(slog.New(slog.NewJSONHandler(f, nil)), f.Close), err
}

func openSlogBuffered(dir string, _ options) (writer, error) {
	f, err := lineFile(dir)
	w := bufio.NewWriterSize(f, 64<<10)
	return info(slog.New(slog.NewJSONHandler(w, nil)), func() error { return errors.Join(w.Flush(), f.Close()) }), err
}

func openSlogLumberjack(dir string, _ options) (writer, error) {
	w := &lumberjack.Logger{Filename: filepath.Join(dir, "log"), MaxSize: 1 << 20}
	return info(slog.New(slog.NewJSONHandler(w, nil)), w.Close), nil
}

func openZerolog(dir string, _ options) (writer, error) {
	f, err := lineFile(dir)
	l := zerolog.New(f).With().Timestamp().Logger()
	return logger{func(key, value string) error {
		l.Info().Str("key", key).Int("user", 1234).Dur("took", 56*time.Millisecond).Bool("ok", true).Str("value", value).Msg("record")
		return nil
	}, f.Close}, err
}

func openJslog(opts *jslog.Options) func(dir string, o options) (writer, error) {
	return func(dir string, o options) (writer, error) {
		jopts := journal.Options{Sync: journal.SyncNone}
		if o.durable {
			jopts.Sync = journal.SyncAlways
		}
		j, err := journal.Open(dir, jopts)
		if err != nil {
			return nil, err
		}
		h := jslog.New(j, opts)
		return info(slog.New(h), func() error { return errors.Join(h.Close(), j.Close()) }), nil
	}
}
