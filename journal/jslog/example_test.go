package jslog_test

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// openExample opens a journal for an example. The processes of a program all
// open the same one.
func openExample() (j *journal.Journal, remove func()) {
	parent, err := os.MkdirTemp("", "jslog-example-")
	if err != nil {
		log.Fatal(err)
	}
	j, err = journal.Open(filepath.Join(parent, "log"), journal.Options{Sync: journal.SyncInterval})
	if err != nil {
		log.Fatal(err)
	}
	return j, func() {
		if err := errors.Join(j.Close(), os.RemoveAll(parent)); err != nil {
			log.Fatal(err)
		}
	}
}

func show(j *journal.Journal) {
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", rec.Value)
	}
}

// withoutTime leaves out the time, which an example cannot show.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Every call is in the journal when it returns; errors are on disk then. The rest
// is on disk at most 100 ms later, which is what journal.SyncInterval does.
func Example() {
	j, remove := openExample()
	defer remove()

	h := jslog.New(j, &jslog.Options{
		SyncAt:      slog.LevelError,
		OnError:     func(err error) { fmt.Fprintln(os.Stderr, "logging:", err) },
		ReplaceAttr: withoutTime,
	})
	logger := slog.New(h).With("service", "web")
	logger.Info("listening", "port", 80)
	logger.Error("disk is full", slog.Group("disk", "path", "/data", "free", 0))

	show(j)
	// Output:
	// {"level":"INFO","msg":"listening","service":"web","port":80}
	// {"level":"ERROR","msg":"disk is full","service":"web","disk":{"path":"/data","free":0}}
}

// Records are collected, and appended together: when there are 64 KiB of them,
// after a second, with a warning or worse, and at Close. What is slower than that
// loses information, and says how much.
func Example_buffered() {
	j, remove := openExample()
	defer remove()

	h := jslog.New(j, &jslog.Options{
		SyncAt:      slog.LevelError,
		Buffer:      jslog.Buffer{Size: 64 << 10, Interval: time.Second, FlushAt: slog.LevelWarn},
		Overflow:    jslog.DropBelow(slog.LevelWarn),
		ReplaceAttr: withoutTime,
	})
	defer h.Close() // before the journal
	logger := slog.New(h)
	logger.Info("one")
	logger.Info("two")
	if err := h.Flush(); err != nil {
		log.Fatal(err)
	}

	show(j)
	fmt.Printf("%+v\n", h.Stats())
	// Output:
	// {"level":"INFO","msg":"one"}
	// {"level":"INFO","msg":"two"}
	// {Handled:2 Dropped:0 Failed:0 Unknown:0 Buffered:0}
}

// A journal and the terminal at the same time.
func ExampleNew() {
	j, remove := openExample()
	defer remove()

	terminal := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime, Level: slog.LevelWarn})
	logger := slog.New(slog.NewMultiHandler(jslog.New(j, &jslog.Options{ReplaceAttr: withoutTime}), terminal))
	logger.Info("listening")
	logger.Warn("slow", "took", 2*time.Second)

	show(j)
	// Output:
	// level=WARN msg=slow took=2s
	// {"level":"INFO","msg":"listening"}
	// {"level":"WARN","msg":"slow","took":2000000000}
}
