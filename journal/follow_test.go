package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
)

func init() {
	roles["echo"] = roleEcho
}

// roleEcho follows DIR and appends, for each record of which the value begins with
// "ping", one to the same journal, until the value is "ping end": DIR.
func roleEcho(args []string) error {
	j, err := journal.Open(args[0], journal.Options{Sync: journal.SyncNone})
	if err != nil {
		return err
	}
	defer j.Close() // only written to
	fmt.Println("following")
	for rec, err := range j.Follow(context.Background(), journal.Position{}) {
		if err != nil {
			return err
		}
		if rest, ok := cutPing(rec.Value); ok {
			if _, err := j.Append(nil, []byte("pong"+rest)); err != nil {
				return err
			}
			if rest == " end" {
				return nil
			}
		}
	}
	return nil
}

func cutPing(v []byte) (string, bool) {
	if len(v) < 4 || string(v[:4]) != "ping" {
		return "", false
	}
	return string(v[4:]), true
}

// Two processes that only ever wait for each other: a wake-up that is lost costs
// the time after which a follower looks by itself, at every step. With thousands of
// steps the test would not end in its time.
func TestNoWakeIsLost(t *testing.T) {
	dir := t.TempDir()
	// Segments so small that most steps are in the neighbourhood of a roll.
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	c := spawn(t, "echo", dir)
	if line, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	steps := 3000
	if testing.Short() {
		steps = 300
	}
	ping := func(step string) {
		if _, err := j.Append(nil, []byte("ping"+step)); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	ping(" 0")
	for rec, err := range j.Follow(t.Context(), journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if string(rec.Value) == "pong end" {
			break
		}
		if string(rec.Value) != fmt.Sprintf("pong %d", i) {
			continue
		}
		if i++; i < steps {
			ping(fmt.Sprintf(" %d", i))
		} else {
			ping(" end")
		}
	}
	c.finish(t)
}

// Many followers in one process, of a handle that writes and of one that only
// reads, all get everything: across rolls, and after a follower of another process
// was killed while it slept.
func TestManyFollowers(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 64 << 10})
	ro := open(t, dir, journal.Options{ReadOnly: true})
	c := spawn(t, "echo", dir)
	if line, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	const n = 300
	var wg sync.WaitGroup
	for i := range 100 {
		h := []*journal.Journal{j, ro}[i%2]
		wg.Go(func() {
			next := uint64(0)
			for rec, err := range h.Follow(t.Context(), journal.Position{}) {
				if err != nil {
					t.Error(err)
					return
				}
				if got := binary.LittleEndian.Uint64(rec.Value); got != next {
					t.Errorf("record %d comes, want %d", got, next)
					return
				}
				if next++; next == n {
					return
				}
			}
		})
	}
	for i := range n {
		if i == n/2 {
			if err := c.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := j.Append(nil, binary.LittleEndian.AppendUint64(make([]byte, 0, 2000), uint64(i))[:1000]); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	c.cmd.Wait() // it was killed
}

// A follower that sleeps ends as soon as its context does, or its handle.
func TestFollowEnds(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		dir := t.TempDir()
		w := open(t, dir, journal.Options{Sync: journal.SyncNone})
		if _, err := w.Append(nil, nil); err != nil {
			t.Fatal(err)
		}
		j := open(t, dir, journal.Options{ReadOnly: readOnly})
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(chan struct{}, 2)
		ends := make(chan error, 2)
		for _, ctx := range []context.Context{ctx, t.Context()} {
			go func() {
				var last error
				for _, err := range j.Follow(ctx, journal.Position{}) {
					if last = err; err == nil {
						seen <- struct{}{}
					}
				}
				ends <- last
			}()
		}
		<-seen
		<-seen
		cancel()
		if err := <-ends; err != nil {
			t.Errorf("cancelled, read-only %v: %v", readOnly, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ends; !errors.Is(err, journal.ErrClosed) {
			t.Errorf("closed, read-only %v: %v", readOnly, err)
		}
		for _, err := range j.Follow(t.Context(), journal.Position{}) {
			if !errors.Is(err, journal.ErrClosed) {
				t.Errorf("following a closed handle: %v", err)
			}
		}
	}
}

// A follower is told of what comes under another control file too: the one that it
// slept on was removed.
func TestFollowWithoutControlFile(t *testing.T) {
	dir := t.TempDir()
	follower := open(t, dir, journal.Options{Sync: journal.SyncNone})
	got := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for rec, err := range follower.Follow(ctx, journal.Position{}) {
			if err != nil {
				t.Error(err)
			}
			got <- string(rec.Value)
		}
	}()
	for i := range 5 {
		want := strconv.Itoa(i)
		w := open(t, dir, journal.Options{Sync: journal.SyncNone})
		if _, err := w.Append(nil, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != want {
			t.Errorf("got %q, want %q", s, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Error(err)
			}
		}
	}
	cancel()
	<-done
}

// A follower that is too slow for retention is told the oldest position left, and
// goes on there.
func TestFollowerIsPruned(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 16 << 10})
	var newest journal.Position
	for range 100 {
		p, err := j.Append(nil, make([]byte, 4000))
		if err != nil {
			t.Fatal(err)
		}
		newest = p
	}
	n, oldest := 0, journal.FirstPosition(newest.Segment)
	for rec, err := range j.Follow(t.Context(), journal.Position{}) {
		if n++; n == 1 {
			if err := j.Prune(newest); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			var gone *journal.GoneError
			if !errors.Is(err, journal.ErrPruned) || !errors.As(err, &gone) || gone.Oldest != oldest {
				t.Errorf("got %v, want ErrPruned and %v as the oldest position", err, oldest)
			}
			continue
		}
		if rec.Position.Segment == newest.Segment && rec.Position == newest {
			break
		}
	}
	if n > 20 {
		t.Errorf("%d records come, and most of them were pruned", n)
	}
}

// A record that is torn is never given to a follower, what comes behind it is.
func TestFollowerSkipsTornRecord(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	p, err := j.Append(nil, make([]byte, 5000))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	// As a writer leaves it that is killed in the middle of its record.
	f, err := os.OpenFile(segmentPath(dir, 1), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(whole[p.Offset : p.Offset+3000]); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n := 0
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			if _, err := j.Append([]byte("behind"), nil); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if string(rec.Key) != "behind" {
			t.Errorf("got %v %q", rec.Position, rec.Key)
		}
		break
	}
	if n != 2 {
		t.Errorf("%d records", n)
	}
}
