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

	"github.com/manypen/manypen/internal/host"
)

// progress tells on standard error how far a long command is: as a bar on a
// terminal, as a line now and then elsewhere, as JSON events if asked, and
// whenever the user sends SIGUSR1. Nothing is printed in the first second.
type progress struct {
	t     *tool
	what  string
	total int64
	start time.Time
	done  atomic.Int64

	stop chan struct{}
	wg   sync.WaitGroup
}

const (
	barInterval  = 200 * time.Millisecond
	lineInterval = 10 * time.Second
	firstShown   = time.Second
)

// newProgress begins a progress of total units, 0 if that is not known.
func (t *tool) newProgress(what string, total int64) *progress {
	p := &progress{t: t, what: what, total: total, start: time.Now(), stop: make(chan struct{})}
	bar := t.progress == "auto" && isTerminal(t.err)
	interval := lineInterval
	if bar {
		interval = barInterval
	}
	asked := make(chan os.Signal, 1)
	if s := host.StatusSignal(); s != nil {
		signal.Notify(asked, s)
	}
	p.wg.Go(func() {
		defer signal.Stop(asked)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				if bar && time.Since(p.start) > firstShown {
					fmt.Fprint(t.err, "\r\x1b[K")
				}
				return
			case <-asked:
				p.show(false)
			case <-tick.C:
				if !t.quiet && t.progress != "none" && time.Since(p.start) > firstShown {
					p.show(bar)
				}
			}
		}
	})
	return p
}

func (p *progress) add(n int64) { p.done.Add(n) }
func (p *progress) set(n int64) { p.done.Store(n) }

func (p *progress) finish() {
	close(p.stop)
	p.wg.Wait()
}

// show prints the state once.
func (p *progress) show(bar bool) {
	done, passed := p.done.Load(), time.Since(p.start)
	rate := float64(done) / max(passed.Seconds(), 1e-3)
	if p.t.progress == "json" {
		p.t.err.Write(appendLine(nil, map[string]any{ // stderr: nobody to tell of an error
			"v": 1, "type": "status", "what": p.what, "done": fmt.Sprint(done), "total": fmt.Sprint(p.total), "seconds": passed.Seconds(),
		}))
		return
	}
	text := fmt.Sprintf("%s %s, %s/s", p.amount(done), p.what, p.amount(int64(rate)))
	if p.total > 0 && rate > 0 {
		left := time.Duration(float64(p.total-done) / rate * float64(time.Second)).Round(time.Second)
		text = fmt.Sprintf("%s of %s, %s/s, %v left", p.amount(done), p.amount(p.total), p.amount(int64(rate)), left)
	}
	if !bar {
		fmt.Fprintf(p.t.err, "jtool: %s\n", text)
		return
	}
	const width = 30
	filled := 0
	if p.total > 0 {
		filled = int(min(done, p.total) * width / p.total)
	}
	fmt.Fprintf(p.t.err, "\r\x1b[K[%s%s] %s", strings.Repeat("#", filled), strings.Repeat(".", width-filled), text)
}

func (p *progress) amount(n int64) string {
	if p.what == "bytes" {
		return human(n)
	}
	return fmt.Sprint(n)
}

// isTerminal reports whether w is a character device such as a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
