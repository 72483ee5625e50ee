package journal_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/manypen/manypen/journal"
)

func init() { roles["permissions"] = rolePermissions }

// rolePermissions makes a journal with every kind of file: DIR UMASK MODE.
func rolePermissions(args []string) error {
	umask, err1 := strconv.ParseInt(args[1], 8, 32)
	mode, err2 := strconv.ParseUint(args[2], 8, 32)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	syscall.Umask(int(umask)) // of a process of its own: it is not a test's to change
	j, err := journal.Open(args[0], journal.Options{Mode: os.FileMode(mode), Sync: journal.SyncNone, SegmentSize: 12 << 10})
	if err != nil {
		return err
	}
	for i := range 10 {
		if _, err := j.Append(fmt.Append(nil, i), make([]byte, 2000)); err != nil {
			return errors.Join(err, j.Close())
		}
	}
	return j.Close()
}

// The table of permissions in SECURITY.md is what files get.
func TestSecurityDocument(t *testing.T) {
	text, err := os.ReadFile("../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `?([a-z. *]+)`? \\| ([^|]+) \\| ([^|]+) \\| ([^|]+) \\|$")
	table := row.FindAllStringSubmatch(string(text), -1)
	columns := []struct{ umask, mode string }{{"022", "0"}, {"077", "0"}, {"077", "660"}}
	for c, column := range columns {
		dir := filepath.Join(t.TempDir(), "journal")
		cmd := exec.Command(os.Args[0], dir, column.umask, column.mode)
		cmd.Env = append(os.Environ(), roleVariable+"=permissions")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		j := open(t, dir, journal.Options{}) // its sidecars are made by who reads
		if _, err := j.Get([]byte("1")); err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, cells := range table {
			what, want := cells[1], cells[2+c]
			if what == "file" {
				continue // the heading
			}
			pattern := filepath.Join(dir, strings.ReplaceAll(what, "the directory", "."))
			paths, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			if len(paths) == 0 && what != "tmp.*" { // nothing has been left over
				t.Errorf("umask %s, Mode %s: there is no %s", column.umask, column.mode, what)
			}
			for _, path := range paths {
				if like, ok := strings.CutPrefix(want, "as "); ok {
					if like != "its segment" {
						t.Fatalf("%s: as %s", what, like)
					}
					segment, err := os.Stat(strings.Replace(path, "idx.", "seg.", 1))
					if err != nil {
						t.Fatal(err)
					}
					want = fmt.Sprintf("%04o", segment.Mode().Perm())
				}
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != want {
					t.Errorf("umask %s, Mode %s: %s has %s; the document says %s", column.umask, column.mode, filepath.Base(path), got, want)
				}
				checked++
			}
		}
		if checked < 6 {
			t.Errorf("umask %s, Mode %s: %d files were compared with %d rows", column.umask, column.mode, checked, len(table))
		}
		verify(t, dir)
	}
}
