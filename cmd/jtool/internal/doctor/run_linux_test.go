package doctor

import (
	"os"
	"testing"

	"github.com/manypen/manypen/internal/host"
)

// shared skips a test where a second writer is refused.
func shared(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	kind, err := host.FileSystemOf(f)
	f.Close() // only looked at
	if err != nil {
		t.Fatal(err)
	}
	if !kind.Atomic {
		t.Skipf("%s is not one for several writers", kind.Name)
	}
}

// Processes that do not keep the promises are found out.
func TestLiars(t *testing.T) {
	t.Setenv(liars, "1")
	dir := t.TempDir()
	shared(t, dir)
	report, err := Run(t.Context(), dir, Options{Quick: true, Program: program(t)})
	if err != nil {
		t.Error(err)
	}
	want := map[int]Result{1: Fails, 2: Fails, 3: Fails, 4: Holds, 5: Holds, 6: Fails, 7: Holds, 8: Fails}
	for p := range Promises {
		result, findings := report.Of(p + 1)
		if result != want[p+1] {
			t.Errorf("P%d %v, want it to be %v: %v", p+1, result, want[p+1], findings)
		}
	}
	if report.Sound() {
		t.Error("the whole is sound")
	}
}

// On a file system that is known to be good all promises hold, and nothing is left.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	shared(t, dir)
	steps := int64(-1)
	report, err := Run(t.Context(), dir, Options{Quick: true, Program: program(t), OnStep: func(done, total int64) {
		if done <= steps || total != int64(len(experiments)) {
			t.Errorf("step %d of %d behind %d", done, total, steps)
		}
		steps = done
	}})
	if err != nil {
		t.Error(err)
	}
	if !report.Sound() || report.Refused {
		t.Error("it is not sound")
	}
	for p := range Promises {
		if result, _ := report.Of(p + 1); result != Holds {
			t.Errorf("P%d %v", p+1, result)
		}
	}
	for _, f := range report.Findings {
		t.Logf("P%d %v: %s", f.Promise, f.Result, f.Evidence)
	}
	for _, f := range report.Figures {
		t.Log(f)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v is left: %v", entries, err)
	}
}
