package writer

import (
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// crowd is a handle with goroutines that come while an append is under way.
type crowd struct {
	t     testing.TB
	w     *Writer
	armed atomic.Bool
	comes int           // so many, before the append under way goes on
	gone  atomic.Bool   // it goes on
	calls atomic.Int32  // of A2
	at    func(n int32) // called in front of the n-th of them
}

func newCrowd(t testing.TB, dir string, opt Options) *crowd {
	c := &crowd{t: t}
	sys := realSystem()
	sys.step = c.step
	c.w = start(t, dir, opt, sys)
	return c
}

func (c *crowd) step(name string) {
	switch {
	case name == "wait":
		runtime.Gosched()
	case name == "A2" && c.armed.Load():
		n := c.calls.Add(1)
		for n == 1 && c.queued() < c.comes {
			runtime.Gosched()
		}
		c.gone.Store(true)
		if c.at != nil {
			c.at(n)
		}
	}
}

func (c *crowd) queued() int {
	c.w.line.mu.Lock()
	defer c.w.line.mu.Unlock()
	return len(c.w.line.waiting)
}

// append appends the first text, and the others while that is under way, in their order.
func (c *crowd) append(texts ...string) (acks []Ack, errs []error) {
	c.comes = len(texts) - 1
	looked := c.w.mark.looked // a clock that stands still makes no mark due
	c.calls.Store(0)
	c.gone.Store(false)
	c.armed.Store(true)
	defer c.armed.Store(false)
	acks, errs = make([]Ack, len(texts)), make([]error, len(texts))
	var wg sync.WaitGroup
	for i, text := range texts {
		wg.Go(func() {
			acks[i], errs[i] = c.w.Append(record.Header{Kind: record.KindData, Time: looked}, nil, []byte(text), false)
		})
		for i == 0 && c.calls.Load() == 0 || i > 0 && c.queued() < i && !c.gone.Load() {
			runtime.Gosched()
		}
	}
	wg.Wait()
	return acks, errs
}

// Who comes while an append is under way is written by one call, in the order of the
// line, and told where its own record is.
func TestCombined(t *testing.T) {
	dir := t.TempDir()
	c := newCrowd(t, dir, small)
	texts := []string{"under way", "b", strings.Repeat("c", 300), "", "e", "f"}
	acks, errs := c.append(texts...)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := c.calls.Load(); n != 2 {
		t.Errorf("%d calls, want one for the first and one for the others", n)
	}
	for i, ack := range acks {
		want := Ack{Position: record.Position{Segment: 1, Offset: segment.HeaderSize}, Seq: uint64(i + 1)}
		if i > 0 {
			want.Position.Offset = acks[i-1].End
		}
		want.End, want.Time = want.Position.Offset+record.Overhead+int64(len(texts[i])), ack.Time
		if diff := cmp.Diff(want, ack); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
	}
	if st := c.w.Stats(); st.Records != 6 || st.Appends != 6 || st.Bytes != uint64(acks[5].End-segment.HeaderSize) {
		t.Errorf("counted %+v", st.Appended)
	}
	wantContents(t, dir, texts)
}

// One that cannot be written has its own error, and keeps nobody else from going on.
func TestCombinedWithTooLong(t *testing.T) {
	dir := t.TempDir()
	opt := small
	opt.Limits.MaxRecord = 1000
	c := newCrowd(t, dir, opt)
	_, errs := c.append("a", "b", strings.Repeat("c", 2000), "d", "e")
	for i, err := range errs {
		if long := i == 2; long != errors.Is(err, record.ErrTooLarge) || !long && err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	wantContents(t, dir, []string{"a", "b", "d", "e"})
}

// The first of them may carry a mark, which does not shift what they are told.
func TestCombinedBehindMark(t *testing.T) {
	dir := t.TempDir()
	c := newCrowd(t, dir, small)
	if err := c.w.SyncTo(put(t, c.w, "durable").Pos()); err != nil {
		t.Fatal(err)
	}
	c.at = func(n int32) {
		if n == 1 {
			c.w.mark.since = markBytes // it is due for those who wait
		}
	}
	acks, errs := c.append("a", "b", "c")
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if gap := acks[1].Position.Offset - acks[0].End; gap != record.MarkSize {
		t.Errorf("%d bytes in front of the second, want a mark of %d", gap, record.MarkSize)
	}
	if st := c.w.Stats(); st.Marks != 1 || st.Bytes != uint64(acks[2].End-segment.HeaderSize) {
		t.Errorf("counted %+v", st.Appended)
	}
	wantContents(t, dir, []string{"durable", "a", "b", "c"})
}

// Those that come to stand behind the limit, because another process has filled the
// segment meanwhile, are void and stand in the next one.
func TestCombinedAcrossLimit(t *testing.T) {
	dir := t.TempDir()
	c, other := newCrowd(t, dir, small), start(t, dir, small, realSystem())
	var filled int64
	c.at = func(n int32) {
		if n == 2 {
			room := small.Limits.Limit - c.w.cur.last - 2*(record.Overhead+5)
			put(t, other, strings.Repeat("x", int(room-record.Overhead-int64(len("key"))-1)))
			filled = small.Limits.Limit - other.cur.last
		}
	}
	texts := []string{"aaaaa", "bbbbb", "ccccc", "ddddd", "eeeee", "fffff"}
	acks, errs := c.append(texts...)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var in []uint64
	for i, ack := range acks {
		in = append(in, ack.Position.Segment)
		if ack.Seq != uint64(i+1) {
			t.Errorf("record %d has sequence %d", i, ack.Seq)
		}
	}
	// One byte more than two of them have room, so a third begins below the limit.
	if want := []uint64{1, 1, 1, 1, 2, 2}; !slices.Equal(in, want) {
		t.Errorf("in segments %v, want %v; there was room for %d bytes", in, want, filled)
	}
	if v := c.w.count.appended.Voids; v != 2 {
		t.Errorf("%d voids, want 2", v)
	}
	got, _ := contents(t, dir)
	if got = slices.DeleteFunc(got, func(s string) bool { return s[0] == 'x' }); !slices.Equal(got, texts) {
		t.Errorf("read %q", got)
	}
}

// A disk that has room for some of them: those are there and were acknowledged, one is
// torn and tried once more, and each of the others fails by itself. The numbers have no
// hole when there is room again.
func TestCombinedCutShort(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	defer fileLimit(t, -1)
	dir := t.TempDir()
	c := newCrowd(t, dir, small)
	text := strings.Repeat("t", 100)
	c.at = func(n int32) {
		if n == 2 {
			fileLimit(t, c.w.cur.last+2*(record.Overhead+100)+50)
		}
	}
	acks, errs := c.append(text, text, text, text, text)
	fileLimit(t, -1)
	for i, err := range errs[:3] {
		if err != nil || acks[i].Seq != uint64(i+1) {
			t.Errorf("record %d, for which there was room: %+v, %v", i, acks[i], err)
		}
	}
	var torn *FragmentError
	if !errors.As(errs[3], &torn) || torn.Written != 50 || torn.Want != record.Overhead+100 || !errors.Is(errs[3], io.ErrShortWrite) {
		t.Errorf("the torn one: %v", errs[3])
	}
	if !errors.Is(errs[4], syscall.EFBIG) || errors.As(errs[4], &torn) {
		t.Errorf("the one behind it: %v", errs[4])
	}
	if ack := put(t, c.w, "after"); ack.Seq != 4 {
		t.Errorf("sequence %d, want 4", ack.Seq)
	}
	got, damage := contents(t, dir)
	if diff := cmp.Diff([]string{text, text, text, "after"}, got); diff != "" {
		t.Errorf("journal differs (-want +got):\n%s", diff)
	}
	if !slices.Equal(damage, []record.Class{record.Fragment}) {
		t.Errorf("damage %v", damage)
	}
}

// Nobody knows where they are: all of them are told so, and the numbers of those that
// are there are used up.
func TestCombinedUnknown(t *testing.T) {
	dir := t.TempDir()
	c := newCrowd(t, dir, small)
	c.at = func(n int32) {
		if n == 2 {
			c.w.cur.last += 1000 // as if the own offset had gone back since
		}
	}
	_, errs := c.append("a", "b", "c", "d")
	for i, err := range errs {
		if unknown := errors.Is(err, ErrOutcomeUnknown); unknown != (i > 0) {
			t.Errorf("record %d: %v", i, err)
		}
	}
	if ack := put(t, c.w, "e"); ack.Seq != 5 {
		t.Errorf("sequence %d behind three of unknown outcome that are there, want 5", ack.Seq)
	}
	wantContents(t, dir, []string{"a", "b", "c", "d", "e"})
}

// After Close those who still wait are told.
func TestCombinedClosed(t *testing.T) {
	c := newCrowd(t, t.TempDir(), small)
	closed := make(chan error, 1)
	c.at = func(n int32) {
		if n == 1 {
			c.w.closed = true // what Close does with mu held
			closed <- nil
		}
	}
	_, errs := c.append("a", "b", "c")
	c.w.closed = false
	<-closed
	for i, err := range errs {
		if i > 0 && !errors.Is(err, ErrClosed) || i == 0 && err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

// Many goroutines of two handles in small segments, with records on both sides of what
// is combined: each is there once, where its append said, and no number is missing.
func TestCombinedAmongOthers(t *testing.T) {
	dir := t.TempDir()
	const each = 300
	var mu sync.Mutex
	said := make(map[record.Position]string)
	var wg sync.WaitGroup
	handles := []*Writer{start(t, dir, small, realSystem()), start(t, dir, small, realSystem())}
	for k := range 12 {
		w := handles[k%2]
		wg.Go(func() {
			for i := range each {
				text := fmt.Sprintf("%d %d %s", k, i, strings.Repeat(".", i*37%600))
				if i%50 == 7 {
					text += strings.Repeat("!", combinedRecord)
				}
				h := record.Header{Kind: record.KindData, Time: time.Now().UnixNano()}
				ack, err := w.Append(h, nil, []byte(text), false)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				said[ack.Position] = text
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	numbers := make(map[uint64]uint64)
	found := 0
	events(t, dir, func(n uint64, ev *record.Event) {
		if ev.Class != record.Whole || ev.Header.Kind.Note() {
			return
		}
		at := record.Position{Segment: n, Offset: ev.From}
		if text, ok := said[at]; !ok || text != string(ev.Value) {
			t.Errorf("the record at %v is %.20q and was said to be %.20q", at, ev.Value, text)
		}
		if numbers[ev.Header.Writer]++; numbers[ev.Header.Writer] != ev.Header.Seq {
			t.Errorf("the record at %v has sequence %d, want %d", at, ev.Header.Seq, numbers[ev.Header.Writer])
		}
		found++
	})
	if found != 12*each || len(said) != found {
		t.Errorf("%d records are there, and %d places were told; want %d", found, len(said), 12*each)
	}
}
