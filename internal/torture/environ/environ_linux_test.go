package environ

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/journal"
)

func TestMain(m *testing.M) {
	board.RunChild(Roles())
	os.Exit(m.Run())
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, n := range slices.Concat(processes, controls, permissions, limits, files) {
		if n.name == "" || seen[n.name] || n.run == nil {
			t.Errorf("case %q", n.name)
		}
		seen[n.name] = true
	}
	if len(seen) < 20 {
		t.Errorf("%d cases", len(seen))
	}
}

// in tries a case of its own, and returns what became of it.
func in(t *testing.T, run func(*site) error) error {
	t.Helper()
	var got error
	class := &board.Class{ID: "T", Run: func(r *board.Run) error {
		r.EachAlone("", 1, func(c *board.Case) error {
			n := named{"a case", false, run}
			got = n.try(c)
			return nil
		})
		return nil
	}}
	board.Do(t.Context(), class, board.Config{Seed: 1, Case: -1, Short: true, Dir: t.TempDir(), Log: t.Output()})
	return got
}

// The verdict finds what is not as it was told.
func TestLiars(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(s *site) error
		want string
	}{
		{"nothing", func(*site) error { return nil }, ""},
		{"one more", func(s *site) error { s.told["another"] = "1:8192"; return nil }, `"another" was acknowledged at 1:8192, and is lost`},
		{"elsewhere", func(s *site) error { s.told["site 2"] = "1:8192"; return nil }, "was acknowledged at 1:8192 and is at"},
		{"its append failed", func(s *site) error { delete(s.told, "site 2"); return nil }, "was not appended, or its append failed"},
		{"nobody knows", func(s *site) error { delete(s.told, "site 2"); s.unsure["site 2"] = true; return nil }, ""},
		{"twice", func(s *site) error {
			j, err := s.writer(journal.SyncNone)
			if err != nil {
				return err
			}
			_, err = j.Append([]byte("site 1"), nil)
			return err
		}, "is there twice"},
		{"a flipped bit", func(s *site) error {
			return change(filepath.Join(s.dir, "seg.000000001"), func(b []byte) { b[9000] ^= 1 })
		}, "is lost"},
		{"a journal that is gone", func(s *site) error { return os.RemoveAll(s.dir) }, "no such file"},
	} {
		err := in(t, func(s *site) error {
			j, err := s.begun(3)
			if err != nil {
				return err
			}
			return errors.Join(j.Close(), func() error { s.open = nil; return c.lie(s) }())
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	placed := &journal.Error{Op: "open", Path: "j", Err: journal.ErrUnsafe}
	for _, c := range []struct {
		err   error
		kinds []error
		want  string
	}{
		{placed, nil, ""},
		{placed, []error{journal.ErrFull, journal.ErrUnsafe}, ""},
		{placed, []error{journal.ErrFull}, "another error than expected"},
		{nil, nil, "is not refused"},
		{fs.ErrPermission, nil, "does not say where"},
	} {
		err := refused("it", c.err, c.kinds...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, %v: %v, want %q", c.err, c.kinds, err, c.want)
		}
	}
}

// A guest that should be refused and is not, and one that should not be and is.
func TestGuests(t *testing.T) {
	err := in(t, func(s *site) error {
		if _, err := s.begun(1); err != nil {
			return err
		}
		if err := s.refuse(normal("guest", 1)); err == nil || !strings.Contains(err.Error(), "is not refused") {
			return fmt.Errorf("a guest that is served: %w", err)
		}
		g := normal("other", 3)
		g.FSize = 100
		if err := s.must(g); err == nil || !strings.Contains(err.Error(), "is refused") {
			return fmt.Errorf("a guest that is refused: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Some cases that need no rights and little time.
func TestSomeCases(t *testing.T) {
	for _, n := range slices.Concat(controls, files) {
		t.Run(n.name, func(t *testing.T) {
			if err := in(t, n.run); err != nil {
				t.Error(err)
			}
		})
	}
}
