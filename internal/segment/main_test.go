package segment

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/manypen/manypen/record"
)

var update = flag.Bool("update", false, "write the golden files in testdata anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goldenUUID is the journal of all tests: the frames, and with them every byte,
// are the same in each run.
var goldenUUID = [16]byte{'m', 'a', 'n', 'y', 'p', 'e', 'n', 0, 1, 2, 3, 4, 5, 6, 7, 8}

// tight leaves room for some twenty records of the tests.
var tight = Limits{Limit: MinLimit, MaxRecord: 1 << 16}

func goldenSegment(n uint64) Header {
	h := Header{
		UUID: goldenUUID, Number: n, Limits: tight, Created: 1700000000123456789,
		Boot: [16]byte{0xB0, 0x07}, Ahead: 1,
	}
	if n > 1 {
		h.Prev = tight
	}
	return h
}

// A lab is a journal directory whose segments a test lays out byte by byte.
type lab struct {
	t   testing.TB
	dir string
	d   *Dir
	seq uint64
}

// newLab makes a journal without a segment.
func newLab(t testing.TB) *lab {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, idName), []byte(encodeID(goldenUUID)), 0o644); err != nil {
		t.Fatal(err)
	}
	return &lab{t: t, dir: dir, d: identified(t, dir)}
}

// identified opens a journal directory until the test ends.
func identified(t testing.TB, path string) *Dir {
	t.Helper()
	d := opened(t, path)
	if _, err := d.Identify(); err != nil {
		t.Fatal(err)
	}
	return d
}

func opened(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

func (l *lab) path(n uint64) string { return filepath.Join(l.dir, Name(n)) }

// create makes segment n.
func (l *lab) create(n uint64) {
	l.t.Helper()
	if err := l.d.Create(goldenSegment(n), 0o644, false); err != nil {
		l.t.Fatal(err)
	}
}

// bytes returns what a record of segment n with this value looks like.
func (l *lab) bytes(n uint64, value string) []byte {
	l.t.Helper()
	l.seq++
	f := record.NewFrame(goldenUUID, n)
	h := record.Header{Kind: record.KindData, Time: 1700000000000000000, Writer: 7, Seq: l.seq}
	var buf record.Buffer
	vec, err := buf.Encode(&f, &h, []byte("key"), []byte(value))
	if err != nil {
		l.t.Fatal(err)
	}
	return bytes.Join(vec, nil)
}

// raw appends b to segment n and returns where it stands.
func (l *lab) raw(n uint64, b []byte) (from int64) {
	l.t.Helper()
	f, err := os.OpenFile(l.path(n), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		l.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		l.t.Fatal(err)
	}
	return st.Size()
}

// put appends records to segment n and returns where the last one stands.
func (l *lab) put(n uint64, values ...string) (from int64) {
	l.t.Helper()
	for _, v := range values {
		from = l.raw(n, l.bytes(n, v))
	}
	return from
}

// seal seals segment n.
func (l *lab) seal(n uint64) {
	l.t.Helper()
	s := l.open(n, os.O_RDWR|os.O_APPEND)
	if err := s.Seal(); err != nil {
		l.t.Fatal(err)
	}
}

// open opens segment n until the test ends.
func (l *lab) open(n uint64, flag int) *File {
	l.t.Helper()
	s, err := l.d.Open(n, flag)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = s.Close() })
	return s
}

func (l *lab) remove(n uint64) {
	l.t.Helper()
	if err := os.Remove(l.path(n)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) content(n uint64) []byte {
	l.t.Helper()
	b, err := os.ReadFile(l.path(n))
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

// overwrite replaces bytes of segment n in place.
func (l *lab) overwrite(n uint64, off int64, b []byte) {
	l.t.Helper()
	f, err := os.OpenFile(l.path(n), os.O_WRONLY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := f.WriteAt(b, off); err != nil {
		l.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// loseHeader ruins header pages of segment n: bit 0 the first, bit 1 the second.
func (l *lab) loseHeader(n uint64, pages int) {
	l.t.Helper()
	for i := range int64(2) {
		if pages&(1<<i) != 0 {
			l.overwrite(n, i*pageSize, bytes.Repeat([]byte("lost"), pageSize/4))
		}
	}
}

// three makes a journal of three segments as writers leave it: the first one
// full with a void tail, the second one closed early, the third one in use. It
// returns all values.
func three(t testing.TB) (*lab, []string) {
	t.Helper()
	l := newLab(t)
	var values []string
	add := func(n uint64, value string) {
		values = append(values, value)
		l.put(n, value)
	}
	l.create(1)
	for i := 0; ; i++ {
		if st, err := os.Stat(l.path(1)); err != nil {
			t.Fatal(err)
		} else if st.Size() >= tight.Limit {
			break
		}
		add(1, fmt.Sprintf("one %d %0300d", i, 0))
	}
	l.put(1, "void") // appended again as the first record of segment 2
	l.seal(1)
	l.create(2)
	add(2, "void")
	add(2, "two 1")
	add(2, "two 2")
	l.seal(2)
	l.create(3)
	add(3, "three 1")
	add(3, "three 2")
	return l, values
}

// An event of a reader, as tests compare it: "1:8192 whole value", with the end
// of damage instead of a value, or an error's text.
type event string

func eventOf(n uint64, ev *record.Event) event {
	if ev.Class == record.Whole {
		return event(fmt.Sprintf("%d:%d whole %s", n, ev.From, ev.Value))
	}
	return event(fmt.Sprintf("%d:%d %v to %d", n, ev.From, ev.Class, ev.To))
}

// all returns everything r says until io.EOF. Errors are of the kind that a
// reader goes on behind, and there can be no more of them than segments.
func all(t testing.TB, r *Reader) (values []string, events []event, errs []error) {
	t.Helper()
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		switch {
		case err == io.EOF:
			return values, events, errs
		case err != nil:
			var located *Error
			if !errors.As(err, &located) {
				t.Errorf("%v (%T) is no *Error", err, err)
			}
			if errs = append(errs, err); len(errs) > 100 {
				t.Fatalf("the reader comes to no end: %v", err)
			}
			continue
		case ev.Class == record.Whole:
			values = append(values, string(ev.Value))
		}
		events = append(events, eventOf(r.Segment(), &ev))
	}
}

// reader opens a reader until the test ends.
func (l *lab) reader(opt ReaderOptions) *Reader {
	l.t.Helper()
	r := l.d.NewReader(opt)
	l.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return r
}

// snapshot is a reader up to the end as it is now.
func (l *lab) snapshot(from record.Position) *Reader {
	l.t.Helper()
	end, err := l.d.End()
	if err != nil {
		l.t.Fatal(err)
	}
	return l.reader(ReaderOptions{From: from, End: &end})
}

// want fails the test unless a new reader of the journal, and one that follows
// it, find these values without an error.
func (l *lab) want(values []string) {
	l.t.Helper()
	for name, r := range map[string]*Reader{"snapshot": l.snapshot(record.Position{}), "follower": l.reader(ReaderOptions{})} {
		got, _, errs := all(l.t, r)
		if diff := cmp.Diff(values, got); diff != "" || len(errs) > 0 {
			l.t.Errorf("%s: errors %v, values differ (-want +got):\n%s", name, errs, diff)
		}
	}
}
