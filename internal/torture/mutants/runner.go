package mutants

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// runner runs mutants.
type runner struct {
	cfg   Config
	dir   string
	n     int               // counts builds
	sound map[string]error  // of what was run without a mutant, by what it is
	plain map[string]string // binaries without a mutant, by package
	rapid map[string]bool   // whether the tests of a package use that
}

// catcher is what is to catch a mutant: a class of the scoreboard, or a test.
type catcher struct {
	name string
	pkg  string   // what is built
	test bool     // as the binary of its tests
	in   string   // where it runs, from the root
	args []string // it is given
}

// exit codes of the torture program, see its documentation.
const (
	exitFailed = 1
	exitHang   = 3
)

// failedClass finds the first class that has failed in what the torture program says.
var failedClass = regexp.MustCompile(`(?m)^(\S+): [0-9]+ cases, [1-9][0-9]* failed`)

func (r *runner) catcher(m *Mutant) catcher {
	if class := cmp.Or(r.cfg.Classes, m.Class); class != "" {
		args := []string{"-class", class, "-seed", fmt.Sprint(r.cfg.Seed)}
		if full := r.cfg.Classes == "" && m.Full || r.cfg.Classes != "" && !r.cfg.Short; !full {
			args = append(args, "-short")
		}
		return catcher{name: class, pkg: "./internal/torture", in: ".", args: args}
	}
	t := m.Test
	args := []string{
		"-test.run", "^(" + t.Names + ")$", "-test.v", "-test.count=1",
		// In front of the limit, so that a hang says where.
		"-test.timeout", (r.cfg.Limit * 2 / 3).String(),
	}
	return catcher{name: t.String(), pkg: t.Package, test: true, in: t.Package, args: append(args, t.Flags...)}
}

// try builds what is to catch m with it, and runs that.
func (r *runner) try(ctx context.Context, m *Mutant) (res Result) {
	c := r.catcher(m)
	res = Result{Mutant: m, By: c.name}
	dir := filepath.Join(r.dir, m.Name)
	if res.Err = os.Mkdir(dir, 0o777); res.Err != nil {
		return res
	}
	overlay, err := m.overlay(r.cfg.Root, dir)
	if err != nil {
		res.Err = err
		return res
	}
	bin, err := r.build(ctx, c, overlay)
	if err != nil {
		res.Err = fmt.Errorf("the mutant does not build: %w", err)
		return res
	}
	defer os.Remove(bin) // if that fails the whole directory goes later
	v, out, err := r.run(ctx, c, bin)
	if err != nil {
		res.Err = err
		return res
	}
	if res.Verdict = v.String(); v == survived && !c.test {
		return res
	}
	if by := failedClass.FindSubmatch(out); by != nil && !c.test {
		res.By = string(by[1])
	}
	// Only what passes without the bug has found it; and what does not run at all
	// has not missed it.
	if res.Err = r.passes(ctx, c); res.Err == nil && c.test && v == failed && !bytes.Contains(out, []byte("--- FAIL")) {
		res.Err = fmt.Errorf("no test has failed, and yet: %s", tail(out))
	}
	return res
}

// passes returns an error unless c passes without a mutant.
func (r *runner) passes(ctx context.Context, c catcher) error {
	key := c.pkg + " " + strings.Join(c.args, " ")
	err, known := r.sound[key]
	if known {
		return err
	}
	bin, built := r.plain[c.pkg]
	if !built {
		bin, err = r.build(ctx, c, "")
	}
	if err == nil {
		r.plain[c.pkg] = bin
		var v verdict
		var out []byte
		v, out, err = r.run(ctx, c, bin)
		switch {
		case err != nil:
		case v != survived:
			err = fmt.Errorf("%s does not pass without a mutant (%v): %s", c.name, v, tail(out))
		case c.test && bytes.Count(out, []byte("\n--- PASS: "))+bytes.Count(out, []byte("\n--- SKIP: ")) < 1:
			err = fmt.Errorf("there is no %s", c.name)
		case c.test && !bytes.Contains(out, []byte("\n--- PASS: ")):
			err = fmt.Errorf("%s is skipped here: %s", c.name, tail(out))
		}
	}
	if ctx.Err() == nil {
		r.sound[key] = err
	}
	return err
}

// build builds what c runs, with an overlay if there is one.
func (r *runner) build(ctx context.Context, c catcher, overlay string) (bin string, err error) {
	r.n++
	bin = filepath.Join(r.dir, fmt.Sprintf("%d.bin", r.n))
	args := []string{"build"}
	if c.test {
		args = []string{"test", "-c"}
	}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", bin, c.pkg)...)
	cmd.Dir = r.cfg.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, tail(out))
	}
	return bin, nil
}

// run runs c, which was built as bin.
func (r *runner) run(ctx context.Context, c catcher, bin string) (verdict, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Limit)
	defer cancel()
	args := c.args
	if c.test {
		quiet, err := r.quiet(ctx, c.pkg)
		if err != nil {
			return survived, nil, err
		}
		args = append(quiet, args...)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir = filepath.Join(r.cfg.Root, filepath.FromSlash(c.in))
	cmd.WaitDelay = 5 * time.Second // a child of it may hold its output open
	together(cmd)
	out, err := cmd.CombinedOutput()
	v, err := judge(ctx, out, err)
	return v, out, err
}

// quiet is what keeps the tests of a package from writing into its directory. Package
// rapid leaves the inputs there that a test has failed for, and tries them again each
// time: those of a mutant say nothing about the library.
func (r *runner) quiet(ctx context.Context, pkg string) ([]string, error) {
	const rapid = "pgregory.net/rapid"
	used, known := r.rapid[pkg]
	if !known {
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-test", pkg)
		cmd.Dir = r.cfg.Root
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list %s: %w", pkg, err)
		}
		used = slices.Contains(strings.Fields(string(out)), rapid)
		r.rapid[pkg] = used
	}
	if used {
		return []string{"-rapid.nofailfile"}, nil
	}
	return nil, nil
}

// judge says what the end of a run means.
func judge(ctx context.Context, out []byte, err error) (verdict, error) {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return survived, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return hung, nil
	}
	if ctx.Err() != nil {
		return survived, ctx.Err()
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return survived, err
	}
	switch {
	case bytes.Contains(out, []byte("\npanic: test timed out")):
		return hung, nil
	case bytes.Contains(out, []byte("\npanic: ")), bytes.Contains(out, []byte("\nfatal error: ")), bytes.Contains(out, []byte("\nunexpected fault address")),
		bytes.HasPrefix(out, []byte("panic: ")), bytes.HasPrefix(out, []byte("fatal error: ")):
		return crashed, nil
	}
	switch exit.ExitCode() {
	case exitFailed:
		return failed, nil
	case exitHang:
		return hung, nil
	}
	return survived, fmt.Errorf("%w: %s", err, tail(out))
}

// tail is the end of what a program has said.
func tail(out []byte) string {
	const most = 2000
	out = bytes.TrimSpace(out)
	if len(out) > most {
		out = append([]byte("... "), out[len(out)-most:]...)
	}
	return string(out)
}

// moduleRoot is the directory of the module that the working directory is in.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	name := strings.TrimSpace(string(out))
	if filepath.Base(name) != "go.mod" {
		return "", errors.New("mutants are made of the sources: run this in the module")
	}
	return filepath.Dir(name), nil
}
