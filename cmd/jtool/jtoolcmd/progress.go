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
// whenever the user sends SIGUSR1. Nothing else is printed in the first second.
type progress struct {
	t     *tool
	what  string
	start time.Time
	done  atomic.Int64
	total atomic.Int64 // 0 if it is not known

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
	Seconds float64 `json:"seconds"`
}

// show prints the state once.
func (p *progress) show(bar bool) {
	done, total, passed := p.done.Load(), p.total.Load(), time.Since(p.start)
	if p.t.progress == "json" || p.t.json {
		o := jsonStatus{V: 1, Type: "status", What: p.what, Done: i(done), Seconds: passed.Seconds()}
		if total > 0 {
			o.Total = i(total)
		}
		p.t.err.Write(appendLine(nil, o)) // nobody to tell of an error
		return
	}
	text := p.text(done, total, passed)
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

// text says how far a command is: "1.5 GiB of 3 GiB, 512 MiB/s, 3s left".
func (p *progress) text(done, total int64, passed time.Duration) string {
	unit, amount := "", human
	if p.what != "bytes" {
		unit, amount = " "+p.what, i
	}
	rate := float64(done) / max(passed.Seconds(), 1e-3)
	if total <= 0 || rate == 0 {
		return fmt.Sprintf("%s%s, %s/s", amount(done), unit, amount(int64(rate)))
	}
	left := time.Duration(float64(max(total-done, 0)) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s of %s%s, %s/s, %v left", amount(done), amount(total), unit, amount(int64(rate)), left)
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
