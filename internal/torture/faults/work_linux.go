package faults

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

const (
	role      = "faults"
	partyRole = "faults-party"
)

// Roles returns what processes of these classes are.
func Roles() board.Roles { return board.Roles{role: worker, partyRole: party} }

// step is one call of the library, or "arm": from here on calls fail.
type step struct {
	what    string // open, append, batch, sync, prune, close, arm
	entries []entry
}

// scenario is what a process does while calls fail.
type scenario struct {
	name    string
	options journal.Options
	// prepare makes the journal that the process finds, if it finds one.
	prepare func(dir string, s *scenario) (prepared, error)
	steps   []step
}

// prepared is a journal that a process finds.
type prepared struct {
	book  book
	prune string // the position to prune to
}

// rec is a step that appends a record of its own: name is in its key, and size is
// that of its value.
func rec(name string, size int) step {
	return step{what: "append", entries: []entry{{oracle.Data, []byte("key " + name), filler(name, size)}}}
}

// filler is a value that tells names apart.
func filler(name string, size int) []byte {
	b := []byte(strings.Repeat(name+" of a value; ", size/8+1))
	return b[:size]
}

// del deletes a key.
func del(name string) step {
	return step{what: "append", entries: []entry{{oracle.Delete, []byte("key " + name), nil}}}
}

// batch appends records of these sizes together.
func batch(name string, sizes ...int) step {
	s := step{what: "batch"}
	for i, n := range sizes {
		s.entries = append(s.entries, rec(fmt.Sprint(name, ".", i), n).entries...)
	}
	return s
}

var (
	open  = step{what: "open"}
	arms  = step{what: "arm"}
	syncs = step{what: "sync"}
	prune = step{what: "prune"}
	shut  = step{what: "close"}
)

const smallSegment = 12 << 10

// quiet is a handle that does nothing by itself: calls come in the same order each
// time.
func quiet(segment int64) journal.Options {
	return journal.Options{Sync: journal.SyncNone, SegmentSize: segment, MaxRecord: 1 << 20}
}

func with(o journal.Options, p journal.SyncPolicy) journal.Options {
	o.Sync, o.SyncInterval = p, time.Hour
	return o
}

// scenarios are those of X8, in the order of its cases.
var scenarios = []scenario{
	{name: "create", options: with(quiet(1<<20), journal.SyncAlways),
		steps: []step{arms, open, rec("a", 100), rec("b", 3000), shut}},
	{name: "open", options: quiet(1 << 20), prepare: plain,
		steps: []step{arms, open, rec("a", 100), shut}},
	{name: "append", options: quiet(1 << 20), prepare: plain,
		steps: []step{open, rec("a", 1), arms, rec("b", 100), rec("c", 5000), del("c"), rec("d", 80_000), syncs, rec("e", 200), shut}},
	{name: "batch", options: quiet(1 << 20), prepare: plain,
		steps: []step{open, arms, batch("a", 10, 20, 30), batch("b", 100, 6000, 1), rec("c", 50), shut}},
	{name: "roll", options: quiet(smallSegment), prepare: plain,
		steps: []step{open, arms, rec("a", 3000), rec("b", 3000), rec("c", 3000), rec("d", 3000), rec("e", 3000), rec("f", 10), shut}},
	{name: "always", options: with(quiet(smallSegment), journal.SyncAlways), prepare: plain,
		steps: []step{open, arms, rec("a", 100), batch("b", 2000, 3000), rec("c", 3000), rec("d", 100), shut}},
	{name: "sync", options: quiet(1 << 20), prepare: plain,
		steps: []step{open, arms, rec("a", 100), rec("b", 5000), syncs, rec("c", 10), syncs, rec("d", 10), shut}},
	{name: "recover", options: quiet(smallSegment), prepare: uncontrolled,
		steps: []step{arms, open, rec("a", 100), shut}},
	{name: "recover after a boot", options: quiet(smallSegment), prepare: rebooted,
		steps: []step{arms, open, rec("a", 100), shut}},
	{name: "prune", options: quiet(smallSegment), prepare: segments,
		steps: []step{open, arms, prune, rec("a", 100), shut}},
	{name: "close", options: with(quiet(1<<20), journal.SyncInterval), prepare: plain,
		steps: []step{open, rec("a", 100), rec("b", 5000), arms, shut}},
	{name: "go on", options: quiet(smallSegment),
		steps: []step{arms, open, rec("go a", 100), batch("go b", 10, 20), rec("go c", 3000), rec("go d", 3000), rec("go e", 100), shut}},
	{name: "clock", options: with(quiet(smallSegment), journal.SyncNone), steps: clockSteps()},
	{name: "reopen", options: quiet(smallSegment), steps: []step{arms, open, shut}},
	{name: "reopen, prefix", options: prefix(quiet(smallSegment)), steps: []step{arms, open, shut}},
}

// ofOthers is how many scenarios at the end are not those of X8: one is that of [Stop],
// one that of [Clock], the last two are those of X9.
const ofOthers = 4

// clockAppends is how many records the scenario of [Clock] appends: enough to begin
// segments.
const clockAppends = 24

func clockSteps() []step {
	steps := []step{arms, open}
	for i := range clockAppends {
		steps = append(steps, rec(fmt.Sprint("clock ", i), 1500), syncs)
	}
	return append(steps, shut)
}

func prefix(o journal.Options) journal.Options {
	o.Recovery = journal.RecoverPrefix
	return o
}

func scenarioOf(name string) (*scenario, error) {
	for i := range scenarios {
		if scenarios[i].name == name {
			return &scenarios[i], nil
		}
	}
	return nil, fmt.Errorf("no scenario %q", name)
}

// worker carries out a scenario and tells of each step that it begins, and how it has
// ended, by one write each to standard output, which never fails:
//
//	DIR SCENARIO PRUNE
func worker(args []string) int {
	if err := work(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("arguments %q", args)
	}
	s, err := scenarioOf(args[1])
	if err != nil {
		return err
	}
	var j *journal.Journal
	for i, st := range s.steps {
		for tries := 1; ; tries++ {
			if err := tell("b %d\n", i); err != nil {
				return err
			}
			var at journal.Position
			var err error
			switch st.what {
			case "arm":
				err = arm()
			case "open":
				j, err = journal.Open(args[0], s.options)
			default:
				at, err = st.do(j, args[2])
			}
			if err := tell("e %d %s\n", i, result(at, err)); err != nil {
				return err
			}
			var located *journal.Error
			if err != nil && (!errors.As(err, &located) || located.Path == "") {
				return fmt.Errorf("step %d: the error does not say where: %w", i, err) // against P8
			}
			if err == nil || st.what != "open" {
				break
			}
			if tries == 2 {
				return nil // there is nothing to go on with
			}
		}
	}
	return tell("all\n")
}

func (s *step) do(j *journal.Journal, pruneTo string) (at journal.Position, err error) {
	switch e := s.entries; s.what {
	case "append":
		if e[0].kind == oracle.Delete {
			return j.Delete(e[0].key)
		}
		return j.Append(e[0].key, e[0].value)
	case "batch":
		var b journal.Batch
		for i := range e {
			b.Put(e[i].key, e[i].value)
		}
		return j.AppendBatch(&b)
	case "sync":
		return at, j.Sync()
	case "prune":
		if _, err := fmt.Sscanf(pruneTo, "%d:%d", &at.Segment, &at.Offset); err != nil {
			return at, err
		}
		return at, j.Prune(at)
	case "close":
		return at, j.Close()
	}
	return at, fmt.Errorf("no step %q", s.what)
}

// result is one line of what a step has come to.
func result(at journal.Position, err error) string {
	switch {
	case err == nil:
		return "done " + at.String()
	case errors.Is(err, journal.ErrOutcomeUnknown):
		return "unknown " + oneLine(err)
	}
	return "failed " + oneLine(err)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// tell writes to standard output without the poller of package os, which could ask
// the system for something that fails.
func tell(format string, args ...any) error {
	text := fmt.Appendf(nil, format, args...)
	n, err := unix.Write(1, text)
	if err == nil && n != len(text) {
		err = errors.New("a pipe has taken a part of a line")
	}
	return err
}
