package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/journal"
)

// batchSize is how many records a batch has.
const batchSize = 100

// jobs are what is to be measured, in this order.
func (opt *Options) jobs() (all []job) {
	for _, sync := range []bool{false, true} {
		if sync && !opt.Sync || !sync && !opt.NoSync {
			continue
		}
		more, floor := "", ""
		if sync {
			more, floor = ", synced", " and one fdatasync"
		}
		with := func(do func(*slice) error) func(*slice) error {
			return func(s *slice) error { s.sync = sync; return do(s) }
		}
		all = append(all,
			job{"append" + more, "a record a call; floor: a writev of four pieces with a checksum, an lseek" + floor,
				with(floorAppend), with(journalAppend)},
			job{fmt.Sprintf("batch of %d%s", batchSize, more), fmt.Sprintf("%d records a call; floor: one write of them with a checksum, an lseek%s", batchSize, floor),
				with(floorBatch), with(journalBatch)})
		if opt.Processes > 1 {
			all = append(all, job{fmt.Sprintf("%d processes%s", opt.Processes, more),
				fmt.Sprintf("%d processes append at the same time; floor: each does for itself what is said of append%s", opt.Processes, more),
				with(floorProcesses), with(journalProcesses)})
		}
	}
	return append(all,
		job{"scan", "all records are read and checked; floor: reads of 128 KiB and a checksum for each record", floorScan, journalScan},
		job{"get", "records of random keys are read and checked; floor: one pread at a place that is known, and a checksum", floorGet, journalGet})
}

func options(sync bool) journal.Options {
	if sync {
		return journal.Options{Sync: journal.SyncAlways}
	}
	return journal.Options{Sync: journal.SyncNone}
}

// onRaw does a job with a raw log and counts what is in it then.
func (s *slice) onRaw(per int, do func(*rawLog, int64) error) error {
	path := filepath.Join(s.dir, "raw")
	r, err := openRaw(path, s.opt.Size, s.sync)
	if err != nil {
		return err
	}
	err = s.loop(per, func(n int64) error { return do(r, n) })
	if err := errors.Join(err, r.close()); err != nil {
		return err
	}
	return s.countRaw(path, per)
}

// countRaw holds the number of records of a raw log against what was done.
func (s *slice) countRaw(path string, per int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	count, err := scanRaw(f, s.stock.buf)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.compare("file of the floor", count*int64(per))
}

// onJournal does a job with a journal and counts what is in it then.
func (s *slice) onJournal(per int, do func(*journal.Journal, int64) error) error {
	dir := filepath.Join(s.dir, "journal")
	j, err := journal.Open(dir, options(s.sync))
	if err != nil {
		return err
	}
	err = s.loop(per, func(n int64) error { return do(j, n) })
	if err := errors.Join(err, j.Close()); err != nil {
		return err
	}
	return s.countJournal(dir)
}

func (s *slice) countJournal(dir string) error {
	count, err := countJournal(s.ctx, dir)
	if err != nil {
		return err
	}
	return s.compare("journal", count)
}

// countJournal verifies a journal and returns the number of its records.
func countJournal(ctx context.Context, dir string) (int64, error) {
	report, err := journal.Verify(ctx, dir, journal.VerifyOptions{})
	if err != nil {
		return 0, err
	}
	if report.Corrupt() || report.Missing() > 0 || report.Classes[journal.Fragment].Count > 0 {
		return 0, fmt.Errorf("%s is damaged: %d records are missing", dir, report.Missing())
	}
	return int64(report.Records), nil
}

func (s *slice) compare(where string, count int64) error {
	if count != s.records {
		return fmt.Errorf("the %s has %d records, and %d were appended", where, count, s.records)
	}
	return nil
}

func floorAppend(s *slice) error { return s.onRaw(1, (*rawLog).append) }

func journalAppend(s *slice) error {
	var key [rawKey]byte
	value := make([]byte, s.opt.Size)
	return s.onJournal(1, func(j *journal.Journal, n int64) error {
		setKey(&key, n)
		_, err := j.Append(key[:], value)
		return err
	})
}

func floorBatch(s *slice) error {
	return s.onRaw(batchSize, func(r *rawLog, n int64) error { return r.batch(n, batchSize) })
}

func journalBatch(s *slice) error {
	var key [rawKey]byte
	value := make([]byte, s.opt.Size)
	var b journal.Batch
	return s.onJournal(batchSize, func(j *journal.Journal, n int64) error {
		b.Reset()
		for i := range int64(batchSize) {
			setKey(&key, n+i)
			b.Put(key[:], value)
		}
		_, err := j.AppendBatch(&b)
		return err
	})
}
