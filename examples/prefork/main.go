// Prefork is an HTTP server of several processes that share one access log:
//
//	go run ./examples/prefork
//
// The process that is started, the master, listens on a port and starts workers,
// which are this program again. They inherit the listener, so the kernel gives
// each connection to one of them, and each opens the journal for itself: there is
// no log daemon, no pipe to the master, no lock, and no file per worker. A worker
// appends the record of a request before it answers (worker.go). So an answer
// that arrives proves that its record is in the log.
//
// The master sends real requests (load.go), and follows the journal live as a
// monitor would (monitor.go). In the middle of this the worker that has answered
// last is killed by SIGKILL and replaced (master.go). At the end the log is held
// against what the clients have seen (audit.go):
//
//	workers                    4 at a time, 5 in all
//	requests                   5000 by 16 clients
//	kills                      1
//	answered                   4996
//	answered and not logged    0
//	logged twice               0
//	without an answer          4, of which 1 logged
//	followed live              4997 records
//	verify                     4997 records in 1 segments, 0 missing
//
// A request without an answer was in the hands of the killed worker: it is logged
// if the worker had come that far. These are the only ones for which the log and
// the clients can differ, and only in this direction.
//
// The exit status is 0 if every answered request has exactly one record and the
// rest is accounted for, 1 if anything is wrong, 2 for a wrong flag. The journal is
// removed unless -dir names a place for it; jtool shows what is in it:
//
//	go run ./examples/prefork -dir /tmp/access
//	go run ./cmd/jtool tail /tmp/access -n 3
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/manypen/manypen/journal"
)

// workerEnv is the number of a worker; it is not set in the master.
const workerEnv = "PREFORK_WORKER"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// config is what the flags say. Workers are given the same ones.
type config struct {
	dir      string
	workers  int
	clients  int
	requests int
	kills    int
}

func run(args []string, in io.Reader, out io.Writer, errs *os.File) int {
	cfg, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	if number := os.Getenv(workerEnv); number != "" {
		err = serve(cfg, number, in, out)
	} else {
		err = direct(cfg, out, errs)
	}
	if err != nil {
		fmt.Fprintln(errs, "prefork:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (config, error) {
	var cfg config
	f := flag.NewFlagSet("prefork", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&cfg.dir, "dir", "", "directory of the journal, empty or new, which is kept (default a temporary one that is removed)")
	f.IntVar(&cfg.workers, "workers", 4, "processes that serve at the same time")
	f.IntVar(&cfg.clients, "clients", 16, "clients that send requests at the same time")
	f.IntVar(&cfg.requests, "requests", 5000, "requests in all")
	f.IntVar(&cfg.kills, "kills", 1, "workers to kill in the middle of their work, and to replace")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := error(nil)
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case cfg.workers < 1 || cfg.clients < 1 || cfg.requests < 1:
		err = errors.New("-workers, -clients and -requests must be 1 or more")
	case cfg.kills < 0:
		err = errors.New("-kills must be 0 or more")
	case cfg.requests < cfg.fewest():
		err = fmt.Errorf("-requests must be %d or more for so many kills and clients", cfg.fewest())
	}
	if err != nil {
		fmt.Fprintln(errs, "prefork:", err)
	}
	return cfg, err
}

// fewest is how many requests there must be: a kill costs as many answers as
// there are clients at most, and behind the last one is to be something left.
func (c config) fewest() int { return (c.kills + 1) * (c.kills + 2) * c.clients / 2 }

// flags passes cfg on to a worker.
func (c config) flags() []string { return []string{"-dir", c.dir} }

// options is how workers open the journal. An access log survives the death of
// any process; a loss of power takes what is younger than 100 ms.
func (c config) options() journal.Options {
	return journal.Options{Sync: journal.SyncInterval, NoIndex: true}
}

// direct is the master: it serves, asks, kills, checks, and prints the report.
func direct(cfg config, out io.Writer, errs *os.File) (err error) {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("several processes write one journal on Linux only; this is %s", runtime.GOOS)
	}
	if cfg.dir == "" {
		if cfg.dir, err = os.MkdirTemp("", "prefork-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.dir)) }()
	}
	if err := makeJournal(cfg); err != nil {
		return err
	}
	m, err := newMaster(cfg, errs)
	if err != nil {
		return err
	}
	mon, err := startMonitor(cfg)
	if err != nil {
		return errors.Join(err, m.stop())
	}
	err = m.run()
	if err = errors.Join(err, m.stop()); err != nil {
		return errors.Join(err, mon.stop())
	}
	a, err := newAudit(cfg, m)
	if err != nil {
		return errors.Join(err, mon.stop())
	}
	a.compare(mon.waitFor(a.records))
	if err := mon.stop(); err != nil {
		return err
	}
	return errors.Join(a.print(out), a.verdict())
}

// makeJournal makes the journal, so that the monitor finds one. Any worker could
// do it as well, and several at once.
func makeJournal(cfg config) error {
	entries, err := os.ReadDir(cfg.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; name a new directory", cfg.dir)
	}
	j, err := journal.Open(cfg.dir, cfg.options())
	if err != nil {
		return err
	}
	return j.Close()
}
