package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

// step wants the next records of r to be these, and then nothing.
func step(t *testing.T, r *Reader, want ...string) {
	t.Helper()
	got, _, errs := all(t, r)
	if diff := cmp.Diff(want, got); diff != "" || len(errs) > 0 {
		t.Fatalf("errors %v (-want +got):\n%s", errs, diff)
	}
}

// A follower sees what is appended, over rotations, and nothing twice.
func TestFollowRotation(t *testing.T) {
	l := newLab(t)
	r := l.reader(ReaderOptions{})
	step(t, r) // there is no segment yet
	for n := uint64(1); n <= 5; n++ {
		l.create(n)
		step(t, r)
		l.put(n, "a")
		step(t, r, "a")
		step(t, r)
		l.put(n, "b", "c")
		step(t, r, "b", "c")
		torn := l.bytes(n, "half")
		l.raw(n, torn[:len(torn)/2])
		step(t, r) // pending
		l.put(n, "behind it")
		step(t, r, "behind it")
		l.seal(n)
		step(t, r)
		l.put(n, "void")
		step(t, r)
	}
}

// A record that is being written is neither a record nor damage, whatever part
// of it there is.
func TestFollowPending(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	r := l.reader(ReaderOptions{})
	step(t, r, "a")
	b := l.bytes(1, "slow")
	for i := range b {
		_, events, errs := all(t, r)
		if len(events) > 0 || len(errs) > 0 {
			t.Fatalf("after %d of %d bytes: %v, %v", i, len(b), events, errs)
		}
		l.raw(1, b[i:i+1])
	}
	step(t, r, "slow")
}

// A reader of a snapshot stops at its end while writers go on, in the segment
// it was taken in and in later ones.
func TestSnapshotEnd(t *testing.T) {
	l, values := three(t)
	end, err := l.d.End()
	if err != nil {
		t.Fatal(err)
	}
	r := l.reader(ReaderOptions{End: &end})
	var got []string
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Class == record.Whole {
			got = append(got, string(ev.Value))
		}
		if n := uint64(3 + len(got)/10); n > 3 { // a writer goes on
			if there, err := l.d.Exists(n); err != nil {
				t.Fatal(err)
			} else if !there {
				l.seal(n - 1)
				l.create(n)
			}
			l.put(n, "later")
		} else {
			l.put(3, "later")
		}
	}
	if diff := cmp.Diff(values, got); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	// What is pending in the snapshot stays so, even if it is complete by now.
	l = newLab(t)
	l.create(1)
	l.put(1, "a")
	b := l.bytes(1, "slow")
	l.raw(1, b[:30])
	if end, err = l.d.End(); err != nil {
		t.Fatal(err)
	}
	l.raw(1, b[30:])
	l.put(1, "b")
	r = l.reader(ReaderOptions{End: &end})
	step(t, r, "a")
	if want := (record.Position{Segment: 1, Offset: HeaderSize + 56}); r.Position() != want {
		t.Errorf("the snapshot ends at %v, want %v", r.Position(), want)
	}
}

// C10, C41: the snapshot is taken before the bytes are read. A record that was
// incomplete then, and is completed and followed by another one while the
// reader looks, is not skipped.
func TestC10SnapshotFirst(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	b := l.bytes(1, "completed")
	l.raw(1, b[:50])
	r := l.reader(ReaderOptions{})
	step(t, r, "a")

	// The reader looks (D1) ...
	if err := r.look(); err != nil {
		t.Fatal(err)
	}
	// ... the writer ends, another one appends, and the segment is finished ...
	l.raw(1, b[50:])
	l.put(1, "following")
	l.seal(1)
	l.create(2)
	l.put(2, "last")
	// ... and the bytes are read now.
	var ev record.Event
	if err := r.scan.Next(&ev); err != io.EOF {
		t.Fatalf("a verdict on bytes behind the snapshot: %+v, %v", ev, err)
	}
	step(t, r, "completed", "following", "last")
}

// C41: whether a segment is finished is found out before its size. A record
// that gets in between the two must not be left out.
func TestC41FinishedBeforeSize(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	r := l.reader(ReaderOptions{})
	step(t, r, "a")
	final, err := r.finished()
	if final || err != nil {
		t.Fatalf("finished: %v, %v", final, err)
	}
	l.put(1, "b")
	l.seal(1)
	l.create(2)
	// The size that belongs to "not finished" may be larger, never smaller.
	r.scan.See(l.stat(1).Size, final)
	var ev record.Event
	if err := r.scan.Next(&ev); err != nil || string(ev.Value) != "b" {
		t.Fatalf("%q, %v", ev.Value, err)
	}
	_, events, errs := all(t, r)
	if want := []event{"1:8304 unused to 12288"}; !slices.Equal(events, want) || len(errs) > 0 {
		t.Errorf("then %v, %v; want %v", events, errs, want)
	}
}

// Size at or above the limit does not finish a segment: the write that crosses
// the limit may be under way.
func TestFullIsNotFinished(t *testing.T) {
	l := newLab(t)
	l.create(1)
	b := l.bytes(1, strings.Repeat("x", int(tight.Limit)))
	l.raw(1, b[:tight.Limit])
	r := l.reader(ReaderOptions{})
	_, events, errs := all(t, r)
	if len(events) > 0 || len(errs) > 0 {
		t.Fatalf("a record under way is %v, %v", events, errs)
	}
	l.raw(1, b[tight.Limit:])
	step(t, r, strings.Repeat("x", int(tight.Limit)))
}

// C39: the reader stands at the end of n, which was closed early; n+1 and n+2
// are made, and retention removes n and n+1 before the reader looks.
func TestC39PrunedWhileWaiting(t *testing.T) {
	for _, keep := range []bool{false, true} {
		l := newLab(t)
		l.create(1)
		l.put(1, "a")
		r := l.reader(ReaderOptions{})
		step(t, r, "a")
		l.put(1, "b")
		l.seal(1)
		l.create(2)
		l.put(2, "never seen")
		l.seal(2)
		l.create(3)
		l.put(3, "c")
		if !keep {
			l.remove(1)
		}
		l.remove(2)
		// What was appended to the open file is read, then the gap is told.
		var got []string
		var gone *GoneError
		for ev, looks := (record.Event{}), 0; len(got) < 2; {
			err := r.Next(&ev)
			switch {
			case err == io.EOF:
				// If n itself is left nothing but a listing can tell.
				if looks++; looks > 2*lookFurther {
					t.Fatalf("the reader waits for ever (segment 1 kept: %v)", keep)
				}
			case errors.As(err, &gone):
			case err != nil:
				t.Fatal(err)
			case ev.Class == record.Whole:
				got = append(got, string(ev.Value))
			}
		}
		if !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("read %q", got)
		}
		want := ErrPruned
		if keep {
			want = ErrMissing
		}
		if gone == nil || !errors.Is(gone, want) || gone.From.Segment != 2 || gone.Oldest.Segment != 3 {
			t.Errorf("gap %v, want %v", gone, want)
		}
	}
}

// A file that loses its name while it is read is read to its end.
func TestRemovedWhileRead(t *testing.T) {
	l, values := three(t)
	for name, r := range map[string]*Reader{"snapshot": l.snapshot(record.Position{}), "follower": l.reader(ReaderOptions{})} {
		var ev record.Event
		if err := r.Next(&ev); err != nil || string(ev.Value) != values[0] {
			t.Fatalf("%s: %q, %v", name, ev.Value, err)
		}
		defer func() {
			got, _, errs := all(t, r)
			if !slices.Equal(got, values[1:]) || len(errs) > 0 {
				t.Errorf("%s: %d records, %v; want %d", name, len(got), errs, len(values)-1)
			}
		}()
	}
	l.remove(1)
}

// Removed although it was the newest: finished, and nothing follows.
func TestNewestRemovedWhileRead(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	r := l.reader(ReaderOptions{})
	step(t, r, "a")
	f, err := os.OpenFile(l.path(1), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l.remove(1)
	if _, err := f.Write(l.bytes(1, "through an open file")); err != nil {
		t.Fatal(err)
	}
	step(t, r, "through an open file")
	step(t, r)
}

// D6: recovery has put a copy in the place of a segment that is damaged for
// those who have it open. They go on in the copy, with the record the damage
// hit.
func TestD6RepairedCopy(t *testing.T) {
	for _, follow := range []bool{false, true} {
		l := newLab(t)
		l.create(1)
		l.put(1, "a")
		at := l.put(1, "b")
		l.put(1, "c")
		l.seal(1)
		l.create(2)
		l.put(2, "d")
		r := l.snapshot(record.Position{})
		if follow {
			r = l.reader(ReaderOptions{})
		}
		var ev record.Event
		if err := r.Next(&ev); err != nil || string(ev.Value) != "a" {
			t.Fatalf("%q, %v", ev.Value, err)
		}
		old := l.open(1, os.O_RDWR)
		if err := l.d.Copy(1); err != nil {
			t.Fatal(err)
		}
		// The page that the disk never got is dropped from memory.
		if _, err := old.F.WriteAt(make([]byte, 56), at); err != nil {
			t.Fatal(err)
		}
		r.scan.Reset(r.file.F) // forget the block that was read ahead
		step(t, r, "b", "c", "d")
	}
}

// Damage that the copy has too is reported, once.
func TestD6DamageInTheCopy(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "a")
	at := l.put(1, "b")
	l.put(1, "c")
	l.seal(1)
	l.create(2)
	l.overwrite(1, at+50, []byte("X"))
	r := l.reader(ReaderOptions{})
	var ev record.Event
	if err := r.Next(&ev); err != nil {
		t.Fatal(err)
	}
	if err := l.d.Copy(1); err != nil {
		t.Fatal(err)
	}
	_, events, errs := all(t, r)
	want := []event{"1:8248 corruption to 8304", "1:8304 whole c", "1:8360 unused to 12288"}
	if diff := cmp.Diff(want, events); diff != "" || len(errs) > 0 {
		t.Errorf("errors %v (-want +got):\n%s", errs, diff)
	}
}

// D6 finds something else in the place: no segment, or one of another journal.
// Then what is open is all there is, and its damage is not passed over.
func TestD6NothingToGoOnIn(t *testing.T) {
	for name, replace := range map[string]func(l *lab){
		"removed": func(l *lab) { l.remove(1) },
		"foreign": func(l *lab) {
			h := goldenSegment(1)
			h.UUID[3]++
			l.remove(1)
			if err := l.d.Create(h, 0o644, false); err != nil {
				l.t.Fatal(err)
			}
		},
	} {
		l := newLab(t)
		l.create(1)
		l.put(1, "a")
		at := l.put(1, "b")
		l.put(1, "c")
		l.seal(1)
		l.create(2)
		l.put(2, "d")
		l.overwrite(1, at+50, []byte("X"))
		r := l.reader(ReaderOptions{})
		var ev record.Event
		if err := r.Next(&ev); err != nil {
			t.Fatal(err)
		}
		replace(l)
		_, events, errs := all(t, r)
		want := []event{"1:8248 corruption to 8304", "1:8304 whole c", "1:8360 unused to 12288", "2:8192 whole d"}
		if diff := cmp.Diff(want, events); diff != "" || len(errs) > 0 {
			t.Errorf("%s: errors %v (-want +got):\n%s", name, errs, diff)
		}
	}
}

// Readers beside writers, in real time: every reader sees every record once, in
// one order, while segments are made and removed.
func TestReadersBesideWriter(t *testing.T) {
	l := newLab(t)
	l.create(1)
	const segments, each = 30, 12
	readers := make([][]string, 3)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range readers {
		d := identified(t, l.dir)
		wg.Go(func() {
			r := d.NewReader(ReaderOptions{Reuse: i == 1, BlockSize: []int{0, 200, 4096}[i]})
			defer r.Close()
			for ev, ended := (record.Event{}), false; ; {
				err := r.Next(&ev)
				switch {
				case err == io.EOF && ended:
					return
				case err == io.EOF:
					select {
					case <-done:
						ended = true // look once more: the last records were there before
					default:
					}
				case err != nil:
					t.Error(err)
					return
				case ev.Class == record.Whole:
					readers[i] = append(readers[i], string(ev.Value))
				case ev.Class == record.Corruption || ev.Class == record.Hole:
					t.Errorf("reader %d: %s", i, eventOf(r.Segment(), &ev))
				}
			}
		})
	}
	var want []string
	for n := uint64(1); n <= segments; n++ {
		for k := range each {
			v := fmt.Sprintf("%d.%d %0200d", n, k, 0)
			want = append(want, v)
			if k%5 == 4 {
				l.raw(n, l.bytes(n, "torn")[:20+k])
			}
			l.put(n, v)
		}
		if n < segments {
			l.seal(n)
			l.create(n + 1)
		}
	}
	close(done)
	wg.Wait()
	for i, got := range readers {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("reader %d (-want +got):\n%s", i, diff)
		}
	}
}

// Something that is no file has a segment's name: an error, no hanging, and what
// stands behind it is read all the same.
func TestReaderOfNoFile(t *testing.T) {
	l, _ := three(t)
	l.remove(2)
	if err := os.Mkdir(l.path(2), 0o755); err != nil {
		t.Fatal(err)
	}
	r := l.snapshot(record.Position{Segment: 2})
	var ev record.Event
	var located *Error
	if err := r.Next(&ev); !errors.As(err, &located) || located.Segment != 2 || !errors.Is(err, ErrForeign) {
		t.Errorf("error %v", err)
	}
	if err := r.Next(&ev); err != nil || r.Segment() != 3 {
		t.Errorf("behind it: %v, segment %d", err, r.Segment())
	}
	l.remove(2)
	if err := os.Symlink(filepath.Join(l.dir, Name(1)), l.path(2)); err != nil {
		t.Skip("no symbolic links:", err)
	}
	r = l.snapshot(record.Position{Segment: 2})
	if err := r.Next(&ev); !errors.As(err, &located) || located.Segment != 2 || !errors.Is(err, ErrForeign) {
		t.Errorf("of a symbolic link: %v", err)
	}
	if _, err := host.StatIn(l.d.F, Name(2)); err != nil {
		t.Error(err)
	}
}
