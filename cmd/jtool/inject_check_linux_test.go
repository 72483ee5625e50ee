package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/manypen/manypen/cmd/jtool/jtoolcmd"
	"github.com/manypen/manypen/journal"
)

// crashed matches what a Go program prints that did not end by itself.
var crashed = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|runtime: .*|SIG[A-Z]+: .*|unexpected fault address.*|goroutine \d+ .*)$`)

// runtimeGivesUp are the ways in which the Go runtime ends a program because a
// call that it needs itself has failed, by call. Nothing else may look like a crash.
var runtimeGivesUp = map[string]*regexp.Regexp{
	"mmap":          runtimeMemory,
	"mmap2":         runtimeMemory,
	"fcntl":         runtimeFcntl,
	"fcntl64":       runtimeFcntl,
	"epoll_create1": runtimeEpoll,
	"epoll_ctl":     runtimeEpoll,
	"eventfd2":      runtimeEpoll,
	"write":         regexp.MustCompile(`^runtime: netpollBreak write failed with `),
	"getrandom":     regexp.MustCompile(`^fatal error: crypto/rand: failed to read random data`),
}

var (
	runtimeMemory = regexp.MustCompile(`^(fatal error: .*(memory|arena|metadata)|runtime: (out of memory|mmap\())`)
	runtimeFcntl  = regexp.MustCompile(`^runtime: unexpected error while checking standard file descriptor \d, errno=`)
	runtimeEpoll  = regexp.MustCompile(`^runtime: (epollcreate|eventfd|epollctl) failed with `)
)

// crashOf returns the first words of a crash, and whether it is the runtime's.
func crashOf(f fault, res result) (words string, own bool) {
	words = crashed.FindString(res.stderr)
	if words == "" && res.signal != 0 {
		words = res.signal.String()
	}
	re := runtimeGivesUp[f.call]
	return words, re != nil && !f.mode.paths && re.MatchString(words)
}

// documented are the exit codes that an append, or prune, can have in truth
// where a call failed: there is a journal, of this version, that nobody locks, on
// a file system that does not change. Beside a live writer one that cannot read the
// boot id is refused (13).
var documented = []int{0, 1}

const unsafe = 13

// uninterrupted are calls that need not be repeated after EINTR. close must not
// be: the descriptor is gone, and may be another file by then. The others wait
// for nothing that a signal could interrupt, short of killing the process.
var uninterrupted = []string{"close", "lseek", "_llseek", "munmap"}

// essential are calls without which nothing is as it should be: who goes on
// behind an error of one has not looked at it. Others may fail without harm. A
// file that was only read need not be closed well, a file system other than btrfs
// need not be told not to copy, the runtime looks for its own purposes into /sys
// and at descriptors, and where a segment cannot be read others tell which journal it is.
var essential = strings.Fields(`fallocate fchmod fdatasync flock fsync ftruncate getdents64 linkat
	lseek mkdirat pwrite64 renameat renameat2 unlinkat writev`)

// mutedWrite matches a message that could not be printed.
var mutedWrite = regexp.MustCompile(`write\(2<.*\(INJECTED\)`)

// judge says what is wrong with how a run ended.
func (run *run) judge(f fault, res result) (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if res.hung {
		bad("it hangs")
		return problems
	}
	if res.own {
		return nil
	} else if res.crash != "" || res.code == 2 {
		bad("it crashes: %s", res.crash)
		return problems
	}
	soft := f.errno == "EINTR"
	said := strings.TrimSpace(res.stderr) != ""
	mute := mutedWrite.MatchString(res.trace)
	switch {
	case res.code == unsafe && strings.Contains(res.trace, "boot_id") && strings.Contains(res.stderr, "boot id"):
	case !slices.Contains(documented, res.code):
		bad("exit code %d", res.code)
	case res.code != 0 && res.hits == 0:
		bad("exit code %d, and no call failed", res.code)
	case res.code != 0 && !said && !mute:
		bad("exit code %d without a message", res.code)
	case res.code == 0 && said:
		bad("exit code 0 with a message")
	case res.code == 0 && strings.Count(res.stdout, "\n") != f.scenario.lines:
		bad("exit code 0, and %d lines of %d", strings.Count(res.stdout, "\n"), f.scenario.lines)
	case res.code != 0 && soft && !slices.Contains(uninterrupted, f.call):
		bad("a signal is an error")
	case res.code == 0 && !soft && res.hits > 0 && slices.Contains(essential, f.call):
		bad("exit code 0, and %s failed", f.call)
	}
	return problems
}

// read returns all records; damage is an error, except fragments and what is
// void.
func read(dir string) (records []journal.Record, err error) {
	var damage error
	j, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) {
		if d.Class == journal.Corruption || d.Class == journal.Hole {
			damage = errors.Join(damage, fmt.Errorf("%v from %v to %v", d.Class, d.From, d.To))
		}
	}})
	if err != nil {
		return nil, err
	}
	for rec, rerr := range j.Records(journal.Position{}) {
		if rerr != nil {
			err = errors.Join(err, rerr)
			break
		}
		records = append(records, rec)
	}
	return records, errors.Join(err, damage, j.Close())
}

// tool runs jtool in this process, where no call fails.
func tool(in string, args ...string) (out string, err error) {
	var o, e bytes.Buffer
	if code := jtoolcmd.Main(args, strings.NewReader(in), &o, &e); code != 0 {
		return "", fmt.Errorf("%s exits with %d: %s%s", args[0], code, o.String(), e.String())
	}
	return o.String(), nil
}

// check says what is wrong with the journal after a run.
func (run *run) check(f fault, res result) (problems []string) {
	bad := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	if run.live != nil {
		defer func() { bad(run.live.Close()) }()
	}
	got, err := read(run.dir)
	if errors.Is(err, journal.ErrNotJournal) && len(run.old) == 0 && res.stdout == "" {
		err = nil // it was not made
	} else if err == nil {
		_, verr := tool("", "verify", run.dir)
		bad(verr)
	}
	bad(err)
	bad(run.scenario.compare(run, f, res, got))
	more := run.liveGoesOn(f, res, &problems)
	_, err = tool("after\n", "append", run.dir, "--sync", "always", "--timeout", "1m")
	bad(err)
	again, err := read(run.dir)
	bad(err)
	_, err = tool("", "verify", run.dir)
	bad(err)
	bad(samePrefix(got, again))
	if want := append(more, "after"); len(again) != len(got)+len(want) {
		bad(fmt.Errorf("%d records became %d", len(got), len(again)))
	} else {
		for i, value := range want {
			if string(again[len(got)+i].Value) != value {
				bad(fmt.Errorf("behind the others is %.40q, want %q", again[len(got)+i].Value, value))
			}
		}
	}
	return problems
}

// liveGoesOn appends by a handle that was open all the time, and syncs. That its
// earlier records are of unknown outcome it may say once, and only after a
// failed sync; it may not lose one.
func (run *run) liveGoesOn(f fault, res result, problems *[]string) (more []string) {
	if run.live == nil {
		return nil
	}
	bad := func(format string, args ...any) { *problems = append(*problems, fmt.Sprintf(format, args...)) }
	if _, err := run.live.Append(nil, []byte("live")); err != nil {
		bad("the other writer: %v", err)
		return nil
	}
	err := run.live.Sync()
	if errors.Is(err, journal.ErrOutcomeUnknown) && (f.call == "fdatasync" && res.hits > 0 || res.crash != "") {
		err = run.live.Sync()
	}
	if err != nil {
		bad("the other writer: %v", err)
	}
	return []string{"live"}
}

func samePrefix(a, b []journal.Record) error {
	for i, rec := range a {
		if i >= len(b) || b[i].Position != rec.Position || b[i].Seq != rec.Seq || b[i].Writer != rec.Writer || !bytes.Equal(b[i].Value, rec.Value) {
			return fmt.Errorf("record %d, at %v, is not what it was", i, rec.Position)
		}
	}
	return nil
}

// appended holds a journal against what was there before and what an append
// with --ack has printed: all that was acknowledged is there once, in order,
// where it was said to be; of what was not there may be one record, the one
// whose acknowledgement failed.
func appended(run *run, f fault, res result, got []journal.Record) error {
	if err := samePrefix(run.old, got); err != nil {
		return err
	}
	fresh := got[len(run.old):]
	acks := strings.Split(res.stdout, "\n")
	if acks[len(acks)-1] != "" {
		return fmt.Errorf("a part of an acknowledgement: %q", acks[len(acks)-1])
	}
	acks = acks[:len(acks)-1]
	if len(fresh) < len(acks) || len(fresh) > len(acks)+1 {
		return fmt.Errorf("%d records are there, %d acknowledged", len(fresh), len(acks))
	}
	for i, rec := range fresh {
		if string(rec.Value) != line(i) || rec.Seq != uint64(i+1) || rec.Writer != fresh[0].Writer {
			return fmt.Errorf("record %d is %.20q, sequence %d", i+1, rec.Value, rec.Seq)
		}
		if i < len(acks) && acks[i] != fmt.Sprintf("%v %d", rec.Position, rec.Seq) {
			return fmt.Errorf("record %d is at %v, acknowledged as %q", i+1, rec.Position, acks[i])
		}
	}
	// Who is told that an append has failed may repeat it, and must not be told
	// so if the record is there (Journal.Append).
	if len(fresh) > len(acks) && res.crash == "" && f.call != "write" && !strings.Contains(res.stderr, "outcome unknown") {
		return errors.New("a record is there, and its append has failed with a known outcome")
	}
	return nil
}

// pruned holds a journal against what prune was to do: oldest first, whole
// segments, nothing that was not asked for, and all of it if it says so.
func pruned(run *run, _ fault, res result, got []journal.Record) error {
	if len(got) == 0 || len(got) > len(run.old) {
		return fmt.Errorf("%d records of %d are there", len(got), len(run.old))
	}
	gone := run.old[:len(run.old)-len(got)]
	if err := samePrefix(run.old[len(gone):], got); err != nil {
		return err
	}
	if len(gone) > 0 && gone[len(gone)-1].Position.Segment == got[0].Position.Segment {
		return errors.New("half a segment is gone")
	}
	first := got[0].Position.Segment
	if first > pruneTo || res.code == 0 && first != pruneTo {
		return fmt.Errorf("the first segment is %d", first)
	}
	return nil
}
