package segment

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What makes a directory a journal, or keeps it from becoming one.
func TestIdentify(t *testing.T) {
	other := goldenSegment(3)
	other.UUID[0]++
	ours := goldenSegment(3)
	for _, c := range []struct {
		name  string
		files map[string][]byte
		fresh bool
		want  error
		names string // the file that the error must name
	}{
		{"empty", nil, true, ErrNotJournal, ""},
		{"root of a file system", map[string][]byte{"lost+found/": nil}, true, ErrNotJournal, ""},
		{"dot files", map[string][]byte{".gitignore": nil, ".nfs0001": nil, ".snapshot/": nil}, true, ErrNotJournal, ""},
		{"left over by makers", map[string][]byte{"tmp.0123456789abcdef": nil, "ctl.x": nil}, true, ErrNotJournal, ""},
		{"damaged identity alone", map[string][]byte{idName: []byte("junk")}, true, ErrNotJournal, ""},
		{"another program's file", map[string][]byte{"data.db": nil}, false, ErrNotJournal, "data.db"},
		{"one among ours", map[string][]byte{"tmp.1": nil, "notes.txt": nil}, false, ErrNotJournal, "notes.txt"},
		{"another program's directory", map[string][]byte{"wal/": nil}, false, ErrNotJournal, "wal"},
		{"nearly a segment", map[string][]byte{"seg.1": nil}, false, ErrNotJournal, "seg.1"},
		{"a copy of a segment", map[string][]byte{"seg.000000001.bak": ours.encode()}, false, ErrNotJournal, "seg.000000001.bak"},
		{"empty segment", map[string][]byte{Name(1): nil}, false, ErrNotJournal, Name(1)},
		{"segment of another magic", map[string][]byte{Name(1): bytes.Repeat([]byte("SEGMENT\n"), 2048)}, false, ErrNotJournal, Name(1)},
		{"identity", map[string][]byte{idName: []byte(encodeID(goldenUUID))}, false, nil, ""},
		{"identity among foreign files", map[string][]byte{idName: []byte(encodeID(goldenUUID)), "data.db": nil}, false, nil, ""},
		{"segment alone", map[string][]byte{Name(3): ours.encode()}, false, nil, ""},
		{"segment among foreign files", map[string][]byte{Name(3): ours.encode(), "data.db": nil}, false, nil, ""},
		{"segment, and a newer one that is lost", map[string][]byte{Name(3): ours.encode(), Name(4): make([]byte, 9000)}, false, nil, ""},
		{"identity and a segment of another journal", map[string][]byte{idName: []byte(encodeID(goldenUUID)), Name(3): other.encode()}, false, nil, ""},
	} {
		dir := t.TempDir()
		for name, b := range c.files {
			path := filepath.Join(dir, name)
			var err error
			if strings.HasSuffix(name, "/") {
				err = os.Mkdir(path, 0o755)
			} else {
				err = os.WriteFile(path, b, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		d := opened(t, dir)
		fresh, err := d.Identify()
		if fresh != c.fresh || !errors.Is(err, c.want) || err == nil && d.UUID != goldenUUID {
			t.Errorf("%s: journal %x, fresh %v, %v; want fresh %v, %v", c.name, d.UUID, fresh, err, c.fresh, c.want)
		}
		if err == nil {
			continue
		}
		var located *Error
		if !errors.As(err, &located) || !strings.Contains(err.Error(), c.names) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %q does not name %q in its directory", c.name, err, c.names)
		}
		if d.UUID != [16]byte{} {
			t.Errorf("%s: it is no journal and has the identity %x", c.name, d.UUID)
		}
	}
}

func TestOpenDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		file:                      ErrNotJournal,
		filepath.Join(dir, "no"):  os.ErrNotExist,
		filepath.Join(file, "no"): nil, // ENOTDIR, or whatever the system calls it
	} {
		d, err := OpenDir(path)
		var located *Error
		if d != nil || !errors.As(err, &located) || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("OpenDir(%q): %v; want %v", path, err, want)
		}
	}
}

func TestList(t *testing.T) {
	l := newLab(t)
	for _, n := range []uint64{11, 2, 300} {
		l.create(n)
	}
	for _, name := range []string{"seg.1", "seg.000000005x", "ctl.x", ".x", "tmp.x", "seg.268435456"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	numbers, err := l.d.List()
	if err != nil || !slices.Equal(numbers, []uint64{2, 11, 300}) {
		t.Errorf("segments %v, %v", numbers, err)
	}
	for n, want := range map[uint64]bool{2: true, 3: false, 5: false, 300: true} {
		if got, err := l.d.Exists(n); got != want || err != nil {
			t.Errorf("segment %d exists: %v, %v", n, got, err)
		}
	}
	if end, err := l.d.End(); end != (End{300, HeaderSize}) || err != nil {
		t.Errorf("the journal ends at %v, %v", end, err)
	}
	if size, err := l.d.SizeOf(3); size != 0 || err != nil {
		t.Errorf("a segment that is not there has %d bytes, %v", size, err)
	}
}

func TestEndOfNothing(t *testing.T) {
	l := newLab(t)
	if end, err := l.d.End(); end != (End{}) || err != nil {
		t.Errorf("a journal without segments ends at %v, %v", end, err)
	}
	l.want(nil)
}

// What is added while a directory is read may be seen in part.
func TestListIsComplete(t *testing.T) {
	for _, tt := range []struct {
		name  string
		looks [][]uint64
		want  []uint64
	}{
		{"nothing", [][]uint64{{}}, nil},
		{"whole", [][]uint64{{1, 2, 3}}, []uint64{1, 2, 3}},
		{"pruned", [][]uint64{{7, 8}}, []uint64{7, 8}},
		{"one in between was added and not seen", [][]uint64{{1, 2, 4}, {1, 2, 3, 4}}, []uint64{1, 2, 3, 4}},
		{"the first was not seen", [][]uint64{{2}, {1, 2}}, []uint64{1, 2}},
		{"the second look has a gap of its own behind", [][]uint64{{1, 3}, {1, 2, 3, 5}}, []uint64{1, 2, 3}},
		{"one is missing", [][]uint64{{1, 3}, {1, 3}}, []uint64{1, 3}},
		{"all were removed meanwhile", [][]uint64{{1, 3}, {7, 8}}, []uint64{7, 8}},
		{"some were removed meanwhile", [][]uint64{{1, 3, 4}, {3, 4, 5}}, []uint64{3, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			looks := 0
			got, err := complete(func() ([]uint64, error) {
				looks++
				return tt.looks[looks-1], nil
			}, func(n uint64) (bool, error) {
				return slices.Contains(tt.looks[len(tt.looks)-1], n), nil
			})
			if err != nil || !slices.Equal(got, tt.want) || looks != len(tt.looks) {
				t.Errorf("%v, %v in %d looks, want %v in %d", got, err, looks, tt.want, len(tt.looks))
			}
		})
	}
}
