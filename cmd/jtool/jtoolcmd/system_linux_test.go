package jtoolcmd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A write beyond a limit of the file size leaves a fragment: append fails and
// names the place, what was acknowledged is there, and the journal is sound.
func TestFileSizeLimit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	p := start(t, "append", dir, "--ack")
	p.write(t, "one\n")
	p.line(t)
	limit := unix.Rlimit{Cur: 8192 + 55 + 100, Max: 8192 + 55 + 100}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	p.write(t, strings.Repeat("f", 1000)+"\n")
	if rest, code := p.wait(t); code != exitFailure || rest != "" || !strings.Contains(p.err.String(), "at 1:8247: wrote 100 of 1052 bytes") {
		t.Errorf("exits with %d: %q %q", code, rest, p.err.String())
	}
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\n" {
		t.Errorf("%q is there", out)
	}
	jtool(t, exitOK, "two\n", "append", dir)
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\ntwo\n" {
		t.Errorf("%q is there", out)
	}
	jtool(t, exitOK, "", "verify", dir)
	jtool(t, exitFragments, "", "verify", dir, "--strict")
	check(t, dir)
}

// mount mounts a small tmpfs.
func mount(t *testing.T, options string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skip("mount is not permitted:", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func unmount(t *testing.T, dir string) {
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

func TestFullDisk(t *testing.T) {
	dir := filepath.Join(mount(t, "size=1m"), "j")
	var in strings.Builder
	for range 3000 {
		in.WriteString(strings.Repeat("f", 1000) + "\n")
	}
	acks, errOut := jtool(t, exitFailure, in.String(), "append", dir, "--ack", "--segment-size", "256KiB")
	if !strings.Contains(errOut, "no space left on device") {
		t.Errorf("append says %q", errOut)
	}
	given := strings.Count(acks, "\n")
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); strings.Count(out, "\n") != given || given < 500 {
		t.Errorf("%d are acknowledged, %d are there", given, strings.Count(out, "\n"))
	}
	jtool(t, exitOK, "", "verify", dir)
	_, errOut = jtool(t, exitFailure, in.String(), "append", dir, "--json")
	if n, err := checkJSON([]byte(errOut)); err != nil || n["error"] != 1 {
		t.Errorf("append --json says %q: %v", errOut, err)
	}
	check(t, dir)
}

// A second writer is refused where appends are not atomic; readers are not.
func TestUnsafeFileSystem(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := exec.LookPath("bindfs"); err != nil {
		t.Skip("bindfs is not installed")
	}
	base := t.TempDir()
	from, to := filepath.Join(base, "from"), filepath.Join(base, "to")
	if err := errors.Join(os.Mkdir(from, 0o755), os.Mkdir(to, 0o755)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("bindfs", from, to).CombinedOutput(); err != nil {
		t.Skipf("bindfs cannot mount here: %v: %s", err, out)
	}
	t.Cleanup(func() { unmount(t, to) })
	dir := filepath.Join(to, "j")
	p := start(t, "append", dir, "--ack")
	p.write(t, "one\n")
	p.line(t)
	if _, errOut := jtool(t, exitUnsafe, "two\n", "append", dir); errOut == "" {
		t.Error("a second writer is refused without a word")
	}
	_, errOut := jtool(t, exitUnsafe, "two\n", "append", dir, "--json")
	if n, err := checkJSON([]byte(errOut)); err != nil || n["error"] != 1 {
		t.Errorf("append --json says %q: %v", errOut, err)
	}
	if out, _ := jtool(t, exitOK, "", "dump", dir, "-o", "raw"); out != "one\n" {
		t.Errorf("%q is there", out)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, code := p.wait(t); code != exitOK {
		t.Errorf("the first writer exits with %d: %s", code, p.err.String())
	}
	jtool(t, exitOK, "two\n", "append", dir)
	// Several that all lock may write at once.
	locked := filepath.Join(to, "locked")
	p = start(t, "append", locked, "--ack", "--locked")
	p.write(t, "one\n")
	p.line(t)
	jtool(t, exitOK, "two\n", "append", locked, "--locked")
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	p.wait(t)
	check(t, dir)
	check(t, locked)
}

// Commands that read need no permission to write.
func TestReadOnlyUser(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "j")
	if err := fill(dir, 100, 200); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(base, "jtool")
	copyExecutable(t, program)
	var user *syscall.SysProcAttr
	if os.Getuid() == 0 {
		user = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	// Others may look for names on the way to it, and not write in it.
	if err := errors.Join(os.Chmod(filepath.Dir(base), 0o711), os.Chmod(base, 0o711), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Error(err)
		}
	})
	as := func(code int, args ...string) string {
		t.Helper()
		cmd := &exec.Cmd{Path: program, Args: append([]string{"jtool"}, args...), SysProcAttr: user, Dir: "/"}
		_, errOut := runCmd(t, code, cmd)
		return errOut
	}
	for _, args := range [][]string{{"dump", dir}, {"dump", dir, "-r"}, {"get", dir, "k3"}, {"tail", dir}, {"verify", dir}, {"stat", dir}, {"ls", dir}, {"export", dir}, {"repair", dir}, {"prune", dir, "--max-size", "1", "--dry-run"}} {
		if errOut := as(exitOK, args...); errOut != "" {
			t.Errorf("%s says %q", args[0], errOut)
		}
	}
	// A copy somewhere else is that user's own, who may write it.
	out := filepath.Join(base, "out")
	if err := errors.Join(os.Mkdir(out, 0o777), os.Chmod(out, 0o777)); err != nil {
		t.Fatal(err)
	}
	as(exitOK, "repair", dir, "--output", filepath.Join(out, "new"))
	as(exitOK, "append", filepath.Join(out, "new"))
	as(exitOK, "export", dir, "--output", filepath.Join(out, "e.jsonl"))
	check(t, filepath.Join(out, "new"))
	f := startCmd(t, &exec.Cmd{Path: program, Args: []string{"jtool", "tail", dir, "-f", "-n", "1"}, SysProcAttr: user, Dir: "/"})
	f.line(t)
	f.signal(t, os.Interrupt)
	if _, code := f.wait(t); code != exitInterrupted {
		t.Errorf("tail -f exits with %d: %s", code, f.err.String())
	}
	for _, args := range [][]string{{"repair", dir, "--output", filepath.Join(base, "new")}, {"export", dir, "--output", filepath.Join(base, "new")}} {
		if errOut := as(exitFailure, args...); !strings.Contains(errOut, "permission denied") {
			t.Errorf("%s says %q", args[0], errOut)
		}
	}
	if errOut := as(exitFailure, "append", dir); !strings.Contains(errOut, "permission denied") {
		t.Errorf("append says %q", errOut)
	}
	check(t, dir)
}

func copyExecutable(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open(executable(t))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close() // only read from
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
