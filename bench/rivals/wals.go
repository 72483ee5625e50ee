package main

import (
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
	"github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// Logs that others have taken out of their databases. They number records and know no
// keys: key and value are one record. The number has to go up from call to call, so
// goroutines take turns by a mutex of ours.
var logs = []contestant{
	{name: "tidwall/wal", module: "github.com/tidwall/wal", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openTidwall, count: countTidwall, reads: readTidwall},
	{name: "raft-wal", module: "github.com/hashicorp/raft-wal", durable: untilPower, why: "is always durable", goroutines: true, batches: true, slow: true, open: openRaft, count: countRaft, reads: readRaft, checks: true},
	{name: "etcd wal", module: "go.etcd.io/etcd/server/v3", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openEtcd, count: countEtcd, reads: readEtcd, checks: true, noGet: "is read as a whole"},
	{name: "Prometheus wlog", module: "github.com/prometheus/prometheus", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openProm, count: countProm, reads: readProm, checks: true, noGet: "is read from the front"},
}

// numbered is a log whose records are numbered by its caller.
type numbered struct {
	mu    sync.Mutex
	last  uint64
	b     []byte
	data  [][]byte                                             // the records of a call, in b
	alone [1][]byte                                            // the key of a record that is appended alone
	write func(w *numbered, keys [][]byte, value []byte) error // records last+1 and so on
	done  func() error
}

func (w *numbered) appender() appender { return w }
func (w *numbered) close() error       { return w.done() }

func (w *numbered) append(key, value []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alone[0] = key
	return w.add(w.alone[:], value)
}

func (w *numbered) batch(keys [][]byte, value []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.add(keys, value)
}

func (w *numbered) add(keys [][]byte, value []byte) error {
	if err := w.write(w, keys, value); err != nil {
		return err
	}
	w.last += uint64(len(keys))
	return nil
}

// records are the records of keys in memory of the log.
func (w *numbered) records(keys [][]byte, value []byte) [][]byte {
	w.b, w.data = w.b[:0], w.data[:0]
	size := len(keys) * len(value)
	for _, key := range keys {
		size += len(key)
	}
	w.b = slices.Grow(w.b, size)
	for _, key := range keys {
		at := len(w.b)
		w.b = append(append(w.b, key...), value...)
		w.data = append(w.data, w.b[at:])
	}
	return w.data
}

func openTidwall(dir string, o options) (writer, error) {
	log, err := wal.Open(filepath.Join(dir, "log"), &wal.Options{NoSync: !o.durable, SegmentSize: 64 << 20, LogFormat: wal.Binary})
	if err != nil {
		return nil, err
	}
	var b wal.Batch
	return &numbered{done: log.Close, write: func(w *numbered, keys [][]byte, value []byte) error {
		records := w.records(keys, value)
		if len(records) == 1 {
			return log.Write(w.last+1, records[0])
		}
		b.Clear()
		for i, data := range records {
			b.Write(w.last+1+uint64(i), data)
		}
		return log.WriteBatch(&b)
	}}, nil
}

func countTidwall(dir string, _ options) (int, error) {
	log, err := wal.Open(filepath.Join(dir, "log"), nil)
	if err != nil {
		return 0, err
	}
	defer log.Close() // only read from
	n, err := log.LastIndex()
	return int(n), err
}

func openRaft(dir string, _ options) (writer, error) {
	log, err := raftwal.Open(dir)
	if err != nil {
		return nil, err
	}
	var logs []*raft.Log
	return &numbered{done: log.Close, write: func(w *numbered, keys [][]byte, value []byte) error {
		for len(logs) < len(keys) {
			logs = append(logs, new(raft.Log))
		}
		for i, data := range w.records(keys, value) {
			*logs[i] = raft.Log{Index: w.last + 1 + uint64(i), Data: data}
		}
		return log.StoreLogs(logs[:len(keys)])
	}}, nil
}

func countRaft(dir string, _ options) (int, error) {
	log, err := raftwal.Open(dir)
	if err != nil {
		return 0, err
	}
	defer log.Close() // only read from
	n, err := log.LastIndex()
	return int(n), err
}

func openEtcd(dir string, o options) (writer, error) {
	log, err := etcdwal.Create(zap.NewNop(), filepath.Join(dir, "etcd"), nil)
	if err != nil {
		return nil, err
	}
	if !o.durable {
		log.SetUnsafeNoFsync()
	}
	var entries []*raftpb.Entry
	return &numbered{done: log.Close, write: func(w *numbered, keys [][]byte, value []byte) error {
		for len(entries) < len(keys) {
			entries = append(entries, new(raftpb.Entry))
		}
		for i, data := range w.records(keys, value) {
			index := w.last + 1 + uint64(i)
			*entries[i] = raftpb.Entry{Index: &index, Data: data}
		}
		return log.Save(&raftpb.HardState{}, entries[:len(keys)])
	}}, nil
}

func countEtcd(dir string, _ options) (int, error) {
	log, err := etcdwal.OpenForRead(zap.NewNop(), filepath.Join(dir, "etcd"), &walpb.Snapshot{})
	if err != nil {
		return 0, err
	}
	defer log.Close() // only read from
	_, _, entries, err := log.ReadAll()
	return len(entries), err
}

func openProm(dir string, o options) (writer, error) {
	log, err := wlog.New(slog.New(slog.DiscardHandler), nil, filepath.Join(dir, "wal"), compression.None)
	if err != nil {
		return nil, err
	}
	return &numbered{done: log.Close, write: func(w *numbered, keys [][]byte, value []byte) error {
		if err := log.Log(w.records(keys, value)...); err != nil || !o.durable {
			return err
		}
		return log.Sync()
	}}, nil
}

func countProm(dir string, _ options) (n int, err error) {
	segments, err := wlog.NewSegmentsReader(filepath.Join(dir, "wal"))
	if err != nil {
		return 0, err
	}
	defer segments.Close() // only read from
	r := wlog.NewReader(segments)
	for r.Next() {
		n++
	}
	return n, r.Err()
}
