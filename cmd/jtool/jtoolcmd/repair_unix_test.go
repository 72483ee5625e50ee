//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

// fillLarge makes a journal that takes a while to copy.
func fillLarge(t *testing.T, dir string) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 30_000 {
		if _, aerr := j.Append(nil, fmt.Appendf(nil, "%d %0500d", n, n)); aerr != nil {
			t.Fatal(errors.Join(aerr, j.Close()))
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// A repair is killed while it copies: there is no new journal, what is left beside it
// is in nobody's way, and the source is as it was.
func TestKilledRepair(t *testing.T) {
	base := t.TempDir()
	dir, newdir := filepath.Join(base, "j"), filepath.Join(base, "new")
	fillLarge(t, dir)
	left := func() []string {
		m, err := filepath.Glob(filepath.Join(base, ".manypen-repair-*", "seg.000000001"))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	killed := 0
	for round := 0; killed < 3; round++ {
		if round == 50 {
			t.Fatalf("of %d repairs %d were killed while they copied", round, killed)
		}
		before := len(left())
		p := start(t, "repair", dir, "--output", newdir)
		for len(left()) == before { // until it has begun to copy
			if _, err := os.Stat(newdir); err == nil {
				break
			}
			runtime.Gosched()
		}
		p.cmd.Process.Kill() // it may have ended by itself
		p.wait(t)
		switch _, err := os.Stat(newdir); {
		case err == nil: // it was faster, so all of it is there
			if out, _ := jtool(t, exitOK, "", "verify", newdir); !strings.Contains(out, "    30000 records") {
				t.Fatalf("a repair that was killed has left %s", out)
			}
			if err := os.RemoveAll(newdir); err != nil {
				t.Fatal(err)
			}
		case !errors.Is(err, fs.ErrNotExist):
			t.Fatal(err)
		default:
			if killed++; len(left()) != killed {
				t.Errorf("%d repairs that were killed have left %v", killed, left())
			}
		}
	}
	jtool(t, exitOK, "", "repair", dir, "--output", newdir)
	want, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw")
	if got, _ := jtool(t, exitOK, "", "dump", newdir, "-o", "raw"); got != want {
		t.Errorf("%d bytes were copied, want %d", len(got), len(want))
	}
	check(t, dir)
	check(t, newdir)
}

// A repair that is interrupted leaves nothing.
func TestInterruptedRepair(t *testing.T) {
	base := t.TempDir()
	dir, newdir := filepath.Join(base, "j"), filepath.Join(base, "new")
	fillLarge(t, dir)
	for range 3 {
		p := start(t, "repair", dir, "--output", newdir)
		p.line(t)
		p.signal(t, os.Interrupt)
		if _, code := p.wait(t); code == exitOK {
			check(t, newdir) // it was faster
			if err := os.RemoveAll(newdir); err != nil {
				t.Fatal(err)
			}
		} else if code != exitInterrupted || p.err.String() != "" {
			t.Errorf("exits with %d: %s", code, p.err.String())
		}
		if left, err := os.ReadDir(base); err != nil || len(left) != 1 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	check(t, dir)
}

// Nobody reads what repair and export print: the copy is made all the same, the export
// ends quietly.
func TestClosedPipeRepairExport(t *testing.T) {
	base := t.TempDir()
	dir, newdir := filepath.Join(base, "j"), filepath.Join(base, "new")
	if err := fill(dir, 5000, 500); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"repair", dir, "--output", newdir}, {"repair", dir}, {"export", dir}, {"export", dir, "--json"}} {
		p := start(t, args...)
		if err := p.closeOut(); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait() // the exit code says all
		if code := p.cmd.ProcessState.ExitCode(); code != exitOK || p.err.String() != "" {
			t.Errorf("%v exits with %d: %s", args, code, p.err.String())
		}
	}
	if out, _ := jtool(t, exitOK, "", "dump", newdir, "-o", "raw"); strings.Count(out, "\n") != 5000 {
		t.Errorf("%d records were copied", strings.Count(out, "\n"))
	}
	check(t, newdir)
	check(t, dir)
}

// While others append, an export and a repair have what there was, and no damage.
func TestLiveRepairExport(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	p := start(t, "append", dir, "--ack", "--segment-size", "12KiB", "--sync", "none")
	value := strings.Repeat("v", 300)
	for n := 1; n <= 200; n++ {
		p.write(t, value+"\n")
		p.line(t)
		if n%50 != 0 {
			continue
		}
		p.write(t, value+"\n") // perhaps while they read
		out, errOut := jtool(t, exitOK, "", "export", dir)
		if have := strings.Count(out, "\n"); have < n || have > n+n/50 || errOut != "" {
			t.Errorf("%d records of %d are exported: %s", have, n, errOut)
		}
		newdir := filepath.Join(base, fmt.Sprint(n))
		_, errOut = jtool(t, exitOK, "", "repair", dir, "--output", newdir)
		if out, _ := jtool(t, exitOK, "", "dump", newdir, "-o", "raw"); strings.Count(out, "\n") < n || errOut != "" {
			t.Errorf("%d records of %d are copied: %s", strings.Count(out, "\n"), n, errOut)
		}
		check(t, newdir)
	}
	for range 4 {
		p.line(t)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	check(t, dir)
}

// What comes from a pipe is appended as soon as it is known to be whole: a record when
// its line is there, a batch with its last one. An interrupted import says how far it
// got, and half a batch is not appended.
func TestImportFromPipe(t *testing.T) {
	for _, flags := range [][]string{nil, {"--keep"}} {
		dir := filepath.Join(t.TempDir(), "j")
		p := start(t, append([]string{"import", dir, "--jsonl", "-", "--ack"}, flags...)...)
		object := func(at, next string, seq int) {
			p.write(t, fmt.Sprintf(`{"v":1,"type":"record","position":%q,"next":%q,"time_ns":"1700000000000000000","writer":"7","seq":"%d","kind":"data","key":"k%d","value":"v"}`+"\n", at, next, seq, seq))
		}
		var got []string
		object("1:8192", "1:8300", 1)
		got = append(got, p.line(t))
		object("1:8300", "1:8300+1", 2)
		object("1:8300+1", "1:8400", 3)
		got = append(got, p.line(t), p.line(t))
		object("1:8400", "1:8400+1", 4)
		object("1:8400+1", "1:8400+2", 5)
		p.signal(t, os.Interrupt)
		rest, code := p.wait(t)
		if code != exitInterrupted || rest != "" || p.err.String() != "jtool: interrupted; 3 records were appended\n" {
			t.Errorf("exits with %d: %q %q", code, rest, p.err.String())
		}
		for i, line := range got {
			_, got[i], _ = strings.Cut(line, " ")
		}
		if diff := cmp.Diff([]string{"1 k1", "2 k2", "3 k3"}, got); diff != "" {
			t.Errorf("%v: -want +got:\n%s", flags, diff)
		}
		if out, _ := jtool(t, exitOK, "", "verify", dir); !strings.Contains(out, "(0 deletions, 1 batches, 0 marks, 0 of unknown kind)") || !strings.Contains(out, "    3 records up to") {
			t.Errorf("%v: %s", flags, out)
		}
		check(t, dir)
	}
}
