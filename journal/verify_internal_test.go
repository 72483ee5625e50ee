package journal

import (
	"fmt"
	"slices"
	"testing"

	"github.com/manypen/manypen/record"
)

// Segments that are pruned between the listing and the first look at them are neither
// looked at nor missed. That the first segment was in the listing does not mean that
// the sequences of the writers have to begin with 1.
func TestVerifyPrunedAfterListing(t *testing.T) {
	for _, chunk := range []int64{0, chunkSize} {
		t.Run(fmt.Sprint(chunk), func(t *testing.T) {
			dir := t.TempDir()
			j, err := Open(dir, Options{Sync: SyncNone, SegmentSize: 16 << 10})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close() // of no account once everything is verified
			var last Position
			for last.Segment < 4 {
				if last, err = j.Append(nil, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			d, err := openDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close() // only read from
			end, err := d.End()
			if err != nil {
				t.Fatal(err)
			}
			whole, err := verify(t.Context(), d, end, VerifyOptions{}, chunk)
			if err != nil || whole.Missing() != 0 || whole.First != 1 {
				t.Fatalf("before: missing %d, first segment %d, %v", whole.Missing(), whole.First, err)
			}

			v := newVerifier(d, end, VerifyOptions{}, chunk)
			if err := v.measure(); err != nil {
				t.Fatal(err)
			}
			if err := j.Prune(Position{Segment: 3}); err != nil {
				t.Fatal(err)
			}
			if err := v.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			r := &v.report
			if r.Missing() != 0 || r.Corrupt() || len(r.Problems) != 0 || len(r.Damage) != 0 {
				t.Errorf("missing %d, corrupt %v, problems %v, damage %v", r.Missing(), r.Corrupt(), r.Problems, r.Damage)
			}
			if r.Records == 0 || r.Records >= whole.Records {
				t.Errorf("%d records of %d were read", r.Records, whole.Records)
			}
			if v.prunes != 1 {
				t.Errorf("pruning was noticed %d times", v.prunes)
			}
		})
	}
}

// A sequence that is missing is counted also where nothing in the segment looks as if
// something had been lost: that is what sequences are for.
func TestVerifyMissingWithoutDamage(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{Sync: SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	const id = 9
	for _, seq := range []uint64{1, 2, 5, 6, 8} {
		if _, err := j.w.AppendAs(record.Header{Kind: KindData, Time: 1, Writer: id, Seq: seq}, 1, nil, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), dir, VerifyOptions{})
	if err != nil || report.Records != 5 || len(report.Damage) > 0 || len(report.Writers) != 1 {
		t.Fatalf("report %+v, %v", report, err)
	}
	var got []Gap
	for _, g := range report.Writers[0].Gaps {
		g.Before = Position{}
		got = append(got, g)
	}
	if want := []Gap{{From: 3, To: 4}, {From: 7, To: 7}}; !slices.Equal(got, want) || report.Missing() != 3 {
		t.Errorf("%d are missing, gaps %+v; want 3, %+v", report.Missing(), got, want)
	}
}
