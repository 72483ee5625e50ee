package jtoolcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command has a page, with every flag of it, and everybody can find out how
// each one is used: a line that says what it does, and a longer text unless all is
// said by that.
func TestManAndHelp(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	root := New(Options{})
	root.SetArgs([]string{"man", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				look(sub)
			}
		}
		pages++
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		b, err := os.ReadFile(filepath.Join(folder, name+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		page := strings.ReplaceAll(string(b), `\-`, "-")
		if !strings.HasPrefix(page, ".nh\n.TH ") || !strings.Contains(page, "Nov 2023") || !strings.Contains(page, ".SH SYNOPSIS") {
			t.Errorf("%s: %.100q", name, page)
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s does not tell of --%s", name, f.Name)
			}
			if f.Usage == "" {
				t.Errorf("%s: --%s has no text", name, f.Name)
			}
		})
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s is described by %q; want a line without a full stop", name, c.Short)
		}
	}
	look(root)
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != pages {
		t.Errorf("%d pages of %d commands, %v", len(files), pages, err)
	}
}
