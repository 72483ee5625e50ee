package jtoolcmd

import (
	"bufio"
	"context"
	"fmt"
	"iter"

	"github.com/manypen/manypen/journal"
)

// reading is one command's pass over records: it prints them and remembers
// what could not be read.
type reading struct {
	t      *tool
	dir    string
	print  format
	failed func() error // what kept print from printing; nil if nothing can
	out    *bufio.Writer
	line   []byte
	count  int  // records printed
	losses bool // records were passed over
	mute   bool // nothing is told: it will be read again
	aside  bool // damage is no part of the output, in JSON too
}

func (t *tool) newReading(dir string, print format) *reading {
	return &reading{t: t, dir: dir, print: print, out: bufio.NewWriterSize(t.out, 64<<10)}
}

// newPrinting is newReading for what the flags say.
func (t *tool) newPrinting(dir string, o *output) (*reading, error) {
	p, err := o.printing()
	if err != nil {
		return nil, err
	}
	r := t.newReading(dir, p.format)
	r.failed = p.failed
	r.out.Write(p.head) // an error stays with the writer
	return r, nil
}

// open opens the journal for reading; its readers report damage to r.
func (r *reading) open() (*journal.Journal, error) {
	return journal.Open(r.dir, journal.Options{ReadOnly: true, OnDamage: r.damage})
}

// damage tells of a stretch without a record: of a normal one only if asked.
func (r *reading) damage(d journal.Damage) {
	if r.mute {
		return
	}
	loss := isLoss(d.Class)
	r.losses = r.losses || loss
	switch {
	case !loss && !r.t.verbose:
	case r.t.json && r.aside:
		r.t.err.Write(appendLine(nil, damageObject(d))) // nobody to tell of an error
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
	if r.failed != nil {
		if err := r.failed(); err != nil {
			return err
		}
	}
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
	r.losses = true
	r.out.Flush() // as in damage
	r.t.printError(err, exitPartial)
	return nil
}

// each calls f with what a sequence has, until it ends or f says so. What reading
// can pass over is told and passed over.
func (r *reading) each(ctx context.Context, seq iter.Seq2[journal.Record, error], f func(*journal.Record) (more bool, err error)) error {
	for rec, err := range seq {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if err := r.problem(err); err != nil {
				return err
			}
			continue
		}
		if more, err := f(&rec); err != nil || !more {
			return err
		}
	}
	return nil
}

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
