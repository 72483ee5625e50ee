package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/internal/host"
)

func TestIDGolden(t *testing.T) {
	const want = "manypen journal 1 6d616e7970656e000102030405060708 "
	got := encodeID(goldenUUID)
	if !strings.HasPrefix(got, want) || len(got) != len(want)+17 || got[len(got)-1] != '\n' {
		t.Errorf("journal.id is %q", got)
	}
}

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uuid := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		if got, err := parseID(encodeID(uuid)); got != uuid || err != nil {
			t.Fatalf("got %x, %v; want %x", got, err, uuid)
		}
	})
}

// Every bit and every prefix of the file: damaged, and never another journal.
func TestIDDamaged(t *testing.T) {
	text := encodeID(goldenUUID)
	for bit := range 8 * len(text) {
		b := []byte(text)
		b[bit/8] ^= 1 << (bit % 8)
		if got, err := parseID(string(b)); err == nil && got != goldenUUID || err != nil && !errors.Is(err, errBadID) {
			t.Errorf("bit %d of byte %d: %x, %v", bit%8, bit/8, got, err)
		}
	}
	for n := range len(text) - 1 {
		if _, err := parseID(text[:n]); !errors.Is(err, errBadID) {
			t.Errorf("%d bytes of it: %v", n, err)
		}
	}
}

func TestParseID(t *testing.T) {
	sum := func(line string) string { return fmt.Sprintf("%s %016x\n", line, xxhash.Sum64String(line)) }
	uuid := fmt.Sprintf("%x", goldenUUID)
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"good", encodeID(goldenUUID), nil},
		{"without the newline", strings.TrimSuffix(encodeID(goldenUUID), "\n"), nil},
		{"empty", "", errBadID},
		{"newline", "\n", errBadID},
		{"spaces", "    \n", errBadID},
		{"another program's", sum("other journal 1 " + uuid), errBadID},
		{"no version", sum("manypen journal " + uuid), errBadID},
		{"version that is no number", sum("manypen journal one " + uuid), errBadID},
		{"negative version", sum("manypen journal -1 " + uuid), errBadID},
		{"version 2", sum("manypen journal 2 " + uuid), ErrVersion},
		{"version 2 of another form", sum("manypen journal 2 what this is nobody knows yet"), ErrVersion},
		{"short uuid", sum("manypen journal 1 " + uuid[:30]), errBadID},
		{"long uuid", sum("manypen journal 1 " + uuid + "00"), errBadID},
		{"uuid that is no number", sum("manypen journal 1 " + strings.Repeat("g", 32)), errBadID},
		{"more fields", sum("manypen journal 1 " + uuid + " more"), errBadID},
		{"without checksum", "manypen journal 1 " + uuid + "\n", errBadID},
		{"checksum of another line", "manypen journal 1 " + uuid + " 0000000000000000\n", errBadID},
		{"two lines", encodeID(goldenUUID) + encodeID(goldenUUID), errBadID},
	} {
		got, err := parseID(c.text)
		if !errors.Is(err, c.want) || err == nil && got != goldenUUID {
			t.Errorf("%s: %x, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// What the file of another size or kind does to a journal that has segments:
// nothing, for they repeat the UUID.
func TestIDLost(t *testing.T) {
	for name, ruin := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"half":    func(path string) error { return os.Truncate(path, 30) },
		"noise of 1 MB": func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("manypen journal 1 "), 1<<16), 0o644)
		},
		"zeros of 1 MB": func(path string) error { return os.WriteFile(path, make([]byte, 1<<20), 0o644) },
	} {
		l, values := three(t)
		if err := ruin(filepath.Join(l.dir, idName)); err != nil {
			t.Fatal(err)
		}
		l.d = identified(t, l.dir)
		if l.d.UUID != goldenUUID || !l.d.IDDamaged {
			t.Errorf("%s: journal %x, damaged %v", name, l.d.UUID, l.d.IDDamaged)
		}
		l.want(values)
		if err := l.d.WriteID(false, 0o644, false); err != nil {
			t.Fatal(err)
		}
		if again := identified(t, l.dir); again.UUID != goldenUUID || again.IDDamaged {
			t.Errorf("%s: written again it is journal %x, damaged %v", name, again.UUID, again.IDDamaged)
		}
	}
}

// A newer version is refused before anything else is looked at.
func TestIDNewerVersion(t *testing.T) {
	l, _ := three(t)
	line := fmt.Sprintf("manypen journal 2 %x", goldenUUID)
	text := fmt.Sprintf("%s %016x\n", line, xxhash.Sum64String(line))
	if err := os.WriteFile(filepath.Join(l.dir, idName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if fresh, err := opened(t, l.dir).Identify(); fresh || !errors.Is(err, ErrVersion) {
		t.Errorf("fresh %v, %v; want ErrVersion", fresh, err)
	}
}

// Makers of one journal at the same time agree on one identity.
func TestWriteIDRace(t *testing.T) {
	dir := t.TempDir()
	ids := make([][16]byte, 8)
	var wg sync.WaitGroup
	for i := range ids {
		d := opened(t, dir)
		wg.Go(func() {
			if err := d.WriteID(true, 0o644, false); err != nil {
				t.Error(err)
			}
			ids[i] = d.UUID
		})
	}
	wg.Wait()
	if slices.Compact(slices.Clone(ids))[0] != ids[0] || len(slices.Compact(ids)) != 1 || ids[0] == [16]byte{} {
		t.Errorf("makers have different journals: %x", ids)
	}
	names, err := host.ListIn(opened(t, dir).F)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// Junk in the place of journal.id, and no segment that could say whose it is:
// there is nothing to lose, and a journal can be made.
func TestIDJunkOfNewJournal(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, idName), []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := opened(t, dir)
	if fresh, err := d.Identify(); !fresh || !errors.Is(err, ErrNotJournal) {
		t.Fatalf("fresh %v, %v", fresh, err)
	}
	if err := d.WriteID(true, 0o644, false); err != nil {
		t.Fatal(err)
	}
	if again := identified(t, dir); again.UUID != d.UUID || d.IDDamaged || again.IDDamaged {
		t.Errorf("made journal %x, found %x", d.UUID, again.UUID)
	}
}

// journal.id is what it says: no link to a file elsewhere, no pipe to hang on.
func TestIDOfAnotherKind(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, idName), 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := opened(t, dir).Identify()
	var located *Error
	if fresh || !errors.As(err, &located) {
		t.Errorf("fresh %v, %v; want an *Error", fresh, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v says that it does not exist", err)
	}
}
