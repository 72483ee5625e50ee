package main

import (
	"log/slog"
	"path/filepath"
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
	{name: "tidwall/wal", module: "github.com/tidwall/wal", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openTidwall, count: countTidwall},
	{name: "raft-wal", module: "github.com/hashicorp/raft-wal", durable: untilPower, why: "is always durable", goroutines: true, batches: true, open: openRaft, count: countRaft},
	{name: "etcd wal", module: "go.etcd.io/etcd/server/v3", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openEtcd, count: countEtcd},
	{name: "Prometheus wlog", module: "github.com/prometheus/prometheus", plain: untilExit, durable: untilPower, goroutines: true, batches: true, open: openProm, count: countProm},
}

// numbered is a log whose records are numbered by its caller.
type numbered struct {
	mu    sync.Mutex
	last  uint64
	b     []byte
	write func(w *numbered, key, value []byte, n int) error // records last+1 to last+n
	done  func() error
}

func (w *numbered) appender() appender             { return w }
func (w *numbered) append(key, value []byte) error { return w.batch(key, value, 1) }
func (w *numbered) close() error                   { return w.done() }

func (w *numbered) batch(key, value []byte, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.write(w, key, value, n); err != nil {
		return err
	}
	w.last += uint64(n)
	return nil
}

// one is a record in memory of the log.
func (w *numbered) one(key, value []byte) []byte {
	w.b = append(append(w.b[:0], key...), value...)
	return w.b
}

func openTidwall(dir string, o options) (writer, error) {
	log, err := wal.Open(filepath.Join(dir, "log"), &wal.Options{NoSync: !o.durable, SegmentSize: 64 << 20, LogFormat: wal.Binary})
	if err != nil {
		return nil, err
	}
	var b wal.Batch
	return &numbered{done: log.Close, write: func(w *numbered, key, value []byte, n int) error {
		if n == 1 {
			return log.Write(w.last+1, w.one(key, value))
		}
		b.Clear()
		for i := range n {
			b.Write(w.last+1+uint64(i), w.one(key, value))
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
	return &numbered{done: log.Close, write: func(w *numbered, key, value []byte, n int) error {
		data := w.one(key, value)
		for len(logs) < n {
			logs = append(logs, new(raft.Log))
		}
		for i := range n {
			*logs[i] = raft.Log{Index: w.last + 1 + uint64(i), Data: data}
		}
		return log.StoreLogs(logs[:n])
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
	return &numbered{done: log.Close, write: func(w *numbered, key, value []byte, n int) error {
		data := w.one(key, value)
		for len(entries) < n {
			entries = append(entries, new(raftpb.Entry))
		}
		for i := range n {
			index := w.last + 1 + uint64(i)
			*entries[i] = raftpb.Entry{Index: &index, Data: data}
		}
		return log.Save(&raftpb.HardState{}, entries[:n])
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
	var records [][]byte
	return &numbered{done: log.Close, write: func(w *numbered, key, value []byte, n int) error {
		records = records[:0]
		data := w.one(key, value)
		for range n {
			records = append(records, data)
		}
		if err := log.Log(records...); err != nil || !o.durable {
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
