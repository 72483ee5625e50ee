package adapters_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/manypen/manypen/adapters/zaplog"
	"github.com/manypen/manypen/adapters/zerologw"
	"github.com/manypen/manypen/journal"
)

// fresh opens a journal that syncs only when it is told to, and is verified at
// the end of the test.
func fresh(t *testing.T) *journal.Journal {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
		if err != nil || report.Corrupt() || report.Missing() > 0 {
			t.Errorf("%v, %+v", err, report)
		}
	})
	return j
}

// state is how many records there are, and how often the disk was waited for.
func state(t *testing.T, j *journal.Journal) string {
	t.Helper()
	n := 0
	for _, err := range j.Records(journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return fmt.Sprint(n, " records, ", j.Stats().Syncs, " syncs")
}

func TestZapLevels(t *testing.T) {
	j := fresh(t)
	w := j.Writer(journal.WriterOptions{Buffer: 1 << 20})
	enc := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	errorsSync := zap.New(zaplog.NewCore(enc, w, zap.InfoLevel, zap.ErrorLevel))
	nothingDoes := zap.New(zaplog.NewCore(enc, w, zap.InfoLevel, nil))
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"Sync with nothing to do", errorsSync.Sync, "0 records, 0 syncs"},
		{"Info is buffered", func() error { errorsSync.Info("a"); return nil }, "0 records, 0 syncs"},
		{"Debug is not enabled", func() error { errorsSync.Debug("a"); return nil }, "0 records, 0 syncs"},
		{"Error syncs", func() error { errorsSync.Error("b"); return nil }, "2 records, 1 syncs"},
		{"or not", func() error { nothingDoes.Error("c"); return nil }, "2 records, 1 syncs"},
		{"what ends the goroutine is flushed", func() error {
			defer func() { _ = recover() }()
			nothingDoes.Panic("d")
			return errors.New("Panic did not")
		}, "4 records, 1 syncs"},
		{"Sync", nothingDoes.Sync, "4 records, 2 syncs"},
		{"Sync again", nothingDoes.Sync, "4 records, 2 syncs"},
		{"Close", w.Close, "4 records, 2 syncs"},
	} {
		if err := step.do(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
		if got := state(t, j); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

// What zap is told of a write that fails goes to its ErrorOutput.
func TestZapErrors(t *testing.T) {
	j := fresh(t)
	w := j.Writer(journal.WriterOptions{})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	core := zaplog.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), w, zap.InfoLevel, zap.ErrorLevel)
	logger := zap.New(core, zap.ErrorOutput(zapcore.AddSync(&said)))
	logger.Info("a")
	if !strings.Contains(said.String(), journal.ErrClosed.Error()) {
		t.Errorf("zap said %q", said.String())
	}
}

func TestZerologLevels(t *testing.T) {
	j := fresh(t)
	w := zerologw.Writer{W: j.Writer(journal.WriterOptions{Buffer: 1 << 20}), SyncAt: zerolog.ErrorLevel}
	none := w
	none.SyncAt = zerolog.Disabled
	logger, silent := zerolog.New(w), zerolog.New(none)
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"Info is buffered", func() { logger.Info().Msg("a") }, "0 records, 0 syncs"},
		{"what has no level too", func() { logger.Log().Msg("b") }, "0 records, 0 syncs"},
		{"Error syncs", func() { logger.Error().Msg("c") }, "3 records, 1 syncs"},
		{"or not", func() { silent.Error().Msg("d") }, "3 records, 1 syncs"},
		{"what ends the goroutine is flushed", func() {
			defer func() { _ = recover() }()
			silent.Panic().Msg("e")
		}, "5 records, 1 syncs"},
		{"Info once more", func() { logger.Info().Msg("f") }, "5 records, 1 syncs"},
		{"Close", func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}, "6 records, 1 syncs"},
	} {
		step.do()
		if got := state(t, j); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
	if n, err := w.Write([]byte("g\n")); n != 0 || !errors.Is(err, journal.ErrClosed) {
		t.Errorf("%d bytes and %v after Close", n, err)
	}
}
