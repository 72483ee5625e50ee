package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/manypen/manypen/internal/exampletest"
	"github.com/manypen/manypen/journal"
)

// TestFields: each field has its effect, and what cannot be had is an error.
func TestFields(t *testing.T) {
	for _, c := range []struct {
		logger *Logger
		size   int64
		keep   journal.Retention
		err    string
	}{
		{logger: &Logger{Filename: "x"}, size: 100 << 20},
		{logger: &Logger{Filename: "x", MaxSize: 500}, size: 500 << 20},
		{logger: &Logger{Filename: "x", MaxBackups: 3, MaxAge: 28, MaxTotal: 7}, size: 100 << 20,
			keep: journal.Retention{MaxSegments: 4, MaxAge: 28 * 24 * time.Hour, MaxBytes: 7 << 20}},
		{logger: &Logger{}, err: "Filename is empty"},
		{logger: &Logger{Filename: "x", Compress: true}, err: "Compress is not supported"},
		{logger: &Logger{Filename: "x", MaxSize: -1}, err: "MaxSize is -1"},
		{logger: &Logger{Filename: "x", MaxSize: 32769}, err: "MaxSize is 32769"},
		{logger: &Logger{Filename: "x", MaxAge: -1}, err: "MaxAge is -1"},
		{logger: &Logger{Filename: "x", MaxAge: 1 << 30}, err: "MaxAge is"},
		{logger: &Logger{Filename: "x", MaxBackups: -1}, err: "MaxBackups is -1"},
		{logger: &Logger{Filename: "x", MaxTotal: -1}, err: "MaxTotal -1"},
	} {
		o, err := c.logger.options()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%+v: %v, want %q", c.logger, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c.logger, err)
		}
		if o.SegmentSize != c.size {
			t.Errorf("%+v: segments of %d bytes, want %d", c.logger, o.SegmentSize, c.size)
		}
		if diff := cmp.Diff(c.keep, o.Retention, cmpopts.IgnoreFields(journal.Retention{}, "Keep")); diff != "" {
			t.Errorf("%+v: retention: %s", c.logger, diff)
		}
	}
}

// Package log drops what Write returns; Close tells of it.
func TestCloseTells(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.log")
	if err := os.WriteFile(file, []byte("old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := &Logger{Filename: file}
	logger := log.New(l, "", 0)
	logger.Print("one")
	logger.Print("two")
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "2 writes have failed") || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "old\n" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if err := (&Logger{Filename: file, Compress: true}).Rotate(); err == nil {
		t.Error("Rotate accepts Compress")
	}
}

func TestDump(t *testing.T) {
	dir := t.TempDir()
	l := &Logger{Filename: dir}
	log.New(l, "log: ", 0).Print("a message")
	slog.New(slog.NewJSONHandler(l, nil)).Info("another", "n", 1)
	if _, err := l.Write([]byte("no line end")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("after Close\n")); err != nil { // opens it again
		t.Fatal(err)
	}
	dump := func(l *Logger, since time.Time) []string {
		var b bytes.Buffer
		if err := l.Dump(&b, since); err != nil {
			t.Fatal(err)
		}
		return strings.Split(b.String(), "\n")
	}
	lines := dump(l, time.Time{})
	if len(lines) != 6 || lines[5] != "" {
		t.Fatalf("%q", lines)
	}
	for i, want := range []string{"==> seg.000000001, begun ", "log: a message", `"msg":"another","n":1}`, "no line end", "after Close"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %q, which lacks %q", i, lines[i], want)
		}
	}
	if got := dump(l, time.Now().Add(time.Hour)); len(got) != 1 {
		t.Errorf("since an hour from now: %q", got)
	}
	if got := dump(l, time.Now().Add(-time.Hour)); len(got) != 6 {
		t.Errorf("since an hour ago: %q", got)
	}
	zone := time.Local
	defer func() { time.Local = zone }()
	time.Local = time.FixedZone("there", 5*3600)
	if utc, local := lines[0], dump(&Logger{Filename: dir, LocalTime: true}, time.Time{})[0]; !strings.HasSuffix(utc, "Z <==") || !strings.HasSuffix(local, "+05:00 <==") {
		t.Errorf("headings %q and %q", utc, local)
	}
	if err := l.Dump(failing{}, time.Time{}); !errors.Is(err, errFull) {
		t.Errorf("dump to a full disk: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	exampletest.Verify(t, dir)
}

var errFull = errors.New("full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

// TestMaxTotal: what is left is the end of what was written, and no more than the
// limit.
func TestMaxTotal(t *testing.T) {
	dir := t.TempDir()
	l := &Logger{Filename: dir, MaxSize: 1, MaxTotal: 3}
	const lines = 60_000
	for n := range lines {
		if _, err := fmt.Fprintf(l, lineFormat+"\n", 0, n, "GET /index.html 200"); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a := &audit{told: []int{lines}}
	a.cfg.dir = dir
	if err := a.run(); err != nil {
		t.Fatal(err)
	}
	if err := a.verdict(); err != nil || a.removed == 0 || a.kept < 1000 {
		t.Errorf("kept %d, removed %d: %v", a.kept, a.removed, err)
	}
	if r := exampletest.Verify(t, dir); r.Bytes > 3<<20 {
		t.Errorf("%d bytes are left of at most %d", r.Bytes, 3<<20)
	}
}

// TestGoroutines: writing, rotating and closing at the same time loses nothing; a
// Close in between is as if the next Write were the first.
func TestGoroutines(t *testing.T) {
	dir := t.TempDir()
	l := &Logger{Filename: dir}
	const writers, each = 4, 200
	var all sync.WaitGroup
	for p := range writers {
		all.Go(func() {
			for n := range each {
				if _, err := fmt.Fprintf(l, lineFormat+"\n", p, n, "GET /index.html 200"); err != nil {
					t.Error(err)
				}
				if n%50 == p {
					if err := l.Close(); err != nil {
						t.Error(err)
					}
				}
				if n%50 == 10*p {
					if err := l.Rotate(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a := &audit{told: []int{each, each, each, each}}
	a.cfg.dir = dir
	if err := a.run(); err != nil {
		t.Fatal(err)
	}
	if err := a.verdict(); err != nil || a.kept != writers*each {
		t.Errorf("kept %d: %v", a.kept, err)
	}
	exampletest.Verify(t, dir)
}
