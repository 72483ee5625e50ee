package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/exampletest"
	"github.com/manypen/manypen/journal"
)

// TestMain makes the test binary a worker or a follower if it was started as
// one: the program starts itself, and here it is the test binary.
func TestMain(m *testing.M) {
	if os.Getenv(roleEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// tree makes a directory of files of all sizes, some of them large.
func tree(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		size := r.IntN(20_000)
		if i%20 == 7 {
			size = large + r.IntN(large)
		}
		if i == 0 {
			size = 0
		}
		b := make([]byte, size)
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		path := filepath.Join(dir, fmt.Sprint(i%7), fmt.Sprintf("file %d", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func manyprocs(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	return exampletest.Run(t, run, args...)
}

func TestImport(t *testing.T) {
	src := tree(t, 200)
	for _, policy := range []string{"none", "interval", "always"} {
		t.Run(policy, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			status, out, errs := manyprocs(t, "-dir", dir, "-src", src, "-procs", "4", "-kills", "3",
				"-segment-size", "256KiB", "-sync", policy, "-seed", "7")
			if status != 0 || errs != "" && runtime.GOOS == "linux" {
				t.Fatalf("status %d, stderr:\n%s\nstdout:\n%s", status, errs, out)
			}
			for _, want := range []string{
				`kills +3\n`, `records acknowledged +200\n`, `lost +0\n`, `duplicated +0\n`,
				`followers +2, of which 0 `, `segments +\d\d`, `jtool verify .*journal\n`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("stdout lacks %s:\n%s", want, out)
				}
			}
		})
	}
}

// More kills than files: the last ones hit workers that have nothing to do.
func TestMoreKillsThanFiles(t *testing.T) {
	status, out, errs := manyprocs(t, "-dir", filepath.Join(t.TempDir(), "j"), "-src", tree(t, 3),
		"-procs", "2", "-kills", "5", "-followers", "1")
	if status != 0 || !regexp.MustCompile(`kills +5\n`).MatchString(out) {
		t.Errorf("status %d, stderr:\n%s\nstdout:\n%s", status, errs, out)
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
		{2, []string{"-segment-size", "4 parsecs"}},
		{2, []string{"-sync", "sometimes"}},
		{2, []string{"more"}},
		{1, []string{"-dir", full}},
		{1, []string{"-src", filepath.Join(full, "none")}},
		{1, []string{"-dir", filepath.Join(full, "j"), "-segment-size", "1KiB"}},
	} {
		if status, _, errs := manyprocs(t, c.args...); status != c.status || (errs == "") {
			t.Errorf("%q: status %d, want %d; stderr %q", c.args, status, c.status, errs)
		}
	}
}

// TestAudit shows that the check can fail: it is given a journal and
// acknowledgements that do not fit together.
func TestAudit(t *testing.T) {
	src := tree(t, 4)
	files, err := listFiles(src)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	var acks []ack
	for _, key := range files {
		value, err := readFile(src, key)
		if err != nil {
			t.Fatal(err)
		}
		a, err := j.AppendAck([]byte(key), value)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, ack{identity{j.WriterID(), a.Seq}, a.Position, key})
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	writer := acks[0].writer

	for _, c := range []struct {
		name             string
		change           func(acks []ack) []ack
		dead             bool
		lost, dup, spare int
		problem          string
	}{
		{name: "as it was", change: func(a []ack) []ack { return a }},
		{name: "one more", lost: 1, problem: "is not there",
			change: func(a []ack) []ack { return append(a, ack{identity{writer, 5}, a[3].at, "none"}) }},
		{name: "elsewhere", lost: 1, problem: "was acknowledged as",
			change: func(a []ack) []ack { a[1].at.Offset++; return a }},
		{name: "other key", lost: 1, problem: "was acknowledged as",
			change: func(a []ack) []ack { a[1].key = "none"; return a }},
		{name: "twice", dup: 1, problem: "acknowledged twice",
			change: func(a []ack) []ack { return append(a, a[0]) }},
		{name: "not acknowledged", spare: 1, problem: "nobody acknowledged",
			change: func(a []ack) []ack { return a[:3] }},
		{name: "not acknowledged by the dead", spare: 1, dead: true,
			change: func(a []ack) []ack { return a[:3] }},
		{name: "two not acknowledged by the dead", spare: 2, dead: true, problem: "nobody acknowledged",
			change: func(a []ack) []ack { return a[:2] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			mine := c.change(append([]ack(nil), acks...))
			a := newAudit(config{dir: dir, src: src}, files, mine, map[uint64]bool{writer: c.dead})
			if err := a.run(); err != nil {
				t.Fatal(err)
			}
			if a.lost != c.lost || a.duplicated != c.dup || a.spare != c.spare {
				t.Errorf("lost %d, duplicated %d, spare %d; want %d, %d, %d", a.lost, a.duplicated, a.spare, c.lost, c.dup, c.spare)
			}
			err := a.verdict()
			if (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
				t.Errorf("verdict %v, want one with %q", err, c.problem)
			}
		})
	}

	t.Run("file changed", func(t *testing.T) {
		path := filepath.Join(src, filepath.FromSlash(files[2]))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		a := newAudit(config{dir: dir, src: src}, files, acks, nil)
		if err := a.run(); err != nil {
			t.Fatal(err)
		}
		if a.lost != 1 || a.verdict() == nil || len(a.problems) != 2 { // Records and Get
			t.Errorf("lost %d, problems %q", a.lost, a.problems)
		}
	})
}
