package host

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// watch watches path until the test ends.
func watch(t *testing.T, path string) *DirWatch {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close() // only watched
	w, err := WatchDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return w
}

// A watch wakes for whatever changes in the directory, whether it waits by then or
// not. Every wait here would last an hour.
func TestWatchDir(t *testing.T) {
	for what, change := range map[string]func(path string) error{
		"create": func(path string) error { return os.WriteFile(filepath.Join(path, "b"), nil, 0o600) },
		"write":  func(path string) error { return os.WriteFile(filepath.Join(path, "a"), []byte("x"), 0o600) },
		"rename": func(path string) error { return os.Rename(filepath.Join(path, "a"), filepath.Join(path, "c")) },
		"remove": func(path string) error { return os.Remove(filepath.Join(path, "a")) },
	} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "a"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w := watch(t, path)
		failed := make(chan error, 1)
		go func() { failed <- change(path) }()
		begin := time.Now()
		if err := w.Wait(time.Hour); err != nil || time.Since(begin) >= time.Hour {
			t.Errorf("%s: %v", what, err)
		}
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// A nudge ends a wait at whatever moment it comes.
func TestWatchDirNudged(t *testing.T) {
	w := watch(t, t.TempDir())
	for i := range 2000 {
		done := make(chan struct{})
		go func() {
			for range i % 7 {
				runtime.Gosched()
			}
			w.Nudge()
			close(done)
		}()
		if err := w.Wait(time.Hour); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Wait(time.Hour); err == nil {
		t.Error("a closed watch waits")
	}
}

// What cannot be watched is an error.
func TestWatchDirRefused(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := WatchDir(f); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
