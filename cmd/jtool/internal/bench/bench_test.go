package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/journal"
)

// The test binary is the program whose processes append together, too.
func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, child.Command); i >= 0 {
		if err := child.Serve(context.Background(), os.Stdin, os.Stdout, Roles(), os.Args[i+1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Under the race detector every process would sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func newSlice(t *testing.T, size int) *slice {
	t.Helper()
	return &slice{ctx: t.Context(), dir: t.TempDir(), opt: &Options{Size: size}, limit: time.Millisecond, bytes: 1 << 20,
		stock: &stock{buf: make([]byte, scanBlock)}}
}

// What a floor writes can be read and counted, whatever the sizes are.
func TestRaw(t *testing.T) {
	for _, size := range []int{1, 100, smallRecord, 5000, scanBlock - rawSize, scanBlock, 3 * scanBlock} {
		path := filepath.Join(t.TempDir(), "raw")
		r, err := openRaw(path, size, false)
		if err != nil {
			t.Fatal(err)
		}
		const count = 7
		for n := range int64(count) {
			if err := r.append(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.batch(count, 3); err != nil {
			t.Fatal(err)
		}
		if got, err := scanRaw(r.f, nil); got != count+1 || err != nil {
			t.Errorf("size %d: %d records, %v", size, got, err)
		}
		st, err := r.f.Stat()
		want := int64(count*(rawSize+size) + rawHead + 3*(rawKey+size) + rawTail)
		if err != nil || st.Size() != want {
			t.Errorf("size %d: the file has %d bytes, want %d: %v", size, st.Size(), want, err)
		}
		if err := r.close(); err != nil {
			t.Error(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, off := range []int{0, rawHead, rawHead + rawKey, rawSize + size - 1, len(b) / 2, len(b) - 1} {
			b[off] ^= 1
			if _, err := scanRaw(bytes.NewReader(b), nil); !errors.Is(err, errRaw) {
				t.Errorf("size %d: a wrong byte at %d: %v", size, off, err)
			}
			b[off] ^= 1
		}
		if _, err := scanRaw(bytes.NewReader(b[:len(b)-1]), nil); !errors.Is(err, errRaw) {
			t.Errorf("size %d: a cut file: %v", size, err)
		}
	}
}

// Who leaves work out is found out.
func TestSkippedWork(t *testing.T) {
	s := newSlice(t, 100)
	err := s.onRaw(1, func(r *rawLog, n int64) error {
		if n == 3 {
			return nil
		}
		return r.append(n)
	})
	if err == nil || !strings.Contains(err.Error(), "records, and") {
		t.Errorf("the floor: %v", err)
	}
	s = newSlice(t, 100)
	err = s.onJournal(1, func(j *journal.Journal, n int64) error {
		if n == 3 {
			return nil
		}
		_, err := j.Append([]byte("k"), make([]byte, 100))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "records, and") {
		t.Errorf("the journal: %v", err)
	}
	s = newSlice(t, 100)
	s.stock.count = 5
	if err := s.again(func() (int64, error) { return 4, nil }); err == nil || !strings.Contains(err.Error(), "4 records were read of 5") {
		t.Errorf("a scan: %v", err)
	}
}

// A turn ends when its time is up, when it has appended enough, and when it is told.
func TestLoop(t *testing.T) {
	s := newSlice(t, 100)
	s.limit, s.bytes = time.Hour, 1000*(100+rawSize)
	calls := int64(0)
	if err := s.loop(1, func(n int64) error {
		if n != calls {
			t.Fatalf("call %d is told %d", calls, n)
		}
		calls++
		return nil
	}); err != nil || s.records != calls || calls < 1000 || calls > 1064 {
		t.Errorf("%d records, %d calls: %v", s.records, calls, err)
	}
	s = newSlice(t, 100)
	s.bytes = math.MaxInt
	if err := s.loop(10, func(int64) error { return nil }); err != nil || s.took < s.limit || s.records%10 != 0 || s.records == 0 {
		t.Errorf("%d records in %v: %v", s.records, s.took, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx, s.limit = ctx, time.Hour
	if err := s.loop(1, func(int64) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	bad := errors.New("bad disk")
	if err := s.loop(1, func(int64) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
}

func TestCompare(t *testing.T) {
	var l Line
	l.compare([]float64{100, 200, 100, 1000, 100}, []float64{150, 200, 300, 1000, 110})
	if l.Floor != 100 || l.Journal != 200 || l.Ratio != 1.1 || l.Low != 1 || l.High != 3 {
		t.Errorf("%+v", l)
	}
}

// All jobs are done by one process, in small.
func TestRunAlone(t *testing.T) {
	for _, c := range []struct {
		opt   Options
		lines string
	}{
		{Options{Size: 100, NoSync: true}, "append; batch of 100; scan; get"},
		{Options{Size: 3000, Sync: true}, "append, synced; batch of 100, synced; scan; get"},
	} {
		c.opt.Time, c.opt.Processes = 50*time.Millisecond, 1
		dir := t.TempDir()
		steps := int64(0)
		c.opt.OnStep = func(done, total int64) {
			if done != steps || total != 4*2*(Rounds+1) {
				t.Errorf("step %d of %d", done, total)
			}
			steps++
		}
		lines, err := Run(t.Context(), dir, c.opt)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, l := range lines {
			names = append(names, l.Name)
			if l.Floor <= 0 || l.Journal <= 0 || l.Low <= 0 || l.Ratio < l.Low || l.High < l.Ratio || l.Records < Rounds || l.About == "" {
				t.Errorf("%+v", l)
			}
		}
		if got := strings.Join(names, "; "); got != c.lines {
			t.Errorf("got %s, want %s", got, c.lines)
		}
		if n, err := countJournal(t.Context(), filepath.Join(dir, "stock", "journal")); err != nil || n < leastStock {
			t.Errorf("%d records in stock: %v", n, err)
		}
	}
}

// It ends when it is told to, in the middle of a turn.
func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opt := Options{Size: 100, NoSync: true, Time: time.Minute, Processes: 1}
	opt.OnStep = func(done, _ int64) {
		if done == 3 {
			cancel()
		}
	}
	if _, err := Run(ctx, t.TempDir(), opt); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
