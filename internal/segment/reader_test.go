package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/record"
)

// What a reader makes of directories as they may be found.
func TestReader(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(l *lab)
		want    []event // "*" stands for records that the case is not about
		errs    []error
	}{
		{"no segment", func(*lab) {}, nil, nil},
		{"empty segment", func(l *lab) { l.create(1) }, nil, nil},
		{"oldest is not the first", func(l *lab) {
			l.create(7)
			l.put(7, "a")
		}, []event{"7:8192 whole a"}, nil},
		{"order of segments", func(l *lab) {
			for _, n := range []uint64{3, 1, 2} {
				l.create(n)
				l.put(n, fmt.Sprint("of ", n))
			}
			l.seal(1)
			l.seal(2)
		}, []event{
			"1:8192 whole of 1", "1:8251 unused to 12288", "2:8192 whole of 2", "2:8251 unused to 12288", "3:8192 whole of 3",
		}, nil},
		{"void tail", func(l *lab) {
			l.create(1)
			l.put(1, "a")
			l.seal(1)
			l.put(1, "void", "void too")
			l.create(2)
			l.put(2, "void")
		}, []event{"1:8192 whole a", "1:8248 unused to 12288", "1:12288 void to 12410", "2:8192 whole void"}, nil},
		{"void tail of the last segment is not told of", func(l *lab) {
			l.create(1)
			l.put(1, "a")
			l.seal(1)
			l.put(1, "void")
		}, []event{"1:8192 whole a"}, nil},
		{"record across the limit", func(l *lab) {
			l.create(1)
			l.put(1, strings.Repeat("x", int(tight.Limit-HeaderSize)))
			l.put(1, "void")
			l.create(2)
		}, []event{"1:8192 whole *", "1:12343 void to 12402"}, nil},
		{"torn at the end of a finished segment", func(l *lab) {
			l.create(1)
			l.raw(1, l.bytes(1, "torn")[:50])
			l.seal(1)
			l.create(2)
		}, []event{"1:8192 fragment to 8242", "1:8242 unused to 12288"}, nil},
		{"torn at the end of the last segment is pending", func(l *lab) {
			l.create(1)
			l.put(1, "a")
			l.raw(1, l.bytes(1, "torn")[:50])
		}, []event{"1:8192 whole a"}, nil},
		{"torn in front of a record", func(l *lab) {
			l.create(1)
			l.raw(1, l.bytes(1, "torn")[:50])
			l.put(1, "b")
		}, []event{"1:8192 fragment to 8242", "1:8242 whole b"}, nil},
		{"finished and shorter than its limit", func(l *lab) {
			l.create(1)
			l.put(1, "a")
			l.create(2)
			l.put(2, "b")
		}, []event{"1:8192 whole a", "1:8248 hole to 12288", "2:8192 whole b"}, nil},
		{"missing in the middle", func(l *lab) {
			for n := uint64(1); n <= 4; n++ {
				l.create(n)
				l.put(n, "a")
				l.seal(n)
			}
			l.remove(2)
			l.remove(3)
		}, []event{"1:8192 whole a", "1:8248 unused to 12288", "4:8192 whole a"}, []error{ErrMissing}},
		// Each gap takes a listing of its own to be seen by who follows.
		{"several gaps", func(l *lab) {
			for n := uint64(1); n <= 7; n++ {
				l.create(n)
				l.put(n, "a")
				l.seal(n)
			}
			l.remove(2)
			l.remove(4)
			l.remove(6)
		}, []event{
			"1:8192 whole a", "1:8248 unused to 12288", "3:8192 whole a", "3:8248 unused to 12288",
			"5:8192 whole a", "5:8248 unused to 12288", "7:8192 whole a",
		}, []error{ErrMissing, ErrMissing, ErrMissing}},
		{"cut down to its header", func(l *lab) {
			l.create(1)
			l.put(1, "a")
			l.create(2)
			if err := os.Truncate(l.path(1), HeaderSize); err != nil {
				l.t.Fatal(err)
			}
		}, []event{"1:8192 hole to 12288"}, nil},
		{"cut within its header", func(l *lab) {
			l.create(1)
			l.create(2)
			if err := os.Truncate(l.path(1), 5000); err != nil {
				l.t.Fatal(err)
			}
		}, []event{"1:4096 hole to 8192", "1:8192 hole to 12288"}, nil},
		{"empty file", func(l *lab) {
			l.create(1)
			l.create(2)
			l.put(2, "b")
			if err := os.Truncate(l.path(1), 0); err != nil {
				l.t.Fatal(err)
			}
		}, []event{"1:0 hole to 4096", "1:4096 hole to 8192", "1:8192 hole to 12288", "2:8192 whole b"}, nil},
		{"flipped bit", func(l *lab) {
			l.create(1)
			l.put(1, "a", "b", "c")
			l.overwrite(1, HeaderSize+56+47, []byte("B"))
			l.seal(1)
			l.create(2)
		}, []event{"1:8192 whole a", "1:8248 corruption to 8304", "1:8304 whole c", "1:8360 unused to 12288"}, nil},
		{"zeroed record", func(l *lab) {
			l.create(1)
			l.put(1, "a", "b", "c")
			l.overwrite(1, HeaderSize+56, make([]byte, 56))
		}, []event{"1:8192 whole a", "1:8248 hole to 8304", "1:8304 whole c"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			c.prepare(l)
			for name, r := range map[string]*Reader{
				"snapshot": l.snapshot(record.Position{}),
				"follower": l.reader(ReaderOptions{}),
				"reusing":  l.reader(ReaderOptions{Reuse: true, BlockSize: 100}),
			} {
				_, got, errs := all(t, r)
				for i := range got {
					if i < len(c.want) && strings.HasSuffix(string(c.want[i]), "*") {
						got[i] = c.want[i]
					}
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", name, diff)
				}
				if !slices.EqualFunc(errs, c.errs, errors.Is) {
					t.Errorf("%s: errors %v, want %v", name, errs, c.errs)
				}
			}
		})
	}
}

// Any position that was handed out is a place to go on from.
func TestReaderFrom(t *testing.T) {
	l, values := three(t)
	var places []record.Position
	r := l.snapshot(record.Position{})
	for ev := (record.Event{}); r.Next(&ev) == nil; {
		if ev.Class == record.Whole {
			places = append(places, record.Position{Segment: r.Segment(), Offset: ev.From})
		}
	}
	for i, p := range places {
		if got, _, errs := all(t, l.snapshot(p)); !slices.Equal(got, values[i:]) || len(errs) > 0 {
			t.Errorf("from %v: %d records, %v; want %d", p, len(got), errs, len(values)-i)
		}
		// One that is inside a record means the next one.
		for _, k := range []int64{1, record.HeaderSize, 55} {
			p := p
			p.Offset += k
			if got, _, errs := all(t, l.snapshot(p)); !slices.Equal(got, values[i+1:]) || len(errs) > 0 {
				t.Errorf("from %v: %d records, %v; want %d", p, len(got), errs, len(values)-i-1)
			}
		}
	}
}

// Positions that nobody handed out.
func TestReaderFromAnywhere(t *testing.T) {
	l, values := three(t)
	count := func(n uint64) (k int) {
		for _, e := range func() []event { _, ev, _ := all(t, l.snapshot(record.Position{})); return ev }() {
			if strings.HasPrefix(string(e), fmt.Sprintf("%d:", n)) && strings.Contains(string(e), "whole") {
				k++
			}
		}
		return k
	}
	second, third := len(values)-count(2)-count(3), len(values)-count(3)
	for _, c := range []struct {
		from record.Position
		want []string
		err  error
	}{
		{record.Position{Segment: 1}, values, nil},
		{record.Position{Segment: 1, Offset: 100}, values, nil},
		{record.Position{Segment: 2}, values[second:], nil},
		{record.Position{Segment: 2, Offset: -5}, values[second:], nil},
		{record.Position{Segment: 2, Offset: tight.Limit}, values[third:], nil},
		{record.Position{Segment: 2, Offset: 1 << 40}, values[third:], nil},
		{record.Position{Segment: 1, Offset: tight.Limit + 1000}, values[second:], nil}, // in the void
		{record.Position{Segment: 3, Offset: 1 << 40}, nil, nil},
		{record.Position{Segment: 4}, nil, nil}, // not there yet
		{record.Position{Segment: MaxNumber + 1}, nil, nil},
	} {
		got, _, errs := all(t, l.snapshot(c.from))
		if !slices.Equal(got, c.want) || len(errs) > 0 {
			t.Errorf("from %v: %d records, errors %v; want %d", c.from, len(got), errs, len(c.want))
		}
	}
}

// From inside damage a reader tells of all of that damage, in its true class,
// and delivers what is behind it.
func TestReaderFromInsideDamage(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	torn := l.raw(1, l.bytes(1, strings.Repeat("torn", 30))[:150])
	second := l.raw(1, l.bytes(1, "torn again")[:20])
	b := l.put(1, "b")
	for off := torn; off < b; off++ {
		want := []event{event(fmt.Sprintf("1:%d fragment to %d", second, b)), event(fmt.Sprintf("1:%d whole b", b))}
		if off < second {
			want = append([]event{event(fmt.Sprintf("1:%d fragment to %d", torn, second))}, want...)
		}
		_, got, errs := all(t, l.snapshot(record.Position{Segment: 1, Offset: off}))
		if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
			t.Fatalf("from %d: %v (-want +got):\n%s", off, errs, diff)
		}
	}
}

// What retention has removed is told once, with the place to go on.
func TestReaderPruned(t *testing.T) {
	l, values := three(t)
	l.remove(1)
	from := record.Position{Segment: 1, Offset: 9000}
	got, _, errs := all(t, l.snapshot(from))
	var gone *GoneError
	if len(errs) != 1 || !errors.Is(errs[0], ErrPruned) || !errors.As(errs[0], &gone) {
		t.Fatalf("errors %v", errs)
	}
	if want := (record.Position{Segment: 2, Offset: HeaderSize}); gone.From != from || gone.Oldest != want {
		t.Errorf("gone from %v, goes on at %v; want %v and %v", gone.From, gone.Oldest, from, want)
	}
	if !slices.Equal(got, values[len(values)-5:]) {
		t.Errorf("%d records, want 5", len(got))
	}
	// The oldest record there is was never promised to be another one.
	if got, _, errs := all(t, l.snapshot(record.Position{})); len(got) != 5 || len(errs) > 0 {
		t.Errorf("from the beginning: %d records, %v", len(got), errs)
	}
}

func TestReaderMissing(t *testing.T) {
	l, _ := three(t)
	l.remove(2)
	_, _, errs := all(t, l.snapshot(record.Position{}))
	var gone *GoneError
	if len(errs) != 1 || !errors.Is(errs[0], ErrMissing) || errors.Is(errs[0], ErrPruned) || !errors.As(errs[0], &gone) {
		t.Fatalf("errors %v", errs)
	}
	if gone.From != (record.Position{Segment: 2, Offset: HeaderSize}) || gone.Oldest != (record.Position{Segment: 3, Offset: HeaderSize}) {
		t.Errorf("%+v", gone)
	}
	for _, part := range []string{"missing", "3:8192"} {
		if !strings.Contains(errs[0].Error(), part) {
			t.Errorf("%q does not say %q", errs[0], part)
		}
	}
}

// A segment in the middle of the journal, cut off at every 97th byte: records
// in front of the cut are read, none that is not whole, and the other segments
// lose nothing.
func TestReaderTruncated(t *testing.T) {
	l, values := three(t)
	_, whole, _ := all(t, l.snapshot(record.Position{}))
	content := l.content(2)
	for size := int64(len(content)); size >= 0; size -= 97 {
		if err := os.WriteFile(l.path(2), content[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		var want []string
		i := 0
		for _, e := range whole {
			var n uint64
			var off int64
			if _, err := fmt.Sscanf(string(e), "%d:%d", &n, &off); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(e), "whole") {
				continue
			}
			end := off + record.Overhead + int64(len("key")+len(values[i]))
			if n != 2 || end <= size {
				want = append(want, values[i])
			}
			i++
		}
		got, events, errs := all(t, l.snapshot(record.Position{}))
		if !slices.Equal(got, want) || len(errs) > 0 {
			t.Errorf("cut to %d bytes: %d records, %v; want %d", size, len(got), errs, len(want))
		}
		tiled(t, 2, events)
	}
}

// tiled fails the test unless the events of segment n follow each other without
// a gap from the end of the header to the limit.
func tiled(t *testing.T, n uint64, events []event) {
	t.Helper()
	next := int64(HeaderSize)
	for _, e := range events {
		var k uint64
		var from, to int64
		if _, err := fmt.Sscanf(string(e), "%d:%d", &k, &from); err != nil || k != n || from < HeaderSize {
			continue
		}
		if from != next {
			t.Errorf("segment %d: nothing is said of [%d, %d)", n, next, from)
		}
		if before, value, ok := strings.Cut(string(e), " whole "); ok {
			to = from + record.Overhead + int64(len("key")+len(value))
			_ = before
		} else if _, err := fmt.Sscanf(string(e)[strings.LastIndexByte(string(e), ' ')+1:], "%d", &to); err != nil {
			t.Fatal(err)
		}
		next = to
	}
	if next != tight.Limit {
		t.Errorf("segment %d: nothing is said of [%d, %d)", n, next, tight.Limit)
	}
}

// A file that becomes shorter while it is read: what is left is judged anew,
// and the reader goes on with the next segment.
func TestReaderShrinks(t *testing.T) {
	for _, size := range []int64{0, 100, HeaderSize, HeaderSize + 10, HeaderSize + 56, HeaderSize + 100} {
		l := newLab(t)
		l.create(1)
		l.put(1, "a", "b", "c")
		l.seal(1)
		l.create(2)
		l.put(2, "d")
		r := l.reader(ReaderOptions{BlockSize: 64})
		var ev record.Event
		if err := r.Next(&ev); err != nil || string(ev.Value) != "a" {
			t.Fatalf("first record %q, %v", ev.Value, err)
		}
		if err := os.Truncate(l.path(1), size); err != nil {
			t.Fatal(err)
		}
		got, events, errs := all(t, r)
		if len(got) == 0 || got[len(got)-1] != "d" || len(errs) > 0 {
			t.Errorf("cut to %d bytes: %v, %v", size, events, errs)
		}
	}
}

// A segment that is longer than any honest one: what is behind the limit is
// void, whatever it is.
func TestReaderBehindCapacity(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	const size = 32 << 20
	if err := os.Truncate(l.path(1), size); err != nil {
		t.Fatal(err)
	}
	l.create(2)
	l.put(2, "b")
	_, events, errs := all(t, l.snapshot(record.Position{}))
	want := []event{"1:8192 whole a", "1:8248 unused to 12288", event(fmt.Sprintf("1:12288 void to %d", size)), "2:8192 whole b"}
	if diff := cmp.Diff(want, events); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v (-want +got):\n%s", errs, diff)
	}
}

// Blocks are reused only if that was asked for.
func TestReaderKeepsValues(t *testing.T) {
	l, values := three(t)
	r := l.snapshot(record.Position{})
	var got [][]byte
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Class == record.Whole {
			got = append(got, ev.Value)
		}
	}
	for i, v := range got {
		if !bytes.Equal(v, []byte(values[i])) {
			t.Errorf("record %d was overwritten", i)
		}
	}
}
