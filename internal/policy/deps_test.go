package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// depsRules says which imports are allowed. It is a statement of policy: do not
// change it to make a build pass, change it when the design changes.
//
// "a < b" means that package b may import package a, "a !< b" that it never
// may. A chain of < is short for each pair of neighbours. Rules are not
// transitive: every edge that exists stands here, and one that no file needs
// is an error. A name that ends in * means all that begin with it, and an edge
// of such a name may be unused. Packages of the standard library need no rule.
//
// Tests may import any package of the module, and what testRules adds.
const depsRules = `
	# The leaves know nothing of each other and can be used, tested and fuzzed
	# alone. record turns values into bytes and back; vio moves bytes to and
	# from files; index maps keys to places; host is what the protocol asks of
	# the operating system.
	NONE < internal/invariant, vio, internal/host, internal/policy;

	# What cannot be otherwise is checked in builds for tests, and in no others.
	internal/invariant < record, index, internal/writer;

	# A codec has no files, locks, clocks or goroutines; it must give the same
	# answer to the same bytes at all times.
	os, io/fs, sync, sync/atomic, time, context, crypto/rand !< record;

	# The index does not know what a disk is.
	os, io, io/fs, time, context !< index;

	# The shared page is bytes in a mapped file and a lock.
	internal/host < internal/control;

	# Only the segment joins the codec with the file. It knows nothing of
	# writers: readers must not depend on the control file.
	record, vio, internal/host < internal/segment;

	# The protocol. It is the only user of the control file.
	record, vio, internal/host, internal/segment, internal/control < internal/writer;

	# A buffer of values for who logs. Of records it knows the error that says that
	# they are too large together.
	record < internal/spool;

	# What users import. It knows neither system calls nor bytes: of host only
	# the stat that tells a repaired segment from the old one.
	record, index, internal/host, internal/segment, internal/writer, internal/spool < journal;
	vio, internal/control !< journal;

	# Adapters, tools, examples and fuzzing see what users see.
	journal < journal/*;
	internal/spool < journal/jslog;
	journal < cmd/*;
	journal < internal/cost, internal/exampletest;
	cmd/jtool/jtoolcmd < cmd/jtool;
	cmd/jtool/internal/* < cmd/jtool/jtoolcmd;

	# inspect is a second reader of the format: it takes records apart with the
	# codec, and everything else as docs/FORMAT.md says. It does not use the segment
	# package, whose verdicts its tests compare it with; of host only the opening.
	record < cmd/jtool/internal/inspect;

	# The tool asks host for the numbers of two signals that not all systems have.
	internal/host < cmd/*;

	# doctor and bench make experiments with processes of the tool, and hold the
	# journal against bare system calls. Their records are their own: the floor has
	# the journal's checksum and nothing else of its codec.
	NONE < cmd/jtool/internal/child;
	vio, cmd/jtool/internal/child < cmd/jtool/internal/doctor, cmd/jtool/internal/bench;
	cmd/jtool/internal/child, cmd/jtool/internal/doctor, cmd/jtool/internal/bench < cmd/jtool/jtoolcmd;
	journal, record < examples/*;
	journal, record < fuzz*;

	# The scoreboard of faults. Its oracle reads a journal by docs/FORMAT.md alone and
	# shares no code with what it judges; the classes use what they ruin.
	NONE < internal/torture/board, internal/torture/oracle, internal/torture/mutants;
	internal/torture/board, internal/torture/oracle, internal/torture/judge, internal/torture/fsys < internal/torture*;
	record, vio, index, journal, internal/torture/board !< internal/torture/oracle;
	journal, record < internal/torture/*;
	internal/torture/* < internal/torture;
	github.com/cespare/xxhash/v2, golang.org/x/sys/unix, github.com/anishathalye/porcupine < internal/torture/*;
	internal/torture/fuzzdir < internal/torture/portable;
	internal/torture/faults < internal/torture/environ;
	internal/torture/portable < internal/torture/portable/peer;

	# Nobody imports the examples, the tools or these tests: they are in no
	# rule on the left.

	# Modules of others. The library has three dependencies, each for one thing
	# that the standard library lacks.
	github.com/cespare/xxhash/v2 < record, internal/segment, internal/control, cmd/jtool/internal/bench;
	github.com/google/btree, github.com/cespare/xxhash/v2 < index;
	github.com/cespare/xxhash/v2 < cmd/jtool/internal/inspect;
	golang.org/x/sys/unix, golang.org/x/sys/windows < vio, internal/host;
	github.com/spf13/cobra, github.com/spf13/pflag, github.com/spf13/cobra/doc < cmd/*;
	# What a terminal is, how wide characters are on it, and a format of others.
	golang.org/x/term, github.com/mattn/go-runewidth, github.com/go-logfmt/logfmt < cmd/*;

	# System calls and what differs between systems stand behind two packages.
	syscall !< record, index, internal/control, internal/segment, internal/writer, journal, journal/*;

	# Returning an error is enough: a library neither logs nor prints.
	log, log/slog !< record, vio, index, internal/host, internal/control, internal/segment, internal/writer, internal/spool, journal;
	os/exec, os/signal, net, net/http, plugin, flag !< record, vio, index, internal/host, internal/control, internal/segment, internal/writer, internal/spool, journal, journal/*;
`

// testRules names the modules that only tests may import.
const testRules = `
	github.com/google/go-cmp/cmp, github.com/google/go-cmp/cmp/cmpopts,
	go.uber.org/goleak, pgregory.net/rapid,
	github.com/rogpeppe/go-internal/testscript,
	golang.org/x/sys/unix, golang.org/x/sys/windows,
	github.com/cespare/xxhash/v2, github.com/google/btree, github.com/spf13/cobra, github.com/spf13/pflag,
	github.com/creack/pty, github.com/mattn/go-runewidth
`

// edge says that package to imports package from.
type edge struct{ from, to string }

type rules struct {
	packages     []string // that may exist
	allow, never []edge
}

// parseRules reads the notation of depsRules.
func parseRules(text string) (rules, error) {
	var r rules
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		lines = append(lines, line)
	}
	for rule := range strings.SplitSeq(strings.Join(lines, " "), ";") {
		if strings.TrimSpace(rule) == "" {
			continue
		}
		fields := strings.Fields(strings.ReplaceAll(rule, ",", " , "))
		var left, names []string
		op := ""
		close := func() error {
			if len(names) == 0 {
				return fmt.Errorf("rule %q: a list is empty", rule)
			}
			for _, to := range names {
				for _, from := range left {
					switch {
					case op == "!<":
						r.never = append(r.never, edge{from, to})
					case from != "NONE":
						r.allow = append(r.allow, edge{from, to})
					}
				}
				if op == "<" && !slices.Contains(r.packages, to) {
					r.packages = append(r.packages, to)
				}
			}
			left, names = names, nil
			return nil
		}
		for i, f := range fields {
			switch {
			case f == "<" || f == "!<":
				if err := close(); err != nil {
					return r, err
				}
				op = f
			case f == ",":
			case i > 0 && !slices.Contains([]string{",", "<", "!<"}, fields[i-1]):
				return r, fmt.Errorf("rule %q: a comma is missing before %s", rule, f)
			default:
				names = append(names, f)
			}
		}
		if err := close(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// covers reports whether name, which may end in /*, stands for path.
func covers(name, path string) bool {
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return name == path
}

func (e edge) covers(from, to string) bool { return covers(e.from, from) && covers(e.to, to) }

// standard reports whether path is a package of the standard library, and not
// one of ours, given those that exist.
func standard(path string, ours map[string]bool) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") && !ours[path]
}

func TestImports(t *testing.T) {
	r, err := parseRules(depsRules)
	if err != nil {
		t.Fatal(err)
	}
	files := mustGoFiles(t)
	ours := make(map[string]bool)
	for _, f := range files {
		ours[f.pkg] = true
	}
	inTests := strings.FieldsFunc(testRules, func(c rune) bool { return strings.ContainsRune(", \t\n", c) })
	used := make(map[edge]bool)
	for _, f := range files {
		if !slices.ContainsFunc(r.packages, func(name string) bool { return covers(name, f.pkg) }) {
			t.Errorf("%s: package %s is in no rule; say in depsRules what it may import", f.path, f.pkg)
			continue
		}
		for _, path := range f.imports() {
			if f.test {
				if !standard(path, ours) && !ours[path] && !slices.Contains(inTests, path) {
					t.Errorf("%s: imports %s, which testRules does not name", f.path, path)
				}
				continue
			}
			for _, e := range r.never {
				if e.covers(path, f.pkg) {
					t.Errorf("%s: imports %s, and a rule says %s !< %s", f.path, path, e.from, e.to)
				}
			}
			if standard(path, ours) {
				continue
			}
			allowed := false
			for _, e := range r.allow {
				if e.covers(path, f.pkg) {
					allowed, used[e] = true, true
				}
			}
			if !allowed {
				t.Errorf("%s: imports %s, and no rule allows %s < %s", f.path, path, path, f.pkg)
			}
		}
	}
	for _, e := range r.allow {
		external := strings.Contains(e.from, ".")
		if ours[e.to] && !used[e] && !external {
			t.Errorf("no file needs the rule %s < %s; remove it", e.from, e.to)
		}
	}
}

func TestParseRules(t *testing.T) {
	r, err := parseRules("# a comment\n\tNONE < a, b; a,b < c < d/*; # more\n os !< a;")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(r), "{[a b c d/*] [{a c} {b c} {c d/*}] [{os a}]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{"< a;", "a <;", "a b < c;", "a < < b;"} {
		if _, err := parseRules(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
