package adapters_test

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/go-logr/logr"
	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/manypen/manypen/adapters/zaplog"
	"github.com/manypen/manypen/adapters/zerologw"
	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// open opens a journal for an example. Any number of processes may log to it.
func open() (j *journal.Journal, remove func()) {
	dir, err := os.MkdirTemp("", "adapters-example-")
	if err != nil {
		log.Fatal(err)
	}
	j, err = journal.Open(dir, journal.Options{Sync: journal.SyncInterval})
	if err != nil {
		log.Fatal(err)
	}
	return j, func() {
		if err := errors.Join(j.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// show prints the values of all records.
func show(j *journal.Journal) {
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", rec.Value)
	}
}

// zapConfig is one without the time, which an example cannot show.
var zapConfig = zapcore.EncoderConfig{MessageKey: "msg", LevelKey: "level", EncodeLevel: zapcore.LowercaseLevelEncoder}

// A LineWriter is a zapcore.WriteSyncer.
func Example_zap() {
	j, remove := open()
	defer remove()

	w := j.Writer(journal.WriterOptions{})
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zapConfig), w, zap.InfoLevel))
	logger.Info("listening", zap.Int("port", 80))
	logger.Debug("not enabled")
	if err := logger.Sync(); err != nil {
		log.Fatal(err)
	}

	show(j)
	// Output:
	// {"level":"info","msg":"listening","port":80}
}

// Errors are on disk when the call returns; other entries are collected, and go
// into the journal with them, or when the logger is synced.
func Example_zapSyncAtError() {
	j, remove := open()
	defer remove()

	w := j.Writer(journal.WriterOptions{Buffer: 64 << 10})
	defer w.Close()
	core := zaplog.NewCore(zapcore.NewJSONEncoder(zapConfig), w, zap.InfoLevel, zap.ErrorLevel)
	logger := zap.New(core).With(zap.String("service", "web"))
	logger.Info("listening")
	logger.Error("disk is full", zap.Error(errors.New("no space")))

	show(j)
	// Output:
	// {"level":"info","msg":"listening","service":"web"}
	// {"level":"error","msg":"disk is full","service":"web","error":"no space"}
}

// zerolog tells the writer the level of each event.
func Example_zerolog() {
	j, remove := open()
	defer remove()

	w := zerologw.Writer{W: j.Writer(journal.WriterOptions{}), SyncAt: zerolog.ErrorLevel}
	logger := zerolog.New(w)
	logger.Info().Int("port", 80).Msg("listening")
	logger.Error().Err(errors.New("no space")).Msg("disk is full") // is on disk

	show(j)
	// Output:
	// {"level":"info","port":80,"message":"listening"}
	// {"level":"error","error":"no space","message":"disk is full"}
}

// logrus writes each entry at once. That of Fatal is in the journal when the
// program ends.
func Example_logrus() {
	j, remove := open()
	defer remove()

	logger := logrus.New()
	logger.SetOutput(j.Writer(journal.WriterOptions{}))
	logger.SetFormatter(&logrus.JSONFormatter{DisableTimestamp: true})
	logger.WithField("port", 80).Info("listening")
	logger.Warn("two lines\nof one record")

	show(j)
	// Output:
	// {"level":"info","msg":"listening","port":80}
	// {"level":"warning","msg":"two lines\nof one record"}
}

// logr takes the handler of slog.
func Example_logr() {
	j, remove := open()
	defer remove()

	h := jslog.New(j, &jslog.Options{
		SyncAt: slog.LevelError,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // an example cannot show it
			}
			return a
		},
	})
	logger := logr.FromSlogHandler(h).WithName("web").WithValues("port", 80)
	logger.Info("listening")
	logger.Error(errors.New("no space"), "disk is full")

	show(j)
	// Output:
	// {"level":"INFO","msg":"listening","port":80,"logger":"web"}
	// {"level":"ERROR","msg":"disk is full","port":80,"logger":"web","err":"no space"}
}
