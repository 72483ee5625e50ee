package main

import "github.com/manypen/manypen/journal"

var ours = []contestant{
	{name: "Manypen", plain: untilExit, durable: untilPower, goroutines: true, processes: true, batches: true, open: openManypen, count: countManypen, reads: readManypen, checks: true},
}

type manypen struct {
	j *journal.Journal
	b journal.Batch // of the one goroutine that appends batches
}

func openManypen(dir string, o options) (writer, error) {
	opts := journal.Options{Sync: journal.SyncNone}
	if o.durable {
		opts.Sync = journal.SyncAlways
	}
	j, err := journal.Open(dir, opts)
	return &manypen{j: j}, err
}

func (w *manypen) appender() appender { return w }

func (w *manypen) append(key, value []byte) error { _, err := w.j.Append(key, value); return err }

func (w *manypen) batch(keys [][]byte, value []byte) error {
	w.b.Reset()
	for _, key := range keys {
		w.b.Put(key, value)
	}
	_, err := w.j.AppendBatch(&w.b)
	return err
}

func (w *manypen) close() error { return w.j.Close() }

func countManypen(dir string, _ options) (n int, err error) {
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer j.Close() // only read from
	for _, err := range j.Scan(journal.ScanOptions{Reuse: true}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
