package jtoolcmd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

func TestReadPiece(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	for _, c := range []struct {
		in   string
		end  byte
		want []string
	}{
		{"", '\n', nil},
		{"a", '\n', []string{"a"}},
		{"a\n", '\n', []string{"a"}},
		{"\n", '\n', []string{""}},
		{"\n\na\n\n", '\n', []string{"", "", "a", ""}},
		{"a\r\nb", '\n', []string{"a\r", "b"}},
		{"a\x00b\n", '\n', []string{"a\x00b"}},
		{"a\x00\x00b\nc", 0, []string{"a", "", "b\nc"}},
		{long + "\n" + long, '\n', []string{long, long}},
		{long + long + "\n\n", '\n', []string{long + long, ""}},
		{strings.Repeat("x", 16) + "\n" + strings.Repeat("y", 15) + "\nz", '\n',
			[]string{strings.Repeat("x", 16), strings.Repeat("y", 15), "z"}},
	} {
		for _, in := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in)), iotest.DataErrReader(strings.NewReader(c.in))} {
			var got []string
			tl := &tool{in: in}
			err := tl.appendPieces(t.Context(), c.end, func(b []byte) error {
				got = append(got, string(b))
				return nil
			})
			if d := cmp.Diff(c.want, got); d != "" || err != nil {
				t.Errorf("%.20q: %v\n%s", c.in, err, d)
			}
			// A buffer smaller than a line makes no difference.
			got = nil
			for r := bufio.NewReaderSize(strings.NewReader(c.in), 16); ; {
				b, err := readPiece(r, c.end)
				if err == nil || len(b) > 0 {
					got = append(got, string(b))
				}
				if err != nil {
					break
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%.20q with a small buffer:\n%s", c.in, d)
			}
		}
	}
}

// What was read in front of an error is appended, a line that was cut is not.
func TestAppendPiecesError(t *testing.T) {
	var got []string
	put := func(b []byte) error { got = append(got, string(b)); return nil }
	bad := errors.New("bad cable")
	tl := &tool{in: io.MultiReader(strings.NewReader("a\nb\nhalf"), iotest.ErrReader(bad))}
	if err := tl.appendPieces(t.Context(), '\n', put); !errors.Is(err, bad) || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff([]string{"a", "b"}, got); d != "" {
		t.Error(d)
	}
	tl = &tool{in: strings.NewReader("a\nb\nc\n")}
	err := tl.appendPieces(t.Context(), '\n', func(b []byte) error {
		if string(b) == "b" {
			return bad
		}
		return nil
	})
	if !errors.Is(err, bad) || !strings.Contains(err.Error(), "record 2") {
		t.Errorf("got %v", err)
	}
}

func TestCursorFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cursor")
	if _, err := readCursor(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{"", "\n", "  \n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readCursor(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"junk", "1", "1:2:3", "-1:2", "1:8192 1:9000", "01:2", "\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := readCursor(path); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q is %v, %v", text, p, err)
		}
	}
	for _, want := range []journal.Position{{}, {Segment: 3, Offset: 8192}, {Segment: 1 << 27, Offset: 1 << 40, Index: 7}} {
		if err := writeCursor(path, want); err != nil {
			t.Fatal(err)
		}
		if got, err := readCursor(path); err != nil || got != want {
			t.Errorf("wrote %v, read %v, %v", want, got, err)
		}
	}
	if err := writeCursor(filepath.Join(dir, "missing", "cursor"), journal.Position{}); err == nil {
		t.Error("a cursor is written into a folder that does not exist")
	}
	// A folder cannot be replaced by a file; nothing is left behind.
	if err := os.MkdirAll(filepath.Join(dir, "folder", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeCursor(filepath.Join(dir, "folder"), journal.Position{}); err == nil {
		t.Error("a cursor replaces a folder")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v are left", entries, err)
	}
}

func TestKeepCursor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cursor")
	at := journal.Position{Segment: 1, Offset: 8192}
	c, err := keepCursor(path, at)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readCursor(path); err != nil || got != at {
		t.Errorf("at the beginning: %v, %v", got, err)
	}
	at.Offset = 9000
	if err := errors.Join(c.set(at), c.close()); err != nil {
		t.Fatal(err)
	}
	if got, err := readCursor(path); err != nil || got != at {
		t.Errorf("at the end: %v, %v", got, err)
	}
	c, err = keepCursor("", at)
	if err := errors.Join(err, c.set(at), c.close()); err != nil {
		t.Error(err)
	}
}

// What the flags of prune mean. TestRetention of package journal says what goes.
func TestParseRetention(t *testing.T) {
	for _, c := range []struct {
		args []string
		want journal.Retention
	}{
		{[]string{"--before", "5:8192"}, journal.Retention{Before: journal.Position{Segment: 5, Offset: 8192}}},
		{[]string{"--before", "0:0"}, journal.Retention{}},
		{[]string{"--older", "2d"}, journal.Retention{MaxAge: 48 * time.Hour}},
		{[]string{"--older", "0s"}, journal.Retention{MaxAge: 1}},
		{[]string{"--max-size", "2KiB"}, journal.Retention{MaxBytes: 2048}},
		{[]string{"--max-size", "0"}, journal.Retention{MaxBytes: 1}},
	} {
		cmd := new(tool).pruneCmd()
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		f := cmd.Flags()
		got, err := parseRetention(cmd, f.Lookup("before").Value.String(), f.Lookup("older").Value.String(), *f.Lookup("max-size").Value.(*size))
		if err != nil || got.Before != c.want.Before || got.MaxAge != c.want.MaxAge || got.MaxBytes != c.want.MaxBytes {
			t.Errorf("%q: %+v, %v; want %+v", c.args, got, err, c.want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for code, errs := range map[int][]error{
		exitOK:        {nil},
		exitFailure:   {errors.New("x"), fs.ErrNotExist, journal.ErrForeign, journal.ErrClosed},
		exitNoJournal: {journal.ErrNotJournal, &journal.Error{Err: journal.ErrNotJournal}},
		exitTimeout:   {journal.ErrTimeout, errors.Join(errors.New("x"), journal.ErrTimeout)},
		exitVersion:   {journal.ErrVersion, errors.Join(journal.ErrNotJournal, journal.ErrVersion)},
		exitUnsafe:    {journal.ErrUnsafe},
		exitUsage:     {usagef("x"), errors.Join(usagef("x"), journal.ErrTimeout)},
	} {
		for _, err := range errs {
			if got := exitCode(err); got != code {
				t.Errorf("%v: got %d, want %d", err, got, code)
			}
		}
	}
}

// A program that mounts the tree under its own command runs it so.
func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	run := func(in string, args ...string) string {
		t.Helper()
		var out, errOut bytes.Buffer
		root := New(Options{In: strings.NewReader(in), Out: &out, Err: &errOut})
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err != nil || errOut.Len() > 0 {
			t.Fatalf("%v: %v: %s", args, err, errOut.String())
		}
		return out.String()
	}
	run("one\ntwo\n", "append", dir, "--key", "k")
	if got := run("", "dump", dir, "-o", "raw"); got != "one\ntwo\n" {
		t.Errorf("dump: %q", got)
	}
	if got := run("", "get", dir, "k"); got != "two" {
		t.Errorf("get: %q", got)
	}
	if err := sound(dir); err != nil {
		t.Error(err)
	}
}
