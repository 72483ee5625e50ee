package environ

import (
	"fmt"
	"os"
	"slices"

	"github.com/manypen/manypen/internal/torture/board"
)

// named is a case with a name.
type named struct {
	name string
	root bool // it takes root
	run  func(*site) error
}

// Classes returns the class of this package.
func Classes() []*board.Class {
	return []*board.Class{{
		ID:     "X13",
		Title:  "the environment: pids, namespaces, boots, clocks, stopped rollers, ruined control files, permissions, limits, full disks, files that others touch",
		Passes: "each of the named cases is refused with an error that says where, or goes on; nothing acknowledged is lost",
		Run: func(r *board.Run) error {
			all := slices.Concat(processes, controls, permissions, limits, files)
			for _, n := range all {
				if n.root && os.Getuid() != 0 {
					r.Skip("%s: it takes root", n.name)
					r.Pass(1)
					continue
				}
				r.EachAlone("", 1, func(c *board.Case) error { return n.try(c) })
			}
			return nil
		},
	}}
}

func (n *named) try(c *board.Case) error {
	s, err := newSite(c)
	if err == nil {
		err = n.run(s)
	}
	if err == nil {
		err = s.verdict(c.Context())
	} else if s != nil {
		_ = s.close() // the case has failed already
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}
