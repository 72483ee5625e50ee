// Rotatelog is a log with rotation that several processes write, in place of
// lumberjack:
//
//	go run ./examples/rotatelog
//
// Lumberjack (gopkg.in/natefinch/lumberjack.v2) is made for one process; with several
// on one file it loses lines (bench/loss counts them). To let several processes
// write one log, copy logger.go and change one statement:
//
//	log.SetOutput(&lumberjack.Logger{        log.SetOutput(&Logger{
//		Filename:   "/var/log/app/app.log",      Filename:   "/var/log/app/journal", // a directory
//		MaxSize:    500, // megabytes            MaxSize:    500,
//		MaxBackups: 3,                           MaxBackups: 3,
//		MaxAge:     28,  // days                 MaxAge:     28,
//		Compress:   true,                        // not supported: an error
//	})                                       })
//
// It works with everything that writes to an io.Writer, one message for each Write:
// package log, log/slog, zerolog, zap. What is read is a journal and not text; the
// methods and commands to read it are
//
//	l.Dump(os.Stdout, time.Now().Add(-time.Hour))      // in Go
//	go run ./examples/rotatelog -read DIR | less       // the same
//	jtool dump DIR -o raw                              // without any code
//	jtool tail DIR -n 20 -f                            // as tail -F
//
// The program starts itself several times. Each process logs with package log, to
// the same directory, with a limit that has old segments removed all the time. At
// the end it looks for the lines of each process (audit.go): those that are left
// must be its last ones, without a gap, each there once. One process is killed by
// SIGKILL in the middle; its lines must be there up to the last that it has told
// of. It prints:
//
//	processes        4, one killed in the middle
//	lines written    70802, and 1 of which the killed process could not tell any more
//	kept             33856 in 6 segments
//	removed          36947, the oldest ones (MaxBackups 5)
//	lost             0
//	duplicated       0
//	verify           33856 records, 0 missing
//
// The exit status is 0 if nothing is lost within what retention keeps, 1 if
// anything is wrong, 2 for a wrong flag. The journal is removed unless -dir names
// a place for it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"
)

// processEnv is the number of a process that logs; it is not set in the first one.
const processEnv = "ROTATELOG_PROCESS"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// config is what the flags say. Processes are given the same ones.
type config struct {
	dir        string
	procs      int
	lines      int
	kill       bool
	maxSize    int
	maxBackups int
	read       string
	since      time.Duration
}

func run(args []string, out io.Writer, errs *os.File) int {
	cfg, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	switch number := os.Getenv(processEnv); {
	case number != "":
		err = work(cfg, number, out)
	case cfg.read != "":
		err = dump(cfg, out)
	default:
		err = direct(cfg, out, errs)
	}
	if err != nil {
		fmt.Fprintln(errs, "rotatelog:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (config, error) {
	var cfg config
	f := flag.NewFlagSet("rotatelog", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&cfg.dir, "dir", "", "directory of the log, empty or new, which is kept (default a temporary one that is removed)")
	f.IntVar(&cfg.procs, "procs", 4, "processes that log at the same time")
	f.IntVar(&cfg.lines, "lines", 20_000, "lines that each process logs")
	f.BoolVar(&cfg.kill, "kill", true, "kill one of the processes in the middle of its work")
	f.IntVar(&cfg.maxSize, "max-size", 1, "size of a segment in megabytes (MaxSize)")
	f.IntVar(&cfg.maxBackups, "max-backups", 5, "segments kept beside the newest one, 0 for all (MaxBackups)")
	f.StringVar(&cfg.read, "read", "", "print the log in this directory as text, and do nothing else")
	f.DurationVar(&cfg.since, "since", 0, "with -read: only what is younger than this")
	if err := f.Parse(args); err != nil {
		return cfg, err
	}
	err := error(nil)
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case cfg.procs < 1 || cfg.lines < 2:
		err = errors.New("-procs must be 1 or more, -lines 2 or more")
	case cfg.maxSize < 1 || cfg.maxBackups < 0:
		err = errors.New("-max-size must be 1 or more, -max-backups 0 or more")
	case cfg.since < 0:
		err = errors.New("-since must not be negative")
	}
	if err != nil {
		fmt.Fprintln(errs, "rotatelog:", err)
	}
	return cfg, err
}

// flags passes cfg on to a process.
func (c config) flags() []string {
	return []string{
		"-dir", c.dir, "-lines", strconv.Itoa(c.lines),
		"-max-size", strconv.Itoa(c.maxSize), "-max-backups", strconv.Itoa(c.maxBackups),
	}
}

// logger is the one that each process has.
func (c config) logger() *Logger {
	return &Logger{
		Filename:   c.dir,
		MaxSize:    c.maxSize, // megabytes
		MaxBackups: c.maxBackups,
		MaxAge:     28, // days
	}
}

// dump prints a log as text.
func dump(cfg config, out io.Writer) error {
	l := &Logger{Filename: cfg.read, LocalTime: true}
	var since time.Time
	if cfg.since > 0 {
		since = time.Now().Add(-cfg.since)
	}
	return l.Dump(out, since)
}

// direct is the first process.
func direct(cfg config, out io.Writer, errs *os.File) (err error) {
	if runtime.GOOS != "linux" && cfg.procs > 1 {
		fmt.Fprintf(errs, "rotatelog: several processes write one journal on Linux only; using one on %s\n", runtime.GOOS)
		cfg.procs = 1
	}
	if cfg.dir == "" {
		if cfg.dir, err = os.MkdirTemp("", "rotatelog-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(cfg.dir)) }()
	}
	entries, err := os.ReadDir(cfg.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; name a new directory", cfg.dir)
	}
	told, err := runProcesses(cfg, errs)
	if err != nil {
		return err
	}
	l := cfg.logger()
	if err := errors.Join(l.Rotate(), l.Close()); err != nil {
		return err
	}
	a := &audit{cfg: cfg, told: told}
	if err := a.run(); err != nil {
		return err
	}
	return errors.Join(a.print(out), a.verdict())
}
