package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func TestEvilNames(t *testing.T) {
	dir := newDir(t)
	for _, name := range []string{"", ".", "..", "/", "a/b", "../a", "a/", "/etc/passwd", "a\x00b", "\x00"} {
		nothing := func(*os.File) error { t.Errorf("%q: written", name); return nil }
		_, open := OpenIn(dir, name, os.O_RDONLY)
		_, exists := ExistsIn(dir, name)
		_, stat := StatIn(dir, name)
		for op, err := range map[string]error{
			"OpenIn": open, "ExistsIn": exists, "StatIn": stat,
			"RemoveIn": RemoveIn(dir, name),
			"LinkIn":   LinkIn(dir, dir, name),
			"Publish":  Publish(dir, name, 0o600, false, nothing),
			"Replace":  Replace(dir, name, 0o600, false, nothing),
		} {
			var at *fs.PathError
			if !errors.Is(err, fs.ErrInvalid) || !errors.As(err, &at) {
				t.Errorf("%s(%q) = %v", op, name, err)
			}
		}
	}
}

func TestOpenInNeitherMakesNorShortens(t *testing.T) {
	dir := newDir(t)
	if _, err := OpenIn(dir, "no", os.O_RDWR); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	newFile(t, dir, "f", "text", os.O_RDONLY)
	for _, flag := range []int{os.O_CREATE, os.O_TRUNC, os.O_CREATE | os.O_EXCL} {
		if _, err := OpenIn(dir, "f", os.O_RDWR|flag); !errors.Is(err, fs.ErrInvalid) {
			t.Error(flag, err)
		}
	}
	wantContent(t, dir, "f", "text")
	if err := os.Mkdir(filepath.Join(dir.Name(), "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenIn(dir, "sub", os.O_RDONLY); !errors.Is(err, errNotRegular) {
		t.Error(err)
	}
}

func TestLinkIn(t *testing.T) {
	from, to := newDir(t), newDir(t)
	newFile(t, from, "f", "text", os.O_RDONLY)
	if err := LinkIn(from, to, "f"); err != nil {
		t.Fatal(err)
	}
	wantContent(t, to, "f", "text")
	a, aerr := StatIn(from, "f")
	b, berr := StatIn(to, "f")
	if aerr != nil || berr != nil || !a.SameFile(b) {
		t.Errorf("two files: %v, %v", aerr, berr)
	}
	if err := LinkIn(from, to, "f"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := LinkIn(from, to, "no"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestOpenInAppends(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "f", "one", os.O_RDWR|os.O_APPEND)
	if _, err := f.WriteString(" two"); err != nil {
		t.Fatal(err)
	}
	wantContent(t, dir, "f", "one two")
	if want := filepath.Join(dir.Name(), "f"); f.Name() != want {
		t.Errorf("name %s, want %s", f.Name(), want)
	}
	// Package os must know of O_APPEND.
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("WriteAt on an appending file")
	}
}

func TestStat(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "f", "text", os.O_RDWR)
	byFile, err := StatFile(f)
	if err != nil {
		t.Fatal(err)
	}
	byName, err := StatIn(dir, "f")
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if byFile != byName || !byFile.SameFile(byName) {
		t.Errorf("StatFile %+v, StatIn %+v", byFile, byName)
	}
	if byFile.Size != 4 || byFile.Mode != info.Mode() || byFile.Links != 1 {
		t.Errorf("%+v, os says %v", byFile, info.Mode())
	}
	if other, err := StatFile(dir); err != nil || other.SameFile(byFile) || !other.Mode.IsDir() {
		t.Errorf("directory %+v, %v", other, err)
	}
	for name, want := range map[string]bool{"f": true, "g": false} {
		if got, err := ExistsIn(dir, name); got != want || err != nil {
			t.Error(name, got, err)
		}
	}
}

func TestListInConcurrent(t *testing.T) {
	dir := newDir(t)
	var want []string
	for i := range 300 {
		name := fmt.Sprintf("f%03d", i)
		want = append(want, name)
		newFile(t, dir, name, "", os.O_RDONLY)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				got, err := ListIn(dir)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%d names, want %d, %v", len(got), len(want), err)
				}
			}
		})
	}
	all.Wait()
}

func TestClosed(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	open := newFile(t, dir, "f", "text", os.O_RDWR)
	f, err := OpenIn(dir, "f", os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), dir.Close()); err != nil {
		t.Fatal(err)
	}
	errs := map[string]error{
		"SyncData": SyncData(f), "SyncDir": SyncDir(dir),
		"LockByte": LockByte(f, 0), "UnlockByte": UnlockByte(f, 0), "UnlockDir": UnlockDir(dir),
		"RemoveIn": RemoveIn(dir, "f"),
		"LinkIn":   LinkIn(dir, newDir(t), "f"),
		"Seal":     Seal(f, dir, "f", 1, 2),
		"Publish":  Publish(dir, "g", 0o600, false, content("")),
		"Replace":  Replace(dir, "g", 0o600, false, content("")),
	}
	_, errs["TryLockByte"] = TryLockByte(f, 0, true)
	_, errs["TryLockDir"] = TryLockDir(dir, true)
	_, errs["StatFile"] = StatFile(f)
	_, errs["StatIn"] = StatIn(dir, "f")
	_, errs["ExistsIn"] = ExistsIn(dir, "f")
	_, errs["ListIn"] = ListIn(dir)
	_, errs["OpenIn"] = OpenIn(dir, "f", os.O_RDONLY)
	_, errs["FileSystemOf"] = FileSystemOf(f)
	if _, err := MapShared(open, 1); !errors.Is(err, errors.ErrUnsupported) {
		_, errs["MapShared"] = MapShared(f, 1)
	}
	for op, err := range errs {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s = %v", op, err)
		}
	}
	NoCopyOnWrite(f)
}
