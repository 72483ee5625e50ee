package control

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Telling changes nothing when nobody listens, which is how a page begins, and once
// after somebody has: one who was killed while he listened costs one wake.
func TestTell(t *testing.T) {
	p := NewPrivate(1, 0)
	news := func() uint32 { return p.word32(offNews).Load() }
	if p.Tell(); news() != 0 {
		t.Error("news for nobody")
	}
	seen := p.Listen()
	if seen != 0 || p.armed() == 0 {
		t.Errorf("seen %d, armed %d", seen, p.armed())
	}
	if p.Tell(); news() == seen || p.armed() != 0 {
		t.Errorf("news %d after %d, armed %d", news(), seen, p.armed())
	}
	last := news()
	if p.Tell(); news() != last {
		t.Error("told twice")
	}
	if told, err := p.AwaitNews(seen, time.Hour); !told || err != nil {
		t.Error(told, err)
	}
}

// Garbage in the words costs a wake and is gone.
func TestTellGarbage(t *testing.T) {
	p := NewPrivate(1, 0)
	p.word32(offArmed).Store(0xDEADBEEF)
	p.word32(offNews).Store(0xFFFFFFFF)
	if p.Tell(); p.armed() != 0 {
		t.Errorf("armed %x", p.armed())
	}
	seen := p.Listen()
	p.Tell()
	if told, err := p.AwaitNews(seen, time.Hour); !told || err != nil {
		t.Error(told, err)
	}
}

// Listeners in other processes are woken by the first news, whether they are asleep
// by then or not, and whoever was killed in his sleep is no harm.
func TestNewsAmongProcesses(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	create(t, dir, 1, 0)
	p := open(t, dir)
	listeners := []*child{spawn(t, dir), spawn(t, dir), spawn(t, dir)}
	for round := range 30 {
		for _, c := range listeners {
			c.ask("listen", "listening")
		}
		if round == 10 {
			listeners[0].kill()
			listeners = listeners[1:]
		}
		p.Tell()
		for _, c := range listeners {
			if got := c.hear(); got != "news" {
				t.Fatalf("a listener says %q", got)
			}
		}
		if p.armed() != 0 {
			t.Errorf("round %d: armed, and nobody listens", round)
		}
	}
}

// No news is lost, whoever tells and listens at once, each by a mapping of his own:
// nobody tells of the next before all have heard of this one, so a sleeper who missed
// it would sleep until the time is up.
func TestNoNewsIsLost(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	create(t, dir, 1, 0)
	const listeners, tellers, rounds = 3, 2, 20_000
	var written atomic.Int64
	var heard [listeners]atomic.Int64
	var all sync.WaitGroup
	for i := range listeners {
		p := open(t, dir)
		all.Go(func() {
			for known := int64(0); known < rounds; {
				seen := p.Listen()
				if now := written.Load(); now > known {
					known = now
					heard[i].Store(now)
					continue
				}
				begin := time.Now()
				told, err := p.AwaitNews(seen, time.Minute)
				if err != nil || !told && time.Since(begin) >= time.Minute { // it may return early
					t.Errorf("listener %d slept through %d: %v", i, written.Load(), err)
					heard[i].Store(rounds) // let the others end
					return
				}
			}
		})
	}
	for range tellers {
		p := open(t, dir)
		all.Go(func() {
			for {
				n := written.Load()
				if n >= rounds {
					return
				}
				behind := false
				for i := range heard {
					behind = behind || heard[i].Load() < n
				}
				if !behind && written.CompareAndSwap(n, n+1) {
					p.Tell()
				}
			}
		})
	}
	all.Wait()
}

// A page that was cut off wakes nobody for ever, and its listeners are told so.
func TestNewsOfLostPage(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	create(t, dir, 1, 0)
	p := open(t, dir)
	seen := p.Listen()
	needFaults(t)
	if err := os.Truncate(path(dir), 0); err != nil {
		t.Fatal(err)
	}
	p.Tell()
	if told, err := p.AwaitNews(seen, time.Hour); told || err == nil {
		t.Errorf("%v, %v", told, err)
	}
	p.Interrupt()
	if seen := p.Listen(); seen != 0 || p.armed() != 0 {
		t.Errorf("seen %d, armed %d", seen, p.armed())
	}
}

// What news.go says of its two words, for all orders in which the steps of listeners
// and tellers can happen, one of whom may die at any step: in the end, when nobody can
// take a step, all that listen sleep and know of everything; and if a teller has died,
// this holds once another one has told.
func TestNewsModel(t *testing.T) {
	for _, m := range []struct {
		listeners, tellers int
		dies               bool
	}{{1, 2, false}, {2, 2, false}, {1, 3, false}, {2, 2, true}, {1, 3, true}} {
		t.Run(fmt.Sprintf("%+v", m), func(t *testing.T) {
			begin := model{listeners: m.listeners, tellers: m.tellers, mortal: m.dies}
			seen := map[model]bool{begin: true}
			for todo := []model{begin}; len(todo) > 0; {
				s := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				next := s.steps()
				for _, n := range next {
					if !seen[n] {
						seen[n] = true
						todo = append(todo, n)
					}
				}
				if len(next) > 0 {
					continue
				}
				for _, l := range s.l[:s.listeners] {
					if l.pc != asleep || l.known != s.data {
						t.Fatalf("a listener ends up ignorant: %+v", s)
					}
				}
			}
			t.Logf("%d states", len(seen))
		})
	}
}

// Steps of listeners, asleep being none, and of tellers.
const (
	loadArmed = iota
	loadNews
	arm
	look
	sleep
	asleep
)

const (
	write = iota
	loadArmedToTell
	change
	wake
	disarm
	ended
)

type model struct {
	listeners, tellers int
	mortal             bool // teller 0 dies somewhere, and the others come after that
	armed, news, data  uint32
	l                  [2]struct {
		pc               int
		old, seen, known uint32
	}
	t [3]struct {
		pc int
		a  uint32
	}
}

// steps returns what s can become by one step of anybody.
func (s model) steps() (next []model) {
	for i := range s.listeners {
		n := s
		l := &n.l[i]
		l.pc++
		switch s.l[i].pc {
		case loadArmed:
			l.old = s.armed
		case loadNews:
			l.seen = s.news
		case arm:
			if s.armed != l.old {
				l.pc, l.old, l.seen = loadArmed, 0, 0
				break
			}
			n.armed = l.seen | 1
		case look:
			if l.known != s.data {
				l.known, l.pc = s.data, loadArmed
			}
		case sleep:
			if s.news != l.seen {
				l.pc = loadArmed
			}
		case asleep:
			continue
		}
		next = append(next, n)
	}
	for i := range s.tellers {
		if s.t[i].pc == ended || s.mortal && i > 0 && s.t[0].pc != ended {
			continue
		}
		if s.mortal && i == 0 && s.t[0].pc > write {
			n := s
			n.t[0].pc, n.t[0].a = ended, 0
			next = append(next, n)
		}
		n := s
		w := &n.t[i]
		w.pc++
		switch s.t[i].pc {
		case write:
			n.data++
		case loadArmedToTell:
			if w.a = s.armed; w.a == 0 {
				w.pc = ended
			}
		case change:
			n.news += 2
		case wake:
			for k := range n.l[:n.listeners] {
				if n.l[k].pc == asleep {
					n.l[k].pc = loadArmed
				}
			}
		case disarm:
			if s.armed == w.a {
				n.armed = 0
			}
		}
		next = append(next, n)
	}
	return next
}
