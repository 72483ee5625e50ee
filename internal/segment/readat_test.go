package segment

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/manypen/manypen/record"
)

func TestReadAt(t *testing.T) {
	l := newLab(t)
	l.create(1)
	frame := record.NewFrame(goldenUUID, 1)
	small := l.put(1, "small")
	large := l.put(1, strings.Repeat("large ", 1500)) // more than the first look reads
	torn := l.raw(1, l.bytes(1, "torn in the middle")[:60])
	masked := l.put(1, "with "+string(frame.Marker[:])+" inside")
	corrupt := l.put(1, "corrupted")
	l.overwrite(1, corrupt+50, []byte("C"))
	damagedHeader := l.put(1, "header")
	l.overwrite(1, damagedHeader+20, []byte{0xFF})
	zeroed := l.put(1, "zeros")
	l.overwrite(1, zeroed, make([]byte, 50))
	var buf record.Buffer
	entry, err := record.AppendEntry(nil, record.KindData, 3, 5)
	if err != nil {
		t.Fatal(err)
	}
	h := record.Header{Writer: 7, Seq: 100}
	vec, err := buf.EncodeBatch(&frame, &h, 2, [][]byte{append(entry, "keyfirst"...), append(entry[:8:8], "keyother"...)})
	if err != nil {
		t.Fatal(err)
	}
	var flat []byte
	for _, p := range vec {
		flat = append(flat, p...)
	}
	batch := l.raw(1, flat)
	last := l.raw(1, l.bytes(1, "torn at the end")[:65])
	s := l.open(1, os.O_RDONLY)
	size := l.stat(1).Size
	for _, c := range []struct {
		name string
		off  int64
		want string
		err  error
	}{
		{"small", small, "small", nil},
		{"large", large, strings.Repeat("large ", 1500), nil},
		{"masked", masked, "with " + string(frame.Marker[:]) + " inside", nil},
		{"inside a record", small + 1, "", ErrNoRecord},
		{"inside a payload", large + 2000, "", ErrNoRecord},
		{"torn in the middle", torn, "", ErrCorrupt}, // others' bytes stand where its own are missing
		{"corrupted", corrupt, "", ErrCorrupt},
		{"header damaged", damagedHeader, "", ErrNoRecord},
		{"zeroed", zeroed, "", ErrNoRecord},
		{"torn at the end", last, "", ErrNoRecord},
		{"less than a header left", size - 10, "", ErrNoRecord},
		{"end of the file", size, "", ErrNoRecord},
		{"behind the end", size + 1000, "", ErrNoRecord},
		{"header of the segment", 0, "", ErrNoRecord},
		{"last byte of that", HeaderSize - 1, "", ErrNoRecord},
		{"negative", -1, "", ErrNoRecord},
		{"most negative", -1 << 63, "", ErrNoRecord},
		{"highest", 1<<63 - 1, "", ErrNoRecord},
	} {
		// The limit is in the way of the large ones; it has cases of its own.
		s.Limit = max(tight.Limit, size+2000)
		ev, err := s.ReadAt(c.off)
		if !errors.Is(err, c.err) || string(ev.Value) != c.want {
			t.Errorf("%s: %.20q, %v; want %.20q, %v", c.name, ev.Value, err, c.want, c.err)
		}
		var located *Error
		if err != nil && (!errors.As(err, &located) || located.Segment != 1 || located.Offset != c.off) {
			t.Errorf("%s: %v does not say where", c.name, err)
		}
		if err == nil && (ev.From != c.off || ev.To != c.off+ev.Header.Size() || string(ev.Key) != "key") {
			t.Errorf("%s: event %+v", c.name, ev)
		}
	}
	ev, err := s.ReadAt(batch)
	if err != nil || ev.Header.Kind != record.KindBatch || ev.Header.Seq != 100 {
		t.Fatalf("batch: %+v, %v", ev.Header, err)
	}
	entries, ok := record.NewEntries(ev.Value)
	if e, _ := entries.Next(); !ok || string(e.Value) != "first" {
		t.Errorf("first entry is %q", e.Value)
	}
}

// What is void is no record, whole or not.
func TestReadAtVoid(t *testing.T) {
	l, _ := three(t)
	s := l.open(1, os.O_RDONLY)
	size := l.stat(1).Size
	void := size - int64(len(l.bytes(1, "void")))
	f := s.Frame
	if b := l.content(1)[void:]; void < s.Limit || func() bool { _, ok := f.ParseHeader(b); return !ok }() {
		t.Fatalf("no void record at %d", void)
	}
	for off := s.Limit; off < size; off++ {
		if ev, err := s.ReadAt(off); !errors.Is(err, ErrNoRecord) {
			t.Fatalf("at %d, behind the limit: %q, %v", off, ev.Value, err)
		}
	}
}

// Values belong to whoever asked: a later read does not change them.
func TestReadAtOwnsMemory(t *testing.T) {
	l := newLab(t)
	l.create(1)
	a, b := l.put(1, "first"), l.put(1, "other")
	s := l.open(1, os.O_RDONLY)
	ev, err := s.ReadAt(a)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := s.ReadAt(b); err != nil {
			t.Fatal(err)
		}
	}
	if string(ev.Value) != "first" || string(ev.Key) != "key" {
		t.Errorf("the value has become %q", ev.Value)
	}
}

// A length that the file does not have costs nothing.
func TestReadAtAllocates(t *testing.T) {
	l := newLab(t)
	l.create(1)
	b := l.bytes(1, strings.Repeat("x", 60_000))
	off := l.raw(1, b[:5000])
	s := l.open(1, os.O_RDONLY)
	var err error
	got := testing.Benchmark(func(b *testing.B) {
		for range b.N {
			_, err = s.ReadAt(off)
		}
	}).AllocedBytesPerOp()
	if !errors.Is(err, ErrNoRecord) || got > 4096 {
		t.Errorf("%d bytes allocated, %v", got, err)
	}
}

func TestReadAtClosed(t *testing.T) {
	l, _ := three(t)
	s := l.open(1, os.O_RDONLY)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadAt(HeaderSize); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v, want os.ErrClosed", err)
	}
}
