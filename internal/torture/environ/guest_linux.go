package environ

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

const role = "guest"

// Roles returns what processes of this class are.
func Roles() board.Roles { return board.Roles{role: child} }

// guest is a process in an environment of its own that appends to a journal.
type guest struct {
	Dir    string
	Prefix string // of its keys; no two guests of a site have the same
	N      int    // records

	Umask   int // -1: as it is
	NoFile  uint64
	FSize   uint64
	BootID  string // a file to mount over the boot id of the machine
	Signals bool   // all the time
	Last    string // "kill": it kills itself, with the journal open

	User int // who it becomes, 0: who it is

	cloneflags uintptr
}

// child does as it is told, and says what became of each record.
func child(args []string) int {
	var g guest
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &g) != nil {
		fmt.Fprintf(os.Stderr, "orders %q\n", args)
		return 2
	}
	if err := g.prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if g.Signals {
		go func() {
			for {
				// Nobody handles them; the runtime has to, whatever it is doing.
				_ = syscall.Kill(os.Getpid(), syscall.SIGURG)
				_ = syscall.Kill(os.Getpid(), syscall.SIGCHLD)
			}
		}()
	}
	j, err := journal.Open(g.Dir, journal.Options{Sync: journal.SyncNone, SegmentSize: segmentSize})
	if err != nil {
		return report("open", err)
	}
	for n := range g.N {
		key := fmt.Sprint(g.Prefix, " ", n)
		at, err := j.Append([]byte(key), make([]byte, 2000))
		switch {
		case err == nil:
			fmt.Printf("ok %s at %v\n", key, at)
		case errors.Is(err, journal.ErrOutcomeUnknown):
			fmt.Printf("unknown %s\n", key)
		default:
			if code := report("append", err); code != 0 {
				return code
			}
		}
	}
	if g.Last == "kill" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // it does not return
	}
	if err := j.Close(); err != nil {
		return report("close", err)
	}
	return 0
}

// report says that something was refused; an error that does not say where is not one
// that may be.
func report(what string, err error) int {
	if err := refused(what, err); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("refused %s: %q\n", what, err)
	return 0
}

func (g *guest) prepare() error {
	if g.Umask >= 0 {
		syscall.Umask(g.Umask)
	}
	if g.BootID != "" {
		err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		if err == nil {
			err = unix.Mount(g.BootID, "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	var errs []error
	if g.NoFile > 0 {
		errs = append(errs, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: g.NoFile, Max: g.NoFile}))
	}
	if g.FSize > 0 {
		errs = append(errs, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: g.FSize, Max: g.FSize}))
	}
	if g.User > 0 {
		// Not by who starts it: this program may lie where that user may not go.
		errs = append(errs, syscall.Setgroups(nil), syscall.Setgid(g.User), syscall.Setuid(g.User))
	}
	return errors.Join(errs...)
}

// send runs a guest to its end and notes what became of its records. refused has what
// it was refused.
func (s *site) send(g guest) (refused []string, err error) {
	if g.Dir == "" {
		g.Dir = s.dir
	}
	text, err := json.Marshal(g)
	if err != nil {
		return nil, err
	}
	cmd, err := board.Child(s.c.Context(), role, string(text))
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: g.cloneflags}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err = cmd.Run(); cmd.ProcessState == nil {
		return nil, fmt.Errorf("guest %s: %w", g.Prefix, err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); g.Last == "kill" && ok && ws.Signal() == syscall.SIGKILL {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w: %s", g.Prefix, err, errs.Bytes())
	}
	for line := range strings.Lines(out.String()) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch what {
		case "ok":
			key, at, _ := strings.Cut(rest, " at ")
			s.told[key] = at
		case "unknown":
			s.unsure[rest] = true
		case "refused":
			refused = append(refused, rest)
		default:
			return nil, fmt.Errorf("guest %s says %q", g.Prefix, line)
		}
	}
	return refused, nil
}

// normal is a guest in the environment that everybody has.
func normal(prefix string, n int) guest { return guest{Prefix: prefix, N: n, Umask: -1} }

// must is send for a guest that has to be refused nothing.
func (s *site) must(g guest) error {
	refused, err := s.send(g)
	if err == nil && len(refused) > 0 {
		err = fmt.Errorf("guest %s is refused: %v", g.Prefix, refused)
	}
	return err
}
