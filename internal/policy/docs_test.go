package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documents returns the Markdown files of the module, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := make(map[string]string)
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		docs[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// TestLinks: what a document links to in the repository is there.
func TestLinks(t *testing.T) {
	for path, text := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target := filepath.Join(root, filepath.Dir(path), filepath.FromSlash(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
	}
}

var lineReference = regexp.MustCompile(`\b[\w/]+\.go:\d+`)

// TestNoLineNumbers: a document that names a line of code is wrong after the
// next change; it names the function.
func TestNoLineNumbers(t *testing.T) {
	for path, text := range documents(t) {
		if m := lineReference.FindString(text); m != "" {
			t.Errorf("%s refers to %s; name the function instead", path, m)
		}
	}
}

// TestReadmeCode: all Go code of the README stands in an example that is
// compiled and run.
func TestReadmeCode(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var compiled strings.Builder
	err = walk(func(path string) error {
		if name := filepath.Base(path); name != "example_test.go" && name != "readme_test.go" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		compiled.WriteString(flat(string(b)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Error("README.md has no Go code")
	}
	for _, b := range blocks {
		if !strings.Contains(compiled.String(), flat(b[1])) {
			t.Errorf("README.md: this code is in no example_test.go or readme_test.go:\n%s", b[1])
		}
	}
}

// TestReadmeCommands: what the README tells people to run in a clone is what .ci/run
// runs, and what it tells them to get is a package of this module. (The commands of
// its console blocks are run by a test of jtoolcmd.)
func TestReadmeCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^go (\w+) (\S+)`).FindAllStringSubmatch(string(readme), -1)
	if len(commands) < 4 {
		t.Errorf("README.md has the commands %q; want those to get it, to run it and to test it", commands)
	}
	for _, c := range commands {
		switch path, ours := strings.CutPrefix(c[2], module+"/"); {
		case c[1] == "get" || c[1] == "install":
			path, _, _ = strings.Cut(path, "@")
			if st, err := os.Stat(filepath.Join(root, filepath.FromSlash(path))); !ours || err != nil || !st.IsDir() {
				t.Errorf("README.md: %s: there is no such package", c[0])
			}
		case !strings.Contains(string(ci), c[0]):
			t.Errorf("README.md: .ci/run does not run %q", c[0])
		}
	}
}

// flat is text without indentation and empty lines.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
