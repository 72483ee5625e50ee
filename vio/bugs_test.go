package vio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"testing"
)

// The mistakes that other implementations of vectored writing have shipped, each
// made once more on purpose in a function of its own. The checks below must pass
// for the loop of this package and must catch every one of them.

// device is a file whose system call is strict and short where it is told.
type device struct {
	data   []byte
	shorts []int // most bytes of each call in turn; then no limit
	errs   []error
	counts bool  // nothing is copied: the memory of the vector is not there
	next   int64 // with counts, the offset that the next call must have
	align  int64 // of offset and total, as O_DIRECT wants
	calls  int
}

var (
	errEndless = errors.New("endless loop")
	errInvalid = errors.New("EINVAL") // not every system has these in package syscall
	errFull    = errors.New("ENOSPC")
	errAgain   = errors.New("EAGAIN")
)

// pwritev answers like the strictest of the systems: Darwin has EINVAL for no
// pieces and for more than INT_MAX bytes.
func (d *device) pwritev(bufs [][]byte, off int64) (int, error) {
	d.calls++
	total, _ := Len(bufs)
	switch {
	case d.calls > 10_000:
		return 0, errEndless
	case len(bufs) == 0 || len(bufs) > MaxIovs || total > math.MaxInt32 || off < 0:
		return 0, errInvalid
	case d.align > 0 && (off%d.align != 0 || total%d.align != 0):
		return 0, errInvalid
	}
	n := total
	if k := d.calls - 1; k < len(d.errs) && d.errs[k] != nil {
		return 0, d.errs[k]
	} else if k < len(d.shorts) {
		n = min(n, int64(d.shorts[k]))
	}
	if d.counts {
		if off != d.next {
			return 0, fmt.Errorf("a call at offset %d, want %d", off, d.next)
		}
		d.next += n
		return int(n), nil
	}
	if grow := off + n - int64(len(d.data)); grow > 0 {
		d.data = append(d.data, make([]byte, grow)...)
	}
	left := d.data[off : off+n]
	for _, b := range bufs {
		left = left[copy(left, b):]
	}
	return int(n), nil
}

func (d *device) preadv([][]byte, int64) (int, error) { return 0, io.EOF }

type writeAllFunc func(d *device, bufs [][]byte, off int64) (int64, error)

// loopOfVio is WritevAllAt with the device in place of the kernel.
func loopOfVio(d *device, bufs [][]byte, off int64) (int64, error) {
	v := vectorOf(bufs)
	want := v.left
	n, err := v.transfer(func(done int64) (int, error) {
		var views [MaxIovs][]byte
		next, _ := v.views(&views)
		return d.pwritev(next, off+done)
	})
	if err == nil && n != want {
		err = io.ErrShortWrite
	}
	return n, err
}

// The checks: each returns what is wrong.
var writeChecks = map[string]func(write writeAllFunc) error{
	"short everywhere": func(write writeAllFunc) error {
		b := pattern(40, 3)
		for k := range 40 {
			for l := range 40 - k {
				bufs := append([][]byte{nil}, cut(b, 7, 0, 13, 1, 0, 19)...)
				if err := checkWrite(write, &device{shorts: []int{k, l}}, bufs, 5, k > 0 && l > 0); err != nil {
					return fmt.Errorf("short by the bytes %d and %d: %w", k, l, err)
				}
			}
		}
		return nil
	},
	"more than IOV_MAX": func(write writeAllFunc) error {
		return checkWrite(write, &device{}, even(pattern(3000, 4), 3000), 0, true)
	},
	"the first IOV_MAX empty": func(write writeAllFunc) error {
		return checkWrite(write, &device{}, append(make([][]byte, MaxIovs), []byte("data")), 0, true)
	},
	"empties between": func(write writeAllFunc) error {
		return checkWrite(write, &device{shorts: []int{3, 1, 1}}, [][]byte{[]byte("abc"), {}, nil, {}, []byte("def")}, 0, true)
	},
	"nothing": func(write writeAllFunc) error {
		for _, bufs := range [][][]byte{nil, {nil, {}}} {
			d := &device{}
			if n, err := write(d, bufs, 0); n != 0 || err != nil || d.calls != 0 {
				return fmt.Errorf("%d, %v, %d calls; want none", n, err, d.calls)
			}
		}
		return nil
	},
	"error after progress": func(write writeAllFunc) error {
		d := &device{shorts: []int{3}, errs: []error{nil, errFull}}
		n, err := write(d, [][]byte{[]byte("ab"), []byte("cdef")}, 0)
		if n != 3 || !errors.Is(err, errFull) {
			return fmt.Errorf("%d, %v, want 3, ENOSPC", n, err)
		}
		return nil
	},
	"EAGAIN": func(write writeAllFunc) error {
		d := &device{shorts: []int{3}, errs: []error{nil, errAgain}}
		if n, err := write(d, [][]byte{[]byte("ab"), []byte("cdef")}, 0); n != 3 || !errors.Is(err, errAgain) {
			return fmt.Errorf("%d, %v, want 3, EAGAIN", n, err)
		}
		return nil
	},
	"more than INT_MAX": func(write writeAllFunc) error {
		gib := hugeSlice([]byte{1}, 1<<30)
		d := &device{counts: true}
		if n, err := write(d, [][]byte{gib, gib[:1<<30-5], gib, gib, gib}, 0); n != 5<<30-5 || err != nil {
			return fmt.Errorf("%d, %v, want %d, nil", n, err, int64(5<<30-5))
		}
		return nil
	},
	"cut for O_DIRECT": func(write writeAllFunc) error {
		gib := hugeSlice([]byte{1}, 1<<30)
		d := &device{counts: true, align: 4096}
		if n, err := write(d, [][]byte{gib, gib, gib}, 0); n != 3<<30 || err != nil {
			return fmt.Errorf("%d, %v, want %d, nil", n, err, int64(3<<30))
		}
		return nil
	},
}

// checkWrite writes bufs at off. If it is to be complete the device must have
// the bytes there; if a call moves nothing, it must end with an error.
func checkWrite(write writeAllFunc, d *device, bufs [][]byte, off int64, complete bool) error {
	before := append([][]byte(nil), bufs...)
	want := concat(bufs)
	n, err := write(d, bufs, off)
	if complete && (n != int64(len(want)) || err != nil) {
		return fmt.Errorf("n = %d, %v, want %d, nil", n, err, len(want))
	}
	if !complete && (err == nil) != (n == int64(len(want))) || errors.Is(err, errEndless) {
		return fmt.Errorf("n = %d of %d, %v", n, len(want), err)
	}
	if n > int64(len(d.data))-min(off, int64(len(d.data))) || n > 0 && !bytes.Equal(d.data[off:off+n], want[:n]) {
		return fmt.Errorf("the device has %q, want %q", d.data, want[:n])
	}
	if !bytes.Equal(concat(before), concat(bufs)) {
		return errors.New("the vector has changed")
	}
	return nil
}

// loopWith is a plain loop with three places to go wrong in.
func loopWith(take func([][]byte) [][]byte, rest func([][]byte, int) [][]byte, move func(off, n int64) int64) writeAllFunc {
	return func(d *device, bufs [][]byte, off int64) (total int64, err error) {
		v := vectorOf(bufs)
		bufs, _ = Advance(nil, bufs, 0)
		for total < v.left {
			n, err := d.pwritev(take(bufs), off)
			total += int64(n)
			if err != nil {
				return total, err
			}
			if n == 0 {
				return total, io.ErrShortWrite
			}
			bufs, off = rest(bufs, n), move(off, int64(n))
		}
		return total, nil
	}
}

func takeRight(bufs [][]byte) [][]byte {
	v, views := vectorOf(bufs), new([MaxIovs][]byte)
	next, _ := v.views(views)
	return next
}

func restRight(bufs [][]byte, n int) [][]byte {
	rest, _ := Advance(nil, bufs, int64(n))
	return rest
}

func moveRight(off, n int64) int64 { return off + n }

var wrongLoops = []struct {
	source, check string // where it happened, and what has to catch it
	write         writeAllFunc
}{
	{"dotnet 108383, rust 68042: no limit of pieces", "more than IOV_MAX",
		loopWith(func(bufs [][]byte) [][]byte { return bufs }, restRight, moveRight)},
	{"dotnet 109826: offset stays after a short write", "short everywhere",
		loopWith(takeRight, restRight, func(off, _ int64) int64 { return off })},
	{"dotnet 108322: offset of 32 bits", "more than INT_MAX",
		loopWith(takeRight, restRight, func(off, n int64) int64 { return int64(int32(off + n)) })},
	{"tokio 8159: keeps the head of the cut piece", "short everywhere",
		loopWith(takeRight, func(bufs [][]byte, n int) [][]byte {
			for len(bufs) > 0 && n >= len(bufs[0]) {
				n, bufs = n-len(bufs[0]), bufs[1:]
			}
			if n == 0 {
				return bufs
			}
			return append([][]byte{bufs[0][:len(bufs[0])-n]}, bufs[1:]...)
		}, moveRight)},
	{"turso 3570, criu 2975: goes on behind the piece that was cut", "short everywhere",
		loopWith(takeRight, func(bufs [][]byte, n int) [][]byte {
			for n > 0 && len(bufs) > 0 {
				n, bufs = n-len(bufs[0]), bufs[1:]
			}
			return bufs
		}, moveRight)},
	{"rust 74088, 138879: first pieces as they are, empty or not", "the first IOV_MAX empty", takesEmpties(false)},
	{"seastar 3318, PhotonLibOS 1601: goes on though nothing moves", "the first IOV_MAX empty", takesEmpties(true)},
	{"workflow 156: calls with no pieces", "nothing",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			n, err := d.pwritev(takeRight(bufs), off)
			return int64(n), err
		}},
	{"ntirpc 84: IOV_MAX is -1", "more than IOV_MAX",
		loopWith(func(bufs [][]byte) [][]byte { return bufs[:max(0, min(len(bufs), -1))] }, restRight, moveRight)},
	{"capnproto 2187, libuv 1501: no limit of bytes", "more than INT_MAX",
		loopWith(func(bufs [][]byte) [][]byte { return bufs[:min(len(bufs), MaxIovs)] }, restRight, moveRight)},
	{"jdk 8392944: cut at INT_MAX", "cut for O_DIRECT",
		loopWith(func(bufs [][]byte) [][]byte {
			n, _ := Len(bufs)
			next, _ := Trim(nil, bufs, min(n, math.MaxInt32))
			return next
		}, restRight, moveRight)},
	{"gev 60: EAGAIN taken for the end", "EAGAIN",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			n, err := loopOfVio(d, bufs, off)
			if errors.Is(err, errAgain) {
				err = nil
			}
			return n, err
		}},
	{"libuv fs.c: error after progress is lost", "error after progress",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			n, err := loopOfVio(d, bufs, off)
			if n > 0 {
				err = nil
			}
			return n, err
		}},
	{"rust: count lost with an error", "error after progress",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			n, err := loopOfVio(d, bufs, off)
			if err != nil {
				n = 0
			}
			return n, err
		}},
	{"tgoskits 197: the write reads", "empties between",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			want, _ := Len(bufs)
			if _, err := d.preadv(bufs, off); err != io.EOF {
				return 0, err
			}
			return want, nil
		}},
	{"golang 45163, getty 148: consumes the caller's vector", "short everywhere",
		func(d *device, bufs [][]byte, off int64) (int64, error) {
			n, err := loopOfVio(d, bufs, off)
			clear(bufs)
			return n, err
		}},
}

// takesEmpties passes the first IOV_MAX pieces on as they are.
func takesEmpties(forever bool) writeAllFunc {
	return func(d *device, bufs [][]byte, off int64) (total int64, err error) {
		want, _ := Len(bufs)
		for total < want {
			n, err := d.pwritev(bufs[:min(len(bufs), MaxIovs)], off+total)
			if total += int64(n); err != nil {
				return total, err
			}
			if n == 0 && !forever {
				return total, io.ErrShortWrite
			}
			bufs, _ = Advance(nil, bufs, int64(n))
			if n == 0 { // Advance leaves empty pieces out, these did not
				bufs = append(make([][]byte, MaxIovs), bufs...)
			}
		}
		return total, nil
	}
}

func TestBugsOfOthers(t *testing.T) {
	for name, check := range writeChecks {
		if err := check(loopOfVio); err != nil {
			t.Errorf("vio, %s: %v", name, err)
		}
	}
	for _, wrong := range wrongLoops {
		if err := writeChecks[wrong.check](wrong.write); err == nil {
			t.Errorf("%s: the check %q does not see it", wrong.source, wrong.check)
		}
	}
}

// rustix 896, zig 10721, golang 57291: halves of an offset in the wrong order or
// lost. The kernel's side is in TestSplitOffset; these are the BSDs'.
func TestOffsetArgs(t *testing.T) {
	const off = 0x12345678_9abcdef0
	lo, hi := uintptr(0x9abcdef0), uintptr(0x12345678)
	full := lo | hi<<(bits.UintSize/2)
	tests := []struct {
		goos, goarch string
		want         [3]uintptr
	}{
		{"freebsd", "386", [3]uintptr{lo, hi, 0}},
		{"freebsd", "arm", [3]uintptr{0, lo, hi}},
		{"netbsd", "386", [3]uintptr{0, lo, hi}},
		{"netbsd", "arm", [3]uintptr{0, lo, hi}},
	}
	if math.MaxUint > math.MaxUint32 {
		tests = []struct {
			goos, goarch string
			want         [3]uintptr
		}{
			{"freebsd", "amd64", [3]uintptr{full, 0, 0}},
			{"freebsd", "arm64", [3]uintptr{full, 0, 0}},
			{"netbsd", "amd64", [3]uintptr{0, full, 0}},
			{"dragonfly", "amd64", [3]uintptr{0, full, 0}},
		}
	}
	for _, test := range tests {
		if got := offsetArgs(test.goos, test.goarch, off); got != test.want {
			t.Errorf("%s/%s: %#x, want %#x", test.goos, test.goarch, got, test.want)
		}
	}
}
