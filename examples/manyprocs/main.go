// Manyprocs imports a tree of files into one journal with many processes at
// once, kills some of them with SIGKILL in the middle of their work, replaces
// them, and then proves that nothing is lost:
//
//	go run ./examples/manyprocs
//
// The files are those under $(go env GOROOT)/src, some ten thousand; the key of
// a record is a file's path, the value its content. The program starts itself
// again for every process it needs:
//
//   - workers append (worker.go). A worker gets the names of files on its
//     standard input and acknowledges each record on its standard output, after
//     Append has returned and not before.
//   - followers read along while the workers write (follower.go), each in a
//     process of its own.
//   - the process that was started hands out the files, kills and replaces
//     workers (crew.go), and holds the journal against what it was told
//     (audit.go). It keeps its own list of what was acknowledged and takes
//     nothing from the journal on trust.
//
// Its exit status is 0 if every acknowledged record is in the journal exactly
// once with the bytes of its file, 1 if anything is wrong, 2 for a wrong flag.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/manypen/manypen/journal"
)

// roleEnv names what a started process is to do; it is not set in the first one.
const roleEnv = "MANYPROCS_ROLE"

const (
	roleWorker   = "worker"
	roleFollower = "follower"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// config is what the flags say. Workers and followers are given the same ones.
type config struct {
	dir         string
	src         string
	procs       int
	kills       int
	followers   int
	segmentSize size
	sync        policy
	seed        uint64
}

func run(args []string, in io.Reader, out io.Writer, errs *os.File) int {
	cfg, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	switch role := os.Getenv(roleEnv); role {
	case "":
		err = direct(cfg, out, errs)
	case roleWorker:
		err = work(cfg, in, out)
	case roleFollower:
		err = follow(cfg, in, out)
	default:
		err = fmt.Errorf("%s is %q", roleEnv, role)
	}
	if err != nil {
		fmt.Fprintln(errs, "manyprocs:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (config, error) {
	cfg := config{segmentSize: 4 << 20, sync: policy(journal.SyncNone)}
	f := flag.NewFlagSet("manyprocs", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&cfg.dir, "dir", "", "directory of the journal, empty or new (default a new temporary one; it is kept)")
	f.StringVar(&cfg.src, "src", "", "import the files under this directory (default $(go env GOROOT)/src)")
	f.IntVar(&cfg.procs, "procs", 8, "processes that write at the same time")
	f.IntVar(&cfg.kills, "kills", 3, "processes to kill in the middle of their work, and to replace")
	f.IntVar(&cfg.followers, "followers", 2, "processes that read along")
	f.Var(&cfg.segmentSize, "segment-size", "size of a segment, in bytes or as 64KiB, 4MiB")
	f.Var(&cfg.sync, "sync", "when an append is durable: none, interval or always; there is a sync at the end anyway")
	f.Uint64Var(&cfg.seed, "seed", 0, "seed of the choice of victims and moments (default random; it is printed)")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := error(nil)
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case cfg.procs < 1 || cfg.kills < 0 || cfg.followers < 0:
		err = errors.New("-procs must be 1 or more, -kills and -followers 0 or more")
	}
	if err != nil {
		fmt.Fprintln(errs, "manyprocs:", err)
	}
	return cfg, err
}

// flags passes cfg on to a process that is started.
func (c config) flags() []string {
	return []string{"-dir", c.dir, "-src", c.src, "-segment-size", c.segmentSize.String(), "-sync", c.sync.String()}
}

func (c config) options() journal.Options {
	return journal.Options{SegmentSize: int64(c.segmentSize), Sync: journal.SyncPolicy(c.sync)}
}

// direct is the first process: it imports, checks, and prints the table.
func direct(cfg config, out io.Writer, errs *os.File) error {
	if runtime.GOOS != "linux" && cfg.procs > 1 {
		fmt.Fprintf(errs, "manyprocs: several processes write one journal on Linux only; using one on %s\n", runtime.GOOS)
		cfg.procs = 1
	}
	if cfg.seed == 0 {
		cfg.seed = rand.Uint64()
	}
	if cfg.src == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w; name a directory with -src", err)
		}
		cfg.src = filepath.Join(strings.TrimSpace(string(root)), "src")
	}
	files, err := listFiles(cfg.src)
	if err != nil {
		return err
	}
	if err := makeJournal(&cfg); err != nil {
		return err
	}
	fmt.Fprintf(out, "importing %d files under %s into %s, seed %d\n", len(files), cfg.src, cfg.dir, cfg.seed)

	followers, err := startFollowers(cfg, errs)
	if err != nil {
		return err
	}
	defer followers.stop()
	start := time.Now()
	crew := newCrew(cfg, files, errs)
	if err := crew.run(); err != nil {
		return err
	}
	took := time.Since(start)
	syncing := time.Now()
	if err := syncAll(cfg); err != nil {
		return err
	}
	synced := time.Since(syncing)

	a := newAudit(cfg, files, crew.acks, crew.dead)
	if err := a.run(); err != nil {
		return err
	}
	a.compareFollowers(followers)
	return errors.Join(report(out, cfg, crew, a, took, synced), a.verdict())
}

// makeJournal makes the directory and the journal in it, so that followers find
// one. Any worker could do it as well, and several at once.
func makeJournal(cfg *config) error {
	if cfg.dir == "" {
		dir, err := os.MkdirTemp("", "manyprocs-")
		if err != nil {
			return err
		}
		cfg.dir = dir
	}
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

// syncAll makes all records durable. One handle can do that for everybody.
func syncAll(cfg config) (err error) {
	j, err := journal.Open(cfg.dir, cfg.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	return j.Sync()
}

// size is a flag of bytes.
type size int64

func (s size) String() string {
	switch {
	case s > 0 && s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s > 0 && s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	}
	return strconv.FormatInt(int64(s), 10)
}

func (s *size) Set(text string) error {
	digits, shift := text, 0
	for unit, bits := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if d, ok := strings.CutSuffix(text, unit); ok {
			digits, shift = d, bits
		}
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 1 {
		return errors.New("want a number of bytes, or of KiB, MiB or GiB")
	}
	*s = size(n << shift)
	return nil
}

// policy is a flag of a sync policy.
type policy journal.SyncPolicy

var policies = map[string]journal.SyncPolicy{
	"none": journal.SyncNone, "interval": journal.SyncInterval, "always": journal.SyncAlways,
}

func (p policy) String() string {
	for name, v := range policies {
		if v == journal.SyncPolicy(p) {
			return name
		}
	}
	return ""
}

func (p *policy) Set(text string) error {
	v, ok := policies[text]
	if !ok {
		return errors.New("want none, interval or always")
	}
	*p = policy(v)
	return nil
}
