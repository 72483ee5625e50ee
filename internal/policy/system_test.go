package policy

import (
	"go/build/constraint"
	"path"
	"slices"
	"strings"
	"testing"
)

// systemPackages are the ones in which builds may differ: two of the library by the
// system, one by whether the build is for tests; and the faults that are made with the
// means of one system, which nobody imports.
var systemPackages = []string{"vio", "internal/host", "internal/invariant", "internal/torture*"}

func isSystemPackage(pkg string) bool {
	return slices.ContainsFunc(systemPackages, func(name string) bool { return covers(name, pkg) })
}

// Of the names that the go command knows as systems and processors, those that
// somebody might use. A file name that ends in one of them is a build tag.
var systems = strings.Fields(`aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd
	plan9 solaris wasip1 windows unix 386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64
	ppc64le riscv64 s390x wasm`)

// TestBuildTags: code that only some systems compile stands in two packages,
// behind functions that all systems have. Everything else is the same
// everywhere, and what was tested on one system was tested.
func TestBuildTags(t *testing.T) {
	for _, f := range mustGoFiles(t) {
		if f.test || isSystemPackage(f.pkg) {
			continue
		}
		words := strings.Split(strings.TrimSuffix(path.Base(f.path), ".go"), "_")
		if last := words[len(words)-1]; len(words) > 1 && slices.Contains(systems, last) {
			t.Errorf("%s: the name makes it a file for %s only; such files belong into %v", f.path, last, systemPackages)
		}
		for _, g := range f.ast.Comments {
			for _, c := range g.List {
				if constraint.IsGoBuild(c.Text) {
					t.Errorf("%s: %s; build tags belong into %v", f.at(c.Pos()), c.Text, systemPackages)
				}
			}
		}
	}
}

// TestSystemCalls: system calls too. The import table says so of the packages
// of the library; this is about every other one.
func TestSystemCalls(t *testing.T) {
	for _, f := range mustGoFiles(t) {
		if f.test || isSystemPackage(f.pkg) {
			continue
		}
		for _, p := range f.imports() {
			if p == "syscall" || strings.HasPrefix(p, "golang.org/x/sys/") {
				if why, ok := syscallElsewhere[f.path]; ok && why != "" {
					continue
				}
				t.Errorf("%s: imports %s; system calls belong into %v", f.path, p, systemPackages)
			}
		}
	}
}

// syscallElsewhere names the files that may, and why.
var syscallElsewhere = map[string]string{
	"cmd/jtool/jtoolcmd/exit.go": "the errno of a closed pipe; no call",
	"cmd/jtool/jtoolcmd/run.go":  "the numbers of signals, and how a process has ended; no call",
	"cmd/jtool/jtoolcmd/root.go": "the numbers of two signals that all systems have; no call",
}
