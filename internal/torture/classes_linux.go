package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/environ"
	"github.com/manypen/manypen/internal/torture/faults"
	"github.com/manypen/manypen/internal/torture/fuzzdir"
	"github.com/manypen/manypen/internal/torture/linear"
	"github.com/manypen/manypen/internal/torture/media"
	"github.com/manypen/manypen/internal/torture/portable"
	"github.com/manypen/manypen/internal/torture/procs"
)

// classes is the scoreboard, in the order of the numbers.
func classes() []*board.Class {
	all := slices.Concat(
		media.Classes(),
		procs.Classes(),
		faults.Classes(),
		environ.Classes(),
		fuzzdir.Classes(),
		portable.Classes(),
		linear.Classes(),
	)
	number := func(c *board.Class) int {
		n, err := strconv.Atoi(strings.TrimPrefix(c.ID, "X"))
		if err != nil {
			return len(all) // those with a name come last
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b *board.Class) int { return cmp.Compare(number(a), number(b)) })
	return all
}

// roles is what processes of this program can be.
func roles() board.Roles {
	all := make(board.Roles)
	for _, r := range []board.Roles{
		procs.Roles(),
		faults.Roles(),
		environ.Roles(),
		linear.Roles(),
	} {
		maps.Copy(all, r)
	}
	return all
}
