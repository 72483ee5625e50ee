package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const victim = "victim"

func init() {
	if os.Getenv(roleVar) == victim {
		// strace counts the calls of each thread apart.
		runtime.LockOSThread()
	}
	roles[victim] = func(args []string) string {
		dir, err := os.Open(args[1])
		if err != nil {
			return "start: " + err.Error()
		}
		f, err := os.OpenFile(filepath.Join(args[1], "seg"), os.O_RDWR|os.O_APPEND, 0)
		if err != nil {
			return "start: " + err.Error()
		}
		before, err := descriptors()
		if err != nil {
			return "start: " + err.Error()
		}
		failed := operations[args[0]](f, dir)
		after, err := descriptors()
		if err != nil {
			after, err = descriptors()
		}
		return fmt.Sprintf("%d leaked, %v, error %v", after-before, err, failed)
	}
}

func descriptors() (int, error) {
	names, err := os.ReadDir("/proc/self/fd")
	return len(names), err
}

var operations = map[string]func(f, dir *os.File) error{
	"publish": func(_, dir *os.File) error { return Publish(dir, "new", 0o600, true, content("text")) },
	"temporary": func(_, dir *os.File) error {
		useWay("temporary name")
		return Publish(dir, "new", 0o600, true, content("text"))
	},
	"replace": func(_, dir *os.File) error { return Replace(dir, "new", 0o600, true, content("text")) },
	"seal":    func(f, dir *os.File) error { return Seal(f, dir, "seg", 100, 200) },
	"byte": func(f, dir *os.File) error {
		allocates = false
		return Seal(f, dir, "seg", 100, 200)
	},
	"open": func(_, dir *os.File) error {
		f, err := OpenIn(dir, "seg", os.O_RDWR|os.O_APPEND)
		if err == nil {
			err = f.Close()
		}
		return err
	},
	"look": func(f, dir *os.File) error {
		_, list := ListIn(dir)
		_, exists := ExistsIn(dir, "seg")
		_, kind := FileSystemOf(f)
		return errors.Join(list, exists, kind)
	},
	"sync": func(f, dir *os.File) error { return errors.Join(SyncData(f), SyncDir(dir)) },
	"lock": func(f, dir *os.File) error {
		_, byDir := TryLockDir(dir, true)
		_, byByte := TryLockByte(f, 0, true)
		return errors.Join(byDir, byByte, LockByte(f, 0), UnlockByte(f, 0), UnlockDir(dir))
	},
}

// Every system call of every operation fails once. A signal is no failure; of
// anything else the caller hears; no descriptor and no temporary name remains,
// and what has its name is complete.
func TestFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed:", err)
	}
	if err := exec.Command(strace, "-f", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skip("strace may not trace here:", err)
	}
	if testing.Short() || raceEnabled {
		t.Skip("takes a thousand processes: not with -short or the race detector")
	}
	calls := map[string][]string{
		"publish":   {"openat", "fchmod", "write", "fsync", "linkat"},
		"temporary": {"openat", "fchmod", "write", "fsync", "linkat", "unlinkat"},
		"replace":   {"openat", "fchmod", "write", "fsync", "renameat,renameat2", "unlinkat"},
		"seal":      {"fallocate"},
		"byte":      {"openat", "fstat", "newfstatat", "fcntl", "pwrite64"},
		"open":      {"openat", "fstat", "newfstatat", "fcntl"},
		"look":      {"openat", "getdents64", "newfstatat", "fstatfs"},
		"sync":      {"fdatasync", "fsync"},
		"lock":      {"flock", "fcntl"},
	}
	for operation, names := range calls {
		for _, call := range names {
			for _, errno := range []string{"EINTR", "EIO", "ENOSPC", "EOPNOTSUPP"} {
				for nth := 1; nth <= 20; nth++ {
					fault := fmt.Sprintf("%s:error=%s:when=%d", call, errno, nth)
					if !oneFault(t, strace, operation, fault) {
						break
					}
				}
			}
		}
	}
}

// oneFault reports whether the fault happened.
func oneFault(t *testing.T, strace, operation, fault string) bool {
	t.Helper()
	path := t.TempDir()
	dir := openDir(t, path)
	newFile(t, dir, "seg", "text", os.O_RDONLY)
	log := filepath.Join(t.TempDir(), "log")
	call, _, _ := strings.Cut(fault, ":")
	cmd := exec.Command(strace, "-f", "-qq", "-o", log, "-e", "trace="+call, "-e", "inject="+fault, os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+victim)
	cmd.Stdin = strings.NewReader(operation + " " + path + "\n")
	out, failed := cmd.Output()
	said := strings.TrimSpace(string(out))
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(trace), "(INJECTED)") {
		if failed != nil || said != "0 leaked, <nil>, error <nil>" {
			t.Fatalf("%s without a fault: %s, %v", operation, said, failed)
		}
		return false
	}
	if failed != nil || said == "" || strings.HasPrefix(said, "start: ") {
		return true // not in the operation but before or after it
	}
	if !strings.HasPrefix(said, "0 leaked, <nil>, ") {
		t.Errorf("%s, %s: %s", operation, fault, said)
	}
	if strings.Contains(fault, "EINTR") && !strings.HasSuffix(said, "error <nil>") {
		t.Errorf("%s, %s: %s", operation, fault, said)
	}
	names, err := ListIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		switch {
		case name == "new":
			wantContent(t, dir, "new", "text")
		case strings.HasPrefix(name, TempPrefix) && call == "unlinkat":
			// The one call that would have removed it.
			if err := unix.Unlink(filepath.Join(path, name)); err != nil {
				t.Error(err)
			}
		case name != "seg":
			t.Errorf("%s, %s: left %s", operation, fault, name)
		}
	}
	t.Logf("%s, %s: %s", operation, fault, said)
	return true
}
