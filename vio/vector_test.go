package vio

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The model of a vector is its bytes. Cutting them and cutting the vector must
// come to the same, in a new slice and in place.
func TestVectorTools(t *testing.T) {
	source := pattern(1<<14, 51)
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 9), rapid.IntRange(0, 900)), 0, 12).Draw(t, "sizes")
		bufs := cut(source[:sum(sizes)], sizes...)
		data := concat(bufs)
		n := rapid.Int64Range(-2, int64(len(data))+2).Draw(t, "n")
		head, okHead := Trim(nil, bufs, n)
		tail, okTail := Advance(nil, bufs, n)
		first, second, okSplit := Split(nil, bufs, n)
		if want := n >= 0 && n <= int64(len(data)); okHead != want || okTail != want || okSplit != want {
			t.Fatalf("%t, %t, %t, want %t", okHead, okTail, okSplit, want)
		}
		if !okHead {
			if head != nil || tail != nil || first != nil || second != nil {
				t.Fatal("something for an n out of range")
			}
			return
		}
		for name, got := range map[string][2][]byte{
			"trim": {concat(head), data[:n]}, "advance": {concat(tail), data[n:]},
			"split head": {concat(first), data[:n]}, "split tail": {concat(second), data[n:]},
		} {
			if !bytes.Equal(got[0], got[1]) {
				t.Fatalf("%s: %q, want %q", name, got[0], got[1])
			}
		}
		if !bytes.Equal(concat(bufs), data) {
			t.Fatal("the vector has changed")
		}
		for _, b := range append(append([][]byte{}, head...), tail...) {
			if len(b) == 0 {
				t.Fatal("an empty piece is left")
			}
		}
		inPlace := append([][]byte(nil), bufs...)
		if got, _ := Advance(inPlace[:0], inPlace, n); !bytes.Equal(concat(got), data[n:]) {
			t.Fatal("Advance in place differs")
		}
		inPlace = append(inPlace[:0], bufs...)
		if got, _ := Trim(inPlace[:0], inPlace, n); !bytes.Equal(concat(got), data[:n]) {
			t.Fatal("Trim in place differs")
		}
	})
}

// An append to what was cut off must not overwrite what lies behind it.
func TestTrimCapacity(t *testing.T) {
	b := []byte("abcdef")
	head, _, _ := Split(nil, [][]byte{b}, 2)
	head[0] = append(head[0], "XY"...)
	if string(b) != "abcdef" {
		t.Errorf("the piece is %q now", b)
	}
}

// Pieces that share memory can be longer together than an int64 counts.
func TestToolsOverflow(t *testing.T) {
	if math.MaxInt < math.MaxInt64 {
		t.Skip("slices are too short here")
	}
	big := hugeSlice([]byte{1}, math.MaxInt)
	bufs := [][]byte{big, big, big}
	if rest, ok := Advance(nil, bufs, math.MaxInt64); !ok || len(rest) != 2 {
		t.Errorf("Advance: %t, %d pieces", ok, len(rest))
	}
	c := NewCursor(bufs)
	if c.Len() != math.MaxInt64 || c.Advance(1) {
		t.Errorf("Cursor: Len %d", c.Len())
	}
	if _, err := c.WriteTo(new(bytes.Buffer)); err != ErrTooLarge {
		t.Errorf("Cursor.WriteTo: %v", err)
	}
	f := plainFile(t, []byte("x"))
	_, err := WritevAll(f, bufs)
	wantError(t, err, "writevall", f, 0, math.MaxInt64, ErrTooLarge)
	_, err = ReadvFull(f, bufs)
	wantError(t, err, "readvfull", f, 0, math.MaxInt64, ErrTooLarge)
}
