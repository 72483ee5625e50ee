package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// jobEnv tells a process that it is a worker, and what to do.
const jobEnv = "LOSS_JOB"

// job is what a worker is to do.
type job struct {
	Way     string
	Dir     string
	Process int
	Lines   int
	// Victim says that the worker goes on until it is killed.
	Victim bool
}

// What a worker says on its standard output, one byte each: that it is ready,
// and of each line in order whether Write has returned nil. A byte in a pipe
// survives the death of who wrote it.
const (
	saidReady   = 'r'
	saidYes     = 'y'
	saidRefused = 'n'
)

// work is a worker. It returns the exit status.
func work(text string, in io.Reader, out, errs io.Writer) int {
	if err := writeLines(text, in, out, errs); err != nil {
		fmt.Fprintln(errs, "loss: worker:", err)
		return 1
	}
	return 0
}

func writeLines(text string, in io.Reader, out, errs io.Writer) (err error) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("%s: %w", jobEnv, err)
	}
	way, ok := wayNamed(j.Way)
	if !ok {
		return fmt.Errorf("%s: there is no way %q", jobEnv, j.Way)
	}
	w, err := way.open(j.Dir, j.Process)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := out.Write([]byte{saidReady}); err != nil {
		return err
	}
	if _, err := io.ReadFull(in, make([]byte, 1)); err != nil { // all begin together
		return fmt.Errorf("wait for the start: %w", err)
	}
	lines := j.Lines
	if j.Victim {
		lines = math.MaxInt
	}
	var line []byte
	for n, refused := 0, 0; n < lines; n++ {
		line = appendLine(line[:0], j.Process, n)
		said := byte(saidYes)
		if _, err := w.Write(line); err != nil {
			said = saidRefused
			if refused++; refused == 1 { // one tells what it is about
				fmt.Fprintf(errs, "loss: process %d, line %d: %v\n", j.Process, n, err)
			}
		}
		if _, err := out.Write([]byte{said}); err != nil {
			return err
		}
	}
	return nil
}
