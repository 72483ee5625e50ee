package host

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

func TestFlockHolders(t *testing.T) {
	const text = `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
1: -> FLOCK  ADVISORY  WRITE 99 fe:00:5678 0 EOF
2: FLOCK  ADVISORY  READ  77 00:2c:5678 0 EOF
3: POSIX  ADVISORY  WRITE 55 fe:00:5678 0 EOF
4: FLOCK  ADVISORY  WRITE 0 fe:00:5678 0 EOF
5: FLOCK  ADVISORY  WRITE 44 fe:00:56789 0 EOF
6: OFDLCK ADVISORY  WRITE -1 fe:00:5678 1 1
junk
`
	if got := flockHolders([]byte(text), 5678); !slices.Equal(got, []int{1234, 77}) {
		t.Errorf("got %v", got)
	}
}

// Who holds the lock of a directory can be named, and is not once it is released.
func TestLockDirHolders(t *testing.T) {
	dir := newDir(t)
	if ok, err := TryLockDir(dir, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	me := strconv.Itoa(os.Getpid()) + " ("
	if got, err := LockDirHolders(dir); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], me) {
		t.Errorf("got %q, %v; want %s", got, err, me)
	}
	if err := UnlockDir(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := LockDirHolders(dir); err != nil || len(got) != 0 {
		t.Errorf("released: %q, %v", got, err)
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
	// Asking takes nothing, and sees what others have, shared or not.
	for off, want := range map[int64]bool{7: true, 8: false} {
		if locked, err := LockedByte(f, off); err != nil || locked != want {
			t.Errorf("byte %d: %v, %v; want %v", off, locked, err, want)
		}
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
