// Events is an event-sourced bank: several service processes share one journal,
// have no other connection, and agree on every balance:
//
//	go run ./examples/events
//
// A journal has no conditional append: what one process has checked may not be
// true any more when its record is appended, for another may have come in
// between. So what is appended is a request, and the order of the journal decides:
//
//   - A command (state.go) says who wants what, and is numbered by its client. A
//     transfer is a batch of two entries, a debit of one account and a credit of
//     the other, of which readers see both or none.
//   - Every replica reads all commands in the order of the journal and decides
//     each by the same rules: enough money, or not. The rules look at nothing but
//     the state that the commands in front have made. So all come to the same
//     state, and a command has the same outcome everywhere.
//   - A service (service.go) looks at its state first, and does not append what
//     would be rejected now. That is a courtesy and saves space; it decides
//     nothing. It answers its client when the record is on disk and its own replica
//     has come to it.
//   - A command whose number its client has used before is rejected. So who does
//     not know whether an append took place may repeat it.
//
// At the start a service loads the newest snapshot (snapshot.go), replays what
// was appended since, and goes on with Follow. A snapshot holds the state and the
// position to go on from, is saved by rename, and can be deleted at any time. Each
// service saves one now and then, all under the same name.
//
// The first process starts the services, which send random commands of their
// own; one is killed by SIGKILL and started again (crew.go). At the end it asks
// all replicas for their state, and replays the journal from zero with code of its
// own (oracle.go):
//
//	4 services, 5 accounts, seed 7465524376852487287
//	services             4 at a time, 5 in all
//	commands             1200 decided, 1184 accepted
//	rejected in order    16, though they were good in the state that their sender saw
//	not sent             601, as they would have been rejected
//	kills                1
//	started again        from the snapshot at 1:97502, 115 entries replayed
//	replicas             4, of which 0 differ from the replay from zero
//	money                paid in and not out 839, in accounts 839
//	verify               1827 records, 0 missing
//
// The commands that were rejected in order are the conflicts: between the look at
// the state and the append another process had come in.
//
// The exit status is 0 if all agree, no answer was wrong, and no money was made or
// lost; 1 if anything is wrong, 2 for a wrong flag. -dir keeps the journal and the
// snapshot; an account's entries, newest first, are then
//
//	go run ./cmd/jtool dump DIR/journal --key account/3 --reverse
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/manypen/manypen/journal"
)

// clientEnv is the name of the client that a service process works for; it is not
// set in the first process.
const clientEnv = "EVENTS_CLIENT"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// config is what the flags say. Services are given the same ones.
type config struct {
	dir      string
	services int
	commands int
	accounts int
	every    int
	kills    int
	seed     uint64
}

func run(args []string, in io.Reader, out io.Writer, errs *os.File) int {
	cfg, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if client := os.Getenv(clientEnv); client != "" {
		err = work(cfg, client, in, out)
	} else {
		err = direct(cfg, out, errs)
	}
	if err != nil {
		fmt.Fprintln(errs, "events:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (config, error) {
	var cfg config
	f := flag.NewFlagSet("events", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&cfg.dir, "dir", "", "directory for the journal and the snapshot, empty or new, which is kept (default a temporary one that is removed)")
	f.IntVar(&cfg.services, "services", 4, "service processes at the same time")
	f.IntVar(&cfg.commands, "commands", 300, "commands of each service")
	f.IntVar(&cfg.accounts, "accounts", 5, "accounts; the fewer, the more conflicts")
	f.IntVar(&cfg.every, "snapshot-every", 100, "commands between two snapshots of a service")
	f.IntVar(&cfg.kills, "kills", 1, "services to kill in the middle of their work, and to start again")
	f.Uint64Var(&cfg.seed, "seed", 0, "seed of the commands (default random; it is printed)")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := error(nil)
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case cfg.services < 1 || cfg.commands < 1 || cfg.accounts < 2 || cfg.every < 1:
		err = errors.New("-services, -commands and -snapshot-every must be 1 or more, -accounts 2 or more")
	case cfg.kills < 0 || cfg.kills > cfg.services:
		err = fmt.Errorf("-kills is %d; want 0 to %d, the number of services", cfg.kills, cfg.services)
	}
	if err != nil {
		fmt.Fprintln(errs, "events:", err)
	}
	return cfg, err
}

// flags passes cfg on to a service.
func (c config) flags() []string {
	return []string{
		"-dir", c.dir, "-commands", strconv.Itoa(c.commands), "-accounts", strconv.Itoa(c.accounts),
		"-snapshot-every", strconv.Itoa(c.every), "-seed", strconv.FormatUint(c.seed, 10),
	}
}

func (c config) journal() string  { return filepath.Join(c.dir, "journal") }
func (c config) snapshot() string { return filepath.Join(c.dir, "snapshot.json") }

// options is how a bank opens its journal.
func (c config) options() journal.Options {
	return journal.Options{
		Sync: journal.SyncAlways, // an answer is a promise
		// After a loss of power no command counts that stands behind a lost one.
		Recovery: journal.RecoverPrefix,
		// Nor may a replica pass over a command that it cannot read.
		Strict: true,
	}
}

// direct is the first process.
func direct(cfg config, out io.Writer, errs *os.File) (err error) {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("several processes write one journal on Linux only; this is %s", runtime.GOOS)
	}
	if cfg.seed == 0 {
		cfg.seed = rand.Uint64()
	}
	if cfg.dir == "" {
		if cfg.dir, err = os.MkdirTemp("", "events-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.dir)) }()
	} else if err := makeDirectory(cfg.dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d services, %d accounts, seed %d\n", cfg.services, cfg.accounts, cfg.seed)
	c := newCrew(cfg, errs)
	if err := c.run(); err != nil {
		return errors.Join(err, c.stop())
	}
	// Now that nobody sends any more, all replicas come to the same end.
	o, err := replay(cfg)
	if err != nil {
		return errors.Join(err, c.stop())
	}
	o.compareAnswers(c)
	states, err := c.states(o.end)
	if err != nil {
		return err
	}
	o.compareStates(states)
	if err := o.verify(); err != nil {
		return err
	}
	return errors.Join(o.print(out, c), o.verdict())
}

// makeDirectory makes dir, unless something is in it.
func makeDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty; name a new directory", dir)
	}
	return err
}
