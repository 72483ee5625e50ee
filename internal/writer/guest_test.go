package writer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// told is what a reader is given of a record, or of an entry of a batch.
type told struct {
	Writer, Seq uint64
	Time        int64
	Kind        record.Kind
	Key, Value  string
}

// heads reads the whole journal: all records but marks, those in batches one by one.
// A gap has its first sequence for a value.
func heads(t testing.TB, dir string) (got []told) {
	t.Helper()
	r := openDir(t, dir).NewReader(segment.ReaderOptions{})
	defer r.Close() // only read from
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			return got
		}
		if err != nil || ev.Class == record.Corruption || ev.Class == record.Hole {
			t.Fatalf("%v, %v", ev.Class, err)
		}
		h := ev.Header
		one := told{h.Writer, h.Seq, h.Time, h.Kind, string(ev.Key), string(ev.Value)}
		switch {
		case ev.Class != record.Whole || h.Kind == record.KindMark:
		case h.Kind == record.KindGap:
			from, ok := record.ParseGap(&h, ev.Value)
			if !ok {
				t.Fatalf("a gap that is none: %x", ev.Value)
			}
			one.Value, one.Time = fmt.Sprint(from), 0 // which may be moved
			got = append(got, one)
		case h.Kind == record.KindBatch:
			entries, _ := record.NewEntries(ev.Value) // the scanner has checked it
			for entries.Len() > 0 {
				e, _ := entries.Next()
				one.Kind, one.Key, one.Value = e.Kind, string(e.Key), string(e.Value)
				got = append(got, one)
				one.Seq++
			}
		default:
			got = append(got, one)
		}
	}
}

func entriesOf(t testing.TB, values ...string) (entries [][]byte) {
	t.Helper()
	for _, v := range values {
		head, err := record.AppendEntry(nil, record.KindData, 3, len(v))
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, head, []byte("key"), []byte(v))
	}
	return entries
}

// Records of another journal keep writer, sequence and time to the nanosecond, over
// rolls too; the sequence of the handle's own records has no holes because of them.
func TestAppendAs(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	const guest, began = 77, int64(1500000000000000000)
	var want []told
	own, rolls, last := uint64(0), 0, uint64(0)
	for seq := uint64(1); rolls < 4 || seq < 3000; seq++ {
		h := record.Header{Kind: record.KindData, Time: began + int64(seq), Writer: guest, Seq: seq}
		key, value := fmt.Appendf(nil, "k%d", seq%7), bytes.Repeat([]byte{byte(seq)}, int(seq%50))
		if seq%100 == 0 {
			value = append(value, w.cur.Frame.Marker[:]...)
		}
		if seq%31 == 0 {
			h.Kind = record.KindDelete
		}
		ack, err := w.AppendAs(h, 1, key, value, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Time != h.Time || ack.Seq != seq {
			t.Fatalf("record %d of time %d was appended as %+v", seq, h.Time, ack)
		}
		want = append(want, told{guest, seq, h.Time, h.Kind, string(key), string(value)})
		if ack.Position.Segment != last {
			last, rolls = ack.Position.Segment, rolls+1
		}
		if seq%10 == 0 {
			own++
			if ack := put(t, w, "own"); ack.Seq != own {
				t.Fatalf("the handle's record %d has the sequence %d", own, ack.Seq)
			}
			want = append(want, told{w.id, own, 0, record.KindData, "key", "own"})
		}
	}
	if s := w.Stats(); s.Records != uint64(len(want)) {
		t.Errorf("%d records are counted, want %d", s.Records, len(want))
	}
	got := heads(t, dir)
	for i := range got {
		if got[i].Writer == w.id {
			got[i].Time = 0
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A batch of another journal keeps what it has too, but for one nanosecond in one of
// sixteen thousand; a gap says what it is to say.
func TestAppendBatchAs(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	var want []told
	for i := range uint64(300) {
		seq := 10*i + 5
		h := record.Header{Time: int64(1e18 + i), Writer: 9, Seq: seq}
		if _, err := w.AppendGap(record.Header{Time: h.Time, Writer: 9, Seq: seq - 1}, 10*i+1); err != nil {
			t.Fatal(err)
		}
		want = append(want, told{9, seq - 1, 0, record.KindGap, "", fmt.Sprint(10*i + 1)})
		values := []string{"one", string(w.cur.Frame.Marker[:]), "", "four", "five", "six"}
		ack, err := w.AppendAs(h, len(values), nil, nil, entriesOf(t, values...))
		if err != nil {
			t.Fatal(err)
		}
		if ack.Time < h.Time || ack.Time > h.Time+3 {
			t.Errorf("batch of time %d has got %d", h.Time, ack.Time)
		}
		for k, v := range values {
			want = append(want, told{9, seq + uint64(k), ack.Time, record.KindData, "key", v})
		}
	}
	if diff := cmp.Diff(want, heads(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if ack := put(t, w, "own"); ack.Seq != 1 {
		t.Errorf("the first record of the handle has the sequence %d", ack.Seq)
	}
}

// A record that no plain or masked layout allows becomes a batch of one, and keeps
// its time. One that is as long as a record may be has no room for that.
func TestAppendAsBatchOfOne(t *testing.T) {
	dir := t.TempDir()
	opt := small
	opt.Limits.MaxRecord = 1000
	w := start(t, dir, opt, realSystem())
	for _, size := range []int{10, 1000 - record.Overhead} {
		value := bytes.Repeat([]byte("v"), size)
		h := record.Header{Kind: record.KindDelete, Time: 5e17, Writer: 3}
		for {
			h.Seq++
			buf, try := record.Buffer{KeepTime: true}, h
			if _, err := buf.Encode(&w.cur.Frame, &try, nil, value); err != nil {
				break
			}
		}
		ack, err := w.AppendAs(h, 1, nil, value, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := heads(t, dir)
		if diff := cmp.Diff(told{3, h.Seq, ack.Time, record.KindDelete, "", string(value)}, all[len(all)-1]); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if long := size > 10; ack.Time != h.Time != long {
			t.Errorf("a value of %d bytes of time %d has got %d", size, h.Time, ack.Time)
		}
	}
}

// Nobody can find records of other journals by their sequences after a failed sync:
// their outcome counts as unknown, and Sync says so once.
func TestGuestsInDoubt(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	if _, err := w.AppendAs(record.Header{Kind: record.KindData, Writer: 3, Seq: 8}, 1, nil, []byte("v"), nil); err != nil {
		t.Fatal(err)
	}
	if !w.shared {
		t.Skip("there is no control file here that somebody else could replace")
	}
	if err := os.Remove(controlFile(t, dir)); err != nil {
		t.Fatal(err)
	}
	put(t, start(t, dir, small, realSystem()), "of another one") // which recovers
	fill(t, w)
	if err := w.Sync(); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Sync says %v, want ErrOutcomeUnknown", err)
	}
	if err := w.Sync(); err != nil {
		t.Errorf("the second Sync says %v", err)
	}
	put(t, w, "more")
	if err := w.Sync(); err != nil {
		t.Errorf("a later Sync says %v", err)
	}
}
