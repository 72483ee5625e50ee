package jslog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// The same calls to slog.JSONHandler and to ours, each with and without a
// buffer. The four take turns in rounds, so that whatever else the machine does
// hits all of them; the figures that count are the ratios of the medians. One
// iteration is one round of each:
//
//	go test -run '^$' -bench . -benchtime 20x ./journal/jslog
const roundCalls = 20_000

// ways are the ones that compete. Each opens what it needs in dir, which
// processes share, and returns a flush.
var ways = []struct {
	name string
	open func(dir string) (slog.Handler, func() error, error)
}{
	{"slog", func(dir string) (slog.Handler, func() error, error) {
		f, err := appendTo(filepath.Join(dir, "slog"))
		return slog.NewJSONHandler(f, nil), func() error { return nil }, err
	}},
	{"jslog", func(dir string) (slog.Handler, func() error, error) {
		return benchHandler(filepath.Join(dir, "jslog"), nil)
	}},
	{"bufio", func(dir string) (slog.Handler, func() error, error) {
		f, err := appendTo(filepath.Join(dir, "bufio"))
		w := &lockedWriter{w: bufio.NewWriterSize(f, 64<<10)}
		return slog.NewJSONHandler(w, nil), w.Flush, err
	}},
	{"buffered", func(dir string) (slog.Handler, func() error, error) {
		return benchHandler(filepath.Join(dir, "buffered"), &jslog.Options{Buffer: jslog.Buffer{Size: 64 << 10}})
	}},
}

func appendTo(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

func benchHandler(dir string, opts *jslog.Options) (slog.Handler, func() error, error) {
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		return nil, nil, err
	}
	h := jslog.New(j, opts)
	return h, h.Flush, nil
}

type lockedWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(p)
}

func (w *lockedWriter) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Flush()
}

// logRound logs roundCalls calls by so many goroutines, and flushes.
func logRound(h slog.Handler, flush func() error, goroutines int) error {
	log := slog.New(h).With("service", "checkout", "instance", 7)
	ctx, broken := context.Background(), errors.New("connection reset by peer")
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range roundCalls / goroutines {
				log.LogAttrs(ctx, slog.LevelInfo, "request finished", slog.String("path", "/v1/orders/4711?full=true"),
					slog.Int("status", 200+i%3), slog.Duration("took", time.Duration(i)*time.Microsecond),
					slog.Float64("ratio", float64(i)/7), slog.Any("err", broken))
			}
		})
	}
	all.Wait()
	return flush()
}

// contest is what the ways took for a call, in ns, by round.
type contest map[string][]float64

func (c contest) report(b *testing.B) {
	median := make(map[string]float64)
	for name, v := range c {
		slices.Sort(v)
		median[name] = v[len(v)/2]
		b.ReportMetric(median[name], name+"-ns/call")
	}
	b.ReportMetric(median["jslog"]/median["slog"], "jslog/slog")
	if median["buffered"] > 0 {
		b.ReportMetric(median["buffered"]/median["slog"], "buffered/slog")
		b.ReportMetric(median["buffered"]/median["bufio"], "buffered/bufio")
	}
	b.ReportMetric(0, "ns/op") // of all four together: says nothing
}

func BenchmarkGoroutines(b *testing.B) {
	for _, goroutines := range []int{1, 8} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			dir := b.TempDir()
			handlers, flushes := make([]slog.Handler, len(ways)), make([]func() error, len(ways))
			for i, w := range ways {
				var err error
				if handlers[i], flushes[i], err = w.open(dir); err != nil {
					b.Fatal(err)
				}
			}
			c := make(contest)
			for b.Loop() {
				for i, w := range ways {
					begin := time.Now()
					if err := logRound(handlers[i], flushes[i], goroutines); err != nil {
						b.Fatal(err)
					}
					c[w.name] = append(c[w.name], float64(time.Since(begin).Nanoseconds())/roundCalls)
				}
			}
			c.report(b)
			verify(b, filepath.Join(dir, "jslog"))
			verify(b, filepath.Join(dir, "buffered"))
		})
	}
}

// What formatting alone takes: the lines go nowhere.
func BenchmarkFormat(b *testing.B) {
	for _, source := range []bool{false, true} {
		b.Run(fmt.Sprint("source=", source), func(b *testing.B) {
			r := record(slog.String("path", "/v1/orders/4711?full=true"), slog.Int("status", 200),
				slog.Duration("took", time.Second), slog.Float64("ratio", 1./7), slog.Any("err", errors.New("connection reset")))
			r.Time = time.Now()
			with := []slog.Attr{slog.String("service", "checkout"), slog.Int("instance", 7)}
			handlers := map[string]slog.Handler{
				"slog":  slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{AddSource: source}).WithAttrs(with),
				"jslog": jslog.NewOn(nowhere{}, &jslog.Options{AddSource: source}).WithAttrs(with),
			}
			c := make(contest)
			for b.Loop() {
				for name, h := range handlers {
					begin := time.Now()
					for range roundCalls {
						if err := h.Handle(context.Background(), r); err != nil {
							b.Fatal(err)
						}
					}
					c[name] = append(c[name], float64(time.Since(begin).Nanoseconds())/roundCalls)
				}
			}
			c.report(b)
		})
	}
}

func init() { roles["bench"] = roleBench }

// roleBench logs a round for every byte it is told: DIR WAY.
func roleBench(args []string) error {
	for _, w := range ways {
		if w.name != args[1] {
			continue
		}
		h, flush, err := w.open(args[0])
		if err != nil {
			return err
		}
		fmt.Println("ready")
		for {
			if _, err := os.Stdin.Read(make([]byte, 1)); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := logRound(h, flush, 1); err != nil {
				return err
			}
			fmt.Println("done")
		}
	}
	return fmt.Errorf("%s is no way to log", args[1])
}

// Processes log at the same time, into one file or journal; a call is one of any
// of them.
func BenchmarkProcesses(b *testing.B) {
	for _, procs := range []int{1, 4, 8} {
		b.Run(strconv.Itoa(procs), func(b *testing.B) {
			dir := b.TempDir()
			crews := make(map[string][]*child)
			for _, w := range ways {
				for range procs {
					crews[w.name] = append(crews[w.name], spawn(b, "bench", dir, w.name))
				}
				for _, c := range crews[w.name] {
					c.hear(b)
				}
			}
			c := make(contest)
			for b.Loop() {
				for _, w := range ways {
					begin := time.Now()
					for _, p := range crews[w.name] {
						if _, err := p.in.Write([]byte{'.'}); err != nil {
							b.Fatal(err)
						}
					}
					for _, p := range crews[w.name] {
						p.hear(b)
					}
					c[w.name] = append(c[w.name], float64(time.Since(begin).Nanoseconds())/float64(roundCalls*procs))
				}
			}
			c.report(b)
			for _, w := range ways {
				for _, p := range crews[w.name] {
					if err := p.in.Close(); err != nil {
						b.Error(err)
					}
					p.finish(b)
				}
			}
			verify(b, filepath.Join(dir, "jslog"))
			verify(b, filepath.Join(dir, "buffered"))
		})
	}
}
