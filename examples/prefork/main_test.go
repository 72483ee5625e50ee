package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/internal/exampletest"
	"github.com/manypen/manypen/journal"
)

// TestMain makes the test binary a worker if it was started as one: the program
// starts itself, and here it is the test binary.
func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func prefork(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	return exampletest.Run(t, run, args...)
}

// Workers serve, some are killed while they do, and others take their place. The
// program itself verifies the journal; here its result is looked at from outside.
func TestServe(t *testing.T) {
	exampletest.NeedLinux(t)
	for _, c := range []struct{ workers, clients, requests, kills int }{
		{4, 8, 600, 0}, {3, 8, 600, 3}, {1, 4, 300, 2},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			status, out, errs := prefork(t, "-dir", dir, "-workers", fmt.Sprint(c.workers), "-clients", fmt.Sprint(c.clients),
				"-requests", fmt.Sprint(c.requests), "-kills", fmt.Sprint(c.kills))
			if status != 0 || errs != "" {
				t.Fatalf("status %d, stderr:\n%s\nstdout:\n%s", status, errs, out)
			}
			for _, want := range []string{
				fmt.Sprintf(`workers +%d at a time, %d in all\n`, c.workers, c.workers+c.kills),
				fmt.Sprintf(`kills +%d\n`, c.kills), `answered and not logged +0\n`, `logged twice +0\n`,
				`verify +\d+ records in 1 segments, 0 missing\n`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("stdout lacks %s:\n%s", want, out)
				}
			}
			if c.kills == 0 && !strings.Contains(out, "without an answer          0, ") {
				t.Errorf("nobody was killed and a request got no answer:\n%s", out)
			}
			exampletest.Verify(t, dir)
		})
	}
}

func TestTemporaryDirectory(t *testing.T) {
	exampletest.NeedLinux(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if status, _, errs := prefork(t, "-requests", "100", "-clients", "2"); status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "prefork-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAudit shows that the check can fail: it is given a log and answers that do
// not fit together.
func TestAudit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var answers []answer
	logged := func(id, worker int) answer {
		value, err := json.Marshal(access{ID: id, Worker: worker})
		if err != nil {
			t.Fatal(err)
		}
		at, err := j.Append(fmt.Appendf(nil, "worker/%d", worker), value)
		if err != nil {
			t.Fatal(err)
		}
		return answer{id: id, worker: worker, at: at}
	}
	for id := range 4 {
		answers = append(answers, logged(id, 1+id%2))
	}
	logged(4, 2)
	answers = append(answers, answer{id: 4, err: errors.New("reset")})
	twice := logged(5, 1)
	answers = append(answers, twice)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	exampletest.Verify(t, dir)
	whole := map[string]int{"worker/1": 3, "worker/2": 3}

	for _, c := range []struct {
		name             string
		change           func(a []answer) []answer
		killed           int
		followed         map[string]int
		lost, dup, spare int
		problem          string
	}{
		{name: "as it was", killed: 2, spare: 1},
		{name: "nobody was killed", spare: 1, problem: "which was not killed"},
		{name: "too many failures", killed: 0, spare: 1, problem: "explain 0 at most"},
		{name: "not logged", killed: 2, spare: 1, lost: 1, problem: "is not logged",
			change: func(a []answer) []answer { return append(a, answer{id: 7, worker: 1}) }},
		{name: "logged elsewhere", killed: 2, spare: 1, problem: "the answer said",
			change: func(a []answer) []answer { a[1].at.Offset++; return a }},
		{name: "logged by another", killed: 2, spare: 1, problem: "the answer said",
			change: func(a []answer) []answer { a[1].worker = 1; return a }},
		{name: "nobody asked", killed: 2, spare: 1, problem: "which nobody sent",
			change: func(a []answer) []answer { return a[:5] }},
		{name: "wrong answer", killed: 2, spare: 1, problem: "teapot",
			change: func(a []answer) []answer { a[0].wrong = errors.New("teapot"); return a }},
		{name: "another count", killed: 2, spare: 1, problem: "followed live",
			followed: map[string]int{"worker/1": 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mine := append([]answer(nil), answers...)
			if c.change != nil {
				mine = c.change(mine)
			}
			m := &master{killed: make(map[int]bool), answers: mine}
			if c.killed > 0 {
				m.killed[c.killed] = true
			}
			a, err := newAudit(config{dir: dir, clients: 1}, m)
			if err != nil {
				t.Fatal(err)
			}
			if c.followed == nil {
				c.followed = whole
			}
			a.compare(c.followed)
			if a.lost != c.lost || a.duplicated != c.dup || a.spare != c.spare {
				t.Errorf("lost %d, duplicated %d, spare %d; want %d, %d, %d", a.lost, a.duplicated, a.spare, c.lost, c.dup, c.spare)
			}
			err = a.verdict()
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("verdict %v, want one with %q", err, c.problem)
			}
		})
	}

	t.Run("logged twice", func(t *testing.T) {
		var err error
		if j, err = journal.Open(dir, journal.Options{}); err != nil {
			t.Fatal(err)
		}
		logged(5, 1)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		a, err := newAudit(config{dir: dir, clients: 1}, &master{killed: map[int]bool{2: true}, answers: answers})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.verdict(); a.duplicated != 1 || err == nil {
			t.Errorf("duplicated %d, %v", a.duplicated, err)
		}
		exampletest.Verify(t, dir)
	})
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
		{2, []string{"-workers", "0"}},
		{2, []string{"-kills", "-1"}},
		{2, []string{"-requests", "47"}},
		{2, []string{"more"}},
		{1, []string{"-dir", full}},
	} {
		if status, _, errs := prefork(t, c.args...); status != c.status || errs == "" {
			t.Errorf("%q: status %d, want %d; stderr %q", c.args, status, c.status, errs)
		}
	}
}
