package jtoolcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/manypen/manypen/journal"
)

// The test binary is jtool too, if it is called so.
func TestMain(m *testing.M) {
	// Under the race detector every process would sleep for a second at its end.
	if err := os.Setenv("GORACE", noRaceSleep); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){
		"jtool": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

const noRaceSleep = "atexit_sleep_ms=0"

// systemCommands are commands of scripts that not all systems have.
var systemCommands = make(map[string]func(ts *testscript.TestScript, neg bool, args []string))

// TestScripts runs testdata/script/*.txt. Every script of a command that a
// user could write is one there; what needs Go is in the commands below.
func TestScripts(t *testing.T) {
	commands := map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits":   cmdExits,
		"records": cmdRecords,
		"batch":   cmdBatch,
		"delete":  cmdDelete,
		"flip":    cmdFlip,
		"zero":    cmdZero,
		"trunc":   cmdTrunc,
		"tear":    cmdTear,
		"jsonl":   cmdJSONL,
		"lines":   cmdLines,
		"count":   cmdCount,
		"sound":   cmdSound,
		"index":   cmdIndex,
		"live":    cmdLive,

		"unplaced": cmdUnplaced,
	}
	for name, f := range systemCommands {
		commands[name] = f
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                commands,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", noRaceSleep)
			return nil
		},
		RequireUniqueNames: true,
		Condition: func(cond string) (bool, error) {
			if name, ok := strings.CutPrefix(cond, "cmd:"); ok {
				return systemCommands[name] != nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 0, 64)
	ts.Check(err)
	return n
}

// exits CODE ARG... runs jtool, which must exit with CODE.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	code, err := 0, ts.Exec("jtool", args[1:]...)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != int(number(ts, args[0])) {
		ts.Fatalf("jtool %q exits with %d, want %s", args[1:], code, args[0])
	}
	if out := ts.ReadFile("stderr"); strings.Contains(out, "panic") || strings.Contains(out, "goroutine ") {
		ts.Fatalf("jtool crashed")
	}
}

// records DIR COUNT SIZE appends records of SIZE bytes with the keys k0 to k9
// in turns, to segments as small as they can be.
func cmdRecords(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(fill(ts.MkAbs(args[0]), int(number(ts, args[1])), int(number(ts, args[2]))))
}

func fill(dir string, count, size int) error {
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: minSegment, MaxRecord: 1 << 20})
	if err != nil {
		return err
	}
	for n := range count {
		value := fmt.Appendf(nil, "%06d ", n)
		value = append(value, bytes.Repeat([]byte("x"), max(0, size-len(value)))...)
		if _, err := j.Append(fmt.Appendf(nil, "k%d", n%10), value); err != nil {
			return errors.Join(err, j.Close())
		}
	}
	return j.Close()
}

// batch DIR VALUE... appends a batch.
func cmdBatch(ts *testscript.TestScript, neg bool, args []string) {
	j, err := journal.Open(ts.MkAbs(args[0]), journal.Options{})
	ts.Check(err)
	var b journal.Batch
	for _, value := range args[1:] {
		b.Put([]byte("batch"), []byte(value))
	}
	_, err = j.AppendBatch(&b)
	ts.Check(errors.Join(err, j.Close()))
}

// delete DIR KEY appends a deletion.
func cmdDelete(ts *testscript.TestScript, neg bool, args []string) {
	j, err := journal.Open(ts.MkAbs(args[0]), journal.Options{})
	ts.Check(err)
	_, err = j.Delete([]byte(args[1]))
	ts.Check(errors.Join(err, j.Close()))
}

// change rewrites a file in place.
func change(path string, f func(b []byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, f(b), 0o644)
}

// flip FILE OFFSET changes a byte.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(change(ts.MkAbs(args[0]), func(b []byte) []byte {
		b[number(ts, args[1])] ^= 0x20
		return b
	}))
}

// zero FILE FROM TO writes zeros.
func cmdZero(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(change(ts.MkAbs(args[0]), func(b []byte) []byte {
		clear(b[number(ts, args[1]):number(ts, args[2])])
		return b
	}))
}

// trunc FILE SIZE cuts a file.
func cmdTrunc(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.Truncate(ts.MkAbs(args[0]), number(ts, args[1])))
}

// tear FILE FROM TO appends a part of a file to it again: of a record, that is
// what a writer leaves that is killed.
func cmdTear(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(change(ts.MkAbs(args[0]), func(b []byte) []byte {
		return append(b, b[number(ts, args[1]):number(ts, args[2])]...)
	}))
}

// lines FILE COUNT checks the number of lines.
func cmdLines(ts *testscript.TestScript, neg bool, args []string) {
	if n := strings.Count(ts.ReadFile(args[0]), "\n"); n != int(number(ts, args[1])) {
		ts.Fatalf("%s has %d lines, want %s", args[0], n, args[1])
	}
}

// count FILE TEXT COUNT checks how often a text is there.
func cmdCount(ts *testscript.TestScript, neg bool, args []string) {
	if n := strings.Count(ts.ReadFile(args[0]), args[1]); n != int(number(ts, args[2])) {
		ts.Fatalf("%s has %q %d times, want %s", args[0], args[1], n, args[2])
	}
}

// jsonl FILE TYPE[=COUNT]... checks that every line is an object of the schema,
// and which types there are.
func cmdJSONL(ts *testscript.TestScript, neg bool, args []string) {
	counts, err := checkJSON([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	for _, want := range args[1:] {
		name, n, exact := strings.Cut(want, "=")
		if !exact && counts[name] == 0 || exact && counts[name] != int(number(ts, n)) {
			ts.Fatalf("%d objects of type %s, want %s", counts[name], name, want)
		}
		delete(counts, name)
	}
	if len(counts) > 0 {
		ts.Fatalf("there are others: %v", counts)
	}
}

// checkJSON returns how many objects of each type there are.
func checkJSON(text []byte) (map[string]int, error) {
	counts := make(map[string]int)
	for line := range bytes.Lines(text) {
		var o map[string]any
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		kind, _ := o["type"].(string)
		if o["v"] != 1.0 || !slices.Contains([]string{"record", "damage", "status", "error", "summary"}, kind) {
			return nil, fmt.Errorf("%q: v is %v, type %q", line, o["v"], kind)
		}
		if err := checkNumbers("", o); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		for _, name := range []string{"key", "value"} {
			_, text := o[name]
			_, b64 := o[name+"_b64"]
			if text && b64 || kind == "record" && o["kind"] == "data" && !text && !b64 {
				return nil, fmt.Errorf("%q: want one of %s and %s_b64", line, name, name)
			}
		}
		counts[kind]++
	}
	return counts, nil
}

// checkNumbers: what may be greater than 2^53 is a string.
func checkNumbers(name string, v any) error {
	switch v := v.(type) {
	case float64:
		if !slices.Contains([]string{"v", "code", "format", "seconds", "seconds_left"}, name) {
			return fmt.Errorf("%s is the number %v, want a string", name, v)
		}
	case map[string]any:
		for name, v := range v {
			if err := checkNumbers(name, v); err != nil {
				return err
			}
		}
	case []any:
		for _, v := range v {
			if err := checkNumbers(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// sound DIR verifies a journal with the library.
func cmdSound(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(sound(ts.MkAbs(args[0])))
}

func sound(dir string) error {
	report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err == nil && damaged(&report) {
		err = fmt.Errorf("%s is damaged: %+v", filepath.Base(dir), report)
	}
	return err
}

// index DIR makes the sidecars of all full segments.
func cmdIndex(ts *testscript.TestScript, neg bool, args []string) {
	j, err := journal.Open(ts.MkAbs(args[0]), journal.Options{})
	ts.Check(err)
	_, err = j.Count(nil, nil)
	ts.Check(errors.Join(err, j.Close()))
}

// live DIR appends to a journal until the script ends, and has done so once before
// the next command.
func cmdLive(ts *testscript.TestScript, neg bool, args []string) {
	j, err := journal.Open(ts.MkAbs(args[0]), journal.Options{Sync: journal.SyncNone, SegmentSize: minSegment, MaxRecord: 1 << 20})
	ts.Check(err)
	_, err = j.Append([]byte("live"), []byte("first"))
	ts.Check(err)
	stop, ended := make(chan struct{}), make(chan error)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				ended <- j.Close()
				return
			case <-time.After(time.Millisecond):
			}
			if _, err := j.Append([]byte("live"), fmt.Append(nil, n)); err != nil {
				ended <- errors.Join(err, j.Close())
				return
			}
		}
	}()
	ts.Defer(func() {
		close(stop)
		ts.Check(<-ended)
	})
}
