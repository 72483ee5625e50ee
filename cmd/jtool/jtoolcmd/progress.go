package jtoolcmd

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/journal"
)

// progress tells on standard error how far a long command is: as a bar on a
// terminal, as a line now and then elsewhere, as JSON events if asked, and
// whenever the user sends SIGUSR1. Nothing else is printed in the first second.
type progress struct {
	t     *tool
	what  string
	start time.Time
	done  atomic.Int64
	total atomic.Int64 // 0 if it is not known
	way   *way         // what is read, if that is a journal; valid when ready
	ready atomic.Bool

	stop chan struct{}
	wg   sync.WaitGroup
}

const (
	barInterval  = 200 * time.Millisecond
	lineInterval = 10 * time.Second
	jsonInterval = time.Second
	firstShown   = time.Second
)

// newProgress begins a progress of total units, 0 if that is not known. With
// quietly it only answers to SIGUSR1: for commands that may wait for ever, and
// those whose output would be mixed with it on the terminal.
func (t *tool) newProgress(what string, total int64, quietly bool) *progress {
	p := &progress{t: t, what: what, start: time.Now(), stop: make(chan struct{})}
	p.total.Store(total)
	bar := t.progress == "auto" && t.terminal && !t.json
	interval := lineInterval
	switch {
	case bar:
		interval = barInterval
	case t.progress == "json":
		interval = jsonInterval
	}
	quietly = t.quiet || t.progress == "none" || quietly && t.progress != "json"
	asked := make(chan os.Signal, 1)
	if s := host.StatusSignal(); s != nil {
		signal.Notify(asked, s)
	}
	p.wg.Go(func() {
		defer signal.Stop(asked)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-p.stop:
				if shown && bar {
					fmt.Fprint(t.err, "\r\x1b[K")
				}
				return
			case <-asked:
				p.show(false)
			case <-tick.C:
				if !quietly && time.Since(p.start) >= firstShown {
					shown = true
					p.show(bar)
				}
			}
		}
	})
	return p
}

func (p *progress) add(n int64) { p.done.Add(n) }

// through says what is read: a part of a journal, whose bytes tell how long it will
// take. Their number is asked for when there is something to show, and not before:
// a journal may have thousands of segments.
func (p *progress) through(j *journal.Journal, scan journal.ScanOptions) {
	p.way = &way{j: j, scan: scan}
	p.ready.Store(true)
}

// at says that a record was read, and where.
func (p *progress) at(pos journal.Position) {
	p.done.Add(1)
	p.way.segment.Store(pos.Segment)
	p.way.offset.Store(pos.Offset)
}

// set is for commands that are told how far they are.
func (p *progress) set(done, total int64) {
	p.done.Store(done)
	p.total.Store(total)
}

func (p *progress) finish() {
	close(p.stop)
	p.wg.Wait()
}

type jsonStatus struct {
	V       int     `json:"v"`
	Type    string  `json:"type"`
	What    string  `json:"what"`
	Done    string  `json:"done"`
	Total   string  `json:"total,omitempty"`
	Bytes   string  `json:"bytes,omitempty"`       // of the journal that were read, if done are records
	Of      string  `json:"bytes_total,omitempty"` // and how many there are to read
	Seconds float64 `json:"seconds"`
	Left    float64 `json:"seconds_left,omitempty"`
}

// show prints the state once.
func (p *progress) show(bar bool) {
	done, total, passed := p.done.Load(), p.total.Load(), time.Since(p.start)
	var read, all int64
	if p.ready.Load() {
		read, all = p.way.bytes()
	}
	if p.t.progress == "json" || p.t.json {
		o := jsonStatus{V: 1, Type: "status", What: p.what, Done: i(done), Seconds: passed.Seconds()}
		if total > 0 {
			o.Total = i(total)
			o.Left = left(done, total, passed).Seconds()
		}
		if all > 0 {
			o.Bytes, o.Of = i(read), i(all)
			o.Left = left(read, all, passed).Seconds()
		}
		p.t.err.Write(appendLine(nil, o)) // nobody to tell of an error
		return
	}
	text := amountOf(p.what, done, total, passed)
	if all > 0 {
		done, total = read, all
		text = fmt.Sprintf("%d %s, %s", p.done.Load(), p.what, amountOf("bytes", done, total, passed))
	}
	if !bar {
		fmt.Fprintf(p.t.err, "jtool: %s\n", text)
		return
	}
	const width = 30
	filled := 0
	if total > 0 {
		filled = int(float64(min(done, total)) / float64(total) * width)
	}
	fmt.Fprintf(p.t.err, "\r\x1b[K[%s%s] %s", strings.Repeat("#", filled), strings.Repeat(".", width-filled), text)
}

// amountOf says how far a command is: "1.5 GiB of 3 GiB, 512 MiB/s, 3s left".
func amountOf(what string, done, total int64, passed time.Duration) string {
	unit, amount := "", human
	if what != "bytes" {
		unit, amount = " "+what, i
	}
	rate := amount(int64(float64(done) / max(passed.Seconds(), 1e-3)))
	if total <= 0 || done == 0 {
		return fmt.Sprintf("%s%s, %s/s", amount(done), unit, rate)
	}
	return fmt.Sprintf("%s of %s%s, %s/s, %v left", amount(done), amount(total), unit, rate, left(done, total, passed).Round(time.Second))
}

// left is the time that the rest will take at the rate so far, 0 if there is none yet.
func left(done, total int64, passed time.Duration) time.Duration {
	if done <= 0 {
		return 0
	}
	return time.Duration(float64(max(total-done, 0)) / float64(done) * float64(passed))
}

// way is a part of a journal that is read, and where its reader is. Its two numbers
// need not fit together: what is shown is off by a segment then, once.
type way struct {
	j       *journal.Journal
	scan    journal.ScanOptions
	segment atomic.Uint64
	offset  atomic.Int64

	once  sync.Once
	sizes []journal.SegmentInfo
}

// bytes is how many bytes of the part were read, and how many there are; zeros if
// that cannot be said.
func (w *way) bytes() (read, all int64) {
	// Without an answer there is no estimate; what is wrong is told to who reads.
	w.once.Do(func() { w.sizes, _ = w.j.Segments() })
	n, off := w.segment.Load(), w.offset.Load()
	for _, s := range w.sizes {
		lo, hi := int64(0), s.Size
		if s.Number < w.scan.From.Segment || !w.scan.To.IsZero() && s.Number > w.scan.To.Segment {
			continue
		}
		if s.Number == w.scan.From.Segment {
			lo = w.scan.From.Offset
		}
		if s.Number == w.scan.To.Segment {
			hi = min(hi, w.scan.To.Offset)
		}
		size := max(hi-lo, 0)
		all += size
		switch here := min(max(off-lo, 0), size); {
		case n == 0: // nothing was read yet
		case s.Number == n && w.scan.Reverse:
			read += size - here
		case s.Number == n:
			read += here
		case (s.Number < n) != w.scan.Reverse:
			read += size
		}
	}
	return read, all
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is how many characters a line of the output takes.
func (t *tool) width() int {
	if f, ok := t.out.(*pipeWriter).w.(*os.File); ok && t.tty {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width >= minWidth {
			return min(width, maxWidth)
		}
	}
	return 80
}
