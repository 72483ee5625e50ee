package portable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

const testSeed = 4711

// written is a journal of the plan that this process has written.
func written(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "journal")
	var errs bytes.Buffer
	if code := Peer([]string{"write", dir, fmt.Sprint(testSeed)}, nil, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	return dir
}

// change changes one byte of a file.
func change(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[(at+len(b))%len(b)] ^= 0x10
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// verify is the end of every test here.
func verify(t *testing.T, dir string) {
	t.Helper()
	rep, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
	if err != nil || rep.Corrupt() || rep.Missing() > 0 || rep.Records == 0 {
		t.Errorf("%v; corrupt %v, %d records, %d missing", err, rep.Corrupt(), rep.Records, rep.Missing())
	}
}

// The plan has what it is for, and is below what makes a handle write a mark.
func TestPlan(t *testing.T) {
	for seed := range uint64(50) {
		size, batches, gaps, deletes := 0, 0, 0, 0
		last := make(map[uint64]uint64)
		for _, r := range plan(seed, []byte("12345678")) {
			size += len(r.Key) + len(r.Value) + 100
			batches += min(1, r.Position.Index)
			if r.Seq != last[r.Writer]+1 {
				gaps++
			}
			last[r.Writer] = r.Seq
			if r.Kind == journal.KindDelete {
				deletes++
			}
		}
		if size > 62<<10 || batches == 0 || gaps == 0 || deletes == 0 {
			t.Errorf("seed %d: %d bytes, %d entries of batches, %d gaps, %d deletions", seed, size, batches, gaps, deletes)
		}
	}
}

// What is written here is as planned, and twice the same but for what canonical leaves
// out; what is read is what the oracle says.
func TestHere(t *testing.T) {
	dir, other := written(t), written(t)
	if err := asPlanned(dir, testSeed); err != nil {
		t.Error(err)
	}
	a, err := canonical(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := canonical(other); err != nil || !bytes.Equal(a, b) {
		t.Errorf("written twice it has other bytes: %v", err)
	}
	if n, err := honest(dir); err != nil || n < 2 {
		t.Errorf("%d sidecars, %v", n, err)
	}
	var out, errs bytes.Buffer
	if code := Peer([]string{"read", dir}, &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	m := &machine{arch: "here"}
	same := func(*machine) (string, error) { return out.String(), nil }
	if err := sameEverywhere(m, m, dir, out.String(), same); err != nil {
		t.Error(err)
	}
	verify(t, dir)
}

// The judges notice what they are there for.
func TestJudgesSayNo(t *testing.T) {
	dir := written(t)
	var out bytes.Buffer
	if err := read(dir, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	lines := strings.SplitAfter(text, "\n")
	m := &machine{arch: "a liar"}
	for name, lie := range map[string]string{
		"a record is lost":     strings.Join(lines[1:], ""),
		"a record comes twice": lines[0] + text,
		"a time is another":    strings.Replace(text, "1700000000", "1700000001", 1),
		"a line at the end":    text + "damage\n",
	} {
		truth := func(*machine) (string, error) { return text, nil }
		if err := sameEverywhere(m, m, dir, lie, truth); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	for name, lie := range map[string]struct {
		file  string
		at    int
		judge func() error
	}{
		"a byte of a record":  {"seg.000000002", oracle.HeaderSize + 500, func() error { return asPlanned(dir, testSeed) }},
		"a byte of a run":     {"idx.000000001", -1, func() error { _, err := honest(dir); return err }},
		"a byte of a sidecar": {"idx.000000001", 70, func() error { _, err := honest(dir); return err }},
	} {
		path := filepath.Join(dir, lie.file)
		change(t, path, lie.at)
		if lie.judge() == nil {
			t.Errorf("%s has changed: not noticed", name)
		}
		change(t, path, lie.at)
	}
	if err := asPlanned(dir, testSeed+1); err == nil {
		t.Error("another plan is not noticed")
	}
	before, err := canonical(dir)
	if err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "seg.000000001"), 41) // the limit
	if after, err := canonical(dir); err != nil || bytes.Equal(before, after) {
		t.Errorf("a byte of a header has changed: not noticed, %v", err)
	}
	change(t, filepath.Join(dir, "seg.000000001"), 41)
	verify(t, dir)
}

// What was acknowledged has to be there, once.
func TestTurnsAreJudged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	if err := prepare(dir, testSeed); err != nil {
		t.Fatal(err)
	}
	var told []string
	for range 3 {
		var out bytes.Buffer
		if err := appendTo(dir, 5, &out); err != nil {
			t.Fatal(err)
		}
		told = append(told, strings.Split(strings.TrimSpace(out.String()), "\n")...)
	}
	if err := asTold(dir, told); err != nil {
		t.Error(err)
	}
	for name, lie := range map[string][]string{
		"more was acknowledged": append(told[:15:15], "9:9 9 9"), "less was": told[1:], "two have changed places": {told[1], told[0]},
	} {
		if asTold(dir, lie) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
	verify(t, dir)
}

// A pair of this machine with itself, by the program that is built for it.
func TestPair(t *testing.T) {
	m, err := find(fullArchs[0])
	if err != nil {
		t.Skip(err)
	}
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Skip(err)
	}
	if err := m.build(t.Context(), root, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	class := &board.Class{ID: "X15", Run: func(r *board.Run) error {
		l := &lab{Run: r, root: root, machines: []*machine{m}}
		if err := l.refer(filepath.Join(t.TempDir(), "reference")); err != nil {
			return err
		}
		l.cases()
		l.reference = l.reference[1:] // now every pair has other bytes
		l.cases()
		return nil
	}}
	r := board.Do(t.Context(), class, board.Config{Seed: 3, Case: -1, Short: true, Dir: t.TempDir(), Log: &log})
	if r.Cases != 4 || r.Failed != 1 || !strings.Contains(log.String(), "other bytes") || r.Err != nil {
		t.Errorf("%d cases, %d failed, %v; want 4 and 1\n%s", r.Cases, r.Failed, r.Err, log.String())
	}
}

// A machine that is not here is skipped, and bad usage is an error.
func TestMachinesAndUsage(t *testing.T) {
	if _, err := find("pdp11"); !errors.Is(err, errNoMachine) {
		t.Errorf("%v; want that it cannot be emulated", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &machine{arch: "amd64"}
	if err := m.build(ctx, ".", t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("build: %v", err)
	}
	for _, args := range [][]string{nil, {"write", "dir"}, {"write", "dir", "x"}, {"read"}, {"read", filepath.Join(t.TempDir(), "none")}} {
		var errs bytes.Buffer
		if Peer(args, &bytes.Buffer{}, &errs) == 0 || errs.Len() == 0 {
			t.Errorf("%q is accepted", args)
		}
	}
}
