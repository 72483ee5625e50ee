package control

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// The words only ever grow, whoever raises them at the same time.
func TestWordsGrow(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 0, 0)
	const steps = 2000
	var wg sync.WaitGroup
	for range 4 {
		p := open(t, dir) // a mapping of its own
		for range 2 {
			wg.Go(func() {
				if err := climb(p, steps); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if p := open(t, dir); p.Active() != steps || p.Syn() != At(steps, steps) || p.OK() != steps {
		t.Errorf("active %d, syn %v, ok %d", p.Active(), p.Syn(), p.OK())
	}
}

// The same among processes, one of which is killed while it raises them.
func TestWordsGrowAmongProcesses(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 0, 0)
	const steps = 20_000
	var children []*child
	for range 3 {
		children = append(children, spawn(t, dir))
	}
	dying := spawn(t, dir)
	dying.tell("raise 1000000000")
	for i, c := range children {
		c.tell(fmt.Sprint("raise ", steps+i))
	}
	p := open(t, dir)
	if err := climb(p, steps); err != nil {
		t.Error(err)
	}
	dying.kill()
	for _, c := range children {
		if got := c.hear(); got != "done" {
			t.Errorf("child says %q", got)
		}
	}
	if p.Active() < steps+2 || p.OK() < steps+2 || p.Syn() < At(steps+2, steps+2) {
		t.Errorf("active %d, syn %v, ok %d", p.Active(), p.Syn(), p.OK())
	}
}

// Raising to less than there is changes nothing.
func TestRaiseNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPrivate(0, 0)
		var active, syn, ok uint64
		for _, v := range rapid.SliceOfN(rapid.Uint64Range(0, 1<<40), 1, 20).Draw(t, "values") {
			p.RaiseActive(v)
			p.Succeeded(v/2, Pos(v*3))
			active, syn, ok = max(active, v), max(syn, v*3), max(ok, v/2)
			if p.Active() != active || p.Syn() != Pos(syn) || p.OK() != ok {
				t.Fatalf("active %d, syn %d, ok %d; want %d, %d, %d", p.Active(), p.Syn(), p.OK(), active, syn, ok)
			}
		}
	})
}

// Which descriptors may be believed after which attempts. open samples, begin,
// ok and die are attempts that another process begins, ends well, or dies in.
func TestTrusts(t *testing.T) {
	type step string
	for _, c := range []struct {
		name  string
		steps []step
		want  bool
	}{
		{"nothing ever happened", []step{"open"}, true},
		{"good attempt before", []step{"begin", "ok", "open"}, true},
		{"good attempt after", []step{"open", "begin", "ok"}, true},
		// C15: he may have been told of an error that nobody else will be told.
		{"died before", []step{"begin", "die", "open"}, false},
		{"died after", []step{"open", "begin", "die"}, true},
		{"died in between, healed by one who was there", []step{"begin", "die", "open", "begin", "ok"}, true},
		// C16: sampled too early, the attempt that saw the error looks later.
		{"died while it was opened", []step{"begin", "open", "die"}, false},
		// C17: the last attempt is not all there is to compare with.
		{"died twice", []step{"begin", "die", "begin", "die", "open"}, false},
		{"died, opened, died", []step{"begin", "die", "open", "begin", "die"}, false},
		{"good, died, opened, died", []step{"begin", "ok", "begin", "die", "open", "begin", "die"}, false},
		{"good before and after", []step{"begin", "ok", "open", "begin", "die"}, true},
		{"healed before it was opened", []step{"begin", "die", "begin", "ok", "open"}, true},
	} {
		p := NewPrivate(1, At(1, 0))
		var sample, attempt uint64
		for _, s := range c.steps {
			switch s {
			case "open":
				sample = p.Sample()
			case "begin":
				var ok bool
				if attempt, ok = p.Begin(); !ok {
					t.Fatalf("%s: no attempt", c.name)
				}
			case "ok":
				p.Succeeded(attempt, At(1, 9000))
			}
		}
		if got := p.Trusts(sample); got != c.want {
			t.Errorf("%s: trusts %v, want %v", c.name, got, c.want)
		}
	}
}

// A failure is published for everybody, and for good.
func TestFailedAmongProcesses(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(3, 0))
	p := open(t, dir)
	c := spawn(t, dir)
	c.ask("begin", "1 true")
	if p.Sample() != 1 || p.Trusts(1) {
		t.Errorf("attempts %d, trusts %v", p.Sample(), p.Trusts(1))
	}
	c.ask("failed", "done")
	c.kill()
	if p.Succeeded(1, At(3, 1)); !p.Bad() {
		t.Error("the failure is not seen")
	}
	if q, err := Open(dir, testID); err == nil {
		t.Errorf("a page that says bad is opened: %v", q.Bad())
	}
}

// The sync lock excludes other handles and other processes, and the death of
// its holder releases it.
func TestLock(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(3, 0))
	p, q := open(t, dir), open(t, dir)
	try := func(p *Page, want bool) {
		t.Helper()
		if ok, err := p.TryLock(); ok != want || err != nil {
			t.Fatalf("lock %v, %v; want %v", ok, err, want)
		}
	}
	try(p, true)
	try(q, false)
	c := spawn(t, dir)
	c.ask("lock", "false <nil>")
	if err := p.Unlock(); err != nil {
		t.Fatal(err)
	}
	c.ask("lock", "true <nil>")
	try(p, false)
	try(q, false)
	c.kill()
	try(p, true)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	try(q, true) // closing is as good as dying
	if err := q.Unlock(); err != nil {
		t.Fatal(err)
	}
	// A holder that lives lets go when he says so.
	c = spawn(t, dir)
	c.ask("lock", "true <nil>")
	try(q, false)
	c.ask("unlock", "<nil>")
	try(q, true)
}
