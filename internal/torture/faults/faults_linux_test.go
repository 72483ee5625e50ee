package faults

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
)

func TestMain(m *testing.M) {
	board.RunChild(Roles())
	os.Exit(m.Run())
}

func needTracer(t *testing.T) {
	t.Helper()
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
}

// played carries out a scenario, whose process must end well, and verifies what it
// leaves.
func played(t *testing.T, name string, p plan) (*ran, *oracle.Journal) {
	t.Helper()
	s, err := scenarioOf(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "j")
	r, err := s.run(t.Context(), dir, p)
	if err != nil {
		t.Fatalf("%s, %v: %v\n%s%s", name, p, err, r.told, r.said)
	}
	j, err := judge.Agreed(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	again := *r
	again.book.attempts = slices.Clone(r.book.attempts)
	if err := again.goesOn(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return r, j
}

// Without a fault every scenario goes to its end, and makes the same calls each time,
// or the n-th call would be another one in each run. Only the sync of a full segment
// takes its own turn.
func TestScenarios(t *testing.T) {
	needTracer(t)
	for _, s := range scenarios[:len(scenarios)-ofOthers] {
		t.Run(s.name, func(t *testing.T) {
			a, _ := played(t, s.name, plan{fault: allFaults[0]})
			b, _ := played(t, s.name, plan{fault: allFaults[0]})
			if !a.all || a.calls == 0 || len(a.hits) > 0 {
				t.Errorf("%d calls, hit %v, reached the end: %t", a.calls, a.hits, a.all)
			}
			if rolls := s.name == "roll" || s.name == "always"; !rolls && !slices.Equal(a.order, b.order) {
				t.Errorf("the calls are %v, and then %v", a.order, b.order)
			}
			for _, at := range a.book.attempts {
				if at.state != done {
					t.Errorf("an attempt is %v", at.state)
				}
			}
		})
	}
}

// Short writes are cut where they were to be, and what is left is a fragment of that
// size: 44 bytes are the header of a record.
func TestShort(t *testing.T) {
	needTracer(t)
	for f, want := range map[string]int64{"short in the header": 20, "short behind the header": 44, "short behind the key": 44 + 5, "short by 1": 44 + 5 + 100 + 7} {
		i := slices.IndexFunc(allFaults, func(a fault) bool { return a.name == f })
		r, j := played(t, "append", plan{fault: allFaults[i], nth: 1})
		if !slices.Equal(r.hits, []string{"writev"}) {
			t.Errorf("%s: hit %v", f, r.hits)
		}
		if got := j.Bytes(oracle.Fragment); got != want {
			t.Errorf("%s: fragments of %d bytes, want %d: %v", f, got, want, j.Stretches)
		}
	}
}

// A plan with an error hits the call that it names, and the process hears of it.
func TestErrors(t *testing.T) {
	needTracer(t)
	clean, _ := played(t, "sync", plan{fault: allFaults[0]})
	n := slices.Index(clean.order, "fdatasync") + 1
	r, _ := played(t, "sync", plan{fault: allFaults[0], nth: n})
	if n == 0 || !slices.Equal(r.hits, []string{"fdatasync"}) {
		t.Errorf("call %d of %v: hit %v", n, clean.order, r.hits)
	}
	if i := slices.IndexFunc(r.steps, func(s stepEnd) bool { return s.state == unknown }); i < 0 || r.steps[i].what != "sync" {
		t.Errorf("told %+v", r.steps)
	}
}

// Who is told nothing although an essential call has failed is caught, and so is who
// dies, and who takes a signal for an error.
func TestManners(t *testing.T) {
	ok := []stepEnd{{what: "sync", state: done}}
	bad := []stepEnd{{what: "sync", state: failed, said: "broken"}}
	eio, eintr, short := plan{fault: allFaults[0], nth: 1}, plan{fault: allFaults[4], nth: 1}, plan{fault: allFaults[6], nth: 1}
	for _, c := range []struct {
		name string
		r    ran
		p    plan
		want string
	}{
		{"nobody is told", ran{outcome: outcome{hits: []string{"fdatasync"}}, steps: ok, all: true}, eio, "nobody was told"},
		{"told", ran{outcome: outcome{hits: []string{"fdatasync"}}, steps: bad, all: true}, eio, ""},
		{"not essential", ran{outcome: outcome{hits: []string{"ioctl"}}, steps: ok, all: true}, eio, ""},
		{"a signal", ran{outcome: outcome{hits: []string{"openat"}}, steps: bad, all: true}, eintr, "a signal is an error"},
		{"a signal that was taken", ran{outcome: outcome{hits: []string{"openat"}}, steps: ok, all: true}, eintr, ""},
		{"for nothing", ran{steps: bad, all: true}, eio, "no call has failed"},
		{"short, and tried again", ran{outcome: outcome{hits: []string{"writev"}}, steps: ok, all: true}, short, ""},
		{"in the middle", ran{outcome: outcome{hits: []string{"read"}}, steps: []stepEnd{{what: "open"}}}, eio, "it has ended in open"},
		{"early", ran{steps: ok}, eio, "before its last step"},
		{"a crash", ran{outcome: outcome{status: unix.WaitStatus(2 << 8), said: []byte("panic: x"), hits: []string{"read"}}, steps: ok}, eio, "status 0x200"},
		{"the runtime gives up", ran{outcome: outcome{status: unix.WaitStatus(2 << 8), hits: []string{"epoll_ctl"}, said: []byte("runtime: epollctl failed with 5")}}, eio, ""},
	} {
		err := c.r.manners(c.p)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// The judge finds every lie about what a process has left.
func TestLiars(t *testing.T) {
	needTracer(t)
	honest, j := played(t, "batch", plan{fault: allFaults[0]})
	if err := honest.book.judge(j); err != nil {
		t.Fatal(err)
	}
	last := len(j.Records) - 1
	for _, c := range []struct {
		name, want string
		lie        func(b *book, j *oracle.Journal)
	}{
		{"lost", "is lost", func(_ *book, j *oracle.Journal) { j.Records = j.Records[:last] }},
		{"lost in front", "is lost", func(_ *book, j *oracle.Journal) { j.Records = j.Records[1:] }},
		{"doubled", "is there twice", func(_ *book, j *oracle.Journal) { j.Records = append(j.Records, j.Records[last]) }},
		{"invented", "was never appended", func(_ *book, j *oracle.Journal) { j.Records[2].Value = []byte("lie") }},
		{"half a batch", "of the 3 entries", func(_ *book, j *oracle.Journal) { j.Records = slices.Delete(j.Records, 7, 8) }},
		{"another place", "was acknowledged at", func(_ *book, j *oracle.Journal) { j.Records[0].Offset++ }},
		{"another order", "stands behind", func(_ *book, j *oracle.Journal) { j.Records[0], j.Records[1] = j.Records[1], j.Records[0] }},
		{"failed", "its append has failed", func(b *book, _ *oracle.Journal) { b.attempts[1].state = failed }},
		{"a sequence twice", "two records with sequence", func(_ *book, j *oracle.Journal) { j.Records[last].Seq-- }},
		{"a sequence missing", "sequences are missing", func(_ *book, j *oracle.Journal) { j.Records[last].Seq++ }},
		{"damage", "corruption from", func(_ *book, j *oracle.Journal) {
			j.Stretches = append(j.Stretches, oracle.Stretch{Segment: 1, From: 8192, To: 8193, Class: oracle.Corruption})
		}},
		{"pruned and there", "was pruned", func(b *book, _ *oracle.Journal) { b.pruned, b.mustGo = 2, true }},
	} {
		b := &book{attempts: slices.Clone(honest.book.attempts)}
		k := *j
		k.Records, k.Stretches = slices.Clone(j.Records), slices.Clone(j.Stretches)
		c.lie(b, &k)
		if err := b.judge(&k); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// What is said of a disk that has lost records is compared with it.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name, want string
		lie        func(*ledger)
	}{
		{"the truth", "", func(*ledger) {}},
		{"lost", "false acknowledgement", func(l *ledger) { l.told("c", "somebody") }},
		{"elsewhere", "false acknowledgement", func(l *ledger) { l.at["a"] = "1:1" }},
		{"invented", "was never appended", func(l *ledger) { delete(l.values, "b") }},
		{"other bytes", "was never appended", func(l *ledger) { l.values["b"] = []byte("lie") }},
		{"failed", "its append has failed", func(l *ledger) { l.absent["b"] = true }},
	} {
		l := newLedger()
		l.values["a"], l.values["b"] = []byte("1"), []byte("2")
		l.at["a"] = "1:8192"
		l.told("a", "somebody")
		c.lie(l)
		j := &oracle.Journal{Records: []oracle.Record{
			{Position: oracle.Position{Segment: 1, Offset: 8192}, Key: []byte("a"), Value: []byte("1")},
			{Position: oracle.Position{Segment: 1, Offset: 8300}, Key: []byte("b"), Value: []byte("2")},
		}}
		err := l.check(j, l.durable)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if j.Records = append(j.Records, j.Records[1]); l.check(j, nil) == nil {
			t.Errorf("%s: a record that is there twice is not found", c.name)
		}
	}
}

// A recovery that changes what is there is caught.
func TestUnchanged(t *testing.T) {
	before := map[string][]byte{"journal.id": []byte("id"), "seg.000000001": []byte("abc")}
	for _, c := range []struct {
		name, seg, want string
		longer          bool
	}{
		{"the same", "abc", "", false},
		{"zeros behind it", "abc\x00\x00", "", true},
		{"zeros that nobody may write", "abc\x00", "has grown", false},
		{"other bytes", "abd", "has changed", true},
		{"fewer", "ab", "has changed", true},
		{"new ones", "abcd", "has new bytes", true},
	} {
		dir := filepath.Join(t.TempDir(), "j")
		if err := store(dir, map[string][]byte{"journal.id": []byte("id"), "seg.000000001": []byte(c.seg)}); err != nil {
			t.Fatal(err)
		}
		err := unchanged(dir, before, c.longer)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	pieces := []int64{44, 5, 100, 8}
	for _, c := range []struct {
		cut    cut
		pieces []int64
		want   int64
		ok     bool
	}{
		{lessOne, pieces, 156, true}, {lessOne, []int64{1}, 0, false},
		{inHeader, pieces, 20, true}, {inHeader, []int64{20}, 20, false},
		{behindFirst, pieces, 44, true}, {behindSecond, pieces, 49, true}, {behindThird, pieces, 149, true},
		{behindThird, pieces[:3], 0, false}, {whole, pieces, 0, false},
	} {
		if got, ok := c.cut.length(c.pieces); ok != c.ok || ok && got != c.want {
			t.Errorf("%d of %v: %d, %t", c.cut, c.pieces, got, ok)
		}
	}
	sticky := plan{fault: allFaults[0], nth: 3, sticky: true}
	signals := plan{fault: allFaults[4], nth: 3, sticky: true}
	for n, want := range map[int][2]bool{2: {false, false}, 3: {true, true}, 12: {true, true}, 13: {true, false}} {
		if sticky.hits(n) != want[0] || signals.hits(n) != want[1] {
			t.Errorf("call %d: %t, %t", n, sticky.hits(n), signals.hits(n))
		}
	}
}

// All calls of one scenario fail in turn.
func TestX8(t *testing.T) {
	needTracer(t)
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == "close" })
	class := *calls
	class.Run = func(r *board.Run) error { return hitAll(r, scenarios[i:i+1]) }
	r := board.Do(t.Context(), &class, board.Config{Seed: 5, Case: -1, Dir: t.TempDir(), Log: t.Output()})
	if !r.OK() || r.Counts["clean"] != 2*len(allFaults) || r.Counts["calls that failed"] < r.Cases/2 {
		t.Errorf("%+v", r)
	}
}

func TestX9(t *testing.T) {
	needTracer(t)
	for n := range 9 {
		r := board.Do(t.Context(), recovery, board.Config{Seed: 5, Case: n, Short: true, Dir: t.TempDir(), Log: t.Output()})
		if !r.OK() || r.Cases != 1 {
			t.Errorf("%+v", r)
		}
	}
}

func TestX10(t *testing.T) {
	if n := len(cells()); n != 24 {
		t.Errorf("the matrix has %d cells", n)
	}
	r := board.Do(t.Context(), disk, board.Config{Seed: 5, Case: 1, Short: true, Dir: t.TempDir(), Log: t.Output()})
	if !r.OK() || r.Cases != 1 && len(r.Skipped) == 0 {
		t.Errorf("%+v", r)
	}
}
