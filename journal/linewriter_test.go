package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// raceEnabled is set when the race detector, which allocates, watches.
var raceEnabled bool

// smallRecords are the options of a journal that takes no more than 100 bytes.
var smallRecords = journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10, MaxRecord: 100}

// valuesIn returns the values of all records as a new reader sees them.
func valuesIn(t testing.TB, dir string) []string {
	t.Helper()
	var values []string
	for _, rec := range all(t, dir) {
		values = append(values, string(rec.Value))
	}
	return values
}

func TestLineWriter(t *testing.T) {
	long, longer := strings.Repeat("x", 20), strings.Repeat("y", 101)
	for name, c := range map[string]struct {
		opts   journal.WriterOptions
		writes []string
		want   []string
		errs   int // that OnError is told
	}{
		"a Write is a record": {
			writes: []string{"a\n", "b", "", "c\n\n", "\n", "d\r\n", "e\nf\n", "\n\n"},
			want:   []string{"a", "b", "c\n", "", "d\r", "e\nf", "\n"},
		},
		"too large": {
			writes: []string{"a\n", longer + "\n", "b\n"},
			want:   []string{"a", "b"},
			errs:   1,
		},
		"lines": {
			opts:   journal.WriterOptions{Lines: true},
			writes: []string{"a\n", "b", "c", "\n", "", "d\ne\nf", "g\n\n", "\nlast"},
			want:   []string{"a", "bc", "d", "e", "fg", "", "", "last"},
		},
		"long lines": {
			opts: journal.WriterOptions{Lines: true, MaxLine: 19},
			writes: []string{
				long + "\n", "a\n", "b\n" + long + "\nc\n", "d" + long, "still", "\n", "e\n" + long, "\nf\n", long[:19], "x", "\n" + long[:19] + "\n", long,
			},
			want: []string{"a", "b", "c", "e", "f", long[:19]},
			errs: 6,
		},
		"lines that are larger than a record": {
			opts:   journal.WriterOptions{Lines: true},
			writes: []string{"a\n" + longer + "\nb\n", longer, "\nc\n", strings.Repeat("1234567\n", 20)},
			want:   append([]string{"a", "b", "c"}, strings.Fields(strings.Repeat("1234567 ", 20))...),
			errs:   2,
		},
	} {
		for _, buffer := range []int{0, 1, 50, -1} {
			t.Run(fmt.Sprint(name, " ", buffer), func(t *testing.T) {
				dir := t.TempDir()
				j := open(t, dir, smallRecords)
				c.opts.Buffer = buffer
				var told []error
				c.opts.OnError = func(err error) { told = append(told, err) }
				w := j.Writer(c.opts)
				for _, s := range c.writes {
					p := []byte(s)
					n, err := w.Write(p)
					if err == nil && n != len(s) {
						t.Errorf("%d of %d bytes and no error", n, len(s))
					}
					if err != nil && !errors.Is(err, journal.ErrTooLarge) {
						t.Error(err)
					}
					for i := range p {
						p[i] = '?' // they belong to the caller again
					}
				}
				if err := w.Close(); err != nil && buffer == 0 {
					t.Error(err)
				}
				if diff := cmp.Diff(c.want, valuesIn(t, dir)); diff != "" {
					t.Error(diff)
				}
				if len(told) > c.errs || len(told) < min(c.errs, 1) || buffer == 0 && len(told) != c.errs {
					t.Errorf("OnError was told %v", told)
				}
				for _, err := range told {
					var size *journal.SizeError
					if !errors.As(err, &size) {
						t.Errorf("OnError was told %v", err)
					}
				}
				verify(t, dir)
			})
		}
	}
}

// However a text is cut into Writes, its lines are the records.
func TestLineWriterCuts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		j := open(t, dir, smallRecords)
		defer j.Close() // the test ends with a look at it
		w := j.Writer(journal.WriterOptions{
			Lines:  true,
			Buffer: rapid.SampledFrom([]int{0, 1, 40, 1000}).Draw(rt, "buffer"),
		})
		text := rapid.StringOfN(rapid.SampledFrom([]rune{'a', 'b', '\n', '\r'}), 0, 300, -1).Draw(rt, "text")
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(rt, "cut")
			write := w.Write
			if rapid.Bool().Draw(rt, "sync") {
				write = w.WriteSync
			}
			if got, err := write([]byte(rest[:n])); got != n || err != nil && !errors.Is(err, journal.ErrTooLarge) {
				rt.Fatal(got, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil && !errors.Is(err, journal.ErrTooLarge) {
			rt.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); len(line) <= 100 {
				want = append(want, line)
			}
		}
		if diff := cmp.Diff(want, valuesIn(t, dir)); diff != "" {
			rt.Fatal(diff)
		}
		verify(t, dir)
	})
}

// What could not be appended can be written again; and if something else is
// written instead, nothing becomes part of a line that it was not.
func TestLineWriterRefused(t *testing.T) {
	for name, c := range map[string]struct{ then, want string }{
		"the same again":    {"def\nghi\n", "one|abcdef|ghi"},
		"a part of it":      {"de", "one|abcde"},
		"something else":    {"new\nline\n", "one|new|line"},
		"nothing":           {"", "one"},
		"the end of a line": {"\nx\n", "one||x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, smallRecords)
			w := j.Writer(journal.WriterOptions{Lines: true})
			if _, err := io.WriteString(w, "one\nabc"); err != nil {
				t.Fatal(err)
			}
			journal.Through(w, open(t, dir, journal.Options{ReadOnly: true}))
			if n, err := io.WriteString(w, "def\nghi\n"); n != 0 || !errors.Is(err, journal.ErrReadOnly) {
				t.Errorf("%d bytes and %v", n, err)
			}
			journal.Through(w, j)
			if n, err := io.WriteString(w, c.then); n != len(c.then) || err != nil {
				t.Errorf("%d bytes and %v", n, err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(valuesIn(t, dir), "|"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			verify(t, dir)
		})
	}
}

// Sync does what there is to do and nothing else.
func TestLineWriterSync(t *testing.T) {
	for _, buffer := range []int{0, 1 << 10} {
		dir := t.TempDir()
		j := open(t, dir, journal.Options{Sync: journal.SyncNone})
		w := j.Writer(journal.WriterOptions{Buffer: buffer})
		syncs := func() uint64 { return j.Stats().Syncs + j.Stats().SyncsShared }
		before := syncs()
		expect := func(what string, more uint64, err error) {
			t.Helper()
			if now := syncs(); err != nil || now != before+more {
				t.Errorf("%s: %v, and %d syncs instead of %d", what, err, now-before, more)
			}
			before = syncs()
		}
		expect("nothing to do", 0, w.Sync())
		_, err := io.WriteString(w, "a\n")
		expect("Write", 0, err)
		expect("Flush", 0, w.Flush())
		expect("Sync", 1, w.Sync())
		expect("Sync again", 0, w.Sync())
		_, err = io.WriteString(w, "b\n")
		expect("Write", 0, err)
		_, err = w.WriteSync([]byte("c\n"))
		expect("WriteSync", 1, err)
		expect("Close", 0, w.Close())
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(valuesIn(t, dir), "|"); got != "a|b|c" {
			t.Errorf("got %s", got)
		}
		verify(t, dir)
	}
}

// After the end of the writer or of the journal a Write says so, and Sync has
// nothing to do.
func TestLineWriterClosed(t *testing.T) {
	for _, opts := range []journal.WriterOptions{{}, {Lines: true}, {Buffer: 1}, {Buffer: 1, Lines: true}} {
		dir := t.TempDir()
		j := open(t, dir, journal.Options{Sync: journal.SyncNone})
		w, orphan := j.Writer(opts), j.Writer(opts)
		if _, err := io.WriteString(w, "a\n"); err != nil {
			t.Error(err)
		}
		if err := w.Sync(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if n, err := io.WriteString(w, "b\n"); n != 0 || !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%+v: %d bytes and %v", opts, n, err)
		}
		if n, err := io.WriteString(orphan, "c\n"); !errors.Is(err, journal.ErrClosed) || opts.Buffer == 0 && n != 0 {
			t.Errorf("%+v: %d bytes and %v", opts, n, err)
		}
		if err := w.Sync(); err != nil {
			t.Error(err)
		}
		if err := orphan.Close(); (err != nil) != (opts.Buffer > 0) {
			t.Errorf("%+v: Close returns %v", opts, err)
		}
		if got := valuesIn(t, dir); len(got) != 1 {
			t.Errorf("got %q", got)
		}
		verify(t, dir)
	}
}

// The journal's own policy holds.
func TestLineWriterPolicy(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	w := j.Writer(journal.WriterOptions{Key: []byte("k"), Lines: true})
	if _, err := io.WriteString(w, "a\nb\n"); err != nil {
		t.Error(err)
	}
	syncs := j.Stats().Syncs
	if syncs == 0 {
		t.Error("under SyncAlways a Write does not sync")
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil || j.Stats().Syncs != syncs {
		t.Errorf("Sync after that: %v, %d syncs instead of %d", err, j.Stats().Syncs, syncs)
	}
	if rec, err := j.Get([]byte("k")); err != nil || string(rec.Value) != "b" {
		t.Errorf("Get: %q, %v", rec.Value, err)
	}
	if report := verify(t, dir); report.Batches != 1 || report.Records != 2 {
		t.Errorf("the lines of one Write are %d records in %d batches", report.Records, report.Batches)
	}
}

// Many goroutines may use one writer.
func TestLineWriterGoroutines(t *testing.T) {
	const goroutines, each = 6, 400
	for _, opts := range []journal.WriterOptions{{}, {Lines: true}, {Buffer: 500}, {Lines: true, Buffer: 500, FlushEvery: time.Millisecond}} {
		dir := t.TempDir()
		j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
		w := j.Writer(opts)
		var group sync.WaitGroup
		for g := range goroutines {
			group.Go(func() {
				for i := range each {
					write := w.Write
					if i%100 == 0 {
						write = w.WriteSync
					}
					if _, err := write(fmt.Appendf(nil, "%d %d\n", g, i)); err != nil {
						t.Error(err)
					}
				}
				if err := w.Sync(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		var next [goroutines]int
		for _, v := range valuesIn(t, dir) {
			var g, i int
			if _, err := fmt.Sscanf(v, "%d %d", &g, &i); err != nil || i != next[g] {
				t.Fatalf("%q comes when %d is due: %v", v, next[g], err)
			}
			next[g]++
		}
		for g, n := range next {
			if n != each {
				t.Errorf("%d records of goroutine %d", n, g)
			}
		}
		verify(t, dir)
	}
}

// With FlushEvery nobody has to flush.
func TestLineWriterFlushEvery(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	w := j.Writer(journal.WriterOptions{FlushEvery: time.Millisecond})
	if _, err := io.WriteString(w, "a\n"); err != nil {
		t.Fatal(err)
	}
	for rec, err := range j.Follow(context.Background(), journal.Position{}) {
		if err != nil || !bytes.Equal(rec.Value, []byte("a")) {
			t.Errorf("%q, %v", rec.Value, err)
		}
		break
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	verify(t, dir)
}

// In steady state neither an append nor a Write allocates.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	line := []byte(strings.Repeat("x", 200) + "\n")
	for name, f := range map[string]func() error{
		"Append":    func() error { _, err := j.Append(line[:3], line); return err },
		"AppendAck": func() error { _, err := j.AppendAck(nil, line); return err },
	} {
		if n := testing.AllocsPerRun(500, func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for _, opts := range []journal.WriterOptions{{}, {Lines: true}, {Buffer: -1}, {Lines: true, Buffer: -1}} {
		w := j.Writer(opts)
		if n := testing.AllocsPerRun(500, func() {
			if _, err := w.Write(line); err != nil {
				t.Error(err)
			}
		}); n > 0 {
			t.Errorf("%+v: %v allocations", opts, n)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	verify(t, dir)
}

// Every line of the standard logger is a record, for which nobody has to wait.
func ExampleJournal_Writer() {
	dir, remove := exampleDir()
	defer remove()

	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncInterval})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	w := j.Writer(journal.WriterOptions{})
	defer w.Close()
	logger := log.New(w, "web: ", log.Lmsgprefix)
	logger.Print("listening")
	logger.Print("two lines\nof one record")

	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q\n", rec.Value)
	}
	// Output:
	// "web: listening"
	// "web: two lines\nof one record"
}

// The output of a command is cut into lines, wherever its writes begin and end.
// Here they are collected, and appended by one system call.
func ExampleLineWriter() {
	dir, remove := exampleDir()
	defer remove()

	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	w := j.Writer(journal.WriterOptions{Lines: true, Key: []byte("make"), Buffer: 64 << 10, FlushEvery: time.Second})
	for _, part := range []string{"cc -c a", ".c\ncc -c b.c\n", "cc a.o b.o"} {
		if _, err := io.WriteString(w, part); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil { // the last line had no end
		log.Fatal(err)
	}
	if err := w.Sync(); err != nil { // and now it is on disk
		log.Fatal(err)
	}

	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", rec.Key, rec.Value)
	}
	// Output:
	// make: cc -c a.c
	// make: cc -c b.c
	// make: cc a.o b.o
}
