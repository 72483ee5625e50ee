package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

func (l *lab) stat(n uint64) host.Stat {
	l.t.Helper()
	st, err := host.StatIn(l.d.F, Name(n))
	if err != nil {
		l.t.Fatal(err)
	}
	return st
}

// Losing one page of a header costs nothing, and a reader reports exactly that
// page as corruption.
func TestHeaderPageLost(t *testing.T) {
	for n := uint64(1); n <= 3; n++ {
		for page := range 2 {
			l, values := three(t)
			l.loseHeader(n, 1<<page)
			got, events, errs := all(t, l.snapshot(record.Position{}))
			if diff := cmp.Diff(values, got); diff != "" || len(errs) > 0 {
				t.Errorf("segment %d, page %d: errors %v (-want +got):\n%s", n, page, errs, diff)
			}
			wantCorruption(t, events, event(fmt.Sprintf("%d:%d corruption to %d", n, page*pageSize, (page+1)*pageSize)))
			f := l.open(n, os.O_RDONLY)
			if want := [2]bool{page == 0, page == 1}; f.Damaged != want || f.Header != goldenSegment(n) {
				t.Errorf("segment %d: header %+v, damaged %v", n, f.Header, f.Damaged)
			}
		}
	}
}

// wantCorruption fails the test unless this is what events have of it.
func wantCorruption(t *testing.T, events []event, want ...event) {
	t.Helper()
	var got []event
	for _, e := range events {
		if strings.Contains(string(e), "corruption") {
			got = append(got, e)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("corruption differs (-want +got):\n%s", diff)
	}
}

// Losing both pages costs no record: the limits are had from the neighbours.
func TestHeaderLost(t *testing.T) {
	for n := uint64(1); n <= 3; n++ {
		l, values := three(t)
		l.loseHeader(n, 3)
		l.want(values)
		f := l.open(n, os.O_RDONLY)
		if f.Limits != tight || f.Damaged != [2]bool{true, true} {
			t.Errorf("segment %d: limits %+v, damaged %v", n, f.Limits, f.Damaged)
		}
		_, events, _ := all(t, l.snapshot(record.Position{}))
		wantCorruption(t, events,
			event(fmt.Sprintf("%d:0 corruption to 4096", n)), event(fmt.Sprintf("%d:4096 corruption to 8192", n)))
	}
}

// Where the limits of a segment without a header come from.
func TestGuessedLimits(t *testing.T) {
	old, own, next := Limits{1 << 20, 1000}, Limits{2 << 20, 2000}, Limits{3 << 20, 3000}
	widest := Limits{MaxLimit, record.MaxSize}
	for _, c := range []struct {
		name    string
		prepare func(l *lab)
		want    Limits
		err     error
	}{
		{"the successor repeats them", func(*lab) {}, own, nil},
		{"there is no successor", func(l *lab) { l.remove(3) }, old, nil},
		{"the successor is lost too", func(l *lab) { l.loseHeader(3, 3) }, old, nil},
		{"the predecessor is lost too", func(l *lab) { l.loseHeader(1, 3) }, own, nil},
		{"there is no neighbour", func(l *lab) { l.remove(1); l.remove(3) }, widest, nil},
		{"no neighbour knows", func(l *lab) { l.loseHeader(1, 3); l.loseHeader(3, 3) }, widest, nil},
		{"the successor knows no predecessor", func(l *lab) {
			l.remove(3)
			h := goldenSegment(3)
			h.Limits, h.Prev = next, Limits{}
			if err := l.d.Create(h, 0o644, false); err != nil {
				l.t.Fatal(err)
			}
		}, old, nil},
		{"the successor is another journal's", func(l *lab) {
			l.remove(3)
			h := goldenSegment(3)
			h.UUID[5]++
			h.Limits, h.Prev = next, next
			if err := l.d.Create(h, 0o644, false); err != nil {
				l.t.Fatal(err)
			}
		}, old, nil},
		{"the successor is of a newer version", func(l *lab) {
			b := goldenSegment(3)
			page := b.encode()[:pageSize]
			page[offVersion] = 2
			resum(page)
			l.overwrite(3, 0, append(bytes.Clone(page), page...))
		}, Limits{}, ErrVersion},
	} {
		l := newLab(t)
		for n, limits := range map[uint64]Limits{1: old, 2: own, 3: next} {
			h := goldenSegment(n)
			h.Limits, h.Prev = limits, map[uint64]Limits{2: old, 3: own}[n]
			if err := l.d.Create(h, 0o644, false); err != nil {
				t.Fatal(err)
			}
		}
		l.put(2, "record")
		l.loseHeader(2, 3)
		c.prepare(l)
		f, err := l.d.Open(2, os.O_RDONLY)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		if f.Limits != c.want {
			t.Errorf("%s: limits %+v, want %+v", c.name, f.Limits, c.want)
		}
		// Marker and seed need no neighbour.
		if ev, err := f.ReadAt(HeaderSize); err != nil || string(ev.Value) != "record" {
			t.Errorf("%s: read %q, %v", c.name, ev.Value, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Who opens such a segment for writing will seal it at its limit, copy what is
// below that, and leave it to all readers: the guess must be bounded by what is
// there, and above all of it.
func TestGuessedLimitIsBounded(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	l.loseHeader(1, 3)
	for _, c := range []struct{ size, want int64 }{
		{9000, 64 << 20}, {64 << 20, 64 << 20}, {64<<20 + 1, 128 << 20}, {1 << 30, 1 << 30}, {16<<30 + 1, MaxLimit}, {40 << 30, MaxLimit},
	} {
		if err := os.Truncate(l.path(1), c.size); err != nil {
			t.Skip("no such large file here:", err)
		}
		if got := l.open(1, os.O_RDWR|os.O_APPEND).Limit; got != c.want {
			t.Errorf("%d bytes, to be written: limit %d, want %d", c.size, got, c.want)
		}
		if got := l.open(1, os.O_RDONLY).Limit; got != MaxLimit {
			t.Errorf("%d bytes, to be read: limit %d", c.size, got)
		}
	}
}

// A neighbour that knows the limit is believed, also if it is the highest.
func TestGuessedLimitOfNeighbour(t *testing.T) {
	l := newLab(t)
	l.create(1)
	h := goldenSegment(2)
	h.Prev.Limit = MaxLimit
	if err := l.d.Create(h, 0o644, false); err != nil {
		t.Fatal(err)
	}
	l.loseHeader(1, 3)
	if got := l.open(1, os.O_RDWR).Limit; got != MaxLimit {
		t.Errorf("limit %d, want %d", got, int64(MaxLimit))
	}
}

// A segment that belongs elsewhere is refused, and the error says why.
func TestForeign(t *testing.T) {
	other := goldenSegment(2)
	other.UUID[0]++
	for name, c := range map[string]struct {
		put  func(l *lab)
		says string
	}{
		"another journal's": {func(l *lab) {
			l.remove(2)
			if err := l.d.Create(other, 0o644, false); err != nil {
				l.t.Fatal(err)
			}
		}, "journal 6e616e79"},
		"renamed": {func(l *lab) {
			if err := os.Rename(l.path(3), l.path(2)); err != nil {
				l.t.Fatal(err)
			}
		}, "segment 3"},
		"copied": {func(l *lab) {
			if err := os.WriteFile(l.path(2), l.content(1), 0o644); err != nil {
				l.t.Fatal(err)
			}
		}, "segment 1"},
	} {
		l, _ := three(t)
		c.put(l)
		_, err := l.d.Open(2, os.O_RDONLY)
		var located *Error
		if !errors.Is(err, ErrForeign) || !errors.As(err, &located) || located.Segment != 2 || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		// What stands elsewhere is read all the same.
		_, events, errs := all(t, l.snapshot(record.Position{}))
		if len(errs) != 1 || !errors.Is(errs[0], ErrForeign) {
			t.Errorf("%s: a reader says %v", name, errs)
		}
		for _, e := range events {
			if strings.HasPrefix(string(e), "2:") {
				t.Errorf("%s: a reader takes %q from the foreign segment", name, e)
			}
		}
	}
}

func TestOpenNewerVersion(t *testing.T) {
	l, _ := three(t)
	b := l.content(2)[:HeaderSize]
	for i := range 2 {
		b[i*pageSize+offVersion] = 2
	}
	l.overwrite(2, 0, b)
	if _, err := l.d.Open(2, os.O_RDONLY); !errors.Is(err, ErrVersion) {
		t.Errorf("error %v, want ErrVersion", err)
	}
	// A reader cannot know what it would leave out, so it does not go on.
	r := l.reader(ReaderOptions{})
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if errors.Is(err, ErrVersion) {
			break
		}
		if err != nil || r.Segment() != 1 {
			t.Fatalf("segment %d: %v", r.Segment(), err)
		}
	}
	if err := r.Next(&record.Event{}); !errors.Is(err, ErrVersion) {
		t.Errorf("asked again it says %v", err)
	}
}

// Create never replaces a segment: who has it open would be alone in it (C3).
func TestCreateNeverReplaces(t *testing.T) {
	l, values := three(t)
	before := l.stat(3)
	err := l.d.Create(goldenSegment(3), 0o644, false)
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	if !l.stat(3).SameFile(before) {
		t.Error("the segment was replaced")
	}
	l.want(values)
}

// Of any number of creators one wins, and all end up with his file.
func TestC3CreateRace(t *testing.T) {
	dir := newLab(t)
	for n := uint64(1); n <= 20; n++ {
		const creators = 4
		files := make([]host.Stat, creators)
		won := make([]bool, creators)
		var wg sync.WaitGroup
		for i := range creators {
			d := identified(t, dir.dir)
			wg.Go(func() {
				h := goldenSegment(n)
				h.Created = int64(i)
				err := d.Create(h, 0o644, false)
				if err != nil && !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
				won[i] = err == nil
				f, err := d.Open(n, os.O_RDONLY)
				if err != nil {
					t.Error(err)
					return
				}
				files[i] = f.Inode
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		winners := 0
		for i := range creators {
			if won[i] {
				winners++
			}
			if !files[i].SameFile(files[0]) {
				t.Fatalf("segment %d: creators opened different files", n)
			}
		}
		if winners != 1 {
			t.Fatalf("segment %d: %d creators were told that it is theirs", n, winners)
		}
	}
	names, err := host.ListIn(dir.d.F)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, host.TempPrefix) {
			t.Errorf("%s was left behind", name)
		}
	}
}

// A copy is the same bytes in another inode, and whoever has the old one open
// keeps it.
func TestCopy(t *testing.T) {
	l, values := three(t)
	if err := os.Chmod(l.path(1), 0o640); err != nil {
		t.Fatal(err)
	}
	old := l.open(1, os.O_RDONLY)
	before, want := l.stat(1), l.content(1)
	if err := l.d.Copy(1); err != nil {
		t.Fatal(err)
	}
	after := l.stat(1)
	if after.SameFile(before) || after.Size != before.Size || after.Mode != before.Mode {
		t.Errorf("was %+v, is %+v", before, after)
	}
	if !bytes.Equal(l.content(1), want) {
		t.Error("the copy has other bytes")
	}
	if ev, err := old.ReadAt(HeaderSize); err != nil || len(ev.Value) == 0 {
		t.Errorf("the old file, still open: %v", err)
	}
	l.want(values)
}

// A segment closed early is mostly a hole, and its copy must not take the space
// that the original did not.
func TestCopyKeepsHoles(t *testing.T) {
	l := newLab(t)
	h := goldenSegment(1)
	h.Limits = Limits{Limit: 64 << 20, MaxRecord: 1 << 20}
	if err := l.d.Create(h, 0o644, false); err != nil {
		t.Fatal(err)
	}
	l.put(1, "one")
	l.seal(1)
	if err := l.d.Copy(1); err != nil {
		t.Fatal(err)
	}
	if st := l.stat(1); st.Size != h.Limit {
		t.Errorf("the copy has %d bytes, want %d", st.Size, h.Limit)
	}
	if used := allocated(t, l.path(1)); used > 3<<20 {
		t.Errorf("the copy takes %d bytes of disk", used)
	}
	l.want([]string{"one"})
}

// A segment without a header is copied as it is; nothing is made up.
func TestCopyWithoutHeader(t *testing.T) {
	l, values := three(t)
	l.loseHeader(2, 3)
	want := l.content(2)
	if err := l.d.Copy(2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(l.content(2), want) {
		t.Error("the copy has other bytes")
	}
	l.want(values)
}

func TestCopyOfNothing(t *testing.T) {
	l, _ := three(t)
	if err := l.d.Copy(9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
	if names, err := filepath.Glob(filepath.Join(l.dir, host.TempPrefix+"*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// The seal makes the segment as long as its limit and changes no byte, however
// often and by whomever it is called.
func TestSeal(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "one")
	before := l.content(1)
	for range 2 {
		l.seal(1)
		after := l.content(1)
		if int64(len(after)) != tight.Limit || !bytes.Equal(after[:len(before)], before) || !allZero(after[len(before):]) {
			t.Fatalf("sealed it has %d bytes, or others", len(after))
		}
	}
	// What is appended now is void, and the seal does not shorten it.
	if from := l.put(1, "void"); from != tight.Limit {
		t.Errorf("a record behind the seal begins at %d", from)
	}
	size := l.stat(1).Size
	l.seal(1)
	if got := l.stat(1).Size; got != size {
		t.Errorf("the size went from %d to %d", size, got)
	}
	err := l.open(1, os.O_RDONLY).Seal()
	var located *Error
	if !errors.As(err, &located) || located.Segment != 1 || located.Op != "seal" {
		t.Errorf("seal of a file that is open for reading: %v", err)
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{&Error{Op: "open", Path: "/dir", Err: cause}, "open /dir: cause"},
		{&Error{Op: "read", Path: "/dir/seg", Segment: 7, Offset: 9000, Err: cause}, "read /dir/seg at 7:9000: cause"},
	} {
		if got := c.err.Error(); got != c.want || !errors.Is(c.err, cause) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	// The place is added once, and the path is said once.
	l, _ := three(t)
	_, err := l.d.Open(9, os.O_RDONLY)
	s := l.open(1, os.O_RDONLY)
	if again := s.ErrorAt("read", 5, err); again != err {
		t.Errorf("placed twice: %v", again)
	}
	if n := strings.Count(err.Error(), Name(9)); n != 1 {
		t.Errorf("%q names the file %d times", err, n)
	}
	if s.ErrorAt("read", 5, nil) != nil {
		t.Error("no error became one")
	}
}

// The place is added to an error, and nothing is taken from it but the path that
// would be said twice.
func TestErrorAtKeepsTheError(t *testing.T) {
	d := &Dir{Path: "journal"}
	pe := &fs.PathError{Op: "seek", Path: "seg.000000001", Err: syscall.EIO}
	unknown := errors.New("outcome unknown")
	for _, err := range []error{pe, fmt.Errorf("%w: %w", unknown, pe), errors.Join(unknown, pe)} {
		got := d.errorAt("append", 1, 8192, err)
		var at *Error
		if !errors.As(got, &at) || at.Offset != 8192 || !errors.Is(got, syscall.EIO) || errors.Is(got, unknown) != errors.Is(err, unknown) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
