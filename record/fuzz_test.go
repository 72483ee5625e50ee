package record

import (
	"bytes"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: every parser accepts any bytes.
func FuzzParse(f *testing.F) {
	for _, b := range goldenSegments(f) {
		f.Add(b)
	}
	frame := testFrame()
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		h, ok := frame.ParseHeader(b)
		if !ok {
			// Any bytes as a batch, and as a header with a good checksum.
			walk(t, b)
			if len(b) < HeaderSize {
				return
			}
			copy(b, frame.Marker[:])
			r := (*rawHeader)(b)
			sum, _ := frame.headerSum(r)
			r.setSum(sum)
			if h, ok = frame.ParseHeader(b); !ok {
				return
			}
		}
		if h.Kind == 0 || h.KeyLen < 0 || h.ValueLen < 0 || h.Size() > MaxSize {
			t.Fatalf("impossible header %+v", h)
		}
		if again := rawHead(&frame, h); !bytes.Equal(again, b[:HeaderSize]) {
			t.Fatalf("header %x encodes as %x", b[:HeaderSize], again)
		}
		if int64(len(b)) < h.Size() {
			if frame.Whole(&h, b) {
				t.Fatal("whole, but too short")
			}
			return
		}
		b = b[:h.Size()]
		whole := frame.Whole(&h, b)
		if _, isRecord := newOracle(frame, b, 1, true, Ending{}).record(0); isRecord && !whole {
			t.Fatal("a record is not whole")
		}
		key, value := frame.Payload(&h, b)
		if len(key) != h.KeyLen || len(value) != h.ValueLen {
			t.Fatalf("payload of %d and %d bytes, want %d and %d", len(key), len(value), h.KeyLen, h.ValueLen)
		}
		walk(t, value)
	})
}

// walk takes value apart as a batch.
func walk(t *testing.T, value []byte) {
	all, ok := NewEntries(value)
	if ok != goodBatch(value) {
		t.Fatalf("form of batch %x is %v", value, ok)
	}
	if !ok {
		return
	}
	left := len(value) - BatchHeaderSize
	for n := all.Len(); n > 0; n-- {
		e, ok := all.Next()
		if !ok {
			t.Fatalf("%d entries are missing", n)
		}
		left -= EntryHeaderSize + len(e.Key) + len(e.Value)
	}
	if _, ok := all.Next(); ok || left != 0 {
		t.Fatalf("%d bytes left over", left)
	}
}

// FuzzScan: any bytes as a segment, in any snapshot, are accounted for to the
// last byte, as the oracle does it; and the same whether they are seen at once
// or growing.
func FuzzScan(f *testing.F) {
	for i, b := range goldenSegments(f) {
		f.Add(b, uint16(len(b)), uint16(len(b)/2), uint8(16), i%2 == 0)
		f.Add(bytes.Repeat(b, 3), uint16(len(b)), uint16(2*len(b)), uint8(0), i%2 == 1)
	}
	frame := testFrame()
	f.Fuzz(func(t *testing.T, seg []byte, limit, early uint16, block uint8, final bool) {
		if len(seg) > 4<<10 {
			return // the oracle takes quadratic time
		}
		opt := ScannerOptions{Frame: frame, Limit: int64(limit), BlockSize: int(block), Reuse: block%2 == 0}
		e := Ending{Full: block%3 == 0}
		once := scanEnding(t, seg, opt, final, e)
		want := newOracle(frame, seg, opt.Limit, final, e).events(0)
		if diff := cmp.Diff(want, once); diff != "" {
			t.Fatalf("limit %d, final %v (-oracle +scanner): %s", limit, final, diff)
		}
		at := int64(0)
		for _, e := range once {
			if e.From != at || e.To <= at {
				t.Fatalf("event [%d, %d) behind %d", e.From, e.To, at)
			}
			at = e.To
		}
		if final && at != max(opt.Limit, int64(len(seg))) {
			t.Fatalf("events end at %d", at)
		}
		s := NewScanner(bytes.NewReader(seg), opt)
		var grown []span
		for _, size := range []int{int(early) / 2, int(early), len(seg)} {
			s.See(int64(min(size, len(seg))), final && size == len(seg))
			s.Ends(e) // of no effect before it is final
			grown = append(grown, drain(t, s)...)
		}
		if final {
			s.See(int64(len(seg)), true)
			grown = append(grown, drain(t, s)...)
		}
		if diff := cmp.Diff(once, grown); diff != "" {
			t.Fatalf("seen at %d first (-at once +growing): %s", early, diff)
		}
		var ev Event
		if err := s.Next(&ev); err != io.EOF {
			t.Fatalf("behind the end: %v", err)
		}
	})
}

// FuzzMask: whatever key and value are, the marker occurs once, and both come
// back.
func FuzzMask(f *testing.F) {
	frame := testFrame()
	for _, b := range goldenSegments(f) {
		f.Add(b, b, int64(1), uint64(2), uint64(3))
		f.Add(b[:len(b)/2], b[len(b)/2:], int64(1), uint64(2), uint64(3))
	}
	for cut := range MarkerSize + 1 {
		f.Add(frame.Marker[:cut], frame.Marker[cut:], int64(cut), uint64(2), uint64(3))
	}
	f.Fuzz(func(t *testing.T, key, value []byte, when int64, writer, seq uint64) {
		if len(key) > MaxKey {
			return
		}
		h := Header{Kind: KindData, Time: when, Writer: writer, Seq: seq}
		if bytes.Contains(rawHead(&frame, h)[24:40], frame.Marker[:]) {
			return // a writer whose name is the marker cannot be hidden
		}
		checkHidden(t, &frame, &h, key, value)
	})
}
