package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// liar fails in case 3, panics in case 5, and notes what chance gave to each case.
func liar(seen *sync.Map) *Class {
	return &Class{ID: "T1", Title: "lies", Run: func(r *Run) error {
		r.Each("", 4, func(c *Case) error {
			seen.Store(c.N, c.Rand.Uint64())
			c.Count("numbers", 1000)
			if c.N != 3 {
				return nil
			}
			dir, err := c.Dir()
			if err != nil {
				return err
			}
			return errors.Join(os.WriteFile(filepath.Join(dir, "evidence"), []byte("x"), 0o600), errors.New("a lie"))
		})
		r.EachAlone("", 3, func(c *Case) error {
			seen.Store(c.N, c.Rand.Uint64())
			if c.I == 1 {
				panic("worse")
			}
			return nil
		})
		r.Skip("the moon: it is too %s", "far")
		return nil
	}}
}

func TestDo(t *testing.T) {
	var log bytes.Buffer
	var first, second sync.Map
	keep := t.TempDir()
	cfg := Config{Seed: 7, Case: -1, Dir: t.TempDir(), Keep: keep, Log: &log, Short: true}
	r := Do(t.Context(), liar(&first), cfg)
	if r.Cases != 7 || r.Failed != 2 || r.Err != nil || r.OK() || r.Counts["numbers"] != 4000 || len(r.Skipped) != 1 {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{
		"T1 case 3: a lie\n    go run ./internal/torture -class T1 -seed 7 -case 3 -short\n",
		"T1 case 5: panic: worse",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in %s", want, log.String())
		}
	}
	if kept, err := filepath.Glob(filepath.Join(keep, "*", "evidence")); err != nil || len(kept) != 1 {
		t.Errorf("kept %v, %v", kept, err)
	}
	if left, err := os.ReadDir(cfg.Dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	// One case again gets the same chance, and another seed another one.
	cfg.Case, cfg.Workers = 3, 1
	r = Do(t.Context(), liar(&second), cfg)
	a, _ := first.Load(3)
	if b, _ := second.Load(3); r.Cases != 1 || r.Failed != 1 || a != b {
		t.Errorf("%d cases, %d failed, chance %v instead of %v", r.Cases, r.Failed, b, a)
	}
	cfg.Seed++
	Do(t.Context(), liar(&second), cfg)
	if b, _ := second.Load(3); a == b {
		t.Error("another seed, and the same chance")
	}
}

func TestDoNothing(t *testing.T) {
	cfg := Config{Case: -1, Log: &bytes.Buffer{}}
	for _, c := range []struct {
		name string
		run  func(*Run) error
		ok   bool
	}{
		{"no cases", func(*Run) error { return nil }, false},
		{"an error", func(*Run) error { return errors.New("no disk") }, false},
		{"skipped", func(r *Run) error { r.Skip("it takes root"); return nil }, true},
	} {
		if r := Do(t.Context(), &Class{ID: "T2", Run: c.run}, cfg); r.OK() != c.ok {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := Do(ctx, liar(new(sync.Map)), cfg); r.Cases != 0 || r.OK() {
		t.Errorf("interrupted: %+v", r)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	err := Print(&out, []Result{
		{Class: &Class{ID: "T1", Title: "lies"}, Cases: 1234567, Failed: 2, Counts: map[string]int{"b": 1, "a": 65536}, Took: 1234567890},
		{Class: &Class{ID: "T2", Title: "more"}, Err: errors.New("no disk"), Skipped: []string{"it takes root"}},
	})
	want := `| class | fault | cases | failed | seen | time |
|---|---|---|---|---|---|
| T1 | lies | 1,234,567 | 2 | a 65,536, b 1 | 1.23s |
| T2 | more | 0 | 0 |  | 0s |

T2: no disk

T2: skipped: it takes root
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got\n%s", err, out.String())
	}
	if err := Print(broken{}, nil); err == nil {
		t.Error("that nothing was printed is no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestMain(m *testing.M) {
	RunChild(Roles{"echo": func(args []string) int { fmt.Println(args); return 4 }})
	os.Exit(m.Run())
}

func TestChild(t *testing.T) {
	cmd, err := Child(t.Context(), "echo", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if string(out) != "[a b]\n" || err == nil || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("%q, %v", out, err)
	}
	if cmd, err = Child(t.Context(), "nobody"); err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), `no role "nobody"`) {
		t.Errorf("%q, %v", out, err)
	}
}
