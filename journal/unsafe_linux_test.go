package journal_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/manypen/manypen/journal"
)

// unsafePlaces are directories on file systems that do not promise an atomic
// append: one through FUSE, and a FAT image.
func unsafePlaces(t *testing.T) map[string]string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	base := t.TempDir()
	found := make(map[string]string)
	from, to := filepath.Join(base, "from"), filepath.Join(base, "fuse")
	if err := errors.Join(os.Mkdir(from, 0o755), os.Mkdir(to, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bindfs", from, to).CombinedOutput(); err != nil {
		t.Logf("no FUSE here: %v: %s", err, out)
	} else {
		t.Cleanup(func() { unmount(t, to) })
		found["fuse"] = to
	}
	if err := loopMount("vfat", filepath.Join(base, "vfat.img"), filepath.Join(base, "vfat"), 64<<20); err != nil {
		t.Logf("no FAT here: %v", err)
	} else {
		t.Cleanup(func() { unmount(t, filepath.Join(base, "vfat")) })
		found["vfat"] = filepath.Join(base, "vfat")
	}
	if len(found) == 0 {
		t.Skip("neither bindfs nor mkfs.vfat is installed, or mounting is not permitted")
	}
	return found
}

// There is one writer at a time, a second one is refused, also one of another
// process, and readers are not.
func TestUnsafeFileSystem(t *testing.T) {
	for name, base := range unsafePlaces(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(base, "journal")
			opts := journal.Options{SegmentSize: 64 << 10, MaxRecord: 1 << 20}
			j := open(t, dir, opts)
			appendSome := func(j *journal.Journal) {
				t.Helper()
				for range 200 {
					if _, err := j.Append([]byte("key"), make([]byte, 1000)); err != nil {
						t.Fatal(err)
					}
				}
			}
			appendSome(j)
			var place *journal.Error
			if _, err := journal.Open(dir, opts); !errors.Is(err, journal.ErrUnsafe) || !errors.As(err, &place) {
				t.Errorf("second writer: %v", err)
			}
			locked := opts
			locked.Locked = true
			if _, err := journal.Open(dir, locked); !errors.Is(err, journal.ErrUnsafe) {
				t.Errorf("a locked writer beside one that is not: %v", err)
			}
			c := spawn(t, "append", dir, "w", "1")
			if err := c.cmd.Wait(); err == nil {
				t.Error("a writer of another process was let in")
			}
			if n := len(all(t, dir)); n != 200 {
				t.Errorf("%d records read", n)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = open(t, dir, opts) // the first one is gone
			appendSome(j)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if n := verify(t, dir).Records; n != 400 {
				t.Errorf("%d records", n)
			}
		})
	}
}

// In the locked mode several writers share such a file system, as far as it can
// map a file for several processes.
func TestLockedMode(t *testing.T) {
	for name, base := range unsafePlaces(t) {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(base, "journal")
			opts := journal.Options{SegmentSize: 64 << 10, MaxRecord: 1 << 20, Sync: journal.SyncNone, Locked: true}
			a, b := open(t, dir, opts), open(t, dir, opts)
			done := make(chan error)
			for _, j := range []*journal.Journal{a, b} {
				go func() {
					for range 300 {
						if _, err := j.Append(nil, make([]byte, 3000)); err != nil {
							done <- err
							return
						}
					}
					done <- j.Sync()
				}()
			}
			for range 2 {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if n := verify(t, dir).Records; n != 600 {
				t.Errorf("%d records", n)
			}
			for _, j := range []*journal.Journal{a, b} {
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
