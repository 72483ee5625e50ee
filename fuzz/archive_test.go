package fuzz

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/cmd/jtool/jtoolcmd"
	"github.com/manypen/manypen/internal/torture/fuzzdir"
	"github.com/manypen/manypen/journal"
)

// The inputs of these targets are directories: names and bytes of files, in the form of
// package fuzzdir, which checks them. The engine changes the bytes of the files
// themselves, and by one byte of the input it has checksums made right again. Seeds are
// those of fuzzdir, a directory for each class of faults, which FuzzArchive keeps under
// their names, and whatever was found since and put beside them.

var update = flag.Bool("update", false, "write the seeds of FuzzArchive anew")

const corpus = "testdata/fuzz/FuzzArchive"

// FuzzArchive reads a directory in every way there is.
func FuzzArchive(f *testing.F) { directories(f, fuzzdir.All) }

// FuzzScan reads forwards, in reverse, in reused memory, and at single places.
func FuzzScan(f *testing.F) {
	directories(f, fuzzdir.Reverse|fuzzdir.Reuse|fuzzdir.Points)
}

// FuzzVerify verifies.
func FuzzVerify(f *testing.F) { directories(f, fuzzdir.Verify) }

// FuzzKeys looks for keys, by way of sidecars that may be anything.
func FuzzKeys(f *testing.F) { directories(f, fuzzdir.Keys) }

// FuzzFollow follows.
func FuzzFollow(f *testing.F) { directories(f, fuzzdir.Follow) }

// FuzzRepair makes a new journal of what can be read, and lets a writer at the old one.
func FuzzRepair(f *testing.F) { directories(f, fuzzdir.Repair|fuzzdir.Write) }

// directories fuzzes the given ways.
func directories(f *testing.F, ways fuzzdir.Ways) {
	for _, s := range seedArchives(f) {
		f.Add(s)
	}
	// One directory for all inputs: to make and remove one costs more than to read it.
	w := fuzzdir.NewWorkspace(newDir(f))
	f.Fuzz(func(t *testing.T, input []byte) {
		if err := w.Check(fuzzdir.Unpack(input), ways); err != nil {
			w = fuzzdir.NewWorkspace(newDir(t))
			t.Error(err)
		}
	})
}

// seedArchives returns the inputs that FuzzArchive keeps.
func seedArchives(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no seeds in %s: %v", corpus, err)
	}
	var all [][]byte
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "\n[]byte(")
		s, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(rest), ")"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, []byte(s))
	}
	return all
}

// maxCorpus bounds the seeds, in bytes.
const maxCorpus = 1 << 20

// TestArchiveSeeds holds the files against what makes them; with -update it writes
// them:
//
//	go test ./fuzz -run TestArchiveSeeds -update
func TestArchiveSeeds(t *testing.T) {
	seeds, err := fuzzdir.Seeds()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll(corpus, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range seeds {
		path, want := filepath.Join(corpus, s.Name), fuzzdir.CorpusFile(s.Archive)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what makes it says (%v): run this test with -update", path, err)
		}
	}
	size := 0
	for _, b := range seedArchives(t) {
		size += len(b)
	}
	files, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, e := range files {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > maxCorpus || size == 0 {
		t.Errorf("the seeds have %d bytes in files of %d; want at most %d", size, total, maxCorpus)
	}
}

// TestRepairSeeds: the tool repairs what the library does, and its copies verify.
func TestRepairSeeds(t *testing.T) {
	seeds, err := fuzzdir.Seeds()
	if err != nil {
		t.Fatal(err)
	}
	repaired := 0
	for _, s := range seeds {
		t.Run(s.Name, func(t *testing.T) {
			root := t.TempDir()
			dir, copied := filepath.Join(root, "journal"), filepath.Join(root, "copy")
			if err := fuzzdir.NewWorkspace(root).Check(s.Archive.Clone(), fuzzdir.Verify); err != nil {
				t.Fatal(err)
			}
			before := records(t, dir)
			code, out := tool("repair", dir, "--output", copied)
			if _, err := os.Stat(copied); err != nil {
				if code == 0 {
					t.Errorf("jtool repair says that it has repaired and made nothing:\n%s", out)
				}
				return // an unreadable journal; FuzzRepair knows which these are
			}
			repaired++
			if code, out := tool("verify", copied); code != 0 {
				t.Errorf("jtool verify of the copy: code %d\n%s", code, out)
			}
			after := records(t, copied)
			for _, r := range after {
				if !slices.Contains(before, r) {
					t.Errorf("%s is in the copy only", r)
				}
			}
			// Who has a sequence twice loses one of them.
			if len(after) > len(before) || len(after) < len(before)-1 {
				t.Errorf("%d records were read, and %d are in the copy", len(before), len(after))
			}
		})
	}
	if repaired < len(seeds)*3/4 {
		t.Errorf("%d of %d seeds are repaired", repaired, len(seeds))
	}
}

// tool runs jtool in this process.
func tool(args ...string) (code int, out string) {
	var b bytes.Buffer
	code = jtoolcmd.Main(args, bytes.NewReader(nil), io.Discard, &b)
	return code, b.String()
}

// records lists what can be read in a directory, without positions and times.
func records(t *testing.T, dir string) (list []string) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return nil
	}
	for r, err := range j.Records(journal.Position{}) {
		if err == nil {
			list = append(list, fmt.Sprintf("%v %d/%d %q=%q", r.Kind, r.Writer, r.Seq, r.Key, r.Value))
		}
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	return list
}
