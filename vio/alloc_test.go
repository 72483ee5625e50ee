package vio

import (
	"io"
	"os"
	"testing"
)

// No call allocates once the pools are warm. This also proves that the closures
// and RawConns of the implementation stay off the heap, which no rule of the
// language promises.
func TestAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops items at random")
	}
	f := tempFile(t, pattern(2<<20, 14))
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Skip(err)
	}
	defer zero.Close()
	plain := plainFile(t, nil)
	appender, err := NewAppender(f)
	if err != nil {
		t.Fatal(err)
	}
	room := make([][]byte, 2000)
	var cursor Cursor
	for _, shape := range []struct{ pieces, size int }{
		{0, 0}, {1, 16}, {4, 16}, {4, 1 << 10}, {4, 4 << 10}, {8, 16}, {9, 16}, {64, 16}, {64, 4 << 10},
		{1024, 16}, {1024, 1 << 10}, {1500, 16}, {1500, 100}, {1500, 1 << 10},
	} {
		count := shape.pieces
		bufs := even(make([]byte, count*shape.size), max(count, 1))
		check := func(name string, call func() (int64, error)) {
			t.Helper()
			var n int64
			var err error
			allocs := testing.AllocsPerRun(100, func() { n, err = call() })
			if err != nil {
				t.Errorf("%s, %d pieces: %v", name, count, err)
			}
			if allocs != 0 {
				t.Errorf("%s, %d pieces, %d bytes: %v allocations, want 0", name, count, n, allocs)
			}
		}
		if portable && shape.pieces*shape.size > maxPooled {
			continue // one buffer for all of it, which is not kept
		}
		check("Len", func() (int64, error) { n, _ := Len(bufs); return n, nil })
		check("Appendv", func() (int64, error) { return Appendv(null, bufs) })
		check("Appender", func() (int64, error) {
			n, _, err := appender.Append(bufs)
			return n, err
		})
		check("WritevAll", func() (int64, error) { return WritevAll(null, bufs) })
		check("WritevAllAt", func() (int64, error) { return WritevAllAt(plain, bufs, 3) })
		check("AppendvFlags", func() (int64, error) { return AppendvFlags(null, bufs, HiPri) })
		check("ReadvAt", func() (int64, error) { return ReadvAt(f, bufs, 7) })
		check("ReadvFullAt", func() (int64, error) { return ReadvFullAt(f, bufs, 7) })
		check("ReadvFlags", func() (int64, error) { return ReadvFlags(f, bufs, 7, DontCache) })
		check("Readv, ReadvFull", func() (int64, error) {
			if n, err := Readv(zero, bufs); err != nil {
				return n, err
			}
			return ReadvFull(zero, bufs)
		})
		check("Advance, Trim, Split", func() (int64, error) {
			n, _ := Len(bufs)
			rest, _ := Advance(room[:0], bufs, n/2)
			first, _ := Trim(room[:0], bufs, n/2)
			head, tail, _ := Split(room[:0], bufs, n/2)
			return int64(len(rest) + len(first) + len(head) + len(tail)), nil
		})
		check("Cursor", func() (int64, error) {
			cursor.Reset(bufs)
			return cursor.WriteTo(io.Discard)
		})
		check("Cursor of vectors", func() (int64, error) {
			cursor.Reset(bufs)
			if n, err := cursor.ReadFrom(taker{}); err != nil {
				return n, err
			}
			cursor.Reset(bufs)
			return cursor.WriteTo(taker{})
		})
		check("WriteAll", func() (int64, error) { return WriteAll(null, bufs) })
		if len(bufs) > MaxIovs && !portable {
			continue // short, which is an error, and an error is allocated
		}
		check("Writev", func() (int64, error) { return Writev(null, bufs) })
		check("WritevAt", func() (int64, error) { return WritevAt(plain, bufs, 3) })
		check("WritevFlags", func() (int64, error) { return WritevFlags(null, bufs, Current, HiPri) })
	}
}

// taker takes and gives everything at once.
type taker struct{}

func (taker) Writev(bufs [][]byte) (int64, error) { n, _ := Len(bufs); return n, nil }
func (taker) Readv(bufs [][]byte) (int64, error)  { n, _ := Len(bufs); return n, nil }
func (taker) Write(p []byte) (int, error)         { return len(p), nil }
func (taker) Read(p []byte) (int, error)          { return len(p), nil }
