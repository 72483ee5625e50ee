package control

import (
	"os"
	"testing"
	"time"
)

// Whoever waits for the lock, in whatever process, wakes when it is let go, also
// if that happens before he is asleep.
func TestAwait(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	create(t, dir, 1, 0)
	p := open(t, dir)
	waiters := []*child{spawn(t, dir), spawn(t, dir), spawn(t, dir)}
	for range 20 {
		if ok, err := p.TryLock(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		for _, c := range waiters {
			c.ask("lock", "false <nil>")
			c.ask("await", "going to sleep")
		}
		if err := p.Unlock(); err != nil {
			t.Fatal(err)
		}
		for _, c := range waiters {
			if got := c.hear(); got != "awake" {
				t.Fatalf("a waiter says %q", got)
			}
		}
	}
}

// Nobody sleeps for ever: not when nothing happens, nor on a page that is private
// or lost.
func TestAwaitEnds(t *testing.T) {
	p := NewPrivate(1, 0)
	if err := p.Await(p.Turn(), time.Hour); err != nil {
		t.Error(err)
	}
	needShared(t)
	dir := newDir(t)
	create(t, dir, 1, 0)
	p = open(t, dir)
	if err := p.Await(p.Turn(), time.Microsecond); err != nil {
		t.Error(err)
	}
	if err := p.Await(p.Turn()+1, time.Hour); err != nil {
		t.Error(err)
	}
	needFaults(t)
	if err := os.Truncate(path(dir), 0); err != nil {
		t.Fatal(err)
	}
	if turn := p.Turn(); turn != 0 {
		t.Errorf("turn %d of a page that is gone", turn)
	}
	if err := p.Await(0, time.Hour); err != nil {
		t.Error(err)
	}
	if err := p.Unlock(); err != nil {
		t.Error(err)
	}
}
