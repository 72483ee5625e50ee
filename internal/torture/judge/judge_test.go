package judge

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// written makes a journal of ten records, three segments, and voids between them.
func written(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	j, err := journal.Open(dir, journal.Options{SegmentSize: 12 << 10, Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() // what it would complain of is read back
	for n := range 10 {
		if _, err := j.Append(fmt.Append(nil, n), bytes.Repeat([]byte{byte('a' + n)}, 1500)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pair reads a journal both ways.
func pair(t *testing.T, dir string) (*Reading, *oracle.Journal) {
	t.Helper()
	r, err := Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := oracle.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r, j
}

// A library that says anything else than the oracle is found out.
func TestLiars(t *testing.T) {
	dir := written(t)
	if _, err := Agreed(t.Context(), dir); err != nil {
		t.Fatalf("without a lie: %v", err)
	}
	void := func(j *oracle.Journal) oracle.Stretch {
		return oracle.Stretch{Segment: j.Segments[0].Number, From: 9000, To: 9010, Class: oracle.Void}
	}
	for _, c := range []struct {
		name string
		lie  func(*Reading)
		want string
	}{
		{"a record is lost", func(r *Reading) { r.Records = slices.Delete(r.Records, 3, 4) }, "hands out"},
		{"the last one is lost", func(r *Reading) { r.Records = r.Records[:9] }, "ends before"},
		{"one comes twice", func(r *Reading) { r.Records = append(r.Records, r.Records[0]) }, "the oracle does not have"},
		{"another value", func(r *Reading) { r.Records[5].Value[17] ^= 1 }, "hands out"},
		{"another key", func(r *Reading) { r.Records[5].Key[0] ^= 1 }, "hands out"},
		{"another time", func(r *Reading) { r.Records[5].Time = r.Records[5].Time.Add(1) }, "hands out"},
		{"another order", func(r *Reading) { r.Records[5], r.Records[6] = r.Records[6], r.Records[5] }, "hands out"},
		{"no damage", func(r *Reading) { r.Damage = nil }, "does not report the void"},
		{"damage of another class", func(r *Reading) { r.Damage[0].Class = journal.Hole }, "reports hole"},
		{"damage that is too short", func(r *Reading) { r.Damage[0].To.Offset-- }, "reports void"},
		{"damage where there is none", func(r *Reading) { r.Damage = append(r.Damage, r.Damage[0]) }, "knows nothing of it"},
		{"verify sees none", func(r *Reading) { r.Report.Damage = nil }, "verify does not report"},
		{"verify counts wrong", func(r *Reading) { r.Report.Records-- }, "verify counts"},
		{"verify misses one", func(r *Reading) { r.Report.Writers[0].Missing++ }, "verify misses 1 records, and the oracle 0"},
	} {
		r, j := pair(t, dir)
		st := void(j)
		j.Stretches = append(j.Stretches, st)
		place := func(offset int64) journal.Position { return journal.Position{Segment: st.Segment, Offset: offset} }
		told := journal.Damage{From: place(st.From), To: place(st.To), Class: journal.Void}
		r.Damage, r.Report.Damage = []journal.Damage{told}, []journal.Damage{told}
		if err := Agree(r, j); err != nil {
			t.Fatalf("without a lie: %v", err)
		}
		c.lie(r)
		if err := Agree(r, j); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// A writer that loses what was read before is found out.
func TestGoesOn(t *testing.T) {
	dir := written(t)
	_, j := pair(t, dir)
	after, err := GoesOn(t.Context(), dir, j.Records)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(after.Records); n != 11 || string(after.Records[10].Key) != "new" {
		t.Errorf("%d records", n)
	}
	if _, err := GoesOn(t.Context(), dir, j.Records); err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("one more than was read: %v", err)
	}
	lost := slices.Insert(slices.Clone(after.Records), 4, oracle.Record{Seq: 99})
	if _, err := GoesOn(t.Context(), dir, lost); err == nil || !strings.Contains(err.Error(), "in the place of") {
		t.Errorf("one was read that is not there: %v", err)
	}
}

func TestSameRecords(t *testing.T) {
	a, b := oracle.Record{Seq: 1}, oracle.Record{Seq: 2}
	for _, got := range [][]oracle.Record{{}, {a}, {b, a}, {a, a}, {a, b, b}} {
		if SameRecords(got, []oracle.Record{a, b}) == nil {
			t.Errorf("%v is taken for two records", got)
		}
	}
	if err := SameRecords([]oracle.Record{a, b}, []oracle.Record{a, b}); err != nil {
		t.Error(err)
	}
}
