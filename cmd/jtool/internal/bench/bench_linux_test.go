package bench

import (
	"testing"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
)

// Several processes append at the same time, and every record of theirs is counted.
func TestProcesses(t *testing.T) {
	p, err := child.Of()
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range []func(*slice) error{floorProcesses, journalProcesses} {
		for _, sync := range []bool{false, true} {
			s := newSlice(t, 200)
			s.opt.Processes, s.opt.Program, s.sync, s.limit = 3, p, sync, 20*time.Millisecond
			if err := do(s); err != nil {
				t.Error(err)
			}
			if s.records < 3 || s.took < s.limit {
				t.Errorf("%d records in %v", s.records, s.took)
			}
		}
	}
	// One that cannot begin is an error, and the others are not left behind.
	s := newSlice(t, 200)
	s.opt.Processes, s.opt.Program = 2, p
	if err := s.together("append", "/dev/null/journal"); err == nil {
		t.Error("they append to a journal that cannot be")
	}
}
