package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/manypen/manypen"

// root is the directory of the module, seen from here.
const root = "../.."

// file is one Go file of the module.
type file struct {
	path string // slash-separated, from root
	pkg  string // its directory, from root: "record", "internal/host"
	test bool
	ast  *ast.File
	fset *token.FileSet
	text []byte
}

// imports returns the paths that f imports, those of this module without its
// name in front.
func (f *file) imports() []string {
	var paths []string
	for _, s := range f.ast.Imports {
		path := strings.Trim(s.Path.Value, `"`)
		paths = append(paths, strings.TrimPrefix(path, module+"/"))
	}
	return paths
}

func (f *file) at(p token.Pos) string {
	return strings.TrimPrefix(filepath.ToSlash(f.fset.Position(p).String()), root+"/")
}

// goFiles parses all Go files of this module, for whatever system they are.
var goFiles = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	err := walk(func(path string) error {
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		full := filepath.Join(root, path)
		text, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		f := &file{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), text: text, fset: token.NewFileSet()}
		f.test = strings.HasSuffix(path, "_test.go")
		f.ast, err = parser.ParseFile(f.fset, full, text, parser.ParseComments|parser.SkipObjectResolution)
		files = append(files, f)
		return err
	})
	return files, err
})

// walk calls f with every file of the module, and not with those of nested
// modules, test data and what the go command leaves out too.
func walk(f func(path string) error) error {
	return filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, full)
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return f(filepath.ToSlash(path))
		}
		if path == "." {
			return nil
		}
		_, err = os.Stat(filepath.Join(full, "go.mod"))
		if name := d.Name(); err == nil || name == "testdata" || name[0] == '.' || name[0] == '_' {
			return fs.SkipDir
		}
		return nil
	})
}

func mustGoFiles(t *testing.T) []*file {
	t.Helper()
	files, err := goFiles()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d Go files under %s; that cannot be the repository", len(files), root)
	}
	return files
}
