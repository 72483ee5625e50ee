package media

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/judge"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// A few cases of each class pass.
func TestClasses(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.ID, func(t *testing.T) {
			for n := range 3 { // X1 to X12 have at least 160 cases in a short run
				r := board.Do(t.Context(), c, board.Config{Seed: 5, Case: 50 * n, Short: true, Dir: t.TempDir(), Log: t.Output()})
				if !r.OK() || r.Cases != 1 {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// sample is a journal of ten records in two segments, the first one full.
func sample(t *testing.T) *scene {
	t.Helper()
	p, err := newPen(t.TempDir(), 2, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 10 {
		if err := p.put([]byte(fmt.Sprint(n)), fill(rng, 600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := p.finish()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// delivered is the judge that knows nothing of the format.
func TestDelivered(t *testing.T) {
	s := sample(t)
	dir := t.TempDir()
	if err := s.store(dir); err != nil {
		t.Fatal(err)
	}
	r, err := judge.Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	swapped := slices.Clone(r.Records)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	forged := slices.Clone(r.Records)
	forged[4].Seq = 99
	for _, c := range []struct {
		name string
		got  []journal.Record
		must func(int) bool
		want string
	}{
		{"one in the middle", slices.Delete(slices.Clone(r.Records), 4, 5), always, "is lost"},
		{"the last one", r.Records[:9], always, "is lost"},
		{"all", nil, always, "is lost"},
		{"out of order", swapped, never, "comes twice, or out of order"},
		{"twice", append(slices.Clone(r.Records[:2]), r.Records[1]), never, "comes twice"},
		{"invented", forged, never, "was never appended"},
	} {
		if err := delivered(c.got, s.appended, c.must); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if err := delivered(nil, s.appended, never); err != nil {
		t.Errorf("nothing has to be there: %v", err)
	}
}

// What was hostile content is known when it surfaces.
func TestSurfaced(t *testing.T) {
	s := sample(t)
	j, err := s.oracle()
	if err != nil {
		t.Fatal(err)
	}
	last := j.Segments[len(j.Segments)-1]
	for _, kind := range []byte{oracle.Data, oracle.Mark, oracle.Gap} {
		value := []byte{1, 0, 0, 0, 0, 0, 0, 0}
		raw := forge(last.Marker, last.Seed, kind, value)
		bad := s.with(segName(last.Number), append(bytes.Clone(last.Bytes), raw...))
		got, j, err := judged(t.Context(), bad, t.TempDir(), always)
		if kind == oracle.Data {
			if err == nil || !strings.Contains(err.Error(), "was never appended") {
				t.Errorf("a record that nobody appended: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := surfaced(got, j); err == nil || !strings.Contains(err.Error(), "surfaces") {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}
