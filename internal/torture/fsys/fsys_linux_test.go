package fsys

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMake(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	for _, kind := range Kinds {
		t.Run(kind, func(t *testing.T) {
			base := t.TempDir()
			fs, err := Make(base, kind)
			if errors.Is(err, exec.ErrNotFound) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = os.WriteFile(filepath.Join(fs.Dir, "file"), []byte("x"), 0o600)
			mounts, merr := os.ReadFile("/proc/self/mounts")
			if err := errors.Join(err, merr, fs.Close()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(mounts), fs.Dir+" "+kind+" ") {
				t.Errorf("%s is not mounted as %s", fs.Dir, kind)
			}
			if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
	if _, err := Make(t.TempDir(), "nosuchfs"); err == nil {
		t.Error("a file system that does not exist is made")
	}
}

// With a full disk a sync fails, with room again it does not, and what was lost can be
// made to be seen.
func TestFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	for _, kind := range FullKinds[:3] {
		t.Run(kind.Name, func(t *testing.T) {
			if _, err := exec.LookPath("mkfs." + kind.Type); err != nil {
				t.Skip(err)
			}
			d, err := MakeFull(t.TempDir(), kind)
			defer func() {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(d.Dir, "file")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close() // what it keeps is looked at below
			if err := d.Fill(); err != nil {
				t.Fatal(err)
			}
			text := []byte(strings.Repeat("x", 64<<10))
			if _, err := f.Write(text); err != nil {
				t.Fatal(err)
			}
			if err := f.Sync(); err == nil {
				t.Fatal("a sync succeeds without room")
			}
			if err := errors.Join(d.MakeRoom(), f.Sync(), d.Healthy()); err != nil {
				t.Fatalf("with room again: %v", err)
			}
			if err := d.Drop([]string{path}); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) == string(text) {
				t.Errorf("%d bytes that could not be written are there, %v", len(b), err)
			}
		})
	}
}
