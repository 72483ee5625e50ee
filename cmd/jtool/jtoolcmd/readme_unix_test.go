//go:build linux || darwin || freebsd || netbsd || openbsd

package jtoolcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadme runs every console block of the README, in order and in one place, as
// somebody would who reads it from the top: a line that begins with "$ " is a command
// for the shell, what stands below it what it prints. What differs from run to run
// (times, identities, sizes that depend on them) is made the same on both sides; a
// line of three dots stands for any number of lines.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	bin, home := filepath.Join(base, "bin"), filepath.Join(base, "home")
	for _, dir := range []string{bin, home} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(executable(t), filepath.Join(bin, "jtool")); err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) < 5 {
		t.Errorf("%d blocks of commands", len(blocks))
	}
	for _, block := range blocks {
		for _, c := range consoleCommands(block[1]) {
			cmd := exec.Command("sh", "-c", c.command)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+bin+":"+os.Getenv("PATH"), "TZ=UTC")
			out, err := cmd.CombinedOutput()
			if err != nil && !strings.Contains(c.command, "exit $?") && !strings.Contains(c.command, "echo $?") {
				t.Errorf("$ %s\n%v\n%s", c.command, err, out)
			}
			out = slowly.ReplaceAll(out, nil)
			if want, got := same(c.output), same(string(out)); !matchesLines(want, got) {
				t.Errorf("$ %s\nprints (-README +now):\n%s", c.command, cmp.Diff(want, got))
			}
		}
	}
	for _, dir := range journalsIn(t, home) {
		if err := sound(dir); (err != nil) != (filepath.Base(dir) == "damaged") {
			t.Errorf("%s is left behind: %v", filepath.Base(dir), err)
		}
	}
}

// slowly finds how far a command was when a machine took long for it (progress.show).
var slowly = regexp.MustCompile(`(?m)^jtool: \d.* (left|\S+/s)\n`)

type consoleCommand struct{ command, output string }

func consoleCommands(block string) (all []consoleCommand) {
	for line := range strings.Lines(block) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			all = append(all, consoleCommand{command: strings.TrimSuffix(command, "\n")})
		case len(all) == 0: // output of nothing
		case strings.HasSuffix(all[len(all)-1].command, `\`): // the command goes on
			all[len(all)-1].command += "\n" + strings.TrimSuffix(line, "\n")
		default:
			all[len(all)-1].output += line
		}
	}
	return all
}

var varying = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "WRITER"},
	{regexp.MustCompile(`"(writer|time_ns)":"\d+"`), `"$1":"N"`},
	{regexp.MustCompile(`writer=\d+`), "writer=N"},
	{regexp.MustCompile(`\(\d+(\.\d+)?(ns|µs|ms|s|m[\d.]+s)\)`), "(DURATION)"},
	{regexp.MustCompile(`\d+(\.\d+)?(e\+\d+)? records/s, [\d.]+ [KMG]?i?B/s`), "RATE"},
	{regexp.MustCompile(`[ \t]+`), " "},
	{regexp.MustCompile(`(?m) $`), ""},
}

// same makes what differs from run to run the same.
func same(text string) []string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

// matchesLines reports whether got is want, in which "..." stands for any lines.
func matchesLines(want, got []string) bool {
	for i, line := range want {
		if line == "..." {
			for skip := 0; skip <= len(got)-i; skip++ {
				if matchesLines(want[i+1:], got[i+skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || got[i] != line {
			return false
		}
	}
	return len(got) == len(want)
}

func TestMatchesLines(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a b", "a b", true}, {"a b", "a", false}, {"a", "a b", false}, {"a ...", "a b c", true}, {"... c", "a b c", true}, {"... d", "a b c", false},
		{"a ... c", "a c", true}, {"a ... c ...", "a b c", true}, {"...", "", true}, {"x ...", "a b", false}, {"... b ... d", "a b c d", true},
	} {
		if got := matchesLines(strings.Fields(c.want), strings.Fields(c.got)); got != c.ok {
			t.Errorf("%q, %q: %v", c.want, c.got, got)
		}
	}
}

// journalsIn returns the journals right below a folder.
func journalsIn(t *testing.T, folder string) (dirs []string) {
	t.Helper()
	ids, err := filepath.Glob(filepath.Join(folder, "*", "journal.id"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		dirs = append(dirs, filepath.Dir(id))
	}
	if len(dirs) == 0 {
		t.Errorf("the README makes no journal in %s", folder)
	}
	return dirs
}
