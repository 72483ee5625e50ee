package jslog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// gate is a journal in front of which a test can stand: it fails appends, or
// holds them until they are let through, and counts syncs.
type gate struct {
	jslog.Appender
	mu    sync.Mutex
	err   error
	calls []string
	// hold, if set, is received from by every append of a batch, which sends to held
	// first.
	hold, held chan struct{}
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) call(name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, name)
	return g.err
}

func (g *gate) take() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	calls := g.calls
	g.calls = nil
	return calls
}

func (g *gate) AppendAck(key, value []byte) (journal.Ack, error) {
	if err := g.call("append"); err != nil {
		return journal.Ack{}, err
	}
	return g.Appender.AppendAck(key, value)
}

func (g *gate) AppendSync(key, value []byte) (journal.Ack, error) {
	if err := g.call("append sync"); err != nil {
		return journal.Ack{}, err
	}
	return g.Appender.AppendSync(key, value)
}

func (g *gate) AppendBatch(b *journal.Batch) (journal.Position, error) {
	if g.hold != nil {
		g.held <- struct{}{}
		<-g.hold
	}
	if err := g.call(fmt.Sprint("batch ", b.Len())); err != nil {
		return journal.Position{}, err
	}
	return g.Appender.AppendBatch(b)
}

func (g *gate) AppendBatchSync(b *journal.Batch) (journal.Position, error) {
	if err := g.call(fmt.Sprint("batch sync ", b.Len())); err != nil {
		return journal.Position{}, err
	}
	return g.Appender.AppendBatchSync(b)
}

func (g *gate) Sync() error {
	if err := g.call("sync"); err != nil {
		return err
	}
	return g.Appender.Sync()
}

// onlyMessage leaves the message of a record, and the level of a warning.
func onlyMessage(groups []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.TimeKey:
		return slog.Attr{}
	case slog.LevelKey:
		if a.Value.Any() != slog.LevelWarn {
			return slog.Attr{}
		}
	}
	return a
}

func messages(names ...string) []string {
	var values []string
	for _, name := range names {
		if n, ok := strings.CutPrefix(name, "dropped "); ok {
			values = append(values, fmt.Sprintf(`{"level":"WARN","msg":%q,"dropped":%s}`, name, n))
		} else {
			values = append(values, fmt.Sprintf(`{"msg":%q}`, name))
		}
	}
	return values
}

func compare(t *testing.T, dir string, names ...string) {
	t.Helper()
	if diff := cmp.Diff(messages(names...), lines(t, dir)); diff != "" {
		t.Errorf("the journal holds (-want +got)\n%s", diff)
	}
}

var errDisk = errors.New("the disk is full")

// What has failed is told to OnError, counted, and said in the journal behind the
// first record that succeeds again, once.
func TestNotice(t *testing.T) {
	j, dir := fresh(t)
	g := &gate{Appender: j}
	var told []error
	h := jslog.NewOn(g, &jslog.Options{ReplaceAttr: onlyMessage, OnError: func(err error) { told = append(told, err) }})
	l := slog.New(h.WithGroup("g").WithAttrs([]slog.Attr{slog.Int("a", 1)}))
	log := slog.New(h)
	log.Info("one")
	g.fail(errDisk)
	log.Info("two")
	l.Info("three")
	if err := h.Handle(context.Background(), record()); !errors.Is(err, errDisk) {
		t.Errorf("Handle returns %v", err)
	}
	g.fail(fmt.Errorf("%w: %w", journal.ErrOutcomeUnknown, errDisk))
	log.Info("four") // it may be there: no notice counts it
	g.fail(nil)
	log.Info("five")
	log.Info("six")
	g.fail(errDisk)
	log.Info("seven")
	g.fail(nil)
	for range 2 {
		if err := h.Flush(); err != nil {
			t.Error(err)
		}
	}
	g.fail(errDisk)
	log.Info("eight")
	if err := h.Flush(); err != nil { // says nothing: the notice fails, and waits
		t.Error(err)
	}
	g.fail(nil)
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := h.Handle(context.Background(), record()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Handle returns %v after Close", err)
	}
	compare(t, dir, "one", "five", "dropped 3", "six", "dropped 1", "dropped 1")
	if len(told) != 7 {
		t.Errorf("OnError was called %d times: %v", len(told), told)
	}
	want := jslog.Stats{Handled: 3, Failed: 6, Unknown: 1}
	if got := h.Stats(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A record that the journal does not allow is refused, and not split.
func TestTooLarge(t *testing.T) {
	for name, buffer := range map[string]jslog.Buffer{"plain": {}, "buffered": {Size: 10_000}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10, MaxRecord: 1000})
			var told []error
			h := jslog.New(j, &jslog.Options{ReplaceAttr: onlyMessage, Buffer: buffer, OnError: func(err error) { told = append(told, err) }})
			log := slog.New(h)
			log.Info("one")
			log.Info(strings.Repeat("x", 1000))
			half := strings.Repeat("y", 600) // two of them are too much for a batch
			log.Info(half)
			log.Info(half)
			if err := h.Close(); (err == nil) != (name == "plain") {
				t.Errorf("Close returns %v", err)
			}
			var size *journal.SizeError
			if len(told) != 1 || !errors.As(told[0], &size) || !errors.Is(told[0], journal.ErrTooLarge) {
				t.Errorf("OnError was told %v", told)
			}
			if got, want := h.Stats(), (jslog.Stats{Handled: 3, Failed: 1}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if name == "plain" {
				compare(t, dir, "one", half, "dropped 1", half)
			} else {
				compare(t, dir, "one", half, half, "dropped 1")
			}
			verify(t, dir)
		})
	}
}

// A buffer is flushed by size, level, Flush, Sync and Close; every flush is one
// append, and only Sync and SyncAt wait for the disk.
func TestBuffer(t *testing.T) {
	j, dir := fresh(t)
	g := &gate{Appender: j}
	h := jslog.NewOn(g, &jslog.Options{
		ReplaceAttr: onlyMessage,
		SyncAt:      slog.LevelError,
		Buffer:      jslog.Buffer{Size: 100, FlushAt: slog.Level(6)},
	})
	log := slog.New(h)
	steps := []struct {
		name string
		do   func() error
		want []string
	}{
		{"Sync with nothing to do", h.Sync, nil},
		{"one record", func() error { log.Info("1"); return nil }, nil},
		{"Flush", h.Flush, []string{"append"}},
		{"another Flush", h.Flush, nil},
		{"two", func() error { log.Info("2"); log.Info("3"); return nil }, nil},
		{"Sync", h.Sync, []string{"batch 2", "sync"}},
		{"another Sync", h.Sync, nil},
		{"as many as fill it", func() error {
			for _, m := range []string{"4", "5", "6", "7", "8", "9"} { // of 11 bytes, and 8 for each
				log.Info(m)
			}
			return nil
		}, []string{"batch 6"}},
		{"a level that flushes", func() error {
			log.Info("a")
			log.Log(context.Background(), 6, "b")
			return nil
		}, []string{"batch 2"}},
		{"a level that syncs", func() error { log.Info("c"); log.Error("d"); return nil }, []string{"batch sync 2"}},
		{"alone", func() error { log.Error("e"); return nil }, []string{"append sync"}},
		{"one that is larger than the buffer", func() error { log.Info(strings.Repeat("f", 200)); return nil }, []string{"append"}},
		{"Sync of what was flushed", h.Sync, []string{"sync"}},
		{"the last", func() error { log.Info("g"); log.Info("h"); return nil }, nil},
		{"Close", h.Close, []string{"batch 2"}},
		{"another Close", h.Close, nil},
		{"Flush of a closed one", h.Flush, nil},
		{"Sync of a closed one", h.Sync, []string{"sync"}},
		{"a record after that", func() error {
			if err := h.Handle(context.Background(), record()); !errors.Is(err, journal.ErrClosed) {
				t.Errorf("Handle returns %v after Close", err)
			}
			return nil
		}, nil},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if diff := cmp.Diff(s.want, g.take()); diff != "" {
			t.Errorf("%s: the journal was asked for (-want +got)\n%s", s.name, diff)
		}
	}
	compare(t, dir, "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", strings.Repeat("f", 200), "g", "h")
	if got, want := h.Stats(), (jslog.Stats{Handled: 17, Failed: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// With an interval nobody has to flush.
func TestInterval(t *testing.T) {
	j, dir := fresh(t)
	h := jslog.New(j, &jslog.Options{ReplaceAttr: onlyMessage, Buffer: jslog.Buffer{Interval: time.Millisecond}})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	slog.New(h).Info("one")
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if got := string(rec.Value); got != messages("one")[0] {
			t.Errorf("got %s", got)
		}
		break
	}
	slog.New(h).Info("two")
	if err := h.Close(); err != nil { // and no goroutine is left
		t.Error(err)
	}
	compare(t, dir, "one", "two")
}

// While a flush is stuck at the disk the other buffer fills up; then records of
// low levels are dropped, counted, and said.
func TestDropBelow(t *testing.T) {
	j, dir := fresh(t)
	g := &gate{Appender: j, hold: make(chan struct{}), held: make(chan struct{})}
	h := jslog.NewOn(g, &jslog.Options{
		ReplaceAttr: onlyMessage,
		Level:       slog.LevelDebug,
		Buffer:      jslog.Buffer{Size: 38}, // two records
		Overflow:    jslog.DropBelow(slog.LevelWarn),
	})
	log := slog.New(h)
	done := make(chan struct{})
	go func() {
		log.Info("1")
		log.Info("2") // fills the first buffer and is stuck
		close(done)
	}()
	<-g.held
	log.Debug("3")
	log.Info("4") // the second one is full
	log.Info("5")
	log.Debug("6")
	if got, want := h.Stats(), (jslog.Stats{Dropped: 2, Buffered: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	waited := make(chan struct{})
	go func() {
		log.Log(context.Background(), slog.LevelError, "7") // waits for room, and flushes then
		close(waited)
	}()
	g.hold <- struct{}{}
	<-done
	<-g.held
	g.hold <- struct{}{}
	<-waited
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	// The notice stands behind the first flush, or, if the second one was faster,
	// behind that.
	got := lines(t, dir)
	if strings.Count(strings.Join(got, "\n"), messages("dropped 2")[0]) != 1 {
		t.Errorf("there is not one notice of two records: %q", got)
	}
	if got, want := h.Stats(), (jslog.Stats{Handled: 5, Dropped: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// With Block everybody waits and nothing is lost.
func TestBlock(t *testing.T) {
	j, dir := fresh(t)
	g := &gate{Appender: j, hold: make(chan struct{}), held: make(chan struct{})}
	h := jslog.NewOn(g, &jslog.Options{ReplaceAttr: onlyMessage, Buffer: jslog.Buffer{Size: 38}})
	log := slog.New(h)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { log.Info("x") })
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for running := true; running; {
		select {
		case <-g.held:
			g.hold <- struct{}{}
		case <-ended:
			running = false
		}
	}
	closed := make(chan error)
	go func() { closed <- h.Close() }()
	for waiting := true; waiting; {
		select {
		case <-g.held:
			g.hold <- struct{}{}
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
			waiting = false
		}
	}
	compare(t, dir, "x", "x", "x", "x", "x", "x")
}

// A flush that fails loses its records. It is told to OnError once, and by the
// next Flush, Sync or Close, whoever flushed.
func TestFailedFlush(t *testing.T) {
	j, dir := fresh(t)
	g := &gate{Appender: j}
	var told []error
	h := jslog.NewOn(g, &jslog.Options{ReplaceAttr: onlyMessage, Buffer: jslog.Buffer{Size: 38}, SyncAt: slog.LevelError,
		OnError: func(err error) { told = append(told, err) }})
	log := slog.New(h)
	g.fail(errDisk)
	log.Info("1")
	log.Info("2")
	var lost *journal.BufferError
	if len(told) != 1 || !errors.As(told[0], &lost) || lost.Records != 2 || !errors.Is(told[0], errDisk) {
		t.Fatalf("OnError was told %v", told)
	}
	g.fail(nil)
	if err := h.Flush(); !errors.Is(err, errDisk) {
		t.Errorf("Flush returns %v", err)
	}
	if err := h.Flush(); err != nil {
		t.Errorf("Flush returns %v again", err)
	}
	log.Info("3")
	g.fail(errDisk)
	if err := h.Handle(context.Background(), slog.NewRecord(noon, slog.LevelError, "4", 0)); !errors.Is(err, errDisk) {
		t.Errorf("Handle returns %v", err)
	}
	g.fail(nil)
	if err := h.Close(); !errors.Is(err, errDisk) {
		t.Errorf("Close returns %v", err)
	}
	compare(t, dir, "dropped 2", "dropped 2")
	if got, want := h.Stats(), (jslog.Stats{Failed: 4}); got != want || len(told) != 2 {
		t.Errorf("%+v, want %+v; told %v", got, want, told)
	}
}

// Whatever fails and whoever logs: every call is in exactly one counter, what is
// handled is in the journal once and in order, and the notices say how much is
// missing.
func TestAccounts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10, MaxRecord: 2000})
		defer j.Close() // the test ends with a look at it
		g := &gate{Appender: j}
		opts := &jslog.Options{ReplaceAttr: onlyMessage, SyncAt: slog.LevelError}
		if rapid.Bool().Draw(rt, "buffered") {
			opts.Buffer = jslog.Buffer{Size: rapid.IntRange(1, 5000).Draw(rt, "size"), FlushAt: slog.Level(6)}
			opts.Overflow = rapid.SampledFrom([]jslog.Overflow{jslog.Block, jslog.DropBelow(1)}).Draw(rt, "overflow")
		}
		h := jslog.NewOn(g, opts)
		calls := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				g.fail(rapid.SampledFrom([]error{nil, nil, errDisk}).Draw(rt, "err"))
			case 1:
				_ = h.Flush() // errors are counted too
			default:
				level := rapid.SampledFrom([]slog.Level{0, 0, 0, 0, 6, 8}).Draw(rt, "level")
				size := rapid.SampledFrom([]int{1, 1, 100, 1900, 2100}).Draw(rt, "size")
				slog.New(h).Log(context.Background(), level, fmt.Sprintf("%d %s", calls, strings.Repeat("x", size)))
				calls++
			}
		}
		g.fail(nil)
		_ = h.Close()
		st := h.Stats()
		if st.Handled+st.Dropped+st.Failed+st.Unknown != uint64(calls) || st.Buffered != 0 {
			rt.Fatalf("%d calls, %+v", calls, st)
		}
		next, there, said := 0, uint64(0), uint64(0)
		for _, line := range lines(t, dir) {
			var n uint64
			var i int
			if _, err := fmt.Sscanf(line, `{"level":"WARN","msg":"dropped %d"`, &n); err == nil {
				said += n
				continue
			}
			if _, err := fmt.Sscanf(line, `{"msg":"%d x`, &i); err != nil || i < next {
				rt.Fatalf("%q where %d or later is due: %v", line, next, err)
			}
			next = i + 1
			there++
		}
		if there != st.Handled || said != st.Failed+st.Dropped {
			rt.Fatalf("%d are there and %d said to be missing; %+v", there, said, st)
		}
		verify(t, dir)
	})
}

// Many goroutines, one buffer: all is there, each goroutine's in its order.
func TestGoroutines(t *testing.T) {
	const goroutines, each = 8, 500
	for name, opts := range map[string]jslog.Options{
		"plain":    {},
		"buffered": {Buffer: jslog.Buffer{Size: 2000}, SyncAt: slog.LevelError},
		"timed":    {Buffer: jslog.Buffer{Size: 2000, Interval: time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			j, dir := fresh(t)
			opts.ReplaceAttr = onlyMessage
			h := jslog.New(j, &opts)
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() {
					log := slog.New(h).With()
					for i := range each {
						level := slog.LevelInfo
						if i%100 == 99 {
							level = slog.LevelError
						}
						log.Log(context.Background(), level, fmt.Sprintf("%d %d", g, i))
						if i%170 == 169 {
							if err := h.Sync(); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			all.Wait()
			if err := h.Close(); err != nil {
				t.Error(err)
			}
			var next [goroutines]int
			for _, line := range lines(t, dir) {
				var g, i int
				if _, err := fmt.Sscanf(line, `{"msg":"%d %d"`, &g, &i); err != nil || i != next[g] {
					t.Fatalf("%s comes when %d is due: %v", line, next[g], err)
				}
				next[g]++
			}
			for g, n := range next {
				if n != each {
					t.Errorf("goroutine %d has %d records", g, n)
				}
			}
		})
	}
}

func TestOverflow(t *testing.T) {
	j, dir := fresh(t)
	h := jslog.New(j, &jslog.Options{Overflow: jslog.DropBelow(slog.LevelError), ReplaceAttr: onlyMessage})
	slog.New(h).Info("without a buffer nothing is dropped")
	compare(t, dir, "without a buffer nothing is dropped")
	if got := h.Stats(); got != (jslog.Stats{Handled: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestKeyAndLevel(t *testing.T) {
	j, _ := fresh(t)
	var level slog.LevelVar
	key := []byte("web")
	h := jslog.New(j, &jslog.Options{Key: key, Level: &level, ReplaceAttr: onlyMessage})
	copy(key, "xxx")
	slog.New(h).Debug("unseen")
	level.Set(slog.LevelDebug)
	slog.New(h).Debug("seen")
	rec, err := j.Get([]byte("web"))
	if err != nil || string(rec.Value) != `{"msg":"seen"}` {
		t.Errorf("%s, %v", rec.Value, err)
	}
	if jslog.New(j, nil).Enabled(context.Background(), slog.LevelDebug) || !jslog.New(j, nil).Enabled(context.Background(), slog.LevelInfo) {
		t.Error("by default the lowest level is not Info")
	}
}

// nowhere is a journal that takes everything.
type nowhere struct{}

func (nowhere) AppendAck(_, _ []byte) (a journal.Ack, err error)               { return }
func (nowhere) AppendSync(_, _ []byte) (a journal.Ack, err error)              { return }
func (nowhere) AppendBatch(*journal.Batch) (p journal.Position, err error)     { return }
func (nowhere) AppendBatchSync(*journal.Batch) (p journal.Position, err error) { return }
func (nowhere) Sync() error                                                    { return nil }

// In steady state a call allocates nothing.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	j, _ := fresh(t)
	ctx, broken := context.Background(), errors.New("broken")
	r := record(slog.String("path", "/index.html"), slog.Int("status", 200), slog.Duration("took", time.Second),
		slog.Float64("ratio", 0.25), slog.Bool("ok", true))
	r2 := record(slog.Time("at", noon), slog.Uint64("n", 7), slog.Any("err", broken), slog.Group("g", slog.Int("n", 1)))
	for name, c := range map[string]struct {
		j    jslog.Appender
		opts jslog.Options
		want float64 // for a record
	}{
		"plain":               {nowhere{}, jslog.Options{}, 0},
		"source":              {nowhere{}, jslog.Options{AddSource: true}, 0},
		"buffered":            {nowhere{}, jslog.Options{Buffer: jslog.Buffer{Size: 4096}}, 0},
		"replaced":            {nowhere{}, jslog.Options{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return a }}, 1}, // the level in an interface
		"plain, a journal":    {j, jslog.Options{}, 0},
		"buffered, a journal": {j, jslog.Options{Buffer: jslog.Buffer{Size: 4096}}, 0},
	} {
		h := jslog.NewOn(c.j, &c.opts)
		with := h.WithGroup("g").WithAttrs([]slog.Attr{slog.String("a", "b")})
		if n := testing.AllocsPerRun(1000, func() {
			if h.Handle(ctx, r) != nil || with.Handle(ctx, r2) != nil {
				t.Error("Handle fails")
			}
		}); n > 2*c.want {
			t.Errorf("%s: %v allocations for two records", name, n)
		}
		log := slog.New(h)
		if n := testing.AllocsPerRun(1000, func() {
			log.LogAttrs(ctx, slog.LevelInfo, "a message", slog.String("path", "/index.html"), slog.Int("status", 200),
				slog.Duration("took", time.Second), slog.Float64("ratio", 0.25), slog.Bool("ok", true))
		}); n > c.want {
			t.Errorf("%s: %v allocations for a call of LogAttrs", name, n)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}
