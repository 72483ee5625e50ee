//go:build !linux

package main

import "github.com/manypen/manypen/internal/torture/board"

// classes is empty: the faults are made with the means of Linux, the only system on
// which several processes may write a journal.
func classes() []*board.Class { return nil }

func roles() board.Roles { return nil }
