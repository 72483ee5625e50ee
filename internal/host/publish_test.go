package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// placer is Publish or Replace.
type placer func(*os.File, string, os.FileMode, bool, func(*os.File) error) error

func TestPublish(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		dir := newDir(t)
		if err := Publish(dir, "f", 0o600, false, content("first")); err != nil {
			t.Fatal(err)
		}
		err := Publish(dir, "f", 0o600, false, content("second"))
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("second one: %v", err)
		}
		wantContent(t, dir, "f", "first")
		if st, err := StatIn(dir, "f"); err != nil || st.Links != 1 {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

func TestPublishRace(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		for range 10 {
			dir := newDir(t)
			var won atomic.Int32
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					text := strings.Repeat(string(rune('a'+i)), 50_000)
					switch err := Publish(dir, "f", 0o600, false, content(text)); {
					case err == nil:
						won.Add(1)
						wantContent(t, dir, "f", text)
					case !errors.Is(err, fs.ErrExist):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Fatalf("%d winners", won.Load())
			}
		}
	})
}

func TestReplace(t *testing.T) {
	dir := newDir(t)
	for _, text := range []string{"first", "second"} {
		if err := Replace(dir, "f", 0o600, false, content(text)); err != nil {
			t.Fatal(err)
		}
		wantContent(t, dir, "f", text)
	}
	// A name that cannot be replaced: nothing remains of the attempt (newDir).
	if err := os.MkdirAll(filepath.Join(dir.Name(), "sub", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(dir, "sub", 0o600, false, content("x")); err == nil {
		t.Error("a directory was replaced")
	}
}

func TestPublishModes(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" || runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("no permission bits, or no umask")
	}
	eachWay(t, func(t *testing.T) {
		dir := newDir(t)
		// What package os gets for 0666 is what the umask lets pass.
		plain := filepath.Join(dir.Name(), "plain")
		f, err := os.OpenFile(plain, os.O_CREATE|os.O_WRONLY, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		for i, place := range []placer{Publish, Replace} {
			for exact, want := range map[bool]os.FileMode{false: info.Mode().Perm(), true: 0o666} {
				name := []string{"p", "r"}[i] + map[bool]string{true: "exact"}[exact]
				if err := place(dir, name, 0o666, exact, content("")); err != nil {
					t.Fatal(err)
				}
				if st, err := StatIn(dir, name); err != nil || st.Mode != want {
					t.Errorf("%s has %v, want %v, %v", name, st.Mode, want, err)
				}
			}
		}
	})
}

// What goes wrong in write leaves nothing, however it goes wrong.
func TestPublishFailures(t *testing.T) {
	errWrite := errors.New("write")
	writes := map[string]func(*os.File) error{
		"error": func(f *os.File) error { _, _ = f.WriteString("half"); return errWrite },
		"close": func(f *os.File) error { return f.Close() },
		"panic": func(*os.File) error { panic(errWrite) },
		"exit":  func(*os.File) error { runtime.Goexit(); return nil },
	}
	eachWay(t, func(t *testing.T) {
		for how, write := range writes {
			for what, place := range map[string]placer{"Publish": Publish, "Replace": Replace} {
				dir := newDir(t)
				before := openFiles(t)
				var err error
				done := apart(func() { err = place(dir, "f", 0o600, true, write) })
				<-done
				switch how {
				case "error":
					if !errors.Is(err, errWrite) {
						t.Errorf("%s, %s: %v", what, how, err)
					}
				case "close":
					if !errors.Is(err, os.ErrClosed) {
						t.Errorf("%s, %s: %v", what, how, err)
					}
				}
				if names, err := ListIn(dir); len(names) != 0 || err != nil {
					t.Errorf("%s, %s left %v, %v", what, how, names, err)
				}
				if after := openFiles(t); after != before {
					t.Errorf("%s, %s: %d descriptors before, %d after", what, how, before, after)
				}
			}
		}
	})
}

// apart runs f on a goroutine that may panic or exit.
func apart(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	return done
}
