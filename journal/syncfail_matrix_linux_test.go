package journal_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/fsys"
)

// cell is one entry of the matrix.
type cell struct {
	who string // acts first after the failure
	// cold: the kernel has forgotten the pages whose write-back failed. Warm,
	// it still shows them to everybody, as if nothing had happened.
	cold bool
	// room: the disk has room again before anybody acts. Then a system call on
	// the file that has failed would report success.
	room bool
}

func (c cell) name() string {
	name := c.who + map[bool]string{true: "/cold", false: "/warm"}[c.cold]
	return name + map[bool]string{true: "/room", false: "/full"}[c.room]
}

// A disk has no room for what was written to it, so that fdatasync fails, and
// nobody is ever told that a record is durable which is lost by that: not the
// process that got the error, nor one with records in the same file, nor one
// that opens the file when the error has been reported already, nor all these if
// the process that got it dies before it can tell.
func TestFailedSyncMatrix(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting file systems needs root")
	}
	for _, kind := range fsys.FullKinds {
		t.Run(kind.Name, func(t *testing.T) {
			if _, err := exec.LookPath("mkfs." + kind.Type); err != nil {
				t.Skip("not installed:", err)
			}
			for _, who := range []string{"leader", "follower", "later", "killed"} {
				for i := range 4 {
					c := cell{who, i&1 != 0, i&2 != 0}
					switch {
					case !c.room && (c.cold || testing.Short()):
						continue // without room recovery fails, whatever it has read
					case c.room && !kind.Survives:
						continue // it has given up before
					}
					t.Run(c.name(), func(t *testing.T) {
						t.Parallel() // most of it is waiting
						runCell(t, kind, c)
					})
				}
			}
		})
	}
}

// delayed makes strace run fdatasync and keep its result from the process: that
// is the moment at which the kernel has told of the error, for this descriptor
// and for those opened later, the attempt stands on the page, and nobody knows
// its result. (A signal that strace injects comes before the call, which is not
// carried out then.) The delay is longer than anything that is waited for here,
// and ends if the test was killed before it could kill the process.
var delayed = []string{
	"-f", "-qq", "-e", "signal=none", "-e", "trace=fdatasync",
	"-e", fmt.Sprintf("inject=fdatasync:delay_exit=%ds", int(2*hangs.Seconds())),
}

func runCell(t *testing.T, kind fsys.FullKind, c cell) {
	behind := tracer(t, c)
	d := newFullable(t, kind)
	l := newLedger(t, filepath.Join(d.Dir, "journal"))
	leader, follower := prepare(l, behind)
	d.must(d.Fill())
	told := fail(d, leader, follower, c)
	if c.room {
		d.must(d.MakeRoom())
	}
	// The one in question acts first, then everybody.
	later := l.start("later")
	first, all := []*party{later}, []*party{leader, follower, later}
	switch c.who {
	case "leader":
		first = []*party{leader}
	case "follower":
		first = []*party{follower}
	case "killed":
		first, all = []*party{later, follower}, all[1:]
	}
	var tries []string
	var early map[string]string
	for _, p := range first {
		tries = append(tries, p.try("sync", "append", "appendsync", "sync"))
		if c.room && early == nil {
			// What others do after that may save what was lost.
			d.must(d.Snapshot())
			early = maps.Clone(l.durable)
		}
	}
	d.must(d.MakeRoom())
	sick := d.Healthy()
	if kind.Survives != (sick == nil) {
		t.Errorf("the test is about something else: the file system says %v", sick)
	}
	for _, p := range all {
		// Who appends first has left the file that failed when it syncs.
		got := p.try("append", "sync", "appendsync", "sync")
		if sick == nil && !strings.HasSuffix(got, done) {
			t.Errorf("the file system is well, and the journal is not: %s is told %s", p.name, got)
		}
		tries = append(tries, got)
	}
	for _, p := range all {
		p.leave()
	}
	d.must(d.Remount())
	found := l.check()
	t.Logf("%s; tries %q; file system: %v; %d records in the end, %d acknowledged", told, tries, sick, len(found), len(l.durable))
	goOn(d, l)
	if c.room {
		d.must(d.UseSnapshot())
		l.durable = early
		l.check()
	}
	if t.Failed() {
		t.Log(l.log.String())
	}
}

// prepare makes a journal with durable records, which two have open. The leader
// has not synced anything: behind strace it would not come back.
func prepare(l *ledger, behind []string) (leader, follower *party) {
	l.t.Helper()
	founder := l.start("founder")
	founder.enter()
	founder.must("append", "appendsync")
	leader, follower = l.start("leader", behind...), l.start("follower")
	leader.enter()
	follower.enter()
	follower.must("append", "sync")
	founder.leave()
	return leader, follower
}

// fail lets the leader sync while the disk is full, with records of both that
// are not on it, and returns what came of it.
func fail(d *fullable, leader, follower *party, c cell) string {
	d.t.Helper()
	l := leader.l
	follower.must("append", "append")
	leader.must("append")
	written := len(l.visible()) + 1 // and the leader's next one
	told := failSync(d.t, leader, c)
	if c.cold {
		d.must(d.Drop(segments(d.t, l.dir)))
	}
	kept := len(l.visible())
	if c.cold && kept == written {
		d.t.Fatalf("all %d records are on the disk that had no room for them", kept)
	}
	told += fmt.Sprintf("; %d of %d records readable then", kept, written)
	if !d.Kind.Survives {
		told += fmt.Sprint("; the file system gives up: ", d.GiveUp())
	}
	return told
}

// tracer is the command that the leader runs behind, where it is to be killed.
func tracer(t *testing.T, c cell) []string {
	t.Helper()
	if c.who != "killed" {
		return nil
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed:", err)
	}
	command := append([]string{strace}, delayed...)
	if out, err := exec.Command(strace, append(delayed, "true")...).CombinedOutput(); err != nil {
		t.Skipf("strace cannot do this here: %v: %s", err, out)
	}
	return command
}

// failSync makes the leader sync, and returns what it was told. It must be told
// of a failure, or the rest of the test is about nothing.
func failSync(t *testing.T, leader *party, c cell) string {
	t.Helper()
	if c.who == "killed" {
		errno := leader.dieInSync()
		if !strings.HasPrefix(errno, "-1 ") {
			t.Fatalf("fdatasync has returned %s with the disk full", errno)
		}
		return "killed with fdatasync = " + errno
	}
	if got := leader.act("appendsync"); got != unknown {
		t.Fatalf("with the disk full the leader is told: %s\n%s", got, leader.l.log.String())
	}
	return "leader told " + unknown
}

// goOn opens the journal after the file system was mounted anew: it takes
// records again and keeps them, and those from before.
func goOn(d *fullable, l *ledger) {
	d.t.Helper()
	fresh := l.start("fresh")
	fresh.enter()
	fresh.must("append", "appendsync", "append", "sync")
	fresh.leave()
	d.must(d.Remount())
	l.check()
}
