package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/manypen/manypen/journal"
)

// copied is a copy of a journal that is being written, or of a part of it.
type copied struct {
	what    string
	least   int    // records that it must have: those acknowledged before
	most    int    // records that it may have; -1 if that is not known
	got     int    // that were read, up to the first that is not due
	strange int    // that were read behind
	trouble string // an error, or what Verify says
}

// copies copies a journal while a process appends to it, and cuts the copies.
func (l *lab) copies() error {
	if l.alone(7) {
		return nil
	}
	dir := filepath.Join(l.dir, "journal")
	p, err := l.start("survivor", dir, "writer")
	if err != nil {
		return err
	}
	writer := listen(p, "writer")
	var all []copied
	to := filepath.Join(l.dir, "copy")
	for n := range l.count(8, 3) {
		if n > 0 {
			if err := os.RemoveAll(to); err != nil {
				return err
			}
		}
		// An append that begins now is acknowledged before the copy is made.
		if err := writer.await(l.ctx, writer.watch()); err != nil {
			return err
		}
		least := writer.count()
		if err := copyDir(to, dir); err != nil {
			return err
		}
		c := check(l.ctx, to, "writer", least, -1)
		c.what = "copy"
		all = append(all, c)
	}
	if err := writer.stop(l.ctx); err != nil {
		return err
	}
	if writer.failed != "" {
		return errors.New(writer.failed)
	}
	cuts, err := l.cuts(to)
	if err != nil {
		return err
	}
	again := appendTo(l.ctx, to)
	l.add(judgeCopies(append(all, cuts...), again))
	return nil
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

// cuts cuts the newest segment of a copy, shorter every time.
func (l *lab) cuts(dir string) (all []copied, err error) {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	segments, err := j.Segments()
	var ends []journal.Position
	for r, rerr := range j.Records(journal.Position{}) {
		if rerr != nil {
			return nil, errors.Join(rerr, j.Close())
		}
		ends = append(ends, r.Next)
	}
	if err := errors.Join(err, j.Close()); err != nil {
		return nil, err
	}
	last := segments[len(segments)-1]
	low := journal.FirstPosition(last.Number).Offset
	var sizes []int64
	for range l.count(40, 12) {
		sizes = append(sizes, low+l.rng.Int64N(last.Size-low+1))
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	for _, size := range sizes {
		if err := os.Truncate(filepath.Join(dir, last.Name), size); err != nil {
			return nil, err
		}
		whole := 0
		for _, end := range ends {
			if end.Segment < last.Number || end.Offset <= size {
				whole++
			}
		}
		c := check(l.ctx, dir, "writer", whole, whole)
		c.what = fmt.Sprintf("first %d bytes", size)
		all = append(all, c)
	}
	return all, nil
}

// appendTo opens a copy as a writer does, appends, and verifies it.
func appendTo(ctx context.Context, dir string) error {
	j, err := journal.Open(dir, killOptions())
	if err != nil {
		return err
	}
	_, err = j.Append([]byte(lastKey), nil)
	if err := errors.Join(err, j.Close()); err != nil {
		return err
	}
	report, err := journal.Verify(ctx, dir, journal.VerifyOptions{})
	if err == nil && !clean(&report) {
		err = errors.New(trouble(&report))
	}
	return err
}

func judgeCopies(all []copied, again error) Finding {
	bad, example := 0, ""
	for _, c := range all {
		if c.trouble != "" || c.got < c.least || c.most >= 0 && c.got > c.most || c.strange > 0 {
			if bad++; example == "" {
				example = fmt.Sprintf("; the first is the %s: %d records, want %d or more, %d others %s", c.what, c.got, c.least, c.strange, c.trouble)
			}
		}
	}
	cuts := slices.IndexFunc(all, func(c copied) bool { return c.most >= 0 })
	if cuts < 0 {
		cuts = len(all)
	}
	text := fmt.Sprintf("%d copies of a journal that was being written, and %d first parts of its newest segment: %d of them did not open, had not all of their records or did not verify%s",
		cuts, len(all)-cuts, bad, example)
	if again != nil {
		text += fmt.Sprintf("; a writer cannot go on with one: %v", again)
	}
	return found(7, verdict(bad > 0 || again != nil || len(all) == 0), "%s", text)
}

// copyDir copies the files of a directory, as cp does.
func copyDir(to, from string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyFile(filepath.Join(to, e.Name()), filepath.Join(from, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read from
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
