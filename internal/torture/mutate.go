package main

import (
	"context"
	"errors"
	"io"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/mutants"
)

var errSurvivors = errors.New("not every mutant was caught")

// runMutants puts bugs into the library, and prints which of them are found: by the
// class or the test that each names, or by classes if they are given.
func runMutants(ctx context.Context, names, classes string, cfg board.Config, out, errs io.Writer) int {
	results, err := mutants.Run(ctx, mutants.Config{
		Names: names, Classes: classes, Short: cfg.Short, Seed: cfg.Seed, Log: errs,
	})
	if err != nil {
		return done(errs, err)
	}
	ok, err := mutants.Print(out, results)
	if err == nil && !ok {
		err = errSurvivors
	}
	return done(errs, err)
}
