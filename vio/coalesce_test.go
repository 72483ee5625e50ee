//go:build linux && !vio_portable

package vio

import (
	"bytes"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func iovecBytes(v unix.Iovec) []byte { return unsafe.Slice(v.Base, int(v.Len)) }

func joined(iovs []unix.Iovec) []byte {
	var b []byte
	for _, v := range iovs {
		b = append(b, iovecBytes(v)...)
	}
	return b
}

// inPlace counts the pieces of bufs that an iovec points at as they are.
func inPlace(iovs []unix.Iovec, bufs [][]byte) int {
	at := map[*byte]int{}
	for _, v := range iovs {
		at[v.Base] = int(v.Len)
	}
	n := 0
	for _, b := range bufs {
		if len(b) > 0 && at[unsafe.SliceData(b)] == len(b) {
			n++
		}
	}
	return n
}

func sizesOf(size, count int) []int {
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func TestCoalesce(t *testing.T) {
	join := func(parts ...[]int) (all []int) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	var alternating []int
	for range 1500 {
		alternating = append(alternating, mergeBelow, 1)
	}
	tests := []struct {
		name    string
		sizes   []int
		iovs    int // iovecs expected
		inPlace int // pieces not copied
	}{
		{"all small", sizesOf(16, 1500), 1, 0},
		{"one big between small", join(sizesOf(9, 1000), sizesOf(mergeBelow, 1), sizesOf(9, 1000)), 3, 1},
		{"empties between small", join(sizesOf(9, 800), sizesOf(0, 3000), sizesOf(9, 800)), 1, 0},
		{"lone small between big", join(sizesOf(mergeBelow, 3), []int{5}, sizesOf(mergeBelow, 2), sizesOf(1, 1100)), 7, 6},
		{"big fit", join(sizesOf(mergeBelow, 1023), sizesOf(1, 300)), 1024, 1023},
		{"big do not fit", sizesOf(mergeBelow, 1500), 1024, 1023},
		{"bigger do not fit", sizesOf(3*mergeBelow, 1100), 1024, 1023},
		{"middling, merged as far as needed", sizesOf(copyBelow, 1500), 1024, 1023},
		{"alternating", alternating, 1023, 1022},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pattern(sum(test.sizes), 5)
			bufs := cut(b, test.sizes...)
			s := getScratch()
			v := vectorOf(bufs)
			s.coalesce(&v)
			iovs := s.iovs[:s.n]
			if s.n != test.iovs || inPlace(iovs, bufs) != test.inPlace {
				t.Errorf("%d iovecs, %d in place, want %d, %d", s.n, inPlace(iovs, bufs), test.iovs, test.inPlace)
			}
			if !bytes.Equal(joined(iovs), b) {
				t.Error("bytes differ")
			}
			s.release()
		})
	}
}

// Whatever the sizes: all bytes in order, few enough iovecs, none empty, the
// copies within the buffer that was taken for them.
func TestCoalesceProperty(t *testing.T) {
	b := pattern(1<<20, 6)
	size := rapid.OneOf(
		rapid.Just(0),
		rapid.IntRange(1, copyBelow),
		rapid.IntRange(mergeBelow-1, mergeBelow+1),
		rapid.IntRange(1, 4*mergeBelow),
		rapid.IntRange(0, 16*mergeBelow),
	)
	rapid.Check(t, func(t *rapid.T) {
		// A few sizes in a drawn pattern, repeated: long vectors from little input.
		cycle := rapid.SliceOfN(size, 1, 12).Draw(t, "cycle")
		count := rapid.IntRange(MaxIovs, 3*MaxIovs).Draw(t, "count")
		var bufs [][]byte
		for i := range count {
			n := cycle[(i+i/100)%len(cycle)]
			off := i * 37 % (len(b) - n)
			bufs = append(bufs, b[off:off+n])
		}
		v := vectorOf(bufs)
		if v.pieces <= MaxIovs {
			return
		}
		s := getScratch()
		defer s.release()
		s.coalesce(&v)
		iovs := s.iovs[:s.n]
		if s.n > MaxIovs {
			t.Fatalf("%d iovecs", s.n)
		}
		for i, v := range iovs {
			if v.Len == 0 {
				t.Fatalf("iovec %d is empty", i)
			}
		}
		if !bytes.Equal(joined(iovs), concat(bufs)) {
			t.Fatal("bytes differ")
		}
		// A copy that outgrew its buffer would not be found by the bytes.
		limit := mergeBelow
		n, copied := layout(bufs, v.pieces, limit, nil)
		for ; n > MaxIovs; limit *= 2 {
			n, copied = layout(bufs, v.pieces, 2*limit, nil)
		}
		if n != s.n || copied != len(s.copies.b) {
			t.Fatalf("planned %d iovecs, %d bytes to copy; done %d, %d", n, copied, s.n, len(s.copies.b))
		}
	})
}

// What goes back to the pools must hold on to nothing of the caller's, and to
// nothing big.
func TestRelease(t *testing.T) {
	bufs := even(make([]byte, 1500*4000), 1500)
	s := getScratch()
	v := vectorOf(bufs)
	s.coalesce(&v)
	copies := s.copies
	if s.n == 0 || cap(copies.b) < maxPooled {
		t.Fatalf("%d iovecs, %d bytes of copies: not the case to test", s.n, cap(copies.b))
	}
	s.release()
	if s.n != 0 || s.copies != nil || copies.b != nil {
		t.Errorf("%d iovecs, copies %v, %d bytes kept", s.n, s.copies, cap(copies.b))
	}
	for i := range s.iovs {
		if s.iovs[i] != (unix.Iovec{}) {
			t.Fatalf("iovec %d kept", i)
		}
	}
}

func TestFillLimits(t *testing.T) {
	mib := make([]byte, 1<<20)
	bufs := make([][]byte, 3000)
	for i := range bufs {
		bufs[i] = mib
	}
	var s scratch
	v := vectorOf(bufs)
	v.skip = 5
	if n := fill(s.iovs[:], &v); n != MaxIovs || s.iovs[0].Len != 1<<20-5 {
		t.Errorf("%d iovecs, the first of %d bytes; want %d, %d", n, s.iovs[0].Len, MaxIovs, 1<<20-5)
	}
	big := make([][]byte, 2000)
	all := make([]byte, 8<<20)
	for i := range big {
		big[i] = all
	}
	v = vectorOf(big)
	n := fill(s.iovs[:], &v)
	var total int64
	for _, v := range s.iovs[:n] {
		total += int64(v.Len)
	}
	if total != maxCall {
		t.Errorf("fill takes %d bytes, want %d", total, maxCall)
	}
}

func TestSplitOffset(t *testing.T) {
	for _, off := range []int64{0, 1, 1<<31 + 7, 1<<32 + 9, 1<<62 + 1<<40 + 3} {
		lo, hi := splitOffset(off)
		// As fs/read_write.c, pos_from_hilo: two half shifts.
		const half = unix.SizeofLong * 8 / 2
		if got := int64(uint64(hi)<<half<<half | uint64(lo)); got != off {
			t.Errorf("splitOffset(%#x) = %#x, %#x, which the kernel takes for %#x", off, lo, hi, got)
		}
		if unix.SizeofLong == 8 && hi != 0 {
			t.Errorf("splitOffset(%#x): high word %#x, want 0", off, hi)
		}
	}
}
