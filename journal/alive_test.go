package journal_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

// A writer is alive as long as its handle is open, in this process or another one,
// and not an instant longer, however it ends. Asking needs no permission to write.
//
//	another process       this one
//	opens, appends
//	                      it is alive
//	SIGKILL
//	                      it is not
func TestWriterAlive(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	if _, err := j.Append(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := j.WriterAlive(j.WriterID()); runtime.GOOS != "linux" {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, errors.ErrUnsupported)
		}
		return
	}
	reader := open(t, dir, journal.Options{ReadOnly: true})
	alive := func(id uint64, want bool) {
		t.Helper()
		for name, h := range map[string]*journal.Journal{"writer": j, "reader": reader} {
			if got, err := h.WriterAlive(id); err != nil || got != want {
				t.Errorf("asked through the %s: %v, %v; want %v", name, got, err, want)
			}
		}
	}
	alive(j.WriterID(), true)
	alive(j.WriterID()+8, false)
	second := open(t, dir, journal.Options{})
	alive(second.WriterID(), true)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	alive(second.WriterID(), false)

	c := spawn(t, "mortal", dir, strconv.Itoa(int(journal.SyncNone)), "killed")
	if _, err := c.out.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var other uint64
	for rec, err := range j.Scan(journal.ScanOptions{Reverse: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if other = rec.Writer; other != j.WriterID() && other != second.WriterID() {
			break
		}
	}
	alive(other, true)
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err == nil {
		t.Error("it was not killed")
	}
	alive(other, false)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.WriterAlive(other); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	verify(t, dir)
}

// A segment that cannot be listed does not keep the others from being listed.
func TestSegmentsWithAForeignOne(t *testing.T) {
	dir, _ := threeSegments(t)
	other, _ := threeSegments(t)
	b, err := os.ReadFile(segments(t, other)[1])
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, segments(t, dir)[1], b)
	j := open(t, dir, journal.Options{ReadOnly: true})
	infos, err := j.Segments()
	var place *journal.Error
	if !errors.Is(err, journal.ErrForeign) || !errors.As(err, &place) || place.Segment != 2 {
		t.Errorf("error %v, want one about segment 2", err)
	}
	var names []string
	for _, info := range infos {
		names = append(names, info.Name)
	}
	if got := strings.Join(names, " "); got != "seg.000000001 seg.000000003" {
		t.Errorf("lists %s of %s", got, filepath.Base(dir))
	}
}
