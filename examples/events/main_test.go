package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/internal/exampletest"
)

// TestMain makes the test binary a service if it was started as one: the program
// starts itself, and here it is the test binary.
func TestMain(m *testing.M) {
	if os.Getenv(clientEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func events(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	return exampletest.Run(t, run, args...)
}

// Services send random commands, some are killed in the middle and start again.
func TestBank(t *testing.T) {
	exampletest.NeedLinux(t)
	for _, c := range []struct{ services, commands, accounts, every, kills int }{
		{3, 60, 2, 10, 0}, {4, 60, 3, 7, 1}, {3, 40, 5, 1, 3}, {1, 30, 2, 1000, 1},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "bank")
			status, out, errs := events(t, "-dir", dir, "-services", fmt.Sprint(c.services), "-commands", fmt.Sprint(c.commands),
				"-accounts", fmt.Sprint(c.accounts), "-snapshot-every", fmt.Sprint(c.every), "-kills", fmt.Sprint(c.kills), "-seed", "5")
			if status != 0 || errs != "" {
				t.Fatalf("status %d, stderr:\n%s\nstdout:\n%s", status, errs, out)
			}
			for _, want := range []string{
				fmt.Sprintf(`services +%d at a time, %d in all\n`, c.services, c.services+c.kills),
				fmt.Sprintf(`commands +%d decided`, c.services*c.commands),
				fmt.Sprintf(`kills +%d\n`, c.kills),
				fmt.Sprintf(`replicas +%d, of which 0 differ`, c.services),
				`verify +\d+ records, 0 missing\n`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("stdout lacks %s:\n%s", want, out)
				}
			}
			if got := strings.Count(out, "started again"); got != c.kills {
				t.Errorf("%d services started again, want %d:\n%s", got, c.kills, out)
			}
			exampletest.Verify(t, filepath.Join(dir, "journal"))
		})
	}
}

func TestTemporaryDirectory(t *testing.T) {
	exampletest.NeedLinux(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if status, _, errs := events(t, "-commands", "5", "-services", "2"); status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "events-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUsage(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		args   []string
	}{
		{0, []string{"-h"}},
		{2, []string{"-services", "0"}},
		{2, []string{"-accounts", "1"}},
		{2, []string{"-kills", "5"}},
		{2, []string{"more"}},
		{1, []string{"-dir", full}},
	} {
		if status, _, errs := events(t, c.args...); status != c.status || errs == "" {
			t.Errorf("%q: status %d, want %d; stderr %q", c.args, status, c.status, errs)
		}
	}
}

// TestOracle shows that the check can fail: it is given answers and states that
// do not fit the journal.
func TestOracle(t *testing.T) {
	cfg := config{dir: t.TempDir(), services: 1, commands: 3, every: 1000}
	s := open(t, cfg, "a")
	for _, c := range []command{
		{Kind: kindOpen, From: "1", Amount: 10}, {Kind: kindOpen, From: "2"}, {Kind: kindTransfer, From: "1", To: "2", Amount: 4},
	} {
		if a, err := s.do(c); err != nil || a.Outcome != nil {
			t.Fatal(a, err)
		}
	}
	closeService(t, s)
	digest, err := s.state.digest()
	if err != nil {
		t.Fatal(err)
	}
	told1, told2, told3 := told{"a", 1}, told{"a", 2}, told{"a", 3}
	for _, c := range []struct {
		name    string
		answers map[told]string
		killed  bool
		states  map[string]string
		change  func(o *oracle)
		problem string
	}{
		{name: "as it was"},
		{name: "wrong answer", answers: map[told]string{told1: "", told2: "no", told3: ""}, problem: "was told"},
		{name: "invented answer", answers: map[told]string{told1: "", told2: "", told3: "", {"a", 4}: ""}, problem: "of command 4"},
		{name: "no answer", answers: map[told]string{told1: "", told2: ""}, problem: "was told nothing"},
		{name: "no answer for the killed", answers: map[told]string{told1: "", told2: ""}, killed: true},
		{name: "two for the killed", answers: map[told]string{told1: ""}, killed: true, problem: "was told nothing"},
		{name: "another state", states: map[string]string{"a": "0123"}, problem: "has the state"},
		{name: "no replica", states: map[string]string{}, problem: "0 replicas"},
		{name: "too few", change: func(o *oracle) { o.cfg.commands++ }, problem: "instead of 4"},
		{name: "money made", change: func(o *oracle) { o.state.Balances["1"]++ }, problem: "accounts hold 11"},
		{name: "debts", change: func(o *oracle) { o.state.Balances["1"] -= 20; o.state.Balances["2"] += 20 }, problem: "holds -14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := replay(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if c.answers == nil {
				c.answers = map[told]string{told1: "", told2: "", told3: ""}
			}
			if c.states == nil {
				c.states = map[string]string{"a": digest}
			}
			o.compareStates(c.states)
			if c.change != nil {
				c.change(o)
			}
			crew := &crew{answers: c.answers, killed: make(map[string]bool)}
			if c.killed {
				crew.killed["a"] = true
			}
			o.compareAnswers(crew)
			err = o.verdict()
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("verdict %v, want one with %q", err, c.problem)
			}
		})
	}
	exampletest.Verify(t, cfg.journal())
}

func open(t *testing.T, cfg config, client string) *service {
	t.Helper()
	s, err := openService(cfg, client)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeService(t *testing.T, s *service) {
	t.Helper()
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// Two processes believe that they work for the same client, as after a failover
// that came too early. Numbers collide; one command counts, the other is rejected,
// and both are told the truth.
func TestSameNumber(t *testing.T) {
	exampletest.NeedLinux(t)
	cfg := config{dir: t.TempDir(), every: 1000}
	one, two := open(t, cfg, "a"), open(t, cfg, "a")
	type result struct {
		answer
		err error
	}
	results := make(chan result)
	for _, s := range []*service{one, two} {
		go func() {
			a, err := s.do(command{Kind: kindOpen, From: "1", Amount: 5})
			results <- result{a, err}
		}()
	}
	accepted := 0
	for range 2 {
		r := <-results
		switch {
		case r.err != nil:
			t.Fatal(r.err)
		case r.Outcome == nil:
			accepted++
		case !errors.Is(r.Outcome, errRepeated) && !errors.Is(r.Outcome, errExists):
			t.Errorf("outcome %v", r.Outcome)
		}
	}
	if accepted != 1 {
		t.Errorf("%d of two were told that they have opened the account", accepted)
	}
	closeService(t, one)
	closeService(t, two)
	exampletest.Verify(t, cfg.journal())
}
