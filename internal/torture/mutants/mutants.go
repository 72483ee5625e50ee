// Package mutants checks the scoreboard itself: it puts bugs into the library, one at a
// time, and looks whether the faults that are to find them do.
//
// A [Mutant] is a bug that a plausible programmer could make, most of them one of the
// holes of docs/CONCURRENCY.md. It is a file: which rule it leaves out, which class of
// the scoreboard must find it, a test that does too, and the places to change. Where no
// class finds it in the time that a short run has, the test alone must. The sources on
// the disk stay as they are; the go command is given changed copies of them (go help
// build, -overlay).
//
// A place is found by its text, which must stand in the file once. When the code has
// changed so that it does not, the mutant is an error and not a mutant that survives.
package mutants

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Seed is what the classes that the mutants name find them with.
const Seed = 1

//go:embed patches/*.patch
var patches embed.FS

// Mutant is a deliberate bug.
type Mutant struct {
	Name  string
	About string // what is wrong, in a sentence
	Hole  string // the rule that it leaves out: C18, or a name of docs/CONCURRENCY.md
	Class string // the class of the scoreboard that must find it, with [Seed]; "" if none does
	Full  bool   // the class needs all its cases, and not those of a short run alone
	Test  Test   // a test that finds it, too
	Short bool   // one of those that a build can wait for
	Edits []Edit
}

// Test is a test of the module.
type Test struct {
	Package string   // "./internal/writer"
	Names   string   // "TestA|TestB"
	Flags   []string // of the test binary, as -schedules=200
}

func (t Test) String() string {
	return strings.TrimPrefix(t.Package, "./") + " " + strings.ReplaceAll(t.Names, "|", ", ")
}

// Edit changes one place of a file: the lines Old become New.
type Edit struct {
	File     string // from the root of the module, with slashes
	Old, New string // whole lines
}

// The lines of a patch file that have a meaning.
const (
	fileLine = "== "
	oldLine  = "<<<<"
	newLine  = "===="
	endLine  = ">>>>"
)

// All returns the mutants in the order of their names.
func All() ([]*Mutant, error) {
	names, err := fs.Glob(patches, "patches/*.patch")
	if err != nil {
		return nil, err
	}
	var all []*Mutant
	for _, name := range names { // Glob sorts
		text, err := patches.ReadFile(name)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(path.Base(name), ".patch"), string(text))
		if err != nil {
			return nil, fmt.Errorf("mutant %s: %w", name, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// parse reads a patch file: fields, one a line, and behind them for each file the
// edits, each a piece of the file between <<<< and ==== and what takes its place
// between that and >>>>.
func parse(name, text string) (*Mutant, error) {
	m := &Mutant{Name: name}
	p := reader{m: m}
	for line := range strings.Lines(text) {
		p.n++
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", p.n, err)
		}
	}
	switch {
	case p.in != "":
		return nil, errors.New("the last edit has no end")
	case len(m.Edits) == 0:
		return nil, errors.New("it changes nothing")
	case m.About == "" || m.Hole == "" || m.Test.Package == "":
		return nil, errors.New("about, hole and test must be given")
	}
	return m, nil
}

// reader is the state of parse.
type reader struct {
	m    *Mutant
	n    int    // line
	file string // that the next edit is in
	in   string // "" outside of edits, else the line that began the half
	edit Edit
}

func (p *reader) line(line string) error {
	bare := strings.TrimSuffix(line, "\n")
	switch {
	case p.in == oldLine && bare == newLine:
		p.in = newLine
	case p.in == newLine && bare == endLine:
		p.in = ""
		return p.end()
	case bare == oldLine || bare == newLine || bare == endLine:
		if p.in != "" || bare != oldLine {
			return fmt.Errorf("%s is out of order", bare)
		}
		if p.file == "" {
			return errors.New("an edit without a file")
		}
		p.in, p.edit = oldLine, Edit{File: p.file}
	case p.in == oldLine:
		p.edit.Old += line
	case p.in == newLine:
		p.edit.New += line
	case strings.TrimSpace(bare) == "":
	case strings.HasPrefix(bare, fileLine):
		p.file = strings.TrimPrefix(bare, fileLine)
	default:
		return p.field(bare)
	}
	return nil
}

func (p *reader) end() error {
	switch {
	case strings.TrimSpace(p.edit.Old) == "":
		return errors.New("an edit of nothing: say where")
	case p.edit.Old == p.edit.New:
		return errors.New("an edit that changes nothing")
	}
	p.m.Edits = append(p.m.Edits, p.edit)
	return nil
}

func (p *reader) field(line string) error {
	key, value, ok := strings.Cut(line, ": ")
	if !ok || p.file != "" {
		return fmt.Errorf("%q is neither a field nor part of an edit", line)
	}
	switch key {
	case "about":
		p.m.About = value
	case "hole":
		p.m.Hole = value
	case "class":
		p.m.Class, p.m.Full = strings.CutSuffix(value, " full")
	case "test":
		words := strings.Fields(value)
		if len(words) < 2 || !strings.HasPrefix(words[0], "./") || !strings.HasPrefix(words[1], "Test") {
			return fmt.Errorf("%q is not a package and the names of tests", value)
		}
		p.m.Test = Test{words[0], words[1], words[2:]}
	case "short":
		p.m.Short = value == "yes"
	default:
		return fmt.Errorf("there is no field %q", key)
	}
	return nil
}

// Choose returns those of all that names lists, as in "a,b"; those for a short run if
// it is empty and short is set, else all.
func Choose(all []*Mutant, names string, short bool) ([]*Mutant, error) {
	if names == "" {
		return slices.DeleteFunc(slices.Clone(all), func(m *Mutant) bool { return short && !m.Short }), nil
	}
	var chosen []*Mutant
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(all, func(m *Mutant) bool { return m.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no mutant %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
