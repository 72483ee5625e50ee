package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

func init() { roles["syncfail-party"] = roleSyncfailParty }

// roleSyncfailParty does to the journal what it is told, one order a line, and
// answers each with one line: DIR NAME.
func roleSyncfailParty(args []string) error {
	dir, name := args[0], args[1]
	var j *journal.Journal
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		order, number, _ := strings.Cut(in.Text(), " ")
		i, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		v := value(name, i, 33_000+i*1777) // no two of a size, none of whole pages
		var ack journal.Ack
		switch order {
		case "pid":
			ack.Seq = uint64(os.Getpid())
		case "open":
			j, err = journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 512 << 10, MaxRecord: 1 << 20})
		case "append":
			ack, err = j.AppendAck([]byte(name), v)
		case "appendsync":
			ack, err = j.AppendSync([]byte(name), v)
		case "sync":
			err = j.Sync()
		case "close":
			err = j.Close()
		}
		if _, err := fmt.Println(outcome(err), ack.Position, ack.Seq, strings.ReplaceAll(fmt.Sprint(err), "\n", "; ")); err != nil {
			return err
		}
	}
	return in.Err()
}

// What a party can say of an order.
const (
	done    = "done"    // it has succeeded
	unknown = "unknown" // ErrOutcomeUnknown
	refused = "refused" // another error that says what is the matter
	untyped = "untyped" // an error nobody can decide by
)

func outcome(err error) string {
	switch {
	case err == nil:
		return done
	case errors.Is(err, journal.ErrOutcomeUnknown):
		return unknown
	}
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EROFS} {
		if errors.Is(err, errno) {
			return refused
		}
	}
	return untyped
}

// party is a process that plays the role. The test keeps its books.
type party struct {
	l       *ledger
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errs    *bufio.Reader
	pid     int // strace stands between, where it is used
	open    bool
	next    int      // number of its next record
	pending []string // appended, and it was told of neither a sync nor a failure
}

// ledger is what all parties were told.
type ledger struct {
	t       *testing.T
	dir     string
	at      map[string]string // where a record was said to stand
	durable map[string]string // records that must be there, and who was told so
	absent  map[string]bool   // records that must not: their append failed
	log     strings.Builder
}

func newLedger(t *testing.T, dir string) *ledger {
	return &ledger{t: t, dir: dir, at: make(map[string]string), durable: make(map[string]string), absent: make(map[string]bool)}
}

// start starts a party, behind the command before if there is one.
func (l *ledger) start(name string, before ...string) *party {
	l.t.Helper()
	args := append(before, again(os.Args[0], l.dir, name)...)
	p := &party{l: l, name: name, cmd: exec.Command(args[0], args[1:]...)}
	// The race detector lets a process that ends sleep for a second.
	p.cmd.Env = append(os.Environ(), roleVariable+"=syncfail-party", "GORACE=atexit_sleep_ms=0")
	in, err := p.cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p.in, p.out, p.errs = in, bufio.NewReader(out), bufio.NewReader(errs)
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(p.kill)
	pid := strings.Fields(p.do("pid"))
	if p.pid, err = strconv.Atoi(pid[2]); err != nil {
		l.t.Fatal(err)
	}
	return p
}

// hangs is how long an answer may take. It is no measure of speed: it is longer
// than every time-out of the engine, so that who waits for it hangs.
const hangs = 2 * journal.DefaultLockTimeout

// line reads one line, or fails the test with what the party said before it died.
func (p *party) line(from *bufio.Reader) string {
	p.l.t.Helper()
	guard := time.AfterFunc(hangs, p.signal)
	text, err := from.ReadString('\n')
	if !guard.Stop() {
		p.l.t.Fatalf("%s hangs\n%s", p.name, p.l.log.String())
	}
	if err != nil {
		rest, _ := io.ReadAll(p.errs) // whatever can be had
		p.l.t.Fatalf("%s: %v: %s\n%s", p.name, err, rest, p.l.log.String())
	}
	return strings.TrimSuffix(text, "\n")
}

func (p *party) tell(order string) {
	p.l.t.Helper()
	if _, err := fmt.Fprintln(p.in, order, p.next); err != nil {
		p.l.t.Fatal(err)
	}
}

// do gives an order and returns the answer.
func (p *party) do(order string) string {
	p.l.t.Helper()
	p.tell(order)
	answer := p.line(p.out)
	fmt.Fprintf(&p.l.log, "%s: %s: %s\n", p.name, order, answer)
	if strings.HasPrefix(answer, untyped) {
		p.l.t.Errorf("%s, %s: not an error to decide by: %s", p.name, order, answer)
	}
	return answer
}

// signal kills the process and, if it is another one, what stands before it.
func (p *party) signal() {
	if p.pid != 0 && p.pid != p.cmd.Process.Pid {
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // it may be gone
	}
	_ = p.cmd.Process.Kill() // likewise
}

// kill is for cleaning up; a party that was waited for is gone already.
func (p *party) kill() {
	if p.cmd.ProcessState == nil {
		p.signal()
		_ = p.cmd.Wait() // its state says how
	}
}

// act carries out an order and books what the party was told by it. It returns
// the outcome.
func (p *party) act(order string) string {
	p.l.t.Helper()
	var before map[string]string
	if order == "sync" {
		// It says that all is durable that is in the journal, whoever appended it.
		before = p.l.visible()
	}
	answer := strings.SplitN(p.do(order), " ", 4)
	id := fmt.Sprint(p.name, " ", p.next)
	appends := order != "sync"
	if appends {
		p.next++
	}
	switch {
	case answer[0] == done && order == "append":
		p.pending = append(p.pending, id)
		p.l.at[id] = answer[1]
	case answer[0] == done:
		if appends {
			p.pending = append(p.pending, id)
			p.l.at[id] = answer[1]
		}
		for id := range before {
			p.l.told(id, p.name+" by "+order+" while it was readable")
		}
		for _, id := range p.pending {
			p.l.told(id, p.name+" by "+order)
		}
		p.pending = nil
	case answer[0] == unknown:
		// Whichever call says so, it is said of everything that this handle had
		// not synced, and is not said again.
		p.pending = nil
	case appends:
		p.l.absent[id] = true
	}
	return answer[0]
}

func (l *ledger) told(id, by string) {
	if l.durable[id] == "" {
		l.durable[id] = by
	}
}

// enter opens the journal unless the party has it open.
func (p *party) enter() bool {
	p.l.t.Helper()
	if !p.open {
		p.open = strings.HasPrefix(p.do("open"), done)
	}
	return p.open
}

// try gives orders to a party that can be in any state, and returns the outcomes.
func (p *party) try(orders ...string) string {
	p.l.t.Helper()
	if !p.enter() {
		return p.name + ": not opened"
	}
	said := p.name + ":"
	for _, order := range orders {
		said += " " + p.act(order)
	}
	return said
}

// must carries out an order that nothing stands in the way of.
func (p *party) must(orders ...string) {
	p.l.t.Helper()
	for _, order := range orders {
		if got := p.act(order); got != done {
			p.l.t.Fatalf("%s, %s: %s\n%s", p.name, order, got, p.l.log.String())
		}
	}
}

// leave closes the journal and ends the process.
func (p *party) leave() {
	p.l.t.Helper()
	if p.open {
		p.do("close")
	}
	if err := p.in.Close(); err != nil {
		p.l.t.Error(err)
	}
	said, err := io.ReadAll(p.errs)
	if err := errors.Join(err, p.cmd.Wait()); err != nil || len(said) > 0 {
		p.l.t.Errorf("%s: %v: %s", p.name, err, said)
	}
}

// result is a line of strace, behind a system call that has ended.
var result = regexp.MustCompile(`fdatasync.*= (-1 \w+|\d+)`)

// dieInSync makes the leader sync and kills it when the system call has ended
// and the process has not heard of it.
func (p *party) dieInSync() string {
	p.l.t.Helper()
	p.tell("appendsync")
	id := fmt.Sprint(p.name, " ", p.next)
	for {
		line := p.line(p.errs)
		fmt.Fprintf(&p.l.log, "%s %s: strace: %s\n", p.name, id, line)
		m := result.FindStringSubmatch(line)
		if m == nil {
			continue // the first half of a call that was interrupted by another thread's
		}
		p.killNow()
		return m[1]
	}
}

// killNow kills the party and returns when nothing of it is left: its parent is
// strace, which has to be killed too, for it would wait until its delay is over.
// The process has its signal by then, so it does not run on without strace.
func (p *party) killNow() {
	p.l.t.Helper()
	pidfd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		p.l.t.Fatal(err)
	}
	p.signal()
	if err := p.cmd.Wait(); err == nil {
		p.l.t.Fatal("strace was killed and ended well")
	}
	ended := 0
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		ended, err = unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(hangs.Milliseconds()))
	}
	if err := errors.Join(err, unix.Close(pidfd)); err != nil || ended != 1 {
		p.l.t.Fatalf("%s does not die: %v", p.name, err)
	}
}

// visible is every record that can be read now, and where it stands; nothing, if
// the file system gives nothing any more.
func (l *ledger) visible() map[string]string {
	found, err := l.read()
	if err != nil {
		return nil
	}
	return found
}

func (l *ledger) read() (map[string]string, error) {
	l.t.Helper()
	j, err := journal.Open(l.dir, journal.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer j.Close() // only read from
	found := make(map[string]string)
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			return nil, err
		}
		writer, i, err := parse(rec.Value)
		if err != nil {
			l.t.Errorf("%v: %v", rec.Position, err)
			continue
		}
		id := fmt.Sprint(writer, " ", i)
		if found[id] != "" {
			l.t.Errorf("record %s is there twice, at %s and %v", id, found[id], rec.Position)
		}
		found[id] = fmt.Sprint(rec.Position)
	}
	return found, nil
}

// check reads the journal, and compares it with what everybody was told.
func (l *ledger) check() (found map[string]string) {
	l.t.Helper()
	found, err := l.read()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, l.log.String())
	}
	l.secondOpinion(found)
	for id, by := range l.durable {
		if at, ok := found[id]; !ok || l.at[id] != "" && at != l.at[id] {
			l.t.Errorf("FALSE ACKNOWLEDGEMENT: record %s stands at %q instead of %q; %s was told that it is durable", id, at, l.at[id], by)
		}
	}
	for id := range found {
		if l.absent[id] {
			l.t.Errorf("record %s is there, and its append failed", id)
		}
	}
	return found
}

// secondOpinion holds what the library reads against what the oracle does, which shares
// no code with it.
func (l *ledger) secondOpinion(found map[string]string) {
	l.t.Helper()
	o, err := oracle.Read(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	seen := make(map[string]string)
	for _, r := range o.Records {
		writer, i, err := parse(r.Value)
		if err != nil {
			l.t.Errorf("oracle: %v: %v", r.Position, err)
			continue
		}
		seen[fmt.Sprint(writer, " ", i)] = r.Position.String()
	}
	if diff := cmp.Diff(seen, found); diff != "" {
		l.t.Errorf("the oracle reads another journal (-oracle +library):\n%s", diff)
	}
}
