// Package media holds the classes of the scoreboard that change what lies on the disk:
// segments that were cut off, torn records, flipped bits, blocks that were lost, and
// contents that look like records.
package media

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// scene is a journal as its writers left it: the files, and what was appended.
type scene struct {
	files    map[string][]byte
	appended []oracle.Record // in the order of the journal
}

const idName = "journal.id"

func segName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

// pen appends to a journal by several handles in turn and keeps what it appends.
type pen struct {
	dir     string
	handles []*journal.Journal
	next    int
	all     []written
}

// written is what an append was given, and where it was acknowledged.
type written struct {
	at         journal.Position
	kind       byte
	key, value []byte
}

// newPen opens a journal in dir with a number of handles.
func newPen(dir string, handles int, opt journal.Options) (*pen, error) {
	p := &pen{dir: dir}
	for range handles {
		j, err := journal.Open(dir, opt)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.handles = append(p.handles, j)
	}
	return p, nil
}

// put appends one record by the next handle.
func (p *pen) put(key, value []byte) error {
	h := p.handles[p.next%len(p.handles)]
	p.next++
	at, err := h.Append(key, value)
	p.all = append(p.all, written{at, oracle.Data, bytes.Clone(key), bytes.Clone(value)})
	return err
}

// last is where the newest record is.
func (p *pen) last() journal.Position { return p.all[len(p.all)-1].at }

func (p *pen) close() error {
	var errs []error
	for _, h := range p.handles {
		errs = append(errs, h.Close())
	}
	p.handles = nil
	return errors.Join(errs...)
}

// finish closes the handles and returns the scene. It makes sure that the journal is
// as it should be before anything is done to it: the oracle finds everything that was
// acknowledged, where it was, and nothing else.
func (p *pen) finish() (*scene, error) {
	if err := p.close(); err != nil {
		return nil, err
	}
	return p.scene()
}

// scene is finish with the handles open.
func (p *pen) scene() (*scene, error) {
	s, err := load(p.dir)
	if err != nil {
		return nil, err
	}
	j, err := s.oracle()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(p.all, func(a, b written) int { return a.at.Compare(b.at) })
	if len(j.Records) != len(p.all) {
		return nil, fmt.Errorf("%d records were appended and the oracle finds %d", len(p.all), len(j.Records))
	}
	for i, r := range j.Records {
		w := p.all[i]
		if r.String() != w.at.String() || r.Kind != w.kind || !bytes.Equal(r.Key, w.key) || !bytes.Equal(r.Value, w.value) {
			return nil, fmt.Errorf("appended at %v, and the oracle finds another record at %v", w.at, r.Position)
		}
	}
	s.appended = j.Records
	return s, nil
}

// load reads what belongs to the journal in dir.
func load(dir string) (*scene, error) {
	s := &scene{files: make(map[string][]byte)}
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	for _, path := range append(names, filepath.Join(dir, idName)) {
		b, rerr := os.ReadFile(path)
		err = cmp.Or(err, rerr)
		s.files[filepath.Base(path)] = b
	}
	return s, err
}

// with is the scene with other content of one file, which is removed if b is nil.
func (s *scene) with(name string, b []byte) *scene {
	t := &scene{files: make(map[string][]byte, len(s.files)), appended: s.appended}
	for n, c := range s.files {
		t.files[n] = c
	}
	t.files[name] = b
	if b == nil {
		delete(t.files, name)
	}
	return t
}

// oracle reads the scene.
func (s *scene) oracle() (*oracle.Journal, error) {
	segments := make(map[uint64][]byte)
	for name, b := range s.files {
		var n uint64
		if _, err := fmt.Sscanf(name, "seg.%d", &n); err == nil {
			segments[n] = b
		}
	}
	return oracle.Parse(s.files[idName], segments)
}

// store writes the scene to a directory.
func (s *scene) store(dir string) error {
	for name, b := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a value of n bytes, most of them by chance.
func fill(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
