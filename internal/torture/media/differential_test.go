package media

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// motley is a journal with records of all kinds in three segments, the first of which
// a recovery has closed early: batches, deletions, masked records, marks.
func motley(t *testing.T, rng *rand.Rand) *scene {
	t.Helper()
	opt := journal.Options{Sync: journal.SyncNone, SegmentSize: 96 << 10}
	dir := t.TempDir()
	write := func(first int, enough func(journal.Position) bool) {
		p, err := newPen(dir, 2, opt)
		if err != nil {
			t.Fatal(err)
		}
		bait, err := newBait(dir, rng)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.put(nil, fill(rng, first)), p.handles[0].Sync()); err != nil {
			t.Fatal(err)
		}
		for !enough(p.last()) {
			switch rng.IntN(5) {
			case 0:
				// Contents as of class X12, but of a length that leaves room for others.
				err = p.put(fill(rng, rng.IntN(20)), bait.record(1))
			case 1:
				var b journal.Batch
				b.Put([]byte("a"), fill(rng, rng.IntN(60)))
				b.Delete([]byte("a"))
				var at journal.Position
				at, err = p.handles[0].AppendBatch(&b)
				p.all = append(p.all, written{at: at})
			case 2:
				var at journal.Position
				at, err = p.handles[1].Delete([]byte("key"))
				p.all = append(p.all, written{at: at})
			}
			if err == nil {
				err = p.put([]byte("key"), fill(rng, rng.IntN(300)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	}
	write(100, func(at journal.Position) bool { return at.Offset > oracle.HeaderSize+2000 })
	caches, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
	if err != nil || len(caches) == 0 {
		t.Fatalf("no control file, %v", err)
	}
	for _, path := range caches { // as if the machine had been started again
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	// A mark comes with the first record behind a sync and 64 KiB by one handle.
	write(65<<10, func(at journal.Position) bool { return at.Segment == 3 && at.Offset > oracle.HeaderSize+1000 })
	s, err := load(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.oracle()
	if err != nil {
		t.Fatal(err)
	}
	s.appended = j.Records
	if len(j.Segments) != 3 || j.Segments[0].Full || !j.Segments[1].Full || j.Marks == 0 {
		t.Fatalf("%d segments, %d marks", len(j.Segments), j.Marks)
	}
	return s
}

// mangle changes a segment once, in one of the ways in which files are ruined.
func mangle(rng *rand.Rand, s *scene) *scene {
	names := slices.Sorted(maps.Keys(s.files))
	name := names[1+rng.IntN(len(names)-1)] // the first one is journal.id
	b := bytes.Clone(s.files[name])
	if len(b) <= oracle.HeaderSize {
		return s
	}
	lo := oracle.HeaderSize + rng.IntN(len(b)-oracle.HeaderSize)
	hi := lo + rng.IntN(min(200, len(b)-lo)+1)
	switch rng.IntN(9) {
	case 0:
		b = b[:lo]
	case 1:
		// What is void was appended again to the next segment. It must not move below
		// the limit: there it would be a record, as no fault of a disk makes it.
		end := min(len(b), lastEnd(s, name))
		b = slices.Delete(b[:end], min(lo, end), min(hi, end))
	case 2:
		clear(b[lo:hi])
	case 3:
		b[lo] ^= 1 << rng.IntN(8)
	case 4:
		copy(b[lo:hi], fill(rng, hi-lo))
	case 5:
		b = slices.Insert(b, lo, fill(rng, rng.IntN(100))...)
	case 6: // at the boundary of a record, where verdicts differ most
		r := s.appended[rng.IntN(len(s.appended))]
		if at := int(r.End); name == segName(r.Segment) && at <= len(b) && at > 12 {
			clear(b[at-rng.IntN(12) : at])
		}
	case 7: // zeros behind the end, as of a seal
		b = append(b, make([]byte, rng.IntN(5000))...)
	case 8: // one page of the header
		b[rng.IntN(2)*4096+rng.IntN(4096)] ^= 1
	}
	return s.with(name, b)
}

// lastEnd is where the last record of a segment ends.
func lastEnd(s *scene, name string) int {
	end := int64(oracle.HeaderSize)
	for _, r := range s.appended {
		if name == segName(r.Segment) {
			end = max(end, r.End)
		}
	}
	return int(end)
}

// The library and the oracle say the same of every byte, whatever was done to it, and
// nothing is handed out that was not appended.
func TestDifferential(t *testing.T) {
	cases := 60
	if testing.Short() {
		cases = 15
	}
	classes := make(map[oracle.Class]int)
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 11))
		s := motley(t, rng)
		for n := range cases {
			ruined := s
			for range rng.IntN(5) {
				ruined = mangle(rng, ruined)
			}
			dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_, j, err := judged(t.Context(), ruined, dir, never)
			if err != nil {
				t.Fatalf("seed %d, case %d: %v", seed, n, err)
			}
			for _, st := range j.Stretches {
				classes[st.Class]++
			}
		}
	}
	for _, c := range []oracle.Class{oracle.Fragment, oracle.Void, oracle.Unused, oracle.Hole, oracle.Corruption} {
		if classes[c] == 0 && !testing.Short() {
			t.Errorf("no %s was seen: %v", c, classes)
		}
	}
}

// What the second segment's blocks held in the past is really the past: class X4 would
// pass with blocks that are as they are.
func TestPast(t *testing.T) {
	s := sample(t)
	d := &disk{scene: s, half: s.files[segName(1)][:9000], foreign: bytes.Repeat([]byte{7}, 12<<10)}
	for _, c := range contents {
		if c.name != "its own past" {
			continue
		}
		if got := c.of(nil, d, nil, 8192, 512); !bytes.Equal(got, s.files[segName(1)][8192:8704]) {
			t.Error("a block in front of the half is not as it was")
		}
		if got, want := c.of(nil, d, nil, 8704, 512), append(bytes.Clone(s.files[segName(1)][8704:9000]), make([]byte, 216)...); !bytes.Equal(got, want) {
			t.Error("the block at the half does not end in zeros")
		}
		if got := c.of(nil, d, nil, 9216, 512); !bytes.Equal(got, make([]byte, 512)) {
			t.Error("a block behind the half is not zeros")
		}
		return
	}
	t.Error("no such content")
}

// Contents of an attacker hold what class X12 says, the records of the journal itself
// among them.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	p, err := newPen(dir, 1, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.put([]byte("key"), []byte("value")); err != nil {
		t.Fatal(err)
	}
	bait, err := newBait(dir, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bait.replay(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.put(nil, append([]byte("x"), raw...)); err != nil {
		t.Fatal(err)
	}
	s, err := p.finish()
	if err != nil {
		t.Fatal(err)
	}
	if r := s.appended[0]; !bytes.Equal(raw, s.files[segName(1)][r.Offset:r.End]) {
		t.Errorf("got %x", raw)
	}
	// Unmasked it would surface, which the judge knows: the same record twice.
	b := append(bytes.Clone(s.files[segName(1)]), raw...)
	if _, _, err := judged(t.Context(), s.with(segName(1), b), t.TempDir(), always); err == nil {
		t.Error("a record that comes again is not found out")
	}
	if _, err := judge.Read(t.Context(), dir); err != nil {
		t.Error(err)
	}
}
