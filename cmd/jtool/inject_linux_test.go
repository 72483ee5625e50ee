package main

import (
	"flag"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
)

// Every system call that jtool makes fails once, and from then on, with each of
// several errors, and what must hold then holds: nothing acknowledged is lost,
// nothing hangs or crashes, the exit code is true, the journal is sound and goes
// on. strace makes the calls fail, in the program as users have it, so nothing
// here depends on where the code looks for errors.
//
// # What counts
//
// "when=N" of strace counts the calls of each thread apart, and the threads of a
// Go program take turns as they like: the N-th call would be another one in each
// run. So package main gets an init that locks the main goroutine to the main
// thread (rig.build), and GOMAXPROCS is 1. All that the engine does in the
// foreground is then done by one thread, and N is a place in the program. The
// mode "free" runs jtool as it is: there each thread has an N-th call of its
// own, and often several calls fail in one run.
//
// A call that strace makes fail is not executed at all. That is what most errors
// are like; a failed fdatasync has written nothing, a failed write nothing
// either (short writes are tested in vio and journal). It differs for close(2):
// Linux frees the descriptor whatever close returns, and here it stays open to
// the end of the process. Nothing may depend on that either.

var (
	injectFull = flag.Bool("inject.full", false, "TestInject makes every call fail in every way: some 10 minutes")
	injectOnly = flag.String("inject.only", "", "TestInject makes this one run, such as \"create once fdatasync EIO 3\"")
)

// A mode is how a call fails, and in which program.
type mode struct {
	name   string
	sticky bool // the N-th call and all later ones
	paths  bool // only calls on files of the journal count and fail
	free   bool // jtool as it is, on all processors
	errnos []string
}

var modes = []mode{
	{name: "once", errnos: []string{"EIO", "ENOSPC", "EDQUOT", "EINTR", "ENOMEM"}},
	// For good, and so with the writes of acknowledgements and messages, and
	// what the runtime asks for, failing too.
	{name: "sticky", sticky: true, errnos: []string{"EIO", "ENOSPC", "EDQUOT", "EINTR", "ENOMEM"}},
	// The disk alone is ill. strace knows a file by its path: one that has no
	// name yet (O_TMPFILE) is not among them.
	{name: "journal", sticky: true, paths: true, errnos: []string{"EIO", "ENOSPC", "ENOMEM"}},
	{name: "free", free: true, errnos: []string{"EIO", "EINTR"}},
}

// A fault is what one run is about.
type fault struct {
	scenario *scenario
	mode     *mode
	call     string
	errno    string
	nth      int
}

func (f fault) String() string {
	return fmt.Sprintf("%s %s %s %s %d", f.scenario.name, f.mode.name, f.call, f.errno, f.nth)
}

// burst is how many calls in a row a signal interrupts. For ever would be a
// hang in every program that does what one does about EINTR, and is not what
// signals do.
const burst = 10

// inject is the argument of strace that brings f about.
func (f fault) inject() string {
	when := fmt.Sprint(f.nth)
	switch {
	case f.mode.sticky && f.errno == "EINTR":
		when = fmt.Sprintf("%d..%d", f.nth, f.nth+burst-1)
	case f.mode.sticky:
		when += "+"
	}
	return fmt.Sprintf("inject=%s:error=%s:when=%s", f.call, f.errno, when)
}

// parseFault is the inverse of String.
func parseFault(s string) (f fault, err error) {
	var scenarioName, modeName string
	if _, err := fmt.Sscan(s, &scenarioName, &modeName, &f.call, &f.errno, &f.nth); err != nil {
		return f, fmt.Errorf("%q: want SCENARIO MODE CALL ERROR N: %w", s, err)
	}
	for i := range scenarios {
		if scenarios[i].name == scenarioName {
			f.scenario = &scenarios[i]
		}
	}
	for i := range modes {
		if modes[i].name == modeName {
			f.mode = &modes[i]
		}
	}
	if f.scenario == nil || f.mode == nil {
		return f, fmt.Errorf("%q: no such scenario or mode", s)
	}
	return f, nil
}

// notOurs are calls of the Go runtime that have nothing to do with files: they
// schedule, handle signals, start threads and end the program. What happens when
// they fail is not up to jtool. All other calls that a run makes are made to
// fail, those of the runtime included (mmap, epoll, the first fcntls).
var notOurs = strings.Fields(`arch_prctl clone clone3 epoll_pwait epoll_wait execve exit exit_group
	futex futex_time64 getpid gettid madvise nanosleep prctl prlimit64 restart_syscall rt_sigaction
	rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area
	set_tid_address sigaltstack sigreturn tgkill uname ugetrlimit getrlimit`)

// TestInject samples the faults; with -inject.full it makes all of them, and
// -inject.only repeats the one that a failure names. Parts of the whole are run
// by -run TestInject/SCENARIO/CALL.
func TestInject(t *testing.T) {
	r := newRig(t)
	if *injectOnly != "" {
		f, err := parseFault(*injectOnly)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("hits: %d", r.try(t, f))
		return
	}
	for i := range scenarios {
		s := &scenarios[i]
		t.Run(s.name, func(t *testing.T) { r.series(t, s) }) // returns when its parallel tests have ended
	}
	r.tally.log(t)
}

// series runs the faults of one scenario, each call in a test of its own.
func (r *rig) series(t *testing.T, s *scenario) {
	counts := make(map[string][]int) // of calls in a run without a fault, for each mode
	for i := range modes {
		for call, n := range r.clean(t, s, &modes[i]) {
			if counts[call] == nil {
				counts[call] = make([]int, len(modes))
			}
			counts[call][i] = n
		}
	}
	for call, n := range counts {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			if *injectFull {
				r.every(t, s, call, n)
				return
			}
			for _, f := range sample(s, call, n) {
				r.try(t, f)
			}
		})
	}
}

// every makes the first call fail, the second, and so on until there is none.
// That there is no n-th call proves little by itself: what a goroutine in the
// background does may be done by another thread the next time.
func (r *rig) every(t *testing.T, s *scenario, call string, counts []int) {
	for i := range modes {
		for _, errno := range modes[i].errnos {
			f := fault{s, &modes[i], call, errno, 1}
			for r.try(t, f) > 0 || f.nth <= counts[i] {
				f.nth++
			}
		}
	}
}

// sample returns some faults of one call, always the same ones, and others for
// other calls and scenarios.
func sample(s *scenario, call string, counts []int) []fault {
	var all []fault
	for i := range modes {
		for _, errno := range modes[i].errnos {
			for n := range counts[i] {
				all = append(all, fault{s, &modes[i], call, errno, n + 1})
			}
		}
	}
	want := 2
	if testing.Short() {
		want = 1
	}
	switch call {
	case "epoll_create1", "epoll_ctl", "eventfd2", "getrandom":
		if s != &scenarios[0] {
			return nil // the same everywhere, and not jtool's own
		}
	}
	want = min(want, len(all))
	h := fnv.New32a()
	fmt.Fprint(h, s.name, call) // a hash takes everything
	first := int(h.Sum32()>>1) % max(1, len(all))
	var some []fault
	for k := range want {
		some = append(some, all[(first+k*len(all)/want)%len(all)])
	}
	return some
}

// try makes one run and holds it against what must be; it returns how many
// calls failed.
func (r *rig) try(t *testing.T, f fault) int {
	t.Helper()
	if r.hung.Load() {
		t.Skip("a run before this one hangs, which is reported there; each further one would wait as long")
	}
	run, err := r.start(f.scenario)
	if err != nil {
		t.Fatalf("%v: before the run: %v", f, err)
	}
	defer run.remove(t)
	res := r.jtool(t, run, f)
	problems := run.judge(f, res)
	problems = append(problems, run.check(f, res)...)
	r.tally.add(f, res)
	if len(problems) > 0 {
		t.Errorf("%v:\n\t%s\nexit code %d, standard error %.700q\nacknowledged %.300q\ntrace:\n%s\nagain: go test ./cmd/jtool -run TestInject -inject.only %q",
			f, strings.Join(problems, "\n\t"), res.code, res.stderr, res.stdout, tailOf(res.trace, 12), f)
	}
	return res.hits
}

// clean makes a run without a fault, which must be in order, and returns how
// often the thread that makes most of them makes each call.
func (r *rig) clean(t *testing.T, s *scenario, m *mode) map[string]int {
	t.Helper()
	run, err := r.start(s)
	if err != nil {
		t.Fatal(err)
	}
	defer run.remove(t)
	res := r.jtool(t, run, fault{scenario: s, mode: m})
	if res.code != 0 {
		t.Fatalf("%s exits with %d without a fault: %s", s.name, res.code, res.stderr)
	}
	if problems := run.check(fault{}, res); len(problems) > 0 {
		t.Fatalf("%s without a fault: %q", s.name, problems)
	}
	counts := callsOf(res.trace)
	for call := range counts {
		if slices.Contains(notOurs, call) {
			delete(counts, call)
		}
	}
	return counts
}
