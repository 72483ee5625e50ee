package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
)

func TestMain(m *testing.M) {
	board.RunChild(roles())
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args, out, errs string
		code            int
	}{
		{"-class LIN -short -seed 3 -case 1", "| LIN | ", "seed 3\nLIN: 1 cases, 0 failed", 0},
		{"-class X99", "", "there is no class X99: -list prints them", 2},
		{"-class LIN extra", "", `"extra" is no flag`, 2},
		{"-nothing", "", "flag provided but not defined", 2},
		{"-list", "LIN  appends", "", 0},
		{"-class lin -short -case 100000", "no case was run", "", 1},
		{"-dir /nowhere/at/all", "", "no such file or directory", 1},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields(c.args), &out, &errs)
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) {
			t.Errorf("%s: code %d\n%s%s", c.args, code, out.String(), errs.String())
		}
	}
}

// The names of classes are what failures are reported by.
func TestClasses(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range classes() {
		if seen[c.ID] || c.ID != strings.ToUpper(c.ID) || c.Title == "" || c.Passes == "" || c.Run == nil {
			t.Errorf("class %+v", c)
		}
		seen[c.ID] = true
	}
}
