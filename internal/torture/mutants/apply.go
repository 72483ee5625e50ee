package mutants

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Apply returns the files that m changes, as they are with the bug, by their names from
// the root of the module. Every place must be there exactly once, and what comes out
// must be Go.
func (m *Mutant) Apply(root string) (map[string]string, error) {
	changed := make(map[string]string)
	for i, e := range m.Edits {
		text, ok := changed[e.File]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			text = string(b)
		}
		text, err := e.apply(text)
		if err != nil {
			return nil, fmt.Errorf("mutant %s: edit %d of %s: %w", m.Name, i+1, e.File, err)
		}
		changed[e.File] = text
	}
	for name, text := range changed {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution); err != nil {
			return nil, fmt.Errorf("mutant %s makes no Go: %w", m.Name, err)
		}
	}
	return changed, nil
}

// apply changes the one place in text. A place begins where a line begins.
func (e *Edit) apply(text string) (string, error) {
	padded, old := "\n"+text, "\n"+e.Old
	var at []int // two places may share a line break, so strings.Count will not do
	for from := 0; ; {
		i := strings.Index(padded[from:], old)
		if i < 0 {
			break
		}
		at = append(at, from+i)
		from += i + 1
	}
	switch len(at) {
	case 0:
		return "", fmt.Errorf("the text is not there any more; it begins %q", firstLine(e.Old))
	case 1:
		return (padded[:at[0]] + "\n" + e.New + padded[at[0]+len(old):])[1:], nil
	}
	return "", fmt.Errorf("the text is there %d times; it begins %q", len(at), firstLine(e.Old))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// overlay writes the changed files into dir, and returns the file that tells the go
// command of them.
func (m *Mutant) overlay(root, dir string) (string, error) {
	changed, err := m.Apply(root)
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for i, name := range slices.Sorted(maps.Keys(changed)) {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(to, []byte(changed[name]), 0o666); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(name))] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, b, 0o666)
}
