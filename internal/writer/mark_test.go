package writer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// A mark is carried by the append behind it once enough has been appended, says
// no more than is on disk, and does not shift what its record is told.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	opt := small
	opt.Limits.Limit = 1 << 20
	w := start(t, dir, opt, realSystem())
	value := make([]byte, 1000)
	synced := []record.Position{{}} // what was known to be on disk when each record was appended
	acks := make(map[record.Position]uint64)
	for i := range 300 {
		// A clock that stands still: only what was appended makes a mark due.
		ack, err := w.Append(record.Header{Kind: record.KindData, Time: w.mark.looked}, nil, value, false)
		if err != nil {
			t.Fatal(err)
		}
		acks[ack.Position] = ack.Seq
		if i%10 == 0 {
			if err := w.SyncTo(ack.Pos()); err != nil {
				t.Fatal(err)
			}
		}
		syn := w.page.Syn()
		synced = append(synced, record.Position{Segment: syn.Segment(), Offset: syn.Offset()})
	}
	last := record.Position{}
	marks := 0
	events(t, dir, func(n uint64, ev *record.Event) {
		at := record.Position{Segment: n, Offset: ev.From}
		pos, ok := record.ParseMark(&ev.Header, ev.Value)
		if !ok {
			if ev.Class != record.Whole || acks[at] != ev.Header.Seq {
				t.Errorf("%v at %v with sequence %d was acknowledged as %d", ev.Class, at, ev.Header.Seq, acks[at])
			}
			return
		}
		marks++
		if known := synced[ev.Header.Seq]; !last.Before(pos) || known.Before(pos) {
			t.Errorf("mark %v behind record %d, with %v synced then and %v in the mark before", pos, ev.Header.Seq, known, last)
		}
		last = pos
	})
	if want := 300 * 1000 / markBytes; marks < want-1 || marks > want+1 {
		t.Errorf("%d marks, want about %d", marks, want)
	}
	if st := w.Stats(); st.Records != 300 {
		t.Errorf("%d records, want 300 without the marks", st.Records)
	}
}

// A clock that is set back does not put marks off until it has caught up.
func TestMarkClockSetBack(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	h := record.Header{Kind: record.KindData, Time: w.mark.looked}
	for range 4 {
		ack, err := w.Append(h, nil, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SyncTo(ack.Pos()); err != nil {
			t.Fatal(err)
		}
		h.Time -= int64(time.Hour)
	}
	marks := 0
	events(t, dir, func(_ uint64, ev *record.Event) {
		if _, ok := record.ParseMark(&ev.Header, ev.Value); ok {
			marks++
		}
	})
	if marks != 3 { // the first record has nothing in front of it that is on disk
		t.Errorf("%d marks among 4 records, each synced and an hour older than the one before", marks)
	}
}

// A record that carries a mark is void or not by its own start.
func TestMarkAcrossLimit(t *testing.T) {
	for _, room := range []int64{1, record.MarkSize, record.MarkSize + 1} {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			dir := t.TempDir()
			w := start(t, dir, small, realSystem())
			n := small.Limits.Limit - segment.HeaderSize - room - record.Overhead
			h := record.Header{Kind: record.KindData}
			ack, err := w.Append(h, nil, make([]byte, n), false)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.SyncTo(ack.Pos()); err != nil {
				t.Fatal(err)
			}
			h.Time = w.mark.looked + markTime
			ack, err = w.Append(h, []byte("key"), []byte("value"), false)
			if err != nil {
				t.Fatal(err)
			}
			want := record.Position{Segment: 2, Offset: segment.HeaderSize}
			if room > record.MarkSize {
				want = record.Position{Segment: 1, Offset: small.Limits.Limit - room + record.MarkSize}
			}
			if ack.Position != want {
				t.Errorf("acknowledged at %v, want %v", ack.Position, want)
			}
			wantContents(t, dir, []string{string(make([]byte, n)), "value"})
		})
	}
}

// events calls f with everything that is in the journal.
func events(t testing.TB, dir string, f func(n uint64, ev *record.Event)) {
	t.Helper()
	d := openDir(t, dir)
	r := d.NewReader(segment.ReaderOptions{})
	defer r.Close()
	for ev := (record.Event{}); ; {
		switch err := r.Next(&ev); {
		case err == io.EOF:
			return
		case err != nil:
			t.Fatal(err)
		}
		f(r.Segment(), &ev)
	}
}

// A segment says that the one before was full only if it was.
func TestRolled(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	fill(t, w)
	if !w.cur.Rolled {
		t.Error("a segment behind a full one does not say so")
	}
	// A recovery that dies behind the seal leaves a segment that is closed and not
	// full; who finds out by a void append must not call it full.
	put(t, w, "short")
	if err := errors.Join(os.Remove(controlFile(t, dir)), w.seal(w.cur.File)); err != nil {
		t.Fatal(err)
	}
	n := w.cur.Number
	put(t, w, "behind the seal")
	if w.cur.Number != n+1 || w.cur.Rolled || w.cur.Doubted {
		t.Errorf("segment %d behind one that recovery closed says rolled %v, doubted %v", w.cur.Number, w.cur.Rolled, w.cur.Doubted)
	}
	if _, damage := contents(t, dir); slices.Contains(damage, record.Hole) {
		t.Errorf("damage %v", damage)
	}
}

// crash ends w's boot, after change has done to the newest segments what a loss
// of power does, and returns the next boot's system.
func crash(t *testing.T, dir string, w *Writer, change func(name func(n uint64) string)) system {
	t.Helper()
	if err := w.Close(); err != nil && !errors.Is(err, ErrOutcomeUnknown) { // where syncs fail
		t.Fatal(err)
	}
	change(func(n uint64) string { return filepath.Join(dir, segment.Name(n)) })
	sys := realSystem()
	boot := w.boot
	boot[0]++
	sys.bootID = func() ([16]byte, error) { return boot, nil }
	return sys
}

// blank writes zeros over [from, to) of a file.
func blank(t testing.TB, path string, from, to int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, to-from), from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is lost in front of records that survived is where a prefix ends, and
// stays that for those who come later, whatever they ask for.
func TestRecoverPrefix(t *testing.T) {
	const page = 4096
	for _, tt := range []struct {
		name string
		// change is what the crash does; keep how many of the records are left of
		// those in the two segments.
		change func(t *testing.T, name func(n uint64) string, acks []Ack) (keep int)
		marked bool // the loss lies below a mark
	}{
		{"nothing lost", func(_ *testing.T, _ func(uint64) string, acks []Ack) int { return len(acks) }, false},
		{"one block", func(t *testing.T, name func(uint64) string, acks []Ack) int {
			blank(t, name(1), segment.HeaderSize, segment.HeaderSize+page)
			return 0
		}, false},
		{"end of the first segment", func(t *testing.T, name func(uint64) string, acks []Ack) int {
			i := slices.IndexFunc(acks, func(a Ack) bool { return a.Position.Segment == 2 }) - 2
			blank(t, name(1), acks[i].Position.Offset, small.Limits.Limit+2000)
			return i
		}, false},
		{"tail of the last segment", func(t *testing.T, name func(uint64) string, acks []Ack) int {
			i := len(acks) - 2
			if err := os.Truncate(name(2), acks[i].Position.Offset+10); err != nil {
				t.Fatal(err)
			}
			return i
		}, false},
		{"below a mark", func(t *testing.T, name func(uint64) string, acks []Ack) int {
			blank(t, name(1), acks[1].Position.Offset, acks[2].Position.Offset)
			return -1 // all but that one
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			sys := realSystem()
			sys.syncData = func(*os.File) error { return errors.New("no sync in this test") }
			if tt.marked {
				sys = realSystem()
			}
			opt := small
			opt.Prefix = true
			w := start(t, dir, opt, sys)
			var acks []Ack
			var texts []string
			for i := 0; len(acks) == 0 || acks[len(acks)-1].Position.Segment == 1 || i%4 > 0; i++ {
				h := record.Header{Kind: record.KindData, Time: w.mark.looked}
				if tt.marked {
					h.Time += markTime
				}
				texts = append(texts, fmt.Sprintf("%d %0700d", i, 0))
				ack, err := w.Append(h, nil, []byte(texts[i]), false)
				if err != nil {
					t.Fatal(err)
				}
				acks = append(acks, ack)
				if tt.marked {
					if err := w.SyncTo(ack.Pos()); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.background.Wait()
			want := texts
			sys = crash(t, dir, w, func(name func(uint64) string) {
				if keep := tt.change(t, name, acks); keep >= 0 {
					want = slices.Clone(texts[:keep])
				} else {
					want = slices.Delete(slices.Clone(texts), 1, 2)
				}
			})
			again := start(t, dir, opt, sys)
			put(t, again, "after")
			want = append(want, "after")
			got, damage := contents(t, dir)
			if !slices.Equal(got, want) {
				t.Errorf("%d records are left, want %d", len(got), len(want))
			}
			if dropped := slices.Contains(damage, record.Dropped); dropped != (tt.name == "one block" || tt.name == "end of the first segment") {
				t.Errorf("damage %v", damage)
			}
			sys.bootID = func() ([16]byte, error) { return [16]byte{9}, nil }
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			put(t, start(t, dir, small, sys), "later")
			if got, _ := contents(t, dir); !slices.Equal(got, append(want, "later")) {
				t.Errorf("%d records after another recovery, want %d", len(got), len(want)+1)
			}
		})
	}
}

// What a dropped record's position gives to who looks there.
func TestDroppedIsNotRead(t *testing.T) {
	dir := t.TempDir()
	opt := small
	opt.Prefix = true
	w := start(t, dir, opt, realSystem())
	first, second := put(t, w, "lost"), put(t, w, "dropped")
	sys := crash(t, dir, w, func(name func(uint64) string) {
		blank(t, name(1), first.Position.Offset, first.End)
	})
	start(t, dir, opt, sys)
	d := openDir(t, dir)
	f, err := d.OpenToRead(1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(second.Position.Offset); !errors.Is(err, segment.ErrNoRecord) {
		t.Errorf("reading a dropped record: %v, want ErrNoRecord", err)
	}
}
