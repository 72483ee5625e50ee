package journal_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/fsys"
)

// fullable is a file system on which a sync can be made to fail, for a test.
type fullable struct {
	*fsys.Full
	t *testing.T
}

// newFullable makes and mounts a file system of a kind, or skips the test.
func newFullable(t *testing.T, kind fsys.FullKind) *fullable {
	t.Helper()
	full, err := fsys.MakeFull(t.TempDir(), kind)
	t.Cleanup(func() {
		if err := full.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, cannot := range []error{unix.EPERM, unix.ENODEV, unix.ENOENT, unix.ENXIO, unix.ENOTTY, unix.ENOSYS} {
		if errors.Is(err, cannot) {
			t.Skip("no such file system to be had here:", err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return &fullable{full, t}
}

// must ends the test where the disk does not do what it is there for.
func (d *fullable) must(err error) {
	d.t.Helper()
	if errors.Is(err, unix.ENOSYS) {
		d.t.Skip("qemu-user does not pass FIFREEZE on:", err)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}
