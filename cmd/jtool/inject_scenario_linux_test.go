package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// A scenario is what jtool does, and in which journal.
type scenario struct {
	name string
	args []string // DIR stands for the journal
	// lines is how many lines of input an append gets, and how many lines of
	// output tell that everything was done.
	lines   int
	seed    func(run *run, boot string) error
	compare func(run *run, f fault, res result, got []journal.Record) error
}

// Segments take three records, so that a few of them rotate. Under --sync end
// it is the third rotation that must sync.
var scenarios = []scenario{
	{"create", appendAlways, 7, func(*run, string) error { return nil }, appended},
	{"end", appendEnd, 10, func(*run, string) error { return nil }, appended},
	{"open", appendAlways, 3, func(run *run, _ string) error { return run.fill(4) }, appended},
	{"recover", appendAlways, 2, loseControl, appended},
	{"reboot", appendEnd, 2, reboot, appended},
	{"identify", appendEnd, 1, loseID, appended},
	{"failed", appendEnd, 2, failed, appended},
	{"beside", appendAlways, 4, beside, appended},
	{"replaced", appendAlways, 2, replaced, appended},
	{"locked", append(appendEnd, "--locked"), 4, func(run *run, _ string) error { return run.fill(1) }, appended},
	{"prune", []string{"prune", "DIR", "--before", fmt.Sprint(pruneTo, ":8192")}, pruneTo - 1,
		func(run *run, _ string) error { return run.fill(11) }, pruned},
}

// pruneTo is the segment in front of which prune removes all.
const pruneTo = 4

var (
	appendAlways = []string{"append", "DIR", "--ack", "--segment-size", "12KiB", "--timeout", "10s", "--sync", "always"}
	appendEnd    = []string{"append", "DIR", "--ack", "--segment-size", "12KiB", "--timeout", "10s", "--sync", "end"}
)

// line is the i-th line of the input, in its length and its bytes unlike others.
func line(i int) string {
	return fmt.Sprint("new ", i, " ", strings.Repeat(string(rune('a'+i)), 1500+i))
}

// run is one journal for one run of jtool.
type run struct {
	scenario *scenario
	path     string // holds everything
	dir      string // the journal
	args     []string
	input    string           // file
	old      []journal.Record // before the run
	live     *journal.Journal // open from before the run until after it, or nil
}

// start makes the journal of a run.
func (r *rig) start(s *scenario) (*run, error) {
	path, err := os.MkdirTemp(r.base, "run.")
	if err != nil {
		return nil, err
	}
	x := &run{scenario: s, path: path, input: filepath.Join(path, "in")}
	// Two directories that may have to be made.
	x.dir = filepath.Join(path, "dir", "journal")
	for _, arg := range s.args {
		x.args = append(x.args, strings.Replace(arg, "DIR", x.dir, 1))
	}
	var in strings.Builder
	for i := range s.lines {
		fmt.Fprintln(&in, line(i))
	}
	if err := errors.Join(os.WriteFile(x.input, []byte(in.String()), 0o600), s.seed(x, r.boot)); err != nil {
		return nil, err
	}
	if _, err := os.Stat(x.dir); err == nil {
		x.old, err = read(x.dir)
		return x, err
	}
	return x, nil
}

func (run *run) remove(t *testing.T) {
	if err := os.RemoveAll(run.path); err != nil {
		t.Error(err)
	}
}

// paths are all names that files of the journal can have.
func (run *run) paths(boot string) []string {
	paths := []string{filepath.Dir(run.dir), run.dir, filepath.Join(run.dir, boot), filepath.Join(run.dir, "journal.id")}
	for n := range 9 {
		paths = append(paths, filepath.Join(run.dir, fmt.Sprintf("seg.%09d", n+1)))
	}
	return paths
}

func (run *run) open() (*journal.Journal, error) {
	return journal.Open(run.dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
}

// fill makes a journal of some records, of which the last two segments are not
// synced.
func (run *run) fill(count int) error {
	j, err := run.open()
	if err != nil {
		return err
	}
	for i := range count {
		if _, err := j.Append([]byte("old"), fmt.Appendf(nil, "old %d %s", i, strings.Repeat("o", 1500))); err != nil {
			return errors.Join(err, j.Close())
		}
	}
	return j.Close()
}

// loseControl: somebody has removed the control file. What is not known to be
// synced is copied.
func loseControl(run *run, boot string) error {
	return errors.Join(run.fill(4), os.Remove(filepath.Join(run.dir, boot)))
}

// loseID: journal.id is gone, and the segments know which journal it is.
func loseID(run *run, _ string) error {
	return errors.Join(run.fill(4), os.Remove(filepath.Join(run.dir, "journal.id")))
}

// beside: another process, this one, has the journal open.
func beside(run *run, _ string) (err error) {
	if run.live, err = run.open(); err != nil {
		return err
	}
	for range 2 {
		if _, err := run.live.Append(nil, []byte("before")); err != nil {
			return errors.Join(err, run.live.Close())
		}
	}
	return nil
}

// replaced: as beside, and somebody has removed the control file, so that jtool
// recovers under the other writer, which then goes on in the new one.
func replaced(run *run, boot string) error {
	return errors.Join(beside(run, boot), os.Remove(filepath.Join(run.dir, boot)))
}

// failed: the control file says that a sync has failed.
func failed(run *run, boot string) error {
	const offBad = 272 // internal/control, page.go
	err := run.fill(4)
	f, ferr := os.OpenFile(filepath.Join(run.dir, boot), os.O_WRONLY, 0)
	if err = errors.Join(err, ferr); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte{1, 1, 1, 1, 1, 1, 1, 1}, offBad)
	return errors.Join(err, f.Close())
}

// reboot: the journal was written before the machine was started. The boot is
// named by the control file and by both pages of each header (docs/FORMAT.md).
func reboot(run *run, boot string) error {
	const page, offBoot, offSum = 4096, 64, 4096 - 8
	if err := run.fill(4); err != nil {
		return err
	}
	other := boot[:len(boot)-4] + "ffff"
	if err := os.Rename(filepath.Join(run.dir, boot), filepath.Join(run.dir, other)); err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(run.dir, "seg.*"))
	for _, path := range segments {
		b, rerr := os.ReadFile(path)
		if err = errors.Join(err, rerr); err != nil {
			return err
		}
		for _, p := range [][]byte{b[:page], b[page : 2*page]} {
			p[offBoot] ^= 0xFF
			binary.LittleEndian.PutUint64(p[offSum:], xxhash.Sum64(p[:offSum]))
		}
		err = os.WriteFile(path, b, 0o600)
	}
	return err
}
