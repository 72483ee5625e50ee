package journal_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

func init() {
	roles["keeper"] = roleKeeper
	roles["slow"] = roleSlow
	roles["watch"] = roleWatch
	roles["pruner"] = rolePruner
}

// ask starts a role that is sent lines.
func ask(t testing.TB, role string, args ...string) (c *child, say func(line string)) {
	t.Helper()
	c = newChild(role, args...)
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.start(t)
	return c, func(line string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, line); err != nil {
			t.Fatalf("%v: %s", err, c.err.String())
		}
	}
}

// hear returns the child's next line.
func (c *child) hear(t testing.TB) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, c.err.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// roleKeeper appends records and keeps three segments of the journal: DIR NAME COUNT.
func roleKeeper(args []string) error {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	opts := tiny
	opts.Retention = journal.Retention{MaxSegments: 3}
	j, err := journal.Open(args[0], opts) // Close returns an error of retention
	if err != nil {
		return err
	}
	for i := range count {
		if _, err := j.Append([]byte(args[1]), value(args[1], i, 1000)); err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return err
	}
	if s := j.Stats(); s.RetentionFailures > 0 {
		return fmt.Errorf("retention has failed %d times", s.RetentionFailures)
	}
	return nil
}

// roleWatch follows the journal from its beginning until it finds the key "end". It
// waits to be told to go on after the first record, and then prints where it had to
// go on because it was too slow, and at last how many records it has seen: DIR.
func roleWatch(args []string) error {
	j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	in := bufio.NewReader(os.Stdin)
	seen, last, gap := 0, make(map[uint64]uint64), true
	for rec, err := range j.Follow(context.Background(), journal.Position{}) {
		var gone *journal.GoneError
		if errors.As(err, &gone) && errors.Is(err, journal.ErrPruned) {
			fmt.Println("gone", gone.Oldest)
			clear(last)
			gap = true
			continue
		}
		if err != nil {
			return err
		}
		if before, ok := last[rec.Writer]; rec.Seq != before+1 && (ok || !gap) && rec.Seq != 1 {
			return fmt.Errorf("record %d of writer %x comes after %d, and nobody said that some are gone", rec.Seq, rec.Writer, before)
		}
		last[rec.Writer] = rec.Seq
		if seen++; seen == 1 {
			fmt.Println("first", rec.Position)
			if _, err := in.ReadString('\n'); err != nil {
				return err
			}
		}
		if string(rec.Key) == "end" {
			break
		}
	}
	fmt.Println("seen", seen)
	return j.Close()
}

// roleSlow appends a record for each line it gets, and syncs for "sync": DIR POLICY.
func roleSlow(args []string) error {
	policy, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	opts := tiny
	opts.Sync = journal.SyncPolicy(policy)
	j, err := journal.Open(args[0], opts)
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == "sync" {
			if err := j.Sync(); err != nil {
				return err
			}
			fmt.Println("synced")
			continue
		}
		p, err := j.Append([]byte("slow"), in.Bytes())
		if err != nil {
			return err
		}
		fmt.Println(p)
	}
	return j.Close()
}

// Four processes append and apply retention at the same time, one follows. None of
// them is in another one's way, the follower is told of all it misses, and the rest
// of the journal is whole.
func TestRetentionAmongProcesses(t *testing.T) {
	for name, dir := range places(t) {
		t.Run(name, func(t *testing.T) {
			j := open(t, dir, tiny)
			if _, err := j.Append([]byte("begin"), nil); err != nil {
				t.Fatal(err)
			}
			watch, say := ask(t, "watch", dir)
			watch.hear(t)
			say("go on")
			var keepers []*child
			for i := range 4 {
				keepers = append(keepers, spawn(t, "keeper", dir, fmt.Sprint("w", i), strconv.Itoa(2**flagRecords)))
			}
			for _, c := range keepers {
				c.finish(t)
			}
			if _, err := j.Append([]byte("end"), nil); err != nil {
				t.Fatal(err)
			}
			out := watch.finish(t)
			if !strings.HasPrefix(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:], "seen ") {
				t.Errorf("the follower says %q", out)
			}
			// Whoever began a segment last has seen to it before he closed; "end" may have begun one more.
			if _, newest, n := left(t, dir); n > 3+1 {
				t.Errorf("%d segments are left of %d", n, newest)
			}
			verify(t, dir)
			t.Logf("the follower was too slow %d times", strings.Count(out, "gone"))
		})
	}
}

// A process that has not appended for a while has segments open that have been removed
// since, and some in between that it never saw. It goes on at the end.
func TestRetentionSlowWriter(t *testing.T) {
	for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncNone} {
		t.Run(policy.String(), func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, tiny)
			slow, say := ask(t, "slow", dir, strconv.Itoa(int(policy)))
			var want []string
			for round := range 5 {
				text := fmt.Sprint("record ", round)
				say(text)
				p, err := journal.ParsePosition(slow.hear(t))
				if err != nil {
					t.Fatal(err)
				}
				oldest, newest, err := j.SegmentRange()
				if err != nil || p.Segment != newest {
					t.Errorf("the record is at %v, there are %d to %d, %v", p, oldest, newest, err)
				}
				rec, err := j.ReadAt(p)
				if err != nil || string(rec.Value) != text || rec.Seq != uint64(round+1) {
					t.Errorf("record at %v: %q, %v", p, rec.Value, err)
				}
				want = append(want, text)
				// Once it has its successor open, once it has been overtaken by far.
				grow(t, j, newest+uint64(1+4*(round%2)))
				if removed, err := j.Retain(journal.Retention{MaxSegments: 1}); err != nil || len(removed) == 0 {
					t.Errorf("%v, %v", numbers(removed), err)
				}
				say("sync")
				slow.hear(t)
			}
			say("the last")
			slow.hear(t)
			recs := all(t, dir)
			if got := recs[len(recs)-1]; string(got.Value) != "the last" || got.Seq != uint64(len(want)+1) {
				t.Errorf("the last record is %q, %d of its writer", got.Value, got.Seq)
			}
			verify(t, dir)
			if oldest, newest, _ := left(t, dir); oldest != newest {
				t.Errorf("segments %d to %d are left: somebody has recovered", oldest, newest)
			}
		})
	}
}

// A follower that is behind reads the segment it is in to its end, and is told then
// where the journal goes on. One that is ahead notices nothing.
func TestRetentionFollowers(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, tiny)
	grow(t, j, 2)
	first := 0
	for _, rec := range all(t, dir) {
		if rec.Position.Segment == 1 {
			first++
		}
	}
	behind, sayBehind := ask(t, "watch", dir)
	ahead, sayAhead := ask(t, "watch", dir)
	behind.hear(t)
	ahead.hear(t)
	sayAhead("go on")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	count := 0
	for n := uint64(3); n < 12; n++ {
		grow(t, j, n)
		count = len(all(t, dir))
	}
	// This handle's own follower is ahead as well: it has seen all that there is.
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if count--; count == 0 {
			if removed, err := j.Retain(journal.Retention{MaxSegments: 2}); err != nil || len(removed) != 9 {
				t.Errorf("%v, %v", numbers(removed), err)
			}
			if _, err := j.Append([]byte("end"), nil); err != nil {
				t.Error(err)
			}
		}
		if string(rec.Key) == "end" {
			break
		}
	}
	sayBehind("go on")
	kept := 0
	for range all(t, dir) {
		kept++
	}
	want := fmt.Sprintf("gone %v\nseen %d\n", journal.FirstPosition(10), first+kept)
	if got := behind.finish(t); got != want {
		t.Errorf("the one behind says %q, want %q", got, want)
	}
	// How fast the other one was is up to the machine; it ends in any case.
	if got := ahead.finish(t); !strings.Contains(got, "seen ") {
		t.Errorf("the one ahead says %q", got)
	}
	verify(t, dir)
}

// rolePruner makes many segments and removes them, again and again: DIR.
func rolePruner(args []string) error {
	j, err := journal.Open(args[0], tiny)
	if err != nil {
		return err
	}
	for {
		_, newest, err := j.SegmentRange()
		if err != nil {
			return err
		}
		for {
			p, err := j.Append(nil, make([]byte, 1000))
			if err != nil {
				return err
			}
			if p.Segment > newest+20 {
				break
			}
		}
		fmt.Println("prune")
		if _, err := j.Retain(journal.Retention{MaxSegments: 2}); err != nil {
			return err
		}
		fmt.Println("done")
	}
}

// A process is killed while it removes segments. What is left has no gap in front of
// anything, another process that appends at the same time goes on, and the next
// retention does the rest.
func TestRetentionKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	j := open(t, dir, tiny)
	halfway := 0
	for range 5 * *flagRounds {
		c := spawn(t, "pruner", dir)
		c.hear(t) // it begins to remove 20
		for range rng.IntN(3_000_000) {
		} // a random moment, not a time
		c.cmd.Process.Kill() // it may have failed; then there is an error below
		if _, err := io.Copy(io.Discard, c.out); err != nil {
			t.Error(err)
		}
		c.cmd.Wait() // killed
		if c.err.Len() > 0 {
			t.Fatalf("the pruner failed: %s", c.err.String())
		}
		oldest, newest, n := left(t, dir)
		if uint64(n) != newest-oldest+1 {
			t.Fatalf("%d segments from %d to %d", n, oldest, newest)
		}
		if n > 3 && n < 20 {
			halfway++
		}
		p, err := j.Append(nil, []byte("goes on"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Retain(journal.Retention{MaxSegments: 2}); err != nil {
			t.Fatal(err)
		}
		if rec, err := j.ReadAt(p); err != nil || string(rec.Value) != "goes on" {
			t.Errorf("record at %v: %v", p, err)
		}
		verify(t, dir)
	}
	t.Logf("%d of %d were killed half-way", halfway, 5**flagRounds)
}
