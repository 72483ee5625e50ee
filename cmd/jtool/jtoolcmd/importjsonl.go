package jtoolcmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// jsonlImport is one run of import --jsonl.
type jsonlImport struct {
	w    *writing
	keep *journal.Restorer // nil: each record is appended as a new one

	// What is held back, because more of its batch may follow.
	held  bool
	last  journal.Record // the last one that was taken
	place string         // file and line where the unit of it begins
	batch journal.Batch
	recs  []journal.Record // that are in batch

	skipped map[string]int // objects that are no records, by type
}

// jsonl imports files of JSON lines.
func (w *writing) jsonl(cmd *cobra.Command, dir string, files []string, keep bool) error {
	for i, path := range files {
		if path == "-" {
			if slices.Contains(files[:i], path) {
				return usagef("- is there twice; standard input can be read once")
			}
			continue
		}
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		if st.IsDir() {
			return fmt.Errorf("%s is a folder; name files of JSON lines", path)
		}
	}
	if keep {
		if err := emptyJournal(dir); err != nil {
			return err
		}
	}
	if err := w.open(cmd, dir, "records", 0); err != nil {
		return err
	}
	if !slices.Contains(files, "-") {
		w.bar.finish()
		w.bar = w.t.newProgress("records", 0, false)
	}
	return w.finish(w.jsonlAll(cmd.Context(), files, keep))
}

// emptyJournal returns an error if there is a journal in dir with anything in it.
func emptyJournal(dir string) error {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if errors.Is(err, journal.ErrNotJournal) {
		return nil // what is there instead, if anything, Open says
	}
	if err != nil {
		return err
	}
	defer j.Close() // only read from
	for _, err := range j.Records(journal.Position{}) {
		if err != nil && !passable(err) {
			return err
		}
		return fmt.Errorf("%s is not empty; import --keep needs a journal without records, or none", dir)
	}
	return nil
}

// jsonlAll appends what is in the files. Its error says how much that was.
func (w *writing) jsonlAll(ctx context.Context, files []string, keep bool) error {
	im := jsonlImport{w: w, skipped: make(map[string]int)}
	if keep {
		var err error
		if im.keep, err = w.j.Restore(journal.RestoreOptions{OnAppend: im.restored}); err != nil {
			return err
		}
	}
	err := w.t.eachLine(ctx, files, im.line, im.flush)
	im.tellSkipped()
	switch {
	case errors.Is(err, context.Canceled):
		w.t.note("interrupted; %d records were appended", w.records)
	case err != nil:
		err = fmt.Errorf("%w; %d records in front of that were appended", err, w.records)
	case keep && im.keep.Stats().Repeated > 0:
		// There twice, or out of order: that cannot be told apart, and is not passed over.
		err = &exitError{exitPartial, fmt.Sprintf("left out %d records behind which their writer was already; --keep wants them once, in the order of their sequences", im.keep.Stats().Repeated)}
	}
	return err
}

// line takes one line of a file.
func (im *jsonlImport) line(place string, line []byte) error {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil
	}
	rec, other, err := parseLine(line, im.keep != nil)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", place, err) // a batch that this may be of is not appended in part
	case other != "":
		im.skipped[other]++
		return nil
	case im.held && !continues(&im.last, &rec):
		if err := im.flush(); err != nil {
			return err
		}
	}
	if !im.held {
		im.place = place
	}
	if err := im.take(rec); err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	im.last = rec
	if elsewhere := !rec.Next.IsZero() && !sameUnit(rec.Next, rec.Position); elsewhere || rec.Position.IsZero() {
		return im.flush()
	}
	im.held = true
	return nil
}

func sameUnit(a, b journal.Position) bool { return a.Segment == b.Segment && a.Offset == b.Offset }

// continues reports whether rec was in one batch with prev. Not all of the batch need
// have been exported.
func continues(prev, rec *journal.Record) bool {
	return sameUnit(prev.Position, rec.Position) && rec.Position.Index > prev.Position.Index &&
		prev.Writer == rec.Writer && !rec.Position.IsZero()
}

// take appends rec, or holds it back.
func (im *jsonlImport) take(rec journal.Record) error {
	if im.keep != nil {
		return im.keep.Append(rec)
	}
	if rec.Kind == journal.KindDelete {
		if len(rec.Key) == 0 {
			return journal.ErrEmptyKey
		}
		im.batch.Delete(rec.Key)
	} else {
		im.batch.Put(rec.Key, rec.Value)
	}
	im.recs = append(im.recs, rec)
	return nil
}

// flush appends what is held back, as a batch if it is several records.
func (im *jsonlImport) flush() error {
	im.held = false
	if im.keep != nil {
		if err := im.keep.Flush(); err != nil {
			return fmt.Errorf("%s: %w", im.place, err)
		}
		return nil
	}
	if len(im.recs) == 0 {
		return nil
	}
	defer func() {
		im.batch.Reset()
		clear(im.recs)
		im.recs = im.recs[:0]
	}()
	// This handle's sequence counts what it has appended, from 1.
	ack := journal.Ack{Seq: im.w.records + 1}
	var err error
	switch rec := im.recs[0]; {
	case len(im.recs) > 1:
		ack.Position, err = im.w.j.AppendBatch(&im.batch)
	case rec.Kind == journal.KindDelete:
		ack.Position, err = im.w.j.Delete(rec.Key)
	default:
		ack, err = im.w.j.AppendAck(rec.Key, rec.Value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", im.place, err)
	}
	for _, rec := range im.recs {
		if err := im.w.acknowledge(ack, len(rec.Value), string(rec.Key)); err != nil {
			return err
		}
		ack.Position.Index++
		ack.Seq++
	}
	return nil
}

// restored is called with every record that was appended with --keep.
func (im *jsonlImport) restored(rec journal.Record, ack journal.Ack) error {
	if im.w.sync == "always" {
		if err := im.w.j.Sync(); err != nil {
			return err
		}
	}
	return im.w.acknowledge(ack, len(rec.Value), string(rec.Key))
}

func (im *jsonlImport) tellSkipped() {
	if len(im.skipped) == 0 {
		return
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(im.skipped)) {
		list = append(list, fmt.Sprintf("%d of type %q", im.skipped[name], name))
	}
	im.w.t.note("skipped what is no record: %s", strings.Join(list, ", "))
}

// eachLine calls line with every line of the files, and ended behind each file, until
// there is an error or the context ends.
func (t *tool) eachLine(ctx context.Context, files []string, line func(place string, line []byte) error, ended func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // lets the reader go after an error
	type item struct {
		place string
		bytes []byte
		err   error
	}
	items := make(chan item)
	// As in appendPieces: who waits for input cannot be interrupted, and is left behind.
	go func() {
		defer close(items)
		send := func(i item) bool {
			select {
			case items <- i:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for _, path := range files {
			err := t.readLines(path, func(place string, b []byte) bool { return send(item{place: place, bytes: b}) })
			if err == nil {
				err = io.EOF
			}
			if !send(item{err: err}) || err != io.EOF {
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case i, ok := <-items:
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case !ok:
				return nil
			}
			err := i.err
			switch err {
			case nil:
				err = line(i.place, i.bytes)
			case io.EOF:
				err = ended()
			}
			if err != nil {
				return err
			}
		}
	}
}

// readLines calls f with every line of a file, until f returns false.
func (t *tool) readLines(path string, f func(place string, line []byte) bool) error {
	name, in := "standard input", t.in
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close() // only read from
		name, in = path, file
	}
	r := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		place := fmt.Sprintf("%s:%d", name, n)
		line, err := readLine(r, longestLine)
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", place, err)
		}
		if !f(place, line) || err == io.EOF {
			return nil
		}
	}
}
