package policy

import (
	"bytes"
	"go/ast"
	"strings"
	"testing"
)

const (
	maxFileLines     = 400 // of a file that is no test
	maxFunctionLines = 70  // likewise
)

// TestPackageComments: go doc shows a comment for every package. One that is
// not attached to the package clause is shown to nobody.
func TestPackageComments(t *testing.T) {
	docs := make(map[string][]string)
	for _, f := range mustGoFiles(t) {
		if f.test {
			continue
		}
		if _, ok := docs[f.pkg]; !ok {
			docs[f.pkg] = nil
		}
		text := f.ast.Doc.Text()
		if text == "" {
			continue
		}
		docs[f.pkg] = append(docs[f.pkg], f.path)
		name := f.ast.Name.Name
		if name != "main" && !strings.HasPrefix(text, "Package "+name+" ") {
			t.Errorf("%s: the package comment begins %.40q; want %q", f.path, text, "Package "+name+" ...")
		}
		if name == "main" && !strings.HasPrefix(strings.ToLower(text), strings.ToLower(lastElement(f.pkg))) {
			t.Errorf("%s: the package comment begins %.40q; want the program's name", f.path, text)
		}
	}
	for pkg, files := range docs {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments, in %q; want one", pkg, len(files), files)
		}
	}
}

func lastElement(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func TestLengths(t *testing.T) {
	for _, f := range mustGoFiles(t) {
		if f.test {
			continue
		}
		if n := bytes.Count(f.text, []byte("\n")); n > maxFileLines {
			t.Errorf("%s has %d lines; want at most %d", f.path, n, maxFileLines)
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if n > maxFunctionLines {
				t.Errorf("%s: function %s has %d lines; want at most %d", f.at(fn.Pos()), fn.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

// sleeps are the tests that may sleep, and why nothing they could wait for
// would do. A test that sleeps until something has probably happened is slow on
// a fast machine and wrong on a slow one.
var sleeps = map[string]string{}

func TestNoSleeping(t *testing.T) {
	used := make(map[string]bool)
	for _, f := range mustGoFiles(t) {
		if !f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || s.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
				if used[f.path] = true; sleeps[f.path] == "" {
					t.Errorf("%s: time.Sleep in a test; wait for what is to happen, or give a reason in sleeps", f.at(n.Pos()))
				}
			}
			return true
		})
	}
	for path := range sleeps {
		if !used[path] {
			t.Errorf("%s does not sleep any more; remove it from sleeps", path)
		}
	}
}
