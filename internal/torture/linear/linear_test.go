package linear

import (
	"strings"
	"testing"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// small is a journal of three records, one of them a batch of two, and a delete.
func small() *oracle.Journal {
	at := func(off int64, index int, kind byte, key, value string) oracle.Record {
		return oracle.Record{Position: oracle.Position{Segment: 1, Offset: off, Index: index}, Kind: kind, Key: []byte(key), Value: []byte(value)}
	}
	return &oracle.Journal{Records: []oracle.Record{
		at(8192, 0, oracle.Data, "a", "0.1"),
		at(8300, 0, oracle.Data, "a", "1.1"),
		at(8300, 1, oracle.Data, "b", "1.1"),
		at(8400, 0, oracle.Delete, "a", ""),
	}}
}

// honest is a history of it: process 0 appends and deletes, 1 appends the batch, 2
// reads, 3 follows.
const honest = `0 c 1 10 1 append a
0 r 1 20 1:8192
1 c 1 15 1 batch a b
1 r 1 40 1:8300
2 c 1 21 1 get a
2 r 1 30 1:8192
2 c 2 41 1 get b
2 r 2 45 1:8300+1
0 c 2 50 1 delete a
0 r 2 60 1:8400
2 c 3 55 1 get a
2 r 3 58 none
2 c 4 61 1 scan
2 r 4 70 4
3 c 1 5 0 next
3 r 1 90 1:8192
3 c 2 91 0 next
3 r 2 92 1:8300
`

// judge reads notes that begin with the number of the process and judges them.
func judge(t *testing.T, j *oracle.Journal, notes string) error {
	t.Helper()
	var calls []*call
	for p := range 4 {
		var own strings.Builder
		for line := range strings.Lines(notes) {
			if rest, ok := strings.CutPrefix(line, string(rune('0'+p))+" "); ok {
				own.WriteString(rest)
			}
		}
		c, err := readNotes(p, strings.NewReader(own.String()))
		if err != nil {
			return err
		}
		calls = append(calls, c...)
	}
	ops, err := history(j, calls)
	if err != nil {
		return err
	}
	return check(t.Context(), ops)
}

func TestJudge(t *testing.T) {
	if err := judge(t, small(), honest); err != nil {
		t.Fatalf("an honest history: %v", err)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"a get that is behind", "2 r 2 45 1:8300+1", "2 r 2 45 none", "not linearizable"},
		{"a get of what is not yet there", "2 c 1 21 1 get a\n2 r 1 30 1:8192", "2 c 1 1 1 get a\n2 r 1 9 1:8192", "not linearizable"},
		{"a get that sees a deleted record", "2 c 3 55 1 get a\n2 r 3 58 none", "2 c 3 61 1 get a\n2 r 3 62 1:8300", "not linearizable"},
		{"half a batch", "2 r 4 70 4", "2 r 4 70 2", "not linearizable"},
		{"a scan that is short", "2 r 4 70 4", "2 r 4 70 3", "not linearizable"},
		{"a follower that leaves one out", "3 r 2 92 1:8300", "3 r 2 92 1:8400", "not linearizable"},
		{"a follower that is handed one twice", "3 r 2 92 1:8300", "3 r 2 92 1:8192", "not linearizable"},
		{"a follower that is too early", "3 c 1 5 0 next\n3 r 1 90", "3 c 1 5 0 next\n3 r 1 9", "not linearizable"},
		{"an order that was not", "0 c 1 10 1 append a\n0 r 1 20", "0 c 1 42 1 append a\n0 r 1 43", "not linearizable"},
		{"an append elsewhere", "0 r 1 20 1:8192", "0 r 1 20 1:8300", "was acknowledged at 1:8300 and is at 1:8192"},
		{"a delete elsewhere", "0 r 2 60 1:8400", "0 r 2 60 1:8500", "was acknowledged at 1:8500 and is not there"},
		{"a read from nowhere", "2 r 1 30 1:8192", "2 r 1 30 1:9000", "there is none"},
		{"a record of nobody", "1 c 1 15 1 batch a b\n1 r 1 40 1:8300\n", "", "nobody has appended 1:8300"},
		{"a lost append", "0 c 2 50 1 delete a", "0 c 3 46 1 append a\n0 r 3 47 1:8350\n0 c 2 50 1 delete a", "was acknowledged at 1:8350 and is not there"},
		{"an answer to nothing", "2 r 4 70 4", "2 r 5 70 4", "out of order"},
		{"no number", "2 r 4 70 4", "2 r 4 x 4", "invalid syntax"},
	} {
		notes := strings.Replace(honest, c.old, c.new, 1)
		if notes == honest {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if err := judge(t, small(), notes); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	twice := small()
	twice.Records = append(twice.Records, twice.Records[0])
	twice.Records[4].Offset = 8500
	if err := judge(t, twice, honest); err == nil || !strings.Contains(err.Error(), "is at 1:8500") {
		t.Errorf("a record that is there twice: %v", err)
	}
}

// A call of a process that was killed has happened or not, whatever the journal says.
func TestJudgeKilled(t *testing.T) {
	lost := strings.Replace(honest, "1 r 1 40 1:8300\n", "", 1)
	if err := judge(t, small(), lost); err != nil {
		t.Errorf("a batch that is there: %v", err)
	}
	gone := honest + "1 c 2 80 1 append c\n1 c 3 80 2 delete d\n1 c 4 80 0 next\n1 c 5 8"
	if err := judge(t, small(), gone); err != nil {
		t.Errorf("calls that came to nothing: %v", err)
	}
	late := strings.Replace(honest, "0 r 2 60 1:8400\n", "", 1)
	if err := judge(t, small(), late); err != nil {
		t.Errorf("a delete that is there: %v", err)
	}
}
