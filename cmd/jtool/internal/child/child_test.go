package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary is a program with the hidden command too.
func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, Command); i >= 0 {
		if err := Serve(context.Background(), os.Stdin, os.Stdout, roles, os.Args[i+1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "another-program" {
		fmt.Println("hello")
		os.Exit(0)
	}
	// Under the race detector every process would sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var roles = map[string]Role{
	"echo": func(_ context.Context, c *Conn, args []string) error {
		for {
			line, err := c.Hear()
			if err != nil {
				return nil // the parent has no more to say
			}
			if err := c.Say("%s %s", args[0], line); err != nil {
				return err
			}
		}
	},
	"count": func(ctx context.Context, c *Conn, _ []string) error {
		for n := 0; ctx.Err() == nil; n++ {
			if err := c.Say("%d", n); err != nil {
				return err
			}
		}
		return nil
	},
	"fail":  func(context.Context, *Conn, []string) error { return errors.New("a reason") },
	"stuck": func(context.Context, *Conn, []string) error { select {} },
	"nested": func(_ context.Context, c *Conn, _ []string) error {
		_, err := Of()
		return c.Say("%v", err)
	},
}

func program(t *testing.T) Program {
	t.Helper()
	p, err := Of()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func begin(t *testing.T, role string, args ...string) *Process {
	t.Helper()
	c, err := program(t).Start(t.Context(), time.Minute, role, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
		c.Wait() // what it ended with, the test has seen
	})
	return c
}

func TestTalk(t *testing.T) {
	c := begin(t, "echo", "heard")
	for _, word := range []string{"one", "two"} {
		if err := c.Tell(word); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Expect("heard"); got != word || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := errors.Join(c.Wait(), c.Wait()); err != nil {
		t.Error(err)
	}
}

// A child that nobody listens to ends all the same, and so does one that never
// stops talking.
func TestWaitDrains(t *testing.T) {
	c := begin(t, "count")
	if _, err := c.Expect("0"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// What a killed child has said in time is heard.
func TestKill(t *testing.T) {
	c := begin(t, "count")
	if _, err := c.Expect("0"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	lines, err := c.Lines()
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		if line != fmt.Sprint(i+1) {
			t.Fatalf("line %d is %q", i+1, line)
		}
	}
	if err := c.Wait(); !Killed(err) {
		t.Errorf("ended with %v", err)
	}
	if err := c.Kill(); err != nil {
		t.Errorf("to kill it again: %v", err)
	}
}

func TestFailures(t *testing.T) {
	c := begin(t, "fail")
	if _, err := c.Line(); err != io.EOF {
		t.Errorf("got %v", err)
	}
	if err := c.Wait(); err == nil || Killed(err) || !strings.Contains(err.Error(), "a reason") {
		t.Errorf("ended with %v", err)
	}
	c = begin(t, "fail")
	if _, err := c.Expect("x"); err == nil || !strings.Contains(err.Error(), "a reason") {
		t.Errorf("got %v", err)
	}
	c = begin(t, "echo", "a")
	if err := c.Tell("b"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expect("x"); err == nil || !strings.Contains(err.Error(), `says "a b"`) {
		t.Errorf("got %v", err)
	}
	if c, err := program(t).Start(t.Context(), time.Minute, "nobody"); err == nil {
		t.Errorf("there is a role that is not there: %v", c.Wait())
	}
	// A role that is missing says so on standard error, which is not lost.
	_, err := program(t).Start(t.Context(), time.Minute, "nobody")
	if err == nil || !strings.Contains(err.Error(), "knows no role") {
		t.Errorf("got %v", err)
	}
}

// A child that hangs is killed when its time is up, and when the context ends.
func TestDeadline(t *testing.T) {
	// It must have begun in time, however slow the machine is.
	limit := 500 * time.Millisecond
	c, err := program(t).Start(t.Context(), limit, "stuck")
	for ; err != nil && limit < time.Minute; c, err = program(t).Start(t.Context(), limit, "stuck") {
		limit *= 2
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Line(); err != io.EOF {
		t.Errorf("got %v", err)
	}
	if err := c.Wait(); !Killed(err) || !strings.Contains(err.Error(), fmt.Sprint("not done after ", limit)) {
		t.Errorf("ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if c, err = program(t).Start(ctx, time.Minute, "stuck"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := c.Wait(); !Killed(err) {
		t.Errorf("ended with %v", err)
	}
}

// A program that does not know the command is told from one that does.
func TestOtherProgram(t *testing.T) {
	p := program(t)
	p.args = []string{p.args[0], "another-program"}
	_, err := p.Start(t.Context(), time.Minute, "echo")
	if err == nil || !strings.Contains(err.Error(), `does not take the command :child: it says "hello"`) {
		t.Errorf("got %v", err)
	}
	p.path = "/nothing/there"
	if _, err := p.Start(t.Context(), time.Minute, "echo"); err == nil {
		t.Error("it was started")
	}
}

// Children have no children: a program that starts itself by mistake stops there.
func TestNested(t *testing.T) {
	c := begin(t, "nested")
	if line, err := c.Line(); err != nil || !strings.Contains(line, "cannot start another one") {
		t.Errorf("got %q, %v", line, err)
	}
}
