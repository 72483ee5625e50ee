package inspect

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

// fill makes a journal of several small segments, opened several times.
func fill(t *testing.T, dir string, rng *rand.Rand) {
	t.Helper()
	for range 2 {
		j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10, MaxRecord: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			value := make([]byte, rng.IntN(1500))
			if rng.IntN(5) == 0 {
				value = make([]byte, 0, 8) // a value that needs a mask
				frame := record.NewFrame(j.UUID(), 1+rng.Uint64N(3))
				value = append(value, frame.Marker[:]...)
			}
			_, err := j.Append([]byte("key"), value)
			if rng.IntN(5) == 0 && err == nil {
				var b journal.Batch
				b.Put([]byte("a"), value)
				b.Delete([]byte("b"))
				_, err = j.AppendBatch(&b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// hurt changes a segment as disks, kernels and people do.
func hurt(b []byte, rng *rand.Rand) []byte {
	for range rng.IntN(4) {
		if len(b) == 0 {
			break
		}
		at := rng.IntN(len(b))
		if rng.IntN(2) == 0 {
			at = min(headerSize, len(b)-1) + rng.IntN(max(1, len(b)-headerSize))
			at = min(at, len(b)-1)
		}
		n := min(rng.IntN(600), len(b)-at)
		switch rng.IntN(5) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			clear(b[at : at+n])
		case 2:
			b = b[:at]
		case 3:
			b = append(b, b[at:at+n]...)
		case 4:
			for i := range n {
				b[at+i] = byte(rng.Uint32())
			}
		}
	}
	return b
}

// What this reader says of every byte is what the library says, whatever has
// happened to the files; and at every position something is shown, or an error
// says why not.
func TestAgreesWithVerify(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			dir := filepath.Join(t.TempDir(), "j")
			fill(t, dir, rng)
			paths, err := filepath.Glob(filepath.Join(dir, "seg.*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range paths {
				b, err := os.ReadFile(p)
				if err == nil && seed > 0 {
					err = os.WriteFile(p, hurt(b, rng), 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			report, err := journal.Verify(t.Context(), dir, journal.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, d := range report.Damage {
				if d.From.Offset >= headerSize {
					want = append(want, fmt.Sprintf("%v %v %v", d.Class, d.From, d.To))
				}
			}
			var records uint64
			for n := range len(paths) {
				events, final := judged(t, dir, uint64(n+1), report.UUID)
				for _, e := range events {
					from, to := record.Position{Segment: uint64(n + 1), Offset: e.From}, record.Position{Segment: uint64(n + 1), Offset: e.To}
					switch {
					case e.pending:
					case e.Class == record.Whole:
						records++
					case e.Class != record.Void || final:
						got = append(got, fmt.Sprintf("%v %v %v", e.Class, from, to))
					}
					// From wherever one looks, it is the same.
					for _, off := range []int64{e.From, e.From + rng.Int64N(e.To-e.From), e.To - 1} {
						p := record.Position{Segment: uint64(n + 1), Offset: off}
						r, err := Inspect(t.Context(), dir, p, Options{UUID: report.UUID}, func(Line) error { return nil })
						if err != nil || r.Class != e.Class || (r.What == Pending) != e.pending || r.From != from || r.To != to {
							t.Errorf("%v comes to %+v, %v; want %v %v %v", p, r, err, e.Class, from, to)
						}
					}
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			// Each batch has two entries, which count there.
			if all := report.Records - report.Batches + report.Marks + report.Unknown; records != all {
				t.Errorf("%d records, want %d", records, all)
			}
			for range 50 {
				probe(t, dir, uint64(1+rng.IntN(len(paths)+1)), rng.Int64N(14<<10), report.UUID)
			}
		})
	}
}

// judged returns what a segment consists of, and whether it is final.
func judged(t *testing.T, dir string, n uint64, uuid [16]byte) (events []event, final bool) {
	t.Helper()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() // only read from
	s, err := openSegment(d, n, uuid)
	if err != nil {
		t.Fatal(err)
	}
	defer s.f.Close() // only read from
	a := &annotator{ctx: t.Context(), segment: s, opt: Options{UUID: uuid}, emit: func(Line) error { return nil }}
	if err := a.events(headerSize, func(e event) bool {
		events = append(events, e)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return events, s.final
}

// probe shows one position. What it comes to lies around it.
func probe(t *testing.T, dir string, n uint64, off int64, uuid [16]byte) {
	t.Helper()
	p := record.Position{Segment: n, Offset: off}
	lines := 0
	r, err := Inspect(t.Context(), dir, p, Options{UUID: uuid, Context: 2, Full: true}, func(l Line) error {
		lines++
		for _, c := range string(l.AppendText(nil)) {
			if c < ' ' || c > '~' {
				t.Errorf("%v: %q is printed", p, c)
			}
		}
		return nil
	})
	if err != nil {
		return
	}
	if p.Before(r.From) || r.What != End && !p.Before(r.To) || lines < 2 {
		t.Errorf("%v comes to %+v with %d lines", p, r, lines)
	}
}
