package mutants

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the module, seen from here.
const root = "../../.."

func all(t *testing.T) []*Mutant {
	t.Helper()
	list, err := All()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestApply: every mutant fits the sources as they are. One that does not has to be made
// anew, or to go.
func TestApply(t *testing.T) {
	list := all(t)
	if len(list) < 36 {
		t.Errorf("there are %d mutants; want 36 at least", len(list))
	}
	for _, m := range list {
		changed, err := m.Apply(root)
		if err != nil {
			t.Error(err)
		}
		for name := range changed {
			if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/torture/") {
				t.Errorf("mutant %s changes %s: bugs go into the library, not into what is to find them", m.Name, name)
			}
		}
	}
}

// Each test that a mutant names exists, so that a mutant cannot survive for want of one.
func TestTestsExist(t *testing.T) {
	texts := make(map[string]string)
	for _, m := range all(t) {
		pkg := m.Test.Package
		if _, ok := texts[pkg]; !ok {
			names, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
			if err != nil || len(names) == 0 {
				t.Errorf("mutant %s: no tests in %s (%v)", m.Name, pkg, err)
				continue
			}
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				texts[pkg] += string(b)
			}
		}
		for name := range strings.SplitSeq(m.Test.Names, "|") {
			if !strings.Contains(texts[pkg], "func "+name+"(t *testing.T)") {
				t.Errorf("mutant %s: there is no %s in %s", m.Name, name, pkg)
			}
		}
	}
}

// Every hole of docs/CONCURRENCY.md has a mutant, but for those whose rule cannot be left
// out by a change of the code.
func TestHolesHaveMutants(t *testing.T) {
	without := map[string]string{
		"C2": "nothing that could fail is asked before a record is judged", "C4": "there is no word to say it",
		"C5": "nothing takes a seal back", "C7": "there is no roll lock", "C12": "C38 is its other half, and R2' has one",
		"C19": "C42 and R3 are its two halves", "C23": "V7 is one link", "C24": "V1 never waits with a lock held",
		"C25": "no lock changes its kind", "C26": "there is no lock file", "C29": "no code appends to a segment of another boot",
		"C31": "a batch is one record", "C32": "a batch is one record", "C33": "a batch is one record",
		"C34": "a batch is one record", "C35": "a batch is one record", "C37": "one unit a call",
		"C44": "the mutant of C42 does this too", "C50": "the mutants of C20 and C30 are its parts", "C51": "C22 is the same check",
	}
	have := make(map[string]bool)
	for _, m := range all(t) {
		have[m.Hole] = true
	}
	for n := 1; n <= 51; n++ {
		hole := "C" + strconv.Itoa(n)
		switch why := without[hole]; {
		case have[hole] && why != "":
			t.Errorf("%s has a mutant; it is listed as having none: %s", hole, why)
		case !have[hole] && why == "":
			t.Errorf("no mutant opens %s", hole)
		}
	}
}

func TestEditIsStrict(t *testing.T) {
	const text = "a\n\tb\n\tb\nc\n"
	for _, tt := range []struct{ old, new, want string }{
		{"a\n", "x\n", "x\n\tb\n\tb\nc\n"},
		{"c\n", "", "a\n\tb\n\tb\n"},
		{"\tb\nc\n", "\td\n", "a\n\tb\n\td\n"},
		{"\tb\n", "x\n", ""},  // twice
		{"b\nc\n", "x\n", ""}, // not from the beginning of a line
		{"d\n", "x\n", ""},
	} {
		got, err := (&Edit{Old: tt.old, New: tt.new}).apply(text)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q for %q: %q, %v; want %q", tt.new, tt.old, got, err, tt.want)
		}
	}
}

// A patch that no longer fits, or makes no Go, is an error that names it.
func TestApplyErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.go"), []byte("package f\n\nvar x = 1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]Edit{
		"":                  {"f.go", "var x = 1\n", "var x = 2\n"},
		"not there":         {"f.go", "var y = 1\n", "var x = 2\n"},
		"makes no Go":       {"f.go", "var x = 1\n", "var x = \n"},
		"no such file":      {"g.go", "var x = 1\n", "var x = 2\n"},
		"edit 1 of f.go: t": {"f.go", "package g\n", "package f\n"},
	} {
		changed, err := (&Mutant{Name: "named", Edits: []Edit{e}}).Apply(dir)
		switch {
		case want == "" && (err != nil || changed["f.go"] != "package f\n\nvar x = 2\n"):
			t.Errorf("%q, %v", changed, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "named")):
			t.Errorf("%v does not say %q and which mutant it is about", err, want)
		}
	}
}

const good = "about: a\nhole: C1\nclass: X5\ntest: ./p TestA|TestB -flag\nshort: yes\n\n== f.go\n<<<<\nold\n====\nnew\n>>>>\n<<<<\nmore\n====\n>>>>\n== g.go\n<<<<\nx\n====\ny\n>>>>\n"

func TestParse(t *testing.T) {
	m, err := parse("name", good)
	if err != nil {
		t.Fatal(err)
	}
	want := []Edit{{"f.go", "old\n", "new\n"}, {"f.go", "more\n", ""}, {"g.go", "x\n", "y\n"}}
	if m.Name != "name" || m.Hole != "C1" || m.Class != "X5" || !m.Short || !slices.Equal(m.Edits, want) ||
		m.Test.Package != "./p" || m.Test.Names != "TestA|TestB" || !slices.Equal(m.Test.Flags, []string{"-flag"}) {
		t.Errorf("parsed %+v", m)
	}
	if m, err := parse("name", strings.Replace(good, "X5", "X5 full", 1)); err != nil || m.Class != "X5" || !m.Full {
		t.Errorf("a class with all its cases: %+v, %v", m, err)
	}
	for _, change := range [][2]string{
		{"hole: C1\n", ""}, {"class: X5", "fault: X5"}, {"about: a", "abuot: a"}, {"./p TestA|TestB", "./p"},
		{"== f.go\n", ""}, {">>>>\n== g.go", "== g.go"}, {"new\n>>>>", "old\n>>>>"}, {"<<<<\nold", "old"}, {"old\n", ""},
		{"x\n====\ny\n>>>>\n", "x\n====\ny\n"}, {"== g.go\n", "== g.go\nabout: late\n"}, {"<<<<\nx", "====\nx"},
	} {
		if _, err := parse("name", strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%q for %q is accepted", change[1], change[0])
		}
	}
}

func TestChoose(t *testing.T) {
	list := []*Mutant{{Name: "a"}, {Name: "b", Short: true}, {Name: "c"}}
	for _, tt := range []struct {
		names string
		short bool
		want  string
	}{{"", false, "abc"}, {"", true, "b"}, {"c, a", true, "ca"}, {"d", false, "error"}} {
		got := ""
		chosen, err := Choose(list, tt.names, tt.short)
		for _, m := range chosen {
			got += m.Name
		}
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%q, short %v: %s, want %s", tt.names, tt.short, got, tt.want)
		}
	}
}

func TestFlag(t *testing.T) {
	for arg, want := range map[string]Flag{"-m": {true, ""}, "-m=a,b": {true, "a,b"}, "-m=false": {}, "": {}} {
		var f Flag
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		flags.Var(&f, "m", "")
		if err := flags.Parse(strings.Fields(arg)); err != nil || f != want {
			t.Errorf("%q: %+v, %v; want %+v", arg, f, err, want)
		}
	}
}

func TestPrint(t *testing.T) {
	m := &Mutant{Name: "named", Hole: "C1", About: "about"}
	caught := Result{Mutant: m, By: "X1", Verdict: "failure"}
	for _, tt := range []struct {
		results []Result
		ok      bool
		want    string
	}{
		{[]Result{caught}, true, "| named | C1 | about | X1 | failure | 0s |\n\n1 of 1 mutants caught.\n"},
		{[]Result{caught, {Mutant: m, By: "X1", Verdict: "survived"}}, false, "1 of 2 mutants caught.\n\nnamed SURVIVED: X1 finds nothing\n"},
		{[]Result{{Mutant: m, Verdict: "failure", Err: errors.New("why")}}, false, "0 of 1 mutants caught.\n\nnamed: why\n"},
		{nil, false, "0 of 0"},
	} {
		var out strings.Builder
		if ok, err := Print(&out, tt.results); ok != tt.ok || err != nil || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v, %v, %q; want %v and %q", ok, err, out.String(), tt.ok, tt.want)
		}
	}
	if _, err := Print(broken{}, []Result{caught}); err == nil {
		t.Error("an output that fails is no error")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// lab is a module with a function and a test, and runs mutants of it.
func lab(t *testing.T) *runner {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here:", err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module lab\n\ngo 1.26\n",
		"f.go":   "package lab\n\nfunc f() int {\n\treturn 1\n}\n",
		"f_test.go": "package lab\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif f() != 1 {\n\t\tt.Fatal(\"wrong\")\n\t}\n}\n" +
			"\nfunc TestNothing(t *testing.T) { f() }\n\nfunc TestBroken(t *testing.T) { t.Fatal(\"always\") }\n" +
			"\nfunc TestSkipped(t *testing.T) { t.Skip(\"not here\") }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return &runner{cfg: Config{Root: dir, Limit: 6 * time.Second, Log: io.Discard}, dir: t.TempDir(), sound: make(map[string]error), plain: make(map[string]string), rapid: make(map[string]bool)}
}

// The judge tells a mutant that is caught from one that survives, and says so if it can
// tell nothing: that a test fails which fails anyhow has found no bug.
func TestTry(t *testing.T) {
	r := lab(t)
	for _, tt := range []struct{ name, test, body, want string }{
		{"caught", "TestF", "\treturn 2\n", "failure"},
		{"survives", "TestNothing", "\treturn 2\n", "survived"},
		{"same", "TestF", "\treturn 0 + 1\n", "survived"},
		{"crashes", "TestNothing", "\tpanic(2)\n", "crash"},
		{"hangs", "TestNothing", "\tfor {\n\t}\n", "hang"},
		{"does-not-build", "TestF", "\treturn \"\"\n", "does not build"},
		{"no-test", "TestG", "\treturn 2\n", "there is no"},
		{"fails-anyhow", "TestBroken", "\treturn 2\n", "does not pass without a mutant"},
		{"is-skipped", "TestSkipped", "\treturn 2\n", "is skipped here"},
	} {
		m := &Mutant{Name: tt.name, Test: Test{Package: ".", Names: tt.test}, Edits: []Edit{{"f.go", "\treturn 1\n", tt.body}}}
		res := r.try(context.Background(), m)
		got := res.Verdict
		if res.Err != nil {
			got = res.Err.Error()
		}
		if !strings.Contains(got, tt.want) || res.Caught() != (res.Err == nil && tt.want != "survived") {
			t.Errorf("%s: %s, caught %v; want %s", tt.name, got, res.Caught(), tt.want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(r.cfg.Root, "f.go")); err != nil || !strings.Contains(string(b), "return 1") {
		t.Errorf("the source has changed: %s, %v", b, err)
	}
}

// Tests of packages that use rapid leave nothing in the sources.
func TestQuiet(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here:", err)
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r := runner{cfg: Config{Root: abs}, rapid: make(map[string]bool)}
	for pkg, want := range map[string][]string{"./record": {"-rapid.nofailfile"}, "./internal/torture/board": nil} {
		if got, err := r.quiet(t.Context(), pkg); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: flags %q, %v; want %q", pkg, got, err, want)
		}
	}
}

// A class takes the place of the test if the mutant names one, and what the user names
// takes the place of both.
func TestCatcher(t *testing.T) {
	m := &Mutant{Test: Test{Package: "./p", Names: "TestA"}}
	r := runner{cfg: Config{Seed: 7, Limit: time.Second}}
	if c := r.catcher(m); !c.test || c.name != "p TestA" {
		t.Errorf("without a class: %+v", c)
	}
	m.Class = "X5"
	if c := r.catcher(m); c.test || c.name != "X5" || !slices.Equal(c.args, []string{"-class", "X5", "-seed", "7", "-short"}) {
		t.Errorf("with a class: %+v", c)
	}
	m.Full = true
	if c := r.catcher(m); slices.Contains(c.args, "-short") {
		t.Errorf("with all cases of a class: %+v", c)
	}
	r.cfg.Classes, r.cfg.Short = "X1,X2", true
	if c := r.catcher(m); c.test || c.name != "X1,X2" || !slices.Contains(c.args, "-short") {
		t.Errorf("with classes of the user: %+v", c)
	}
}

// Mutants of the library build: one of each package.
func TestOverlaysBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds: not with -short")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command here:", err)
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	done := make(map[string]bool)
	for _, m := range all(t) {
		pkg := "./" + filepath.ToSlash(filepath.Dir(m.Edits[0].File))
		if done[pkg] {
			continue
		}
		done[pkg] = true
		overlay, err := m.overlay(abs, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "build", "-overlay", overlay, pkg)
		cmd.Dir = abs
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("mutant %s: %v: %s", m.Name, err, out)
		}
	}
}
