package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/internal/exampletest"
	"github.com/manypen/manypen/journal"
)

// positionsEnv makes a process one that tells the position of each line.
const positionsEnv = "ROTATELOG_TEST_POSITIONS"

// TestMain makes the test binary a process that logs if it was started as one: the
// program starts itself, and here it is the test binary.
func TestMain(m *testing.M) {
	if dir := os.Getenv(positionsEnv); dir != "" {
		if err := tellPositions(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(processEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func rotatelog(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	noInput := func(args []string, _ io.Reader, out io.Writer, errs *os.File) int { return run(args, out, errs) }
	return exampletest.Run(t, noInput, args...)
}

// Processes log, one of them is killed, and what is left is read back as text.
func TestProcesses(t *testing.T) {
	exampletest.NeedLinux(t)
	for _, c := range []struct {
		procs, lines, maxBackups int
		kill                     bool
		kept                     string
	}{
		{3, 2000, 0, false, `kept +6000 in 1 segments\n`},
		{3, 2000, 0, true, `removed +0,`},
		{4, 8000, 1, true, `kept +\d+ in 2 segments\nremoved +[1-9]`},
		{1, 20000, 2, false, `kept +\d+ in 3 segments\n`},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			status, out, errs := rotatelog(t, "-dir", dir, "-procs", fmt.Sprint(c.procs), "-lines", fmt.Sprint(c.lines),
				"-max-backups", fmt.Sprint(c.maxBackups), "-kill="+fmt.Sprint(c.kill))
			if status != 0 || errs != "" {
				t.Fatalf("status %d, stderr:\n%s\nstdout:\n%s", status, errs, out)
			}
			for _, want := range []string{c.kept, `lost +0\n`, `duplicated +0\n`, `verify +\d+ records, 0 missing\n`} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("stdout lacks %s:\n%s", want, out)
				}
			}
			report := exampletest.Verify(t, dir)
			status, text, errs := rotatelog(t, "-read", dir)
			if status != 0 || errs != "" {
				t.Fatalf("-read: status %d, %s", status, errs)
			}
			if lines, heads := strings.Count(text, "\n"), strings.Count(text, "==> seg."); lines-heads != int(report.Records) || heads != report.Segments {
				t.Errorf("-read prints %d lines and %d headings of %d records in %d segments", lines, heads, report.Records, report.Segments)
			}
		})
	}
}

const positionLines = 12_000

// tellPositions is a process that logs and tells where each line stands, after
// the write has returned.
func tellPositions(dir string) error {
	l := &Logger{Filename: dir, MaxSize: 1, MaxBackups: 2}
	line := bytes.Repeat([]byte("x"), 100)
	for range positionLines {
		at, err := l.append(line)
		if err != nil {
			return err
		}
		if _, err := fmt.Println(at); err != nil {
			return err
		}
	}
	return l.Close()
}

// TestKept: of all the lines that several processes were told are there, those in
// segments that retention has kept are there, each at its position, and nothing
// else is; segments in front of them are gone.
func TestKept(t *testing.T) {
	exampletest.NeedLinux(t)
	dir := filepath.Join(t.TempDir(), "log")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const procs = 4
	type told struct {
		at  []journal.Position
		err error
	}
	all := make(chan told)
	for p := range procs {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), positionsEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			var x told
			for lines := bufio.NewScanner(out); lines.Scan() && x.err == nil; {
				var at journal.Position
				at, x.err = journal.ParsePosition(lines.Text())
				x.at = append(x.at, at)
				if p == 0 && len(x.at) == positionLines/2 {
					_ = cmd.Process.Kill() // it may have told all already and ended
				}
			}
			err := cmd.Wait()
			if p > 0 && x.err == nil {
				x.err = err
			}
			all <- x
		}()
	}
	acknowledged := make(map[journal.Position]bool)
	for range procs {
		x := <-all
		if x.err != nil {
			t.Error(x.err)
		}
		for _, at := range x.at {
			if acknowledged[at] {
				t.Fatalf("%v was told twice", at)
			}
			acknowledged[at] = true
		}
	}
	l := &Logger{Filename: dir, MaxSize: 1, MaxBackups: 2}
	if err := l.Rotate(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() // only read from
	oldest, newest, err := j.SegmentRange()
	if err != nil || oldest < 2 || newest-oldest != 2 {
		t.Errorf("segments %d to %d, %v; want the last three of more", oldest, newest, err)
	}
	spare := 0
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !acknowledged[r.Position] {
			spare++
		}
		delete(acknowledged, r.Position)
	}
	if spare > 1 { // what the killed one could not tell any more
		t.Errorf("%d lines are there of which nobody was told", spare)
	}
	for at := range acknowledged {
		if at.Segment >= oldest {
			t.Errorf("the line at %v is lost", at)
		}
	}
	exampletest.Verify(t, dir)
}

func TestTemporaryDirectory(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	if status, _, errs := rotatelog(t, "-lines", "10", "-procs", "1", "-kill=false"); status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "rotatelog-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAudit shows that the check can fail: it is given a log and what processes
// told that do not fit together.
func TestAudit(t *testing.T) {
	lines := func(p, from, to int) (text []string) {
		for n := from; n < to; n++ {
			text = append(text, fmt.Sprintf(lineFormat+"\n", p, n, "GET /index.html 200"))
		}
		return text
	}
	for _, c := range []struct {
		name             string
		lines            []string
		told             []int
		lost, duplicated int
		problem          string
	}{
		{name: "all there", lines: lines(0, 0, 5), told: []int{5}},
		{name: "one more", lines: lines(0, 0, 6), told: []int{5}},
		{name: "one more of who lives", lines: lines(0, 0, 6), told: []int{5}, problem: "line 5 is there"},
		{name: "two more", lines: lines(0, 0, 7), told: []int{5}, problem: "line 6 is there"},
		{name: "the last lost", lines: lines(0, 0, 4), told: []int{5}, lost: 1, problem: "has told of 5"},
		{name: "a gap", lines: append(lines(0, 0, 2), lines(0, 3, 5)...), told: []int{5}, lost: 1, problem: "lines 2 to 2"},
		{name: "twice", lines: append(lines(0, 0, 5), lines(0, 4, 5)...), told: []int{5}, duplicated: 1, problem: "there again"},
		{name: "the first ones lost", lines: lines(0, 2, 5), told: []int{5}, lost: 2, problem: "nothing was removed"},
		{name: "a process lost", lines: lines(0, 0, 5), told: []int{5, 3}, lost: 3, problem: "nothing was removed"},
		{name: "torn", lines: append(lines(0, 0, 5), "process 0 line 5 GE\n"), told: []int{5}, problem: "is not"},
		{name: "something else", lines: append(lines(0, 0, 5), "hello\n"), told: []int{5}, problem: "no line of this program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "log")
			l := &Logger{Filename: dir}
			for _, text := range c.lines {
				if _, err := l.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			a := &audit{told: c.told}
			a.cfg.dir, a.cfg.kill = dir, c.name != "one more of who lives"
			if err := a.run(); err != nil {
				t.Fatal(err)
			}
			if a.lost != c.lost || a.duplicated != c.duplicated {
				t.Errorf("lost %d, duplicated %d; want %d, %d", a.lost, a.duplicated, c.lost, c.duplicated)
			}
			err := a.verdict()
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("verdict %v, want one with %q", err, c.problem)
			}
			exampletest.Verify(t, dir)
		})
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
		{2, []string{"-procs", "0"}},
		{2, []string{"-max-size", "0"}},
		{2, []string{"-since", "-1s"}},
		{2, []string{"more"}},
		{1, []string{"-dir", full}},
		{1, []string{"-read", full}},
	} {
		if status, _, errs := rotatelog(t, c.args...); status != c.status || errs == "" {
			t.Errorf("%q: status %d, want %d; stderr %q", c.args, status, c.status, errs)
		}
	}
}
