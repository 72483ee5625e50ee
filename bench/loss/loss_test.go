package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestMain makes the test binary a worker if it was started as one.
func TestMain(m *testing.M) {
	if os.Getenv(jobEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("several processes write one journal on Linux only")
	}
}

// TestRaces runs every way with real processes. What loses lines does so by
// chance, so nothing is asked of it but that the numbers fit together.
func TestRaces(t *testing.T) {
	needLinux(t)
	const lines = 2000
	for _, kill := range []bool{false, true} {
		for _, w := range ways {
			for _, procs := range []int{1, 3} {
				// Manypen is verified in full by its read function.
				r, err := race(w, filepath.Join(t.TempDir(), "race"), procs, lines, kill)
				if err != nil {
					t.Fatalf("%s, %d processes, kill %v: %v", w.Name, procs, kill, err)
				}
				if all := r.Acknowledged + r.Refused; !kill && all != procs*lines || kill && all < (procs-1)*lines+lines/2 {
					t.Errorf("%s, %d processes, kill %v: %d lines are spoken of", w.Name, procs, kill, all)
				}
				if r.Lost > r.Acknowledged || r.Files == 0 {
					t.Errorf("%s, %d processes, kill %v: %+v", w.Name, procs, kill, r)
				}
				safe := procs == 1 && !strings.Contains(w.Name, "bufio") || strings.HasPrefix(w.Name, "O_APPEND, no") || r.promises
				if safe && r.Lost+r.Duplicated+r.Torn+r.Refused > 0 {
					t.Errorf("%s, %d processes, kill %v: %+v; want nothing lost", w.Name, procs, kill, r)
				}
				if r.promises && r.Missing != 0 {
					t.Errorf("%s, %d processes, kill %v: verify misses %d", w.Name, procs, kill, r.Missing)
				}
			}
		}
	}
}

// TestCutOut: a journal misses what a file does not.
func TestCutOut(t *testing.T) {
	needLinux(t)
	for _, w := range ways {
		if !w.cut {
			continue
		}
		c, err := cutOut(w, filepath.Join(t.TempDir(), "cut"), 3*cutLines)
		if err != nil {
			t.Fatal(err)
		}
		want := cut{Way: w.Name, Cut: cutLines, Lost: cutLines, CanTell: w.promises}
		if w.promises {
			want.Missing = cutLines
		}
		if c != want {
			t.Errorf("got %+v, want %+v", c, want)
		}
	}
}

// TestOracle shows that the oracle sees each kind of damage.
func TestOracle(t *testing.T) {
	line := func(p, n int) string { return string(appendLine(nil, p, n)) }
	all := line(0, 0) + line(0, 1) + line(1, 0) + line(1, 1)
	for _, c := range []struct {
		name                         string
		text                         string
		lost, duplicated, torn, zero int
	}{
		{name: "whole", text: all},
		{name: "empty", lost: 4},
		{name: "one lost", text: strings.Replace(all, line(0, 1), "", 1), lost: 1},
		{name: "one twice", text: all + line(1, 0), duplicated: 1},
		{name: "the end torn", text: all[:len(all)-5], lost: 1, torn: 1},
		{name: "only the line end is missing", text: all[:len(all)-1], lost: 1, torn: 1},
		{name: "one in another", text: line(0, 0)[:20] + line(0, 1) + line(0, 0)[20:] + line(1, 0) + line(1, 1), lost: 2, torn: 2},
		{name: "a bit", text: strings.Replace(all, "abc", "abd", 1), lost: 1, torn: 1},
		{name: "another process", text: all + line(2, 0), torn: 1},
		{name: "beyond the last line", text: all + line(1, 2), torn: 1},
		{name: "zeros in front", text: strings.Repeat("\x00", 30) + all, zero: 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "x"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			o := newOracle([]int{2, 2})
			files, err := o.readFiles(dir)
			if err != nil || files != 1 {
				t.Fatalf("%d files, %v", files, err)
			}
			lost, duplicated, extra := o.count([][]byte{{saidYes, saidYes}, {saidYes, saidYes}})
			if lost != c.lost || duplicated != c.duplicated || extra != 0 || o.torn != c.torn || o.zeros != c.zero {
				t.Errorf("lost %d, duplicated %d, extra %d, torn %d, zeros %d", lost, duplicated, extra, o.torn, o.zeros)
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		o := newOracle([]int{2})
		o.line([]byte(line(0, 1)[:len(line(0, 1))-1]))
		lost, _, extra := o.count([][]byte{{saidRefused, saidRefused}})
		if lost != 0 || extra != 1 {
			t.Errorf("lost %d, extra %d; want 0 and 1", lost, extra)
		}
	})
}

// TestLineLength: lines are as long as the tables say.
func TestLineLength(t *testing.T) {
	total, kinds := 0, make(map[int]bool)
	const n = 10 * padKind
	for i := range n {
		b := appendLine(nil, 3, i)
		total += len(b)
		kinds[len(b)] = true
		if p, k, ok := parseLine(b[:len(b)-1]); !ok || p != 3 || k != i {
			t.Fatalf("line %q is read as %d, %d, %v", b, p, k, ok)
		}
	}
	if total != 71*n || len(kinds) != padKind {
		t.Errorf("%d lines have %d bytes and %d lengths; want %d and %d", n, total, len(kinds), 71*n, padKind)
	}
}

func TestOutput(t *testing.T) {
	needLinux(t)
	var out, errs bytes.Buffer
	args := []string{"-lines", "300", "-runs", "2", "-procs", "2", "-only", "no rotation"}
	if status := run(args, &out, &errs); status != 0 {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	for _, want := range []string{"assumes\nthat only one process", "| Manypen, no rotation | 2 | 600 | 0 | 0.00 | 0 to 0 |", "| verify: 100 missing |", "SIGKILL"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, out.String())
		}
	}
	out.Reset()
	dir := filepath.Join(t.TempDir(), "new")
	if status := run(append(args, "-json", "-dir", dir), &out, &errs); status != 0 {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	var r results
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(kept) != 22 {
		t.Errorf("-dir keeps %d directories, %v; want one for each run", len(kept), err)
	}
	if len(r.All) != 10 || len(r.Kill) != 10 || len(r.Cut) != 2 || r.Lines != 300 {
		t.Errorf("%d, %d and %d results of %d lines", len(r.All), len(r.Kill), len(r.Cut), r.Lines)
	}
}

// TestRow: a row is the run with the median of lost lines.
func TestRow(t *testing.T) {
	var out bytes.Buffer
	printRaces(&out, []result{
		{Way: "a", Processes: 2, Acknowledged: 10, Lost: 9, Torn: 1}, {Way: "a", Processes: 2, Acknowledged: 10, Lost: 1, Torn: 2},
		{Way: "a", Processes: 2, Acknowledged: 10, Lost: 5, Torn: 3}, {Way: "a", Processes: 4, CanTell: true, Lost: 3, Missing: 2},
		{Way: "b"}, {Way: "b"}, {Way: "b", Lost: 1}, {Way: "c"}, {Way: "d", CanTell: true, Lost: 2, Missing: 2}, {Way: "d", CanTell: true, Missing: 1},
	})
	_, rows, _ := strings.Cut(out.String(), "---|\n")
	want := "| a | 2 | 10 | 5 | 50.00 | 1 to 9 | 0 | 3 | 0 | no |\n" +
		"| a | 4 | 0 | 3 | 300.00 | 3 to 3 | 0 | 0 | 0 | verify: 2 missing, which is wrong |\n" +
		"| b | 0 | 0 | 0 | 0.00 | 0 to 1 | 0 | 0 | 0 | no |\n" +
		"| c | 0 | 0 | 0 | 0.00 | 0 to 0 | 0 | 0 | 0 | nothing to notice |\n" +
		"| d | 0 | 0 | 0 | 0.00 | 0 to 2 | 0 | 0 | 0 | verify: 1 missing, which is wrong |\n"
	if rows != want {
		t.Errorf("got\n%swant\n%s", rows, want)
	}
}

func TestVerdict(t *testing.T) {
	r := results{All: []result{{Way: "other", Lost: 5}}, Kill: []result{{Way: "ours", promises: true}}}
	if err := r.verdict(); err != nil {
		t.Error(err)
	}
	for _, x := range []result{{Lost: 1}, {Duplicated: 1}, {Torn: 1}, {Missing: 1}} {
		x.promises = true
		r.Kill[0] = x
		if r.verdict() == nil {
			t.Errorf("%+v of Manypen passes", x)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		status int
		args   []string
	}{
		{0, []string{"-h"}},
		{2, []string{"-lines", "1"}},
		{2, []string{"-runs", "0"}},
		{2, []string{"-procs", "2,x"}},
		{2, []string{"-procs", "100"}},
		{2, []string{"-only", "carrier pigeon"}},
		{2, []string{"more"}},
	} {
		var out, errs bytes.Buffer
		if status := run(c.args, &out, &errs); status != c.status || errs.Len() == 0 {
			t.Errorf("%q: status %d, want %d; stderr %q", c.args, status, c.status, errs.String())
		}
	}
}
