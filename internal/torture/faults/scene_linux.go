package faults

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// fill makes a journal of records of these sizes and books them.
func fill(dir string, s *scenario, sizes ...int) (p prepared, err error) {
	o := s.options
	o.Sync = journal.SyncNone
	j, err := journal.Open(dir, o)
	if err != nil {
		return p, err
	}
	for i, n := range sizes {
		r := rec(fmt.Sprint("before ", i), n)
		at, err := j.Append(r.entries[0].key, r.entries[0].value)
		if err != nil {
			return p, errors.Join(err, j.Close())
		}
		p.book.attempts = append(p.book.attempts, attempt{r.entries, done, at.String()})
	}
	return p, j.Close()
}

// plain is a journal of one segment.
func plain(dir string, s *scenario) (prepared, error) {
	return fill(dir, s, 10, 200, 1500, 1, 30)
}

// segments is a journal of several small segments, and a position in the middle to
// prune to.
func segments(dir string, s *scenario) (prepared, error) {
	p, err := fill(dir, s, 3000, 10, 3000, 3000, 20, 3000, 3000, 3000, 30)
	if err == nil {
		p.prune = p.book.attempts[4].at
	}
	return p, err
}

// uncontrolled is a journal without its control file: what is in the page cache may
// not be on disk, and cannot be made to be without a copy.
func uncontrolled(dir string, s *scenario) (prepared, error) {
	p, err := segments(dir, s)
	return p, errors.Join(err, forgetControl(dir))
}

// rebooted is a journal of an earlier boot, with the control file of that.
func rebooted(dir string, s *scenario) (prepared, error) {
	p, err := segments(dir, s)
	if err != nil {
		return p, err
	}
	const earlier = "ctl.01020304-0506-0708-090a-0b0c0d0e0f10"
	names, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
	for _, name := range names {
		err = errors.Join(err, os.Rename(name, filepath.Join(dir, earlier)))
	}
	return p, errors.Join(err, reboot(dir))
}

// forgetControl removes what is known of this boot.
func forgetControl(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "ctl.*"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// reboot makes all segments of a directory those of an earlier boot: sections 2.2 of
// the format.
func reboot(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		return err
	}
	const page, boot, sum = 4096, 64, 4088
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for at := 0; at < 2*page; at += page {
			p := b[at : at+page]
			for i := range 16 {
				p[boot+i] = byte(i + 1)
			}
			binary.LittleEndian.PutUint64(p[sum:], xxhash.Sum64(p[:sum]))
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// load reads the files of a directory that belong to the journal, but for caches.
func load(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "seg.") && e.Name() != "journal.id" {
			continue
		}
		b, rerr := os.ReadFile(filepath.Join(dir, e.Name()))
		err = errors.Join(err, rerr)
		files[e.Name()] = b
	}
	return files, err
}

// store writes files to a new directory.
func store(dir string, files map[string][]byte) error {
	err := os.Mkdir(dir, 0o755)
	for name, b := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b, 0o644))
	}
	return err
}
