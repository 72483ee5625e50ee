package writer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// TestExplore runs processes that write one journal through schedules made by
// chance, step by step, and lets the power go at many points of each. Whatever
// it finds, `-seed` shows again.
func TestExplore(t *testing.T) {
	if *flagSeed != 0 {
		explore(t, *flagSeed)
		return
	}
	n := *flagSchedules
	if testing.Short() {
		n /= 4
	}
	points, steps := 0, 0
	for seed := range uint64(n) {
		p, s := explore(t, seed+1)
		points, steps = points+p, steps+s
		if t.Failed() {
			t.Fatalf("schedule %d; run it again with -seed %[1]d -steps", seed+1)
		}
	}
	t.Logf("%d schedules, %d steps, %d losses of power", n, steps, points)
	if points == 0 {
		t.Error("the power was never lost")
	}
}

// shm is where the files are: the disk is a double, no time is lost on a real one.
func shm(t *testing.T) string {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return t.TempDir()
	}
	return "/dev/shm"
}

func explore(t *testing.T, seed uint64) (points, steps int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	top, err := os.MkdirTemp(shm(t), "manypen")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	w := &world{
		t: t, rng: rng, dir: filepath.Join(top, "0"), yield: make(chan *task),
		faults: seed%2 == 0, chances: seed%2 == 0,
		opt:  Options{Limits: segment.Limits{Limit: segment.MinLimit + rng.Int64N(8<<10), MaxRecord: 1 << 20}, Perm: 0o644, Timeout: time.Hour},
		told: make(map[record.Position]string), said: make(map[record.Position]string), ever: make(map[record.Position]string),
	}
	w.opt.Prefix = seed%4 >= 2
	if seed%8 >= 6 {
		w.opt.Timeout = 1 // as if whoever has a lock were stopped, always
	}
	first, err := Open(w.dir, w.opt) // the journal exists, and its name is durable
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.boot++
		w.live(250 + rng.IntN(500))
		if t.Failed() {
			break
		}
	}
	w.end()
	return w.points, w.steps
}

// live is one boot of the machine.
func (w *world) live(steps int) {
	w.disk = newDisk(w.t, w.rng, w.dir)
	defer w.disk.close()
	w.procs = nil
	for range 3 {
		w.start()
	}
	for w.steps += 1; steps > 0 && !w.t.Failed(); steps-- {
		w.run(w.choose(), true)
		w.chance()
		if w.rng.IntN(12) == 0 {
			w.losePower(false)
		}
	}
	w.losePower(true)
}

// chance lets something happen that no process asked for.
func (w *world) chance() {
	at := w.rng.IntN(160)
	if w.cur.at == "behind fdatasync" && w.rng.IntN(10) == 0 {
		at = 0 // with a result that nobody else knows
	}
	switch at {
	case 0:
		alive := slices.DeleteFunc(slices.Clone(w.procs), func(p *proc) bool { return p.dead })
		w.kill(alive[w.rng.IntN(len(alive))])
		w.start()
	case 1:
		if w.rng.IntN(4) == 0 {
			w.removeControl()
		}
	case 2: // write-back in the background fails
		if w.faults {
			names := slices.Sorted(maps.Keys(w.disk.list()))
			w.disk.fail(w.disk.open(filepath.Join(w.dir, names[w.rng.IntN(len(names))])))
		}
	case 3:
		open := make(map[*os.File]bool)
		for _, p := range w.procs {
			if p.w != nil && !p.dead {
				for _, pin := range p.w.pins {
					open[pin.F] = true
				}
			}
		}
		w.disk.forget(open)
	case 4:
		w.evicted = w.disk.evict() || w.evicted
	}
}

// removeControl is somebody who tidies up, as he may.
func (w *world) removeControl() {
	names, err := filepath.Glob(filepath.Join(w.dir, segment.ControlPrefix+"*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			w.t.Fatal(err)
		}
	}
}

// losePower looks at what a loss of power now would leave, and lets it happen if
// for good is set.
func (w *world) losePower(forGood bool) {
	w.points++
	order := w.remember()
	dir := fmt.Sprintf("%s-%d", w.dir, w.points)
	if err := os.Mkdir(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.disk.crash(dir)
	if forGood {
		for _, p := range w.procs {
			if !p.dead {
				w.kill(p)
			}
		}
	}
	opt := w.opt
	opt.Timeout = time.Hour
	opt.Prefix = w.rng.IntN(2) == 0
	if forGood {
		opt.Prefix = w.opt.Prefix // otherwise what is lost between records would be lost for ever
	}
	sys := realSystem()
	sys.bootID = func() ([16]byte, error) { return [16]byte{w.boot, 1}, nil }
	after, err := open(dir, opt, sys)
	if err != nil {
		w.t.Errorf("open after a loss of power: %v", err)
		return
	}
	ack, err := after.Append(record.Header{Kind: record.KindData}, nil, []byte("after the loss of power"), false)
	if err == nil {
		err = after.Sync()
	}
	if err != nil {
		w.t.Errorf("append after a loss of power: %v", err)
	}
	if err := after.Close(); err != nil {
		w.t.Error(err)
	}
	got := w.check("after a loss of power", dir)
	if len(got) == 0 || got[len(got)-1] != ack.Position {
		w.t.Errorf("the record %v from after the loss of power is not the last one", ack.Position)
	} else {
		w.compare(order, got[:len(got)-1], opt.Prefix)
	}
	if w.t.Failed() {
		w.t.Logf("point %d, step %d:%s", w.points, w.steps, w.describe())
		events(w.t, dir, func(n uint64, ev *record.Event) {
			w.t.Logf("%d: [%d, %d) %v %v", n, ev.From, ev.To, ev.Class, ev.Header)
		})
	}
	if !forGood {
		if err := os.RemoveAll(dir); err != nil {
			w.t.Error(err)
		}
		return
	}
	_, values := w.read(dir)
	w.dir, w.said, w.ever, w.evicted = dir, values, maps.Clone(values), false
}

// compare holds what is left against what had been there, in order.
func (w *world) compare(before, left []record.Position, prefix bool) {
	gone := func(p record.Position) bool { return p.Segment < w.pruned }
	before = slices.DeleteFunc(slices.Clone(before), gone)
	left = slices.DeleteFunc(slices.Clone(left), gone)
	durable := record.Position{}
	for p := range w.told {
		if durable.Before(p) {
			durable = p
		}
	}
	i := 0
	for n, p := range before {
		switch {
		case i < len(left) && left[i] == p:
			i++
		case p.Before(durable) && !w.faults:
			w.t.Errorf("the record at %v is lost, the one at %v behind it is durable", p, durable)
		case prefix && !w.faults && i < len(left):
			w.t.Errorf("a prefix of %d records lacks the one at %v, number %d", len(left), p, n)
			return
		}
	}
	if i < len(left) && !w.evicted {
		w.t.Errorf("the record at %v was not there before", left[i])
	}
}

// end stops everything.
func (w *world) end() {
	for _, p := range w.procs {
		if !p.dead {
			w.kill(p)
		}
	}
}
