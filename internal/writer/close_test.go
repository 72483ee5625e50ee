package writer

import (
	"errors"
	"os"
	"testing"
)

// A sync in the background that fails is told by Close, if nobody has asked before.
func TestCloseTellsOfBackgroundSync(t *testing.T) {
	sys := realSystem()
	sys.syncData = func(*os.File) error { return errors.New("the disk has failed") }
	w := start(t, t.TempDir(), small, sys)
	fill(t, w)
	put(t, w, "in the next segment") // whose beginning has started the sync
	w.background.Wait()
	if err := w.Close(); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("Close: %v, want ErrOutcomeUnknown", err)
	}
}
