package writer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// A plan says at which of its decisions a schedule leaves the task that was
// running, and for which other one; everywhere else tasks go on until they wait
// or end. Most errors of concurrent programs need few such switches
// (Musuvathi, Qadeer, Iterative Context Bounding, PLDI 2007).
type plan []turn

type turn struct {
	decision int
	task     int  // how many tasks further on
	dies     bool // the process of the task that was running dies instead
}

// TestExploreExhaustive runs short scenes in every order that a few switches make,
// and with a death at every step.
func TestExploreExhaustive(t *testing.T) {
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			runs, todo := 0, []plan{nil}
			for len(todo) > 0 {
				p := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				options := playScene(t, sc, p)
				if runs++; t.Failed() {
					t.Fatalf("plan %+v", p)
				}
				if len(p) == *flagSwitches {
					continue
				}
				for at := next(p); at < len(options); at++ {
					for other := 1; other < options[at]; other++ {
						todo = append(todo, append(p[:len(p):len(p)], turn{decision: at, task: other}))
					}
					if options[at] > 0 && !died(p) {
						todo = append(todo, append(p[:len(p):len(p)], turn{decision: at, dies: true}))
					}
				}
			}
			t.Logf("%d schedules", runs)
		})
	}
}

func next(p plan) int {
	if len(p) == 0 {
		return 0
	}
	return p[len(p)-1].decision + 1
}

func died(p plan) bool { return len(p) > 0 && p[len(p)-1].dies }

// scene is what two processes do at the same time.
type scene struct {
	name   string
	faults int // the sync that fails, 0 if none does
	before func(w *world, a *proc)
	a, b   func(w *world, p *proc) // b may be nil: a is alone
}

var scenes = []scene{
	{name: "two durable appends", a: durably(1), b: durably(1)},
	{name: "two that fill the segment", a: durably(2), b: durably(2),
		before: func(w *world, a *proc) { w.fillUp(a) }},
	{name: "a sync that fails", faults: 1, a: durably(1), b: durably(1)},
	{name: "a sync that fails, alone", faults: 1, a: durably(1),
		before: func(w *world, a *proc) { w.append(a, 1, false); w.append(a, 4000, false); w.append(a, 3000, false) }},
	{name: "a roll whose sync fails, alone", faults: 2, a: durably(2),
		before: func(w *world, a *proc) { w.fillUp(a) }},
	{name: "a roll whose sync fails", faults: 2, a: durably(2), b: durably(1),
		before: func(w *world, a *proc) { w.fillUp(a) }},
	{name: "no control file", a: durably(1), b: durably(1),
		before: func(w *world, _ *proc) { w.removeControl() }},
	{name: "append and sync of another", a: plainly, b: func(w *world, p *proc) { w.syncAll(p) }},
	{name: "append while old segments go", a: durably(2),
		b: func(w *world, p *proc) { w.prune(p) },
		before: func(w *world, a *proc) {
			for range 4 {
				w.fillUp(a)
				durably(1)(w, a)
			}
			w.fillUp(a)
		}},
}

func durably(n int) func(w *world, p *proc) {
	return func(w *world, p *proc) {
		for range n {
			w.append(p, 2000, true)
		}
	}
}

func plainly(w *world, p *proc) { w.append(p, 100, false) }

// fillUp appends until the next record needs another segment.
func (w *world) fillUp(p *proc) {
	for !p.w.full {
		w.append(p, 1500, false)
	}
}

// playScene runs one schedule of a scene and returns how many tasks could have gone on at
// each decision.
func playScene(t *testing.T, sc scene, p plan) (options []int) {
	top, err := os.MkdirTemp(shm(t), "manypen")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(1, 1)), dir: filepath.Join(top, "0"), yield: make(chan *task),
		opt:  Options{Limits: segment.Limits{Limit: segment.MinLimit, MaxRecord: 1 << 20}, Perm: 0o644, Timeout: time.Hour},
		told: make(map[record.Position]string), said: make(map[record.Position]string), ever: make(map[record.Position]string),
		boot: 1,
	}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w.disk = newDisk(t, w.rng, w.dir)
	defer w.disk.close()
	defer w.end()
	open := func(then func(w *world, p *proc)) *proc {
		pr := &proc{name: fmt.Sprint(len(w.procs))}
		w.procs = append(w.procs, pr)
		w.spawn(pr, func() {
			if err := w.open(pr); err != nil {
				t.Error(err)
			} else if then != nil {
				then(w, pr)
			}
		})
		w.finish()
		return pr
	}
	a := open(sc.before)
	if sc.b != nil {
		b := open(nil)
		w.spawn(b, func() { sc.b(w, b) })
	}
	w.faults, w.failing = sc.faults > 0, sc.faults
	w.spawn(a, func() { sc.a(w, a) })
	options = w.follow(p)
	// Whoever comes later must be able to go on, and finds what was promised.
	w.failing = 0
	open(durably(1))
	w.check("afterwards", w.dir)
	return options
}

// finish runs all tasks to their end.
func (w *world) finish() { w.follow(nil) }

// follow runs all tasks to their end as the plan says.
func (w *world) follow(p plan) (options []int) {
	var cur *task
	for idle := 0; len(w.tasks) > 0 && !w.t.Failed(); {
		at := 0
		for i, tk := range w.tasks {
			if tk == cur {
				at = i
			}
		}
		turned := len(p) > 0 && p[0].decision == len(options)
		options = append(options, len(w.tasks))
		switch {
		case turned && p[0].dies:
			w.kill(w.tasks[at].p)
			p, cur = p[1:], nil
			continue
		case turned:
			at += p[0].task
			p = p[1:]
		case w.tasks[at].waiting:
			if at, idle = at+1, idle+1; idle > 1000 {
				w.t.Fatalf("everybody waits:%s", w.describe())
			}
		}
		cur = w.tasks[at%len(w.tasks)]
		if !cur.waiting {
			idle = 0
		}
		w.run(cur, true)
	}
	return options
}
