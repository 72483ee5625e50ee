// Torture runs the reliability scoreboard: classes of faults, what a journal
// must keep in each of them, and how many cases were tried.
//
//	go run ./internal/torture                     everything, which takes hours
//	go run ./internal/torture -short              the part that a build can wait for
//	go run ./internal/torture -class X1,X12       some classes
//	go run ./internal/torture -class X3 -seed 7 -case 123
//	                                              one case again, as a failure names it
//	go run ./internal/torture -mutants            whether bugs that are made on purpose are
//	                                              found; -mutants=NAME,... tries some
//
// It prints a table. The exit code is 0 if everything that was run has passed, 1 if
// something has failed, 2 for bad usage, 3 if a case hangs. What the promises are is
// in docs/DESIGN.md; what is found is judged by a reader of the format that shares no
// code with the library (package oracle).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/mutants"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	board.RunChild(roles())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	cfg := board.Config{Log: errs}
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	flags.SetOutput(errs)
	names := flags.String("class", "", "the `classes` to run, as X1,X12; all if it is not given")
	list := flags.Bool("list", false, "print the classes and when they pass, and run none")
	flags.Uint64Var(&cfg.Seed, "seed", 0, "what chance begins with; 0: another one each time, which is printed")
	flags.IntVar(&cfg.Case, "case", -1, "the only case to run")
	flags.BoolVar(&cfg.Short, "short", false, "run the part of each class that a build can wait for")
	flags.BoolVar(&cfg.Verbose, "v", false, "print a line per case")
	flags.StringVar(&cfg.Keep, "keep", "", "copy the `directory` of each failed case into this one")
	var mutate mutants.Flag
	flags.Var(&mutate, "mutants", "put bugs into the library and see whether the classes find them; =NAME,... for some")
	flags.StringVar(&cfg.Dir, "dir", "", "where cases have their directories; /dev/shm if it exists and this is not given")
	if err := flags.Parse(args); err != nil {
		return exitUsage // flag has said why
	}
	chosen, err := choose(*names)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%q is no flag: classes are named by -class", flags.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(errs, err)
		return exitUsage
	}
	if *list {
		return done(errs, printList(out, chosen))
	}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64()
		if mutate.Given {
			cfg.Seed = mutants.Seed
		}
	}
	fmt.Fprintf(errs, "seed %d\n", cfg.Seed)
	if mutate.Given {
		return runMutants(ctx, mutate.Names, *names, cfg, out, errs)
	}
	if cfg.Dir, err = scratch(cfg.Dir); err != nil {
		return done(errs, err)
	}
	defer os.RemoveAll(cfg.Dir) // what is in it was removed case by case
	var results []board.Result
	ok := true
	for _, c := range chosen {
		r := board.Do(ctx, c, cfg)
		fmt.Fprintf(errs, "%s: %d cases, %d failed, %v\n", c.ID, r.Cases, r.Failed, r.Took)
		results = append(results, r)
		ok = ok && r.OK()
	}
	if err := board.Print(out, results); err != nil || !ok {
		done(errs, err)
		return exitFailed
	}
	return 0
}

// done is the exit code that err means, which it prints.
func done(errs io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(errs, err)
	return exitFailed
}

// choose returns the classes that names lists, in the order of the scoreboard.
func choose(names string) ([]*board.Class, error) {
	all := classes()
	if names == "" {
		return all, nil
	}
	want := make(map[string]bool)
	for name := range strings.SplitSeq(names, ",") {
		want[strings.ToUpper(strings.TrimSpace(name))] = true
	}
	var chosen []*board.Class
	for _, c := range all {
		if want[c.ID] {
			chosen = append(chosen, c)
			delete(want, c.ID)
		}
	}
	for name := range want {
		return nil, fmt.Errorf("there is no class %s: -list prints them", name)
	}
	return chosen, nil
}

func printList(out io.Writer, classes []*board.Class) error {
	for _, c := range classes {
		if _, err := fmt.Fprintf(out, "%-4s %s\n     passes when %s\n", c.ID, c.Title, c.Passes); err != nil {
			return err
		}
	}
	return nil
}

// scratch makes a directory in dir, which is in memory unless it was given: most
// cases are about bytes, and sync nothing.
func scratch(dir string) (string, error) {
	const memory = "/dev/shm"
	if dir == "" {
		if info, err := os.Stat(memory); err == nil && info.IsDir() {
			dir = memory
		}
	}
	return os.MkdirTemp(dir, "manypen-torture-")
}
