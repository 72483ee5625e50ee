package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/journal"
)

// cutLines is how many lines are cut out, or a third of all if there are fewer.
const cutLines = 1000

// cut is what is said of a log out of which lines were cut.
type cut struct {
	Way     string `json:"way"`
	Cut     int    `json:"cut"`
	Lost    int    `json:"lost"` // by the oracle
	Torn    int    `json:"torn"`
	Missing int    `json:"missing_by_its_own_account"`
	CanTell bool   `json:"can_tell"`
}

// cutOut lets one process write, removes whole lines from the middle, and asks. With
// several processes what is cut out could be the end of one of them, and of that
// the records behind it say nothing.
func cutOut(w way, dir string, lines int) (cut, error) {
	c := cut{Way: w.Name, Cut: min(cutLines, (lines+2)/3), CanTell: w.promises}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return c, err
	}
	said, err := write(w, dir, 1, lines, false)
	if err != nil {
		return c, err
	}
	path, from, to := logFile(dir), int64(0), int64(0)
	if w.promises {
		path, from, to, err = middleOfJournal(dir, lines, c.Cut)
	} else {
		from, to, err = middleOfFile(path, lines, c.Cut)
	}
	if err != nil {
		return c, err
	}
	if err := removeBytes(path, from, to); err != nil {
		return c, err
	}
	o := newOracle([]int{lines})
	if _, c.Missing, err = w.read(dir, o); err != nil {
		return c, err
	}
	c.Lost, _, _ = o.count(said)
	c.Torn = o.torn
	return c, nil
}

// middleOfFile returns where n of the lines of a file begin and end.
func middleOfFile(path string, lines, n int) (from, to int64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	skip := (lines - n) / 2
	offset := int64(0)
	for i := range skip + n {
		if i == skip {
			from = offset
		}
		end := bytes.IndexByte(b[offset:], '\n')
		if end < 0 {
			return 0, 0, fmt.Errorf("%s has %d lines instead of %d", path, i, lines)
		}
		offset += int64(end) + 1
	}
	return from, offset, nil
}

// middleOfJournal is the same of the records of a journal of one segment.
func middleOfJournal(dir string, lines, n int) (path string, from, to int64, err error) {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return "", 0, 0, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	segments, err := j.Segments()
	if err != nil {
		return "", 0, 0, err
	}
	if len(segments) != 1 {
		return "", 0, 0, fmt.Errorf("the journal has %d segments instead of one", len(segments))
	}
	skip, i := (lines-n)/2, 0
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return "", 0, 0, err
		}
		if i == skip {
			from = r.Position.Offset
		}
		if i++; i == skip+n {
			to = r.Next.Offset
		}
	}
	return filepath.Join(dir, segments[0].Name), from, to, nil
}

// removeBytes cuts [from, to) out of a file.
func removeBytes(path string, from, to int64) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if from >= to || to > size {
		return fmt.Errorf("%s: cannot cut [%d, %d) out of %d bytes", path, from, to, size)
	}
	behind := make([]byte, size-to)
	if _, err := f.ReadAt(behind, to); err != nil {
		return err
	}
	if _, err := f.WriteAt(behind, from); err != nil {
		return err
	}
	return f.Truncate(from + int64(len(behind)))
}
