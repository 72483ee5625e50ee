package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// oracle counts lines. It knows which lines there can be and believes nothing
// that a log says of itself.
type oracle struct {
	found [][]uint8 // how often, up to 255; by process, by line
	torn  int
	zeros int // bytes of zeros in front of lines
}

// newOracle returns one for as many lines as each process has tried to write.
func newOracle(tried []int) *oracle {
	o := &oracle{found: make([][]uint8, len(tried))}
	for p, n := range tried {
		o.found[p] = make([]uint8, n)
	}
	return o
}

// line counts what stands between two line ends.
func (o *oracle) line(b []byte) {
	// A process that writes at its own offset into a file that another has
	// truncated leaves zeros. The line behind them is there.
	rest := bytes.TrimLeft(b, "\x00")
	o.zeros += len(b) - len(rest)
	p, n, ok := parseLine(rest)
	if !ok || p >= len(o.found) || n >= len(o.found[p]) {
		o.torn++
		return
	}
	if o.found[p][n] < 255 {
		o.found[p][n]++
	}
}

// readFiles counts the lines of all files of a directory.
func (o *oracle) readFiles(dir string) (files int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return 0, err
		}
		if err := errors.Join(o.readAll(f), f.Close()); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}

func (o *oracle) readAll(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		b, err := in.ReadBytes('\n')
		if err == io.EOF {
			if len(b) > 0 { // no line end
				o.torn++
			}
			return nil
		}
		if err != nil {
			return err
		}
		o.line(b[:len(b)-1])
	}
}

// count compares what was found with what was acknowledged. extra are lines that
// are there though nobody acknowledged them.
func (o *oracle) count(said [][]byte) (lost, duplicated, extra int) {
	for p, found := range o.found {
		for n, times := range found {
			acknowledged := said[p][n] == saidYes
			switch {
			case acknowledged && times == 0:
				lost++
			case !acknowledged && times > 0:
				extra++
			}
			if times > 1 {
				duplicated++
			}
		}
	}
	return lost, duplicated, extra
}
