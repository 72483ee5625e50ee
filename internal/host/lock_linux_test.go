package host

import (
	"os"
	"path/filepath"
	"testing"
)

// tryDir and tryByte try a lock and release it if they got it.
func tryDir(t *testing.T, dir *os.File, exclusive bool) bool {
	t.Helper()
	ok, err := TryLockDir(dir, exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		if err := UnlockDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	return ok
}

func tryByte(t *testing.T, f *os.File, off int64, exclusive bool) bool {
	t.Helper()
	ok, err := TryLockByte(f, off, exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		if err := UnlockByte(f, off); err != nil {
			t.Fatal(err)
		}
	}
	return ok
}

func TestLockDir(t *testing.T) {
	dir := newDir(t)
	p := start(t, "locker")
	p.do("true <nil>", "dir", dir.Name(), "shared")
	if !tryDir(t, dir, false) || tryDir(t, dir, true) {
		t.Error("shared does not share, or lets an exclusive one in")
	}
	p.do("true <nil>", "undir", dir.Name())
	p.do("true <nil>", "dir", dir.Name(), "exclusive")
	if tryDir(t, dir, false) || tryDir(t, dir, true) {
		t.Error("exclusive does not exclude")
	}
	p.kill()
	if !tryDir(t, dir, true) {
		t.Error("a dead process holds the lock")
	}
	// Two handles of one process are two.
	again := openDir(t, dir.Name())
	if ok, err := TryLockDir(again, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if tryDir(t, dir, false) {
		t.Error("two handles of one process share an exclusive lock")
	}
}

func TestLockByte(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "f", "", os.O_RDWR) // the byte need not exist
	path := filepath.Join(dir.Name(), "f")
	p := start(t, "locker")
	p.do("true <nil>", "byte", path, "shared")
	if !tryByte(t, f, 7, false) || tryByte(t, f, 7, true) || !tryByte(t, f, 8, true) {
		t.Error("shared does not share, lets an exclusive one in, or covers another byte")
	}
	p.do("true <nil>", "byte", path, "exclusive") // without a gap in between
	if tryByte(t, f, 7, false) {
		t.Error("exclusive does not exclude")
	}
	// Opening and closing the file elsewhere in this process releases nothing.
	if ok, err := TryLockByte(f, 9, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	other, err := OpenIn(dir, "f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if tryByte(t, other, 9, true) {
		t.Error("two handles of one process share an exclusive lock")
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	q := start(t, "locker")
	q.tell("wait", path)
	// q gets it when p is killed, and by nothing else.
	p.kill()
	if got := q.hear(); got != "true <nil>" {
		t.Fatal(got)
	}
	if tryByte(t, f, 7, true) {
		t.Error("the one who waited does not have it")
	}
	// Closing the file is as good as unlocking.
	q.kill()
	if err := LockByte(f, 7); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := OpenIn(dir, "f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if !tryByte(t, third, 7, true) || !tryByte(t, third, 9, true) {
		t.Error("a closed file holds a lock")
	}
}
