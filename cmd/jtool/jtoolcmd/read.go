package jtoolcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/manypen/manypen/journal"
)

// reading is one command's pass over records: it prints them and remembers
// what could not be read.
type reading struct {
	t      *tool
	dir    string
	print  format
	out    *bufio.Writer
	line   []byte
	count  int  // records printed
	losses bool // records were passed over

	// A command that reads one segment at a time sees the beginning of the next
	// one too. What is wrong there was, or will be, told when its turn comes.
	only uint64          // damage of this segment only, 0 for all
	told map[string]bool // problems, if they are told once
	mute bool            // nothing is told: it will be read again
}

func (t *tool) newReading(dir string, print format) *reading {
	return &reading{t: t, dir: dir, print: print, out: bufio.NewWriterSize(t.out, 64<<10)}
}

// open opens the journal for reading; its readers report damage to r.
func (r *reading) open() (*journal.Journal, error) {
	return journal.Open(r.dir, journal.Options{ReadOnly: true, OnDamage: r.damage})
}

// damage tells of a stretch without a record: of a normal one only if asked.
func (r *reading) damage(d journal.Damage) {
	if r.mute || r.only != 0 && d.From.Segment != r.only {
		return
	}
	loss := d.Class == journal.Corruption || d.Class == journal.Hole
	r.losses = r.losses || loss
	switch {
	case !loss && !r.t.verbose:
	case r.t.json:
		r.out.Write(appendLine(nil, damageObject(d))) // an error stays with the writer
	default:
		r.out.Flush() // keep the order of the two streams; an error stays with the writer
		fmt.Fprintf(r.t.err, "jtool: %v of %d bytes at %v, up to %v\n", d.Class, d.Bytes(), d.From, d.To)
	}
}

// record prints one record.
func (r *reading) record(rec journal.Record) error {
	r.line = r.print(r.line[:0], rec)
	r.count++
	_, err := r.out.Write(r.line)
	return err
}

// problem takes an error of an iterator. It returns nil if reading can go on
// behind it.
func (r *reading) problem(err error) error {
	if !passable(err) {
		return err
	}
	if r.mute {
		return nil
	}
	if r.told != nil {
		id := err.Error()
		var gone *journal.GoneError
		if errors.As(err, &gone) {
			id = gone.Oldest.String() // the same gap, seen from another segment
		}
		if r.told[id] {
			return nil
		}
		r.told[id] = true
	}
	r.losses = true
	r.out.Flush() // as in damage
	r.t.printError(err, exitPartial)
	return nil
}

// all prints what a sequence has, until it ends or keep returns false.
func (r *reading) all(ctx context.Context, seq iter.Seq2[journal.Record, error], keep func(*journal.Record) (print, more bool)) error {
	for rec, err := range seq {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if err := r.problem(err); err != nil {
				return err
			}
			continue
		}
		print, more := keep(&rec)
		if print {
			if err := r.record(rec); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
	return nil
}

// backwards calls f with the numbers of the segments, newest first, until it
// returns false. Meanwhile problems are told once, and damage of that segment
// only. The last argument says whether it is the newest one: others that were
// added meanwhile belong to it.
func (r *reading) backwards(f func(n uint64, newest bool) (more bool, err error)) error {
	numbers, err := segmentNumbers(r.dir)
	if err != nil {
		return err
	}
	r.told = make(map[string]bool)
	defer func() { r.only, r.told = 0, nil }()
	for k, n := range numbers {
		if r.only = n; k == 0 {
			r.only = 0
		}
		if more, err := f(n, k == 0); err != nil || !more {
			return err
		}
	}
	return nil
}

// segmentNumbers returns the numbers of the segments in dir, newest first.
// Those that lie between need not exist, and there may be millions of them, if
// somebody has put a file there.
func segmentNumbers(dir string) ([]uint64, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "seg.")
		if n, err := strconv.ParseUint(digits, 10, 28); ok && err == nil && n > 0 && name == segmentName(n) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

func segmentName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

// end writes what is left and decides how the command ends.
func (r *reading) end(err error, exitStatus bool) error {
	if ferr := r.out.Flush(); err == nil {
		err = ferr
	}
	switch {
	case err != nil:
		return err
	case r.losses:
		return &exitError{exitPartial, "some records could not be read; all others were delivered"}
	case r.count == 0 && exitStatus:
		return &exitError{code: exitNoMatch}
	}
	return nil
}
