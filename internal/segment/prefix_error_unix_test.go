//go:build unix

package segment

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Where a prefix ends is decided once. A header that cannot be read at that moment must
// not count as one that says nothing.
func TestFirstLossNeedsHeaders(t *testing.T) {
	l := newLab(t)
	l.create(1)
	l.put(1, "one")
	l.seal(1)
	l.create(2)
	d := l.d
	if _, err := d.FirstLoss(1, 1, true); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(l.dir, Name(2))
	if err := errors.Join(os.Remove(path), os.Symlink("nowhere", path)); err != nil {
		t.Fatal(err)
	}
	if at, err := d.FirstLoss(1, 1, true); err == nil {
		t.Errorf("loss at %v, and the next header could not be read", at)
	}
}
