package linear

import (
	"os"
	"testing"

	"github.com/manypen/manypen/internal/torture/board"
)

func TestMain(m *testing.M) {
	board.RunChild(Roles())
	os.Exit(m.Run())
}

func TestClass(t *testing.T) {
	c := Classes()[0]
	r := board.Do(t.Context(), c, board.Config{Seed: 1, Case: -1, Short: true, Dir: t.TempDir(), Log: t.Output()})
	if !r.OK() || r.Cases != 12 || r.Counts["kills"] == 0 || r.Counts["calls"] < 1000 {
		t.Errorf("%+v", r)
	}
}
