package segment

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/manypen/manypen/record"
)

// D4': what was appended between a follower's last look and the end of the segment is
// read before the next segment is.
func TestFollowerReadsTheEnd(t *testing.T) {
	l := newLab(t)
	r := l.reader(ReaderOptions{})
	var values []string
	l.create(1)
	for n := uint64(1); n <= 4; n++ {
		first, last := fmt.Sprint("first of ", n), fmt.Sprint("last of ", n)
		l.put(n, first)
		step(t, r, first)
		l.put(n, last)
		l.seal(n)
		values = append(values, first, last)
		if n == 3 {
			step(t, r, last) // sealed, and the next one is not there yet
			l.create(n + 1)
			continue
		}
		l.create(n + 1)
		step(t, r, last)
	}
	l.want(values)
}

// followVar is the directory that this process is to follow instead of running tests.
const followVar = "SEGMENT_TEST_FOLLOW"

func init() {
	if dir := os.Getenv(followVar); dir != "" {
		if err := follow(dir, os.Stdout); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// follow prints every value, and damage, until the value "end".
func follow(dir string, out io.Writer) error {
	d, err := OpenDir(dir)
	if err != nil {
		return err
	}
	if _, err := d.Identify(); err != nil {
		return err
	}
	r := d.NewReader(ReaderOptions{})
	for ev := (record.Event{}); ; {
		switch err := r.Next(&ev); {
		case err == io.EOF:
			continue
		case err != nil:
			return err
		case ev.Class == record.Unused:
			continue
		case ev.Class != record.Whole:
			if _, err := fmt.Fprintln(out, eventOf(r.Segment(), &ev)); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintln(out, string(ev.Value)); err != nil || string(ev.Value) == "end" {
			return err
		}
	}
}

// D1', C41: a follower finds out that its segment is finished before it takes the size.
// strace holds it up between the two, and there the last record of the segment is
// appended and the next segment is begun.
func TestC41AmongProcesses(t *testing.T) {
	if os.Getenv("VIO_TEST_RUNNER") != "" {
		t.Skip("an emulator runs this test, and strace would trace that")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed:", err)
	}
	if err := exec.Command(strace, "-f", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skip("strace may not trace here:", err)
	}
	l := newLab(t)
	l.create(1)
	cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=newfstatat",
		"-e", "inject=newfstatat:delay_enter=20000", os.Args[0])
	cmd.Env = append(os.Environ(), followVar+"="+l.dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it has ended, unless the test has failed
		_ = cmd.Wait()
	}()
	next := func() string {
		t.Helper()
		var b [1]byte
		var line strings.Builder
		for {
			if _, err := out.Read(b[:]); err != nil {
				t.Fatalf("the follower ends behind %q: %v", line.String(), err)
			}
			if b[0] == '\n' {
				return line.String()
			}
			line.WriteByte(b[0])
		}
	}
	var values []string
	put := func(n uint64, value string) {
		l.put(n, value)
		values = append(values, value)
	}
	const segments = 8
	for n := uint64(1); n <= segments; n++ {
		put(n, fmt.Sprint("first of ", n))
		if got := next(); got != values[len(values)-1] {
			t.Fatalf("read %q, want %q", got, values[len(values)-1])
		}
		// Now it looks again and again, and is held up in each look.
		put(n, fmt.Sprint("last of ", n))
		l.seal(n)
		l.create(n + 1)
		if got := next(); got != values[len(values)-1] {
			t.Fatalf("read %q, want %q", got, values[len(values)-1])
		}
	}
	put(segments+1, "end")
	if got := next(); got != "end" {
		t.Errorf("read %q at the end", got)
	}
	l.want(values)
}
