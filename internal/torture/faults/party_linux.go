package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// party is a process that does to the journal what it is told, one order a line, and
// answers each with one line: DIR.
func party(args []string) int {
	if err := obey(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func obey(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("arguments %q", args)
	}
	var j *journal.Journal
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		order, key, _ := strings.Cut(in.Text(), " ")
		var ack journal.Ack
		var err error
		switch order {
		case "arm":
			err = arm()
		case "open":
			j, err = journal.Open(args[0], journal.Options{Sync: journal.SyncNone, SegmentSize: 512 << 10, MaxRecord: 1 << 20})
		case "append":
			ack, err = j.AppendAck([]byte(key), partyValue(key))
		case "appendsync":
			ack, err = j.AppendSync([]byte(key), partyValue(key))
		case "sync":
			err = j.Sync()
		case "close":
			err = j.Close()
		default:
			return fmt.Errorf("order %q", order)
		}
		if err := tell("%s\n", result(ack.Position, err)); err != nil {
			return err
		}
	}
	return in.Err()
}

// partyValue is the value of a record, whose key is a name and a number: no two of a
// name have the same size, and none has whole pages.
func partyValue(key string) []byte {
	_, number, _ := strings.Cut(key, "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil // it is the key of no record
	}
	return filler(key, 33_000+n*1777)
}

// actor is a party as its employer sees it.
type actor struct {
	m       *matrix
	name    string
	cmd     *exec.Cmd // nil if it is traced
	in      io.WriteCloser
	out     *bufio.Reader
	close   io.Closer // of what out reads
	died    chan death
	open    bool
	next    int      // number of its next record
	pending []string // appended, and it was told of neither a sync nor a failure
}

// death is how a traced party has ended.
type death struct {
	outcome
	err error
}

// stop ends a cell, by a panic that cell recovers from: nearly every line could fail.
type stop struct{ error }

func must(err error) {
	if err != nil {
		panic(stop{err})
	}
}

func mustf(ok bool, format string, args ...any) {
	if !ok {
		panic(stop{fmt.Errorf(format, args...)})
	}
}

// hire starts a party.
func (m *matrix) hire(name string) *actor {
	cmd, err := board.Child(m.ctx, partyRole, m.journal)
	must(err)
	a := &actor{m: m, name: name, cmd: cmd}
	a.in, err = cmd.StdinPipe()
	must(err)
	out, err := cmd.StdoutPipe()
	must(err)
	cmd.Stderr = &m.said
	a.out, a.close = bufio.NewReader(out), out
	must(cmd.Start())
	m.actors = append(m.actors, a)
	return a
}

// doom starts a party that dies when an fdatasync of it has failed, before it hears
// of it.
func (m *matrix) doom(name string) *actor {
	inR, in, err := os.Pipe()
	must(err)
	out, outW, err := os.Pipe()
	must(err)
	a := &actor{m: m, name: name, in: in, out: bufio.NewReader(out), close: out, died: make(chan death, 1)}
	m.actors = append(m.actors, a)
	ctx, cancel := context.WithCancel(m.ctx)
	m.cancel = append(m.cancel, cancel)
	go func() {
		o, err := supervise(ctx, plan{killBehind: unix.SYS_FDATASYNC}, job{role: partyRole, args: []string{m.journal}, in: inR, out: outW})
		a.died <- death{o, err}
	}()
	return a
}

// do gives an order and returns the answer.
func (a *actor) do(order, key string) (word, rest string) {
	a.tell(order, key)
	line, err := a.out.ReadString('\n')
	mustf(err == nil, "%s, %s %s: %v: %s", a.name, order, key, err, a.m.said.String())
	line = strings.TrimSuffix(line, "\n")
	fmt.Fprintf(&a.m.log, "%s: %s %s: %s\n", a.name, order, key, line)
	word, rest, _ = strings.Cut(line, " ")
	return word, rest
}

func (a *actor) tell(order, key string) {
	_, err := fmt.Fprintln(a.in, order, key)
	must(err)
}

func (a *actor) key() string { return fmt.Sprint(a.name, "-", a.next) }

// act carries out an order and books what the party was told by it. It returns the
// outcome in one word.
func (a *actor) act(order string) string {
	l := a.m.ledger
	var before []oracle.Record
	key := ""
	if order == "sync" {
		// It says that all is durable that is in the journal, whoever appended it.
		before = a.m.visible()
	} else {
		key = a.key()
		l.values[key] = partyValue(key)
		a.next++
	}
	word, rest := a.do(order, key)
	switch {
	case word == "done":
		if key != "" {
			a.pending = append(a.pending, key)
			l.at[key] = rest
		}
		if order == "append" {
			break
		}
		for i := range before {
			l.told(string(before[i].Key), a.name+" by sync while it was readable")
		}
		for _, key := range a.pending {
			l.told(key, a.name+" by "+order)
		}
		a.pending = nil
	case word == "unknown":
		// Whichever call says so, it is said of everything that this handle had not
		// synced, and is not said again.
		a.pending = nil
	case key != "":
		l.absent[key] = true
	}
	return word
}

// enter opens the journal unless the party has it open.
func (a *actor) enter() bool {
	if !a.open {
		word, _ := a.do("open", "")
		a.open = word == "done"
	}
	return a.open
}

// try gives orders to a party that can be in any state, and returns the outcomes.
func (a *actor) try(orders ...string) string {
	if !a.enter() {
		return a.name + ": not opened"
	}
	said := a.name + ":"
	for _, order := range orders {
		said += " " + a.act(order)
	}
	return said
}

// must carries out orders that nothing stands in the way of.
func (a *actor) must(orders ...string) {
	mustf(a.enter(), "%s cannot open the journal", a.name)
	for _, order := range orders {
		got := a.act(order)
		mustf(got == "done", "%s, %s: %s", a.name, order, got)
	}
}

// leave closes the journal and ends the process.
func (a *actor) leave() {
	if a.open {
		a.do("close", "") // it may tell of what nobody has heard yet
	}
	must(a.in.Close())
	err := a.cmd.Wait()
	a.cmd = nil // nobody waits for it again
	mustf(err == nil, "%s: %v: %s", a.name, err, a.m.said.String())
}

// dieInSync makes a doomed party sync, and returns the error that it has died of.
func (a *actor) dieInSync() string {
	word, rest := a.do("arm", "")
	mustf(word == "done", "calls cannot be watched: %s", rest)
	key := a.key()
	a.m.ledger.values[key] = partyValue(key)
	a.tell("appendsync", key)
	d := <-a.died
	a.died = nil
	must(d.err)
	mustf(d.killed != "" && d.status.Signaled(), "%s has not died of an fdatasync that failed: status %#x", a.name, uint32(d.status))
	must(errors.Join(a.in.Close(), a.close.Close()))
	return d.killed
}
