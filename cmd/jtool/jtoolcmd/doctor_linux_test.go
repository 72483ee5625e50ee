package jtoolcmd

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// The test binary is a program, too, that has the tree under a command of its own.
const mounted = "mounted"

func init() {
	if filepath.Base(os.Args[0]) != mounted {
		return
	}
	root := &cobra.Command{Use: mounted, SilenceUsage: true}
	tools := &cobra.Command{Use: "tools"}
	root.AddCommand(tools)
	tools.AddCommand(New(Options{}))
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// The experiments start the program again in the way in which it was started.
func TestDoctorMounted(t *testing.T) {
	dir := t.TempDir()
	cmd := &exec.Cmd{Path: executable(t), Args: []string{mounted, "tools", "jtool", "doctor", "-q", "--quick", dir}}
	out, errOut := runCmd(t, exitOK, cmd)
	if !strings.Contains(out, "every promise that was tested holds") || errOut != "" {
		t.Errorf("%s%s", out, errOut)
	}
	nothingLeft(t, dir)
}

// running returns the processes that have a text in their command line.
func running(t *testing.T, text string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(line, []byte(text)) { // it may have ended meanwhile
			pids = append(pids, pid)
		}
	}
	return pids
}

// nothingLeft: neither a file in dir, but for those that are named, nor a process
// that works in it.
func nothingLeft(t *testing.T, dir string, but ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(but, e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
	}
	if pids := running(t, dir); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}
}

// poll calls f until it returns true.
func poll(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !f() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}

// Whoever interrupts doctor or bench, early or late, finds nothing of it afterwards.
// The timeline: the directory appears; the named child runs in it; the signal comes.
func TestExperimentsInterrupted(t *testing.T) {
	for _, c := range []struct {
		args []string
		in   string // where a child works when the signal comes, or later; empty for anywhere
	}{
		{[]string{"doctor"}, ""},
		{[]string{"doctor"}, "/{interleaving,kill,short,copy,damage,input}"},
		{[]string{"doctor"}, "/{kill,short,copy,damage,input}"},
		{[]string{"bench", "--time", "30s"}, ""},
		{[]string{"bench", "--time", "30s"}, "/{slice}/journal"},
	} {
		for code, s := range map[int]os.Signal{exitInterrupted: os.Interrupt, exitTerminated: syscall.SIGTERM} {
			if testing.Short() && code == exitTerminated {
				continue
			}
			t.Run(fmt.Sprint(c.args[0], c.in, " ", s), func(t *testing.T) {
				dir := t.TempDir()
				p := start(t, append(c.args, "-q", dir)...)
				poll(t, "there is a directory", func() bool {
					before, rest, _ := strings.Cut(c.in, "{")
					names, after, _ := strings.Cut(rest, "}")
					return slices.ContainsFunc(strings.Split(names, ","), func(name string) bool {
						made, err := filepath.Glob(filepath.Join(dir, ".manypen-*", before+name+after))
						return err == nil && len(made) > 0
					})
				})
				if c.in != "" {
					poll(t, "a child works in it", func() bool {
						return slices.ContainsFunc(running(t, dir), func(pid int) bool { return pid != p.cmd.Process.Pid })
					})
				}
				p.signal(t, s)
				if out, got := p.wait(t); got != code || out != "" || p.err.String() != "" {
					t.Errorf("exits with %d: %q %q", got, out, p.err.String())
				}
				nothingLeft(t, dir)
			})
		}
	}
}

// If doctor itself is killed its processes end: nobody tells them anything any more.
// The directory stays.
func TestDoctorKilled(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "doctor", dir)
	poll(t, "followers wait", func() bool {
		return slices.ContainsFunc(running(t, dir), func(pid int) bool {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			return err == nil && bytes.Contains(line, []byte("\x00follow\x00"))
		})
	})
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
	poll(t, "all processes have ended", func() bool { return len(running(t, dir)) == 0 })
	left, err := filepath.Glob(filepath.Join(dir, ".manypen-doctor-*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// A journal that is being written does not notice.
func TestDoctorLive(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	p := start(t, "append", dir, "--ack", "--segment-size", "64KiB")
	p.write(t, "one\n")
	p.line(t)
	for _, args := range [][]string{{"doctor", dir, "-q", "--quick"}, {"bench", dir, "-q", "--time", "200ms"}} {
		d := start(t, args...)
		done := make(chan struct{})
		appended := make(chan int)
		go func() {
			n := 0
			for {
				select {
				case <-done:
					appended <- n
					return
				default:
				}
				if _, err := io.WriteString(p.in, strings.Repeat("x", 5000)+"\n"); err != nil {
					appended <- -1
					return
				}
				if _, err := p.out.ReadString('\n'); err != nil {
					appended <- -1
					return
				}
				n++
			}
		}()
		out, code := d.wait(t)
		close(done)
		if n := <-appended; n <= 0 {
			t.Errorf("%v: %d records were appended meanwhile", args, n)
		}
		if code != exitOK || d.err.String() != "" {
			t.Errorf("%v exits with %d: %s %s", args, code, d.err.String(), out)
		}
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, code := p.wait(t); code != exitOK {
		t.Errorf("the writer exits with %d: %s", code, p.err.String())
	}
	check(t, dir)
	nothingLeft(t, base, "j")
}

// Nobody reads what they print: they end quietly, and tidy up.
func TestExperimentsClosedPipe(t *testing.T) {
	for _, args := range [][]string{{"doctor", "--quick"}, {"bench", "--time", "200ms", "--json"}, {"doctor", "--quick", "--json"}, {"bench", "--time", "200ms"}} {
		if testing.Short() && len(args) > 2 {
			continue
		}
		dir := t.TempDir()
		p := start(t, append(args, "-q", dir)...)
		if err := p.closeOut(); err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Wait(); err != nil || p.err.String() != "" {
			t.Errorf("%v: %v: %s", args, err, p.err.String())
		}
		nothingLeft(t, dir)
	}
}
