package writer

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

var (
	flagSchedules = flag.Int("schedules", 25, "schedules of TestExplore")
	flagSeed      = flag.Uint64("seed", 0, "the one schedule of TestExplore to run again")
	flagSwitches  = flag.Int("switches", 1, "how often TestExploreExhaustive leaves a task that could go on, or lets a process die")
	flagSteps     = flag.Bool("steps", false, "print every step of TestExplore")
)

func itoa(n uintptr) string { return strconv.Itoa(int(n)) }

// A world is a machine with some processes that write one journal, all inside
// of this process: one task runs at a time, from one step of the protocol to the
// next, and chance says which. The seed of chance is all there is to a run.
//
// Next to what the processes do by themselves, chance kills them, also in the
// middle of a write or of fdatasync, lets the disk fail, the kernel forget, the
// control file vanish and the power go.
type world struct {
	t     testing.TB
	rng   *rand.Rand
	disk  *disk
	dir   string
	boot  byte
	opt   Options
	procs []*proc
	tasks []*task
	cur   *task
	yield chan *task
	steps int

	faults  bool // the disk may fail
	failing int  // the sync, counted down, that fails; 0 for by chance, or never
	chances bool // and does so by chance
	evicted bool // and what was read has changed thereby
	points  int  // losses of power that were looked at

	// told are records that somebody was told to be durable, and said all that
	// were acknowledged.
	told, said map[record.Position]string
	ever       map[record.Position]string // whatever was in the journal at any time
	pruned     uint64                     // segments below this one may be gone
	fresh      record.Position            // the last of told, if it was not checked yet
}

// proc is a process with one handle.
type proc struct {
	name  string
	w     *Writer
	ready bool // it is open
	dead  bool
}

// task is a goroutine of a process.
type task struct {
	p       *proc
	resume  chan bool // false: die
	at      string
	waiting bool
	done    bool
}

func (w *world) spawn(p *proc, f func()) {
	tk := &task{p: p, resume: make(chan bool), at: "start"}
	w.tasks = append(w.tasks, tk)
	go func() {
		defer func() {
			tk.done = true
			w.yield <- tk
		}()
		if <-tk.resume {
			f()
		}
	}()
}

// step is where a task stops and another one may go on.
func (w *world) step(name string) {
	tk := w.cur
	tk.at, tk.waiting = name, name == "wait"
	w.yield <- tk
	if !<-tk.resume {
		runtime.Goexit()
	}
}

// run lets a task go on to its next step, or die.
func (w *world) run(tk *task, alive bool) {
	if *flagSteps {
		w.t.Logf("%d %s: %s%s", w.steps, tk.p.name, tk.at, map[bool]string{false: " dies"}[alive])
	}
	w.cur = tk
	w.steps++
	tk.resume <- alive
	<-w.yield
	if tk.done {
		w.tasks = slices.DeleteFunc(w.tasks, func(o *task) bool { return o == tk })
	}
	for _, p := range w.procs {
		if p.w != nil && !p.dead {
			for _, pin := range p.w.pins {
				w.disk.opened(pin.F)
			}
		}
	}
	if !w.fresh.IsZero() {
		w.promised(w.fresh)
		w.fresh = record.Position{}
	}
}

// tell notes that somebody was told of a record that it is durable.
func (w *world) tell(p record.Position, value string) {
	w.told[p] = value
	if w.fresh.Before(p) {
		w.fresh = p
	}
}

// promised checks that everything up to the record at p is on disk, which somebody was
// told of that record: its own bytes, and all that a reader finds in front of it.
func (w *world) promised(p record.Position) {
	at, values := w.read(w.dir)
	for _, q := range at {
		if q.Segment >= w.pruned && !p.Before(q) && !w.disk.has(q, values[q]) {
			w.t.Errorf("step %d: the record at %v is not on disk, the one at %v was called durable", w.steps, q, p)
		}
	}
	for q, value := range w.told {
		if q.Segment >= w.pruned && values[q] != value {
			w.t.Errorf("step %d: the durable record at %v is lost", w.steps, q)
		}
	}
}

// choose picks the next task; those that wait for others have to be patient.
func (w *world) choose() *task {
	busy := slices.DeleteFunc(slices.Clone(w.tasks), func(tk *task) bool { return tk.waiting && w.rng.IntN(8) > 0 })
	if len(busy) == 0 {
		busy = w.tasks
	}
	return busy[w.rng.IntN(len(busy))]
}

// kill ends a process. What it had locked is free when its files are closed.
func (w *world) kill(p *proc) {
	p.dead = true
	for _, tk := range slices.Clone(w.tasks) {
		if tk.p == p {
			if tk.at == "A2" && w.rng.IntN(2) == 0 {
				w.tear(p)
			}
			w.run(tk, false)
		}
	}
	if p.w == nil {
		return
	}
	_ = p.w.dropPins() // as the kernel does, whatever was going on
	if p.w.page != nil {
		_ = p.w.page.Close()
	}
	_ = p.w.dir.Close()
}

// tear leaves the beginning of a record behind, as a killed writer does.
func (w *world) tear(p *proc) {
	var buf record.Buffer
	h := record.Header{Kind: record.KindData, Writer: p.w.id, Seq: p.w.seq + 1}
	vec, err := buf.Encode(&p.w.cur.Frame, &h, nil, w.value(3000))
	if err != nil {
		w.t.Fatal(err)
	}
	var b []byte
	for _, v := range vec {
		b = append(b, v...)
	}
	if _, err := p.w.cur.F.Write(b[:1+w.rng.IntN(len(b)-1)]); err != nil {
		w.t.Fatal(err)
	}
}

// value is made of bytes that are not zero: see docs/decisions/0011.
func (w *world) value(most int) []byte {
	b := make([]byte, 1+w.rng.IntN(most))
	for i := range b {
		b[i] = byte(1 + w.rng.IntN(255))
	}
	return b
}

// system is what a process of this world sees of the machine.
func (w *world) system(p *proc) system {
	sys := realSystem()
	boot := [16]byte{w.boot}
	sys.bootID = func() ([16]byte, error) { return boot, nil }
	sys.step = w.step
	sys.start = func(f func()) { w.spawn(p, f) }
	sys.syncData = func(f *os.File) error {
		fails := w.faults && w.failing == 0 && w.chances && w.rng.IntN(40) == 0
		if w.failing > 0 {
			w.failing--
			fails = w.failing == 0
		}
		err := w.disk.sync(f, fails, func() { w.step("in fdatasync") })
		w.step("behind fdatasync")
		return err
	}
	sys.syncDir = func(*os.File) error {
		w.disk.syncDir(func() { w.step("in fsync of the directory") })
		return nil
	}
	return sys
}

// open is Open in a process that may die on the way.
func (w *world) open(p *proc) error {
	dir, err := segment.OpenDir(w.dir)
	if err != nil {
		return err
	}
	p.w = &Writer{dir: dir, opt: w.opt, sys: w.system(p), id: w.rng.Uint64() | 1}
	if err := p.w.identify(); err != nil {
		return err
	}
	if err := p.w.admit(); err != nil {
		return err
	}
	p.w.lock(&p.w.mu)
	defer p.w.mu.Unlock()
	if err := p.w.attach(); err != nil {
		return err
	}
	p.ready = true
	return nil
}

// start makes a process that opens the journal and then works on two goroutines or
// four, of which one waits for the disk with every record. Four can meet in front of an
// append.
func (w *world) start() {
	p := &proc{name: fmt.Sprintf("%d.%d", w.boot, len(w.procs))}
	w.procs = append(w.procs, p)
	w.spawn(p, func() {
		for err := w.open(p); err != nil; err = w.open(p) {
			if !w.expected(err) {
				w.t.Errorf("open: %v", err)
				return
			}
			_ = p.w.release() // it has failed already
			w.step("between two opens")
		}
		w.spawn(p, func() { w.work(p, true) })
		for range 2 * w.rng.IntN(2) {
			w.spawn(p, func() { w.work(p, false) })
		}
		w.work(p, false)
	})
}

// expected are errors that a failing disk explains, or a lock that nobody waits
// for.
func (w *world) expected(err error) bool {
	if w.opt.Timeout < time.Second && errors.Is(err, ErrTimeout) {
		return true
	}
	return w.faults && (errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, errDisk))
}

// work appends, and syncs as the policy says.
func (w *world) work(p *proc, always bool) {
	for {
		w.step("between two appends")
		if w.rng.IntN(60) == 0 {
			w.prune(p)
		}
		if !always && w.rng.IntN(6) == 0 {
			w.syncAll(p)
			continue
		}
		w.append(p, []int{20, 600, 5000}[w.rng.IntN(3)], always)
	}
}

// append appends a record, and waits for the disk if durable is set.
func (w *world) append(p *proc, most int, durable bool) {
	value := w.value(most)
	h := record.Header{Kind: record.KindData, Time: int64(w.steps) * int64(time.Millisecond)}
	ack, err := p.w.Append(h, nil, value, durable)
	if err != nil {
		if !w.expected(err) {
			w.t.Errorf("append: %v", err)
		}
		return
	}
	w.said[ack.Position] = string(value)
	if !durable {
		return
	}
	if err := p.w.SyncTo(ack.Pos()); err == nil {
		w.tell(ack.Position, string(value))
	} else if !w.expected(err) {
		w.t.Errorf("sync: %v", err)
	}
}

// syncAll syncs what is there, which is every record acknowledged to anybody.
func (w *world) syncAll(p *proc) {
	before := maps.Clone(w.said)
	if err := p.w.Sync(); err != nil {
		if !w.expected(err) {
			w.t.Errorf("sync: %v", err)
		}
		return
	}
	if w.faults {
		return // a record of unknown outcome stays in the journal and may still be lost
	}
	for p, value := range before {
		w.tell(p, value)
	}
}

func (w *world) prune(p *proc) {
	numbers, err := p.w.dir.List()
	if err != nil {
		w.t.Fatal(err)
	}
	n := numbers[len(numbers)-1]
	if n < 4 {
		return
	}
	w.pruned = max(w.pruned, n-2)
	if _, err := p.w.Prune(n - 2); err != nil && !w.expected(err) {
		w.t.Errorf("prune: %v", err)
	}
}

// read returns what a new reader finds in dir, in order.
func (w *world) read(dir string) (at []record.Position, values map[record.Position]string) {
	d := openDir(w.t, dir)
	defer d.Close() // at once: this is called many thousand times
	end, err := d.End()
	if err != nil {
		w.t.Fatal(err)
	}
	r := d.NewReader(segment.ReaderOptions{End: &end})
	defer r.Close()
	values = make(map[record.Position]string)
	for ev := (record.Event{}); ; {
		err := r.Next(&ev)
		if err == io.EOF {
			return at, values
		}
		if err != nil {
			w.t.Errorf("reading: %v", err)
			return at, values
		}
		if ev.Class == record.Whole && ev.Header.Kind != record.KindMark {
			p := record.Position{Segment: r.Segment(), Offset: ev.From}
			at, values[p] = append(at, p), string(ev.Value)
		}
	}
}

// check holds a journal against what its writers were told. It returns the
// order of what is there.
func (w *world) check(what, dir string) []record.Position {
	at, got := w.read(dir)
	last := control.Pos(0)
	for p, value := range w.told {
		if p.Segment < w.pruned {
			continue
		}
		last = max(last, control.At(p.Segment, p.Offset))
		if got[p] != value {
			w.t.Errorf("%s: the durable record at %v is lost", what, p)
		}
	}
	for p, value := range got {
		if known, ok := w.ever[p]; ok && known != value {
			w.t.Errorf("%s: the record at %v was another one before", what, p)
		}
	}
	return at
}

// remember notes what is in the journal now, in order.
func (w *world) remember() []record.Position {
	at, values := w.read(w.dir)
	maps.Copy(w.ever, values)
	for p, value := range w.said {
		if p.Segment >= w.pruned && !w.evicted && values[p] != value {
			w.t.Errorf("the acknowledged record at %v is lost", p)
		}
	}
	return at
}

// describe is what went on when something was found.
func (w *world) describe() string {
	var b strings.Builder
	for _, tk := range w.tasks {
		fmt.Fprintf(&b, " %s at %q", tk.p.name, tk.at)
	}
	return b.String()
}
