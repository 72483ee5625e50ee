package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/dgraph-io/badger/v4"
	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/tidwall/wal"
	"go.etcd.io/bbolt"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"github.com/manypen/manypen/journal"
)

type manypenReader struct{ j *journal.Journal }

func readManypen(dir string, _ options) (reader, error) {
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	return manypenReader{j}, err
}

func (r manypenReader) scan(visit func(key, value []byte)) error {
	for rec, err := range r.j.Scan(journal.ScanOptions{Reuse: true}) {
		if err != nil {
			return err
		}
		visit(rec.Key, rec.Value)
	}
	return nil
}

func (r manypenReader) get(_ int, key []byte) ([]byte, error) {
	rec, err := r.j.Get(key)
	return rec.Value, err
}

func (r manypenReader) close() error { return r.j.Close() }

// floorReader reads blocks and verifies the checksum of each record. To get one it has
// read everything before, for a map of all keys.
type floorReader struct {
	f    *os.File
	b    []byte
	size int // of a record
	at   map[string]int64
}

const floorBlock = 256 << 10

var errFloorSum = errors.New("a checksum of the floor does not match")

func readFloorFile(dir string, o options) (reader, error) {
	f, err := os.Open(filepath.Join(dir, "floor"))
	size := headSize + keySize + o.value + sumSize
	return &floorReader{f: f, b: make([]byte, max(floorBlock, 2*size)), size: size}, err
}

// split verifies a record, and returns what is in it.
func (r *floorReader) split(b []byte) (key, value []byte, err error) {
	end := headSize + keySize + int(binary.LittleEndian.Uint64(b[8:]))
	if end+sumSize != len(b) || xxhash.Sum64(b[:end]) != binary.LittleEndian.Uint64(b[end:]) {
		return nil, nil, errFloorSum
	}
	return b[headSize : headSize+keySize], b[headSize+keySize : end], nil
}

func (r *floorReader) scan(visit func(key, value []byte)) error {
	have := 0
	for off := int64(0); ; {
		n, err := r.f.ReadAt(r.b[have:], off)
		if err != nil && err != io.EOF {
			return err
		}
		if n == 0 {
			return nil
		}
		off += int64(n)
		rest := r.b[:have+n]
		for ; len(rest) >= r.size; rest = rest[r.size:] {
			key, value, err := r.split(rest[:r.size])
			if err != nil {
				return err
			}
			visit(key, value)
		}
		have = copy(r.b, rest)
	}
}

func (r *floorReader) get(_ int, key []byte) ([]byte, error) {
	if r.at == nil {
		r.at = make(map[string]int64)
		off := int64(0)
		if err := r.scan(func(key, _ []byte) {
			r.at[string(key)] = off
			off += int64(r.size)
		}); err != nil {
			return nil, err
		}
	}
	off, ok := r.at[string(key)]
	if !ok {
		return nil, fmt.Errorf("no key %q", key)
	}
	if _, err := r.f.ReadAt(r.b[:r.size], off); err != nil {
		return nil, err
	}
	_, value, err := r.split(r.b[:r.size])
	return bytes.Clone(value), err
}

func (r *floorReader) close() error { return r.f.Close() }

// numberedReader finds records by their number, and leaves keys to its caller.
type numberedReader struct {
	first, last uint64
	read        func(i uint64) ([]byte, error)
	done        func() error
}

func (r numberedReader) scan(visit func(key, value []byte)) error {
	for i := r.first; i <= r.last; i++ {
		b, err := r.read(i)
		if err != nil {
			return err
		}
		visit(b[:keySize], b[keySize:])
	}
	return nil
}

func (r numberedReader) get(i int, key []byte) ([]byte, error) {
	b, err := r.read(uint64(i) + 1)
	if err == nil && !bytes.HasPrefix(b, key) {
		err = fmt.Errorf("record %d is not that of %q", i, key)
	}
	return b[min(keySize, len(b)):], err
}

func (r numberedReader) close() error { return r.done() }

func readTidwall(dir string, _ options) (reader, error) {
	log, err := wal.Open(filepath.Join(dir, "log"), &wal.Options{NoCopy: true, SegmentSize: 64 << 20, LogFormat: wal.Binary})
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	return numberedReader{1, last, log.Read, log.Close}, err
}

func readRaft(dir string, _ options) (reader, error) {
	log, err := raftwal.Open(dir)
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	return numberedReader{1, last, func(i uint64) ([]byte, error) {
		var l raft.Log
		err := log.GetLog(i, &l)
		return l.Data, err
	}, log.Close}, err
}

// etcdReader has everything in memory once it is open.
type etcdReader struct {
	log     *etcdwal.WAL
	entries []*raftpb.Entry
}

func readEtcd(dir string, _ options) (reader, error) {
	log, err := etcdwal.OpenForRead(zap.NewNop(), filepath.Join(dir, "etcd"), &walpb.Snapshot{})
	if err != nil {
		return nil, err
	}
	_, _, entries, err := log.ReadAll()
	return etcdReader{log, entries}, err
}

func (r etcdReader) scan(visit func(key, value []byte)) error {
	for _, e := range r.entries {
		visit(e.Data[:keySize], e.Data[keySize:])
	}
	return nil
}

func (r etcdReader) get(int, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }

// close does not tell of the error: a log that was opened to be read has no file to
// write, and says so each time.
func (r etcdReader) close() error { r.log.Close(); return nil }

type promReader struct{ segments io.ReadCloser }

func readProm(dir string, _ options) (reader, error) {
	segments, err := wlog.NewSegmentsReader(filepath.Join(dir, "wal"))
	return promReader{segments}, err
}

func (r promReader) scan(visit func(key, value []byte)) error {
	records := wlog.NewReader(r.segments)
	for records.Next() {
		b := records.Record()
		visit(b[:keySize], b[keySize:])
	}
	return records.Err()
}

func (r promReader) get(int, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }
func (r promReader) close() error                    { return r.segments.Close() }

// numberedKey is the key that record i has in a store.
func numberedKey(b []byte, i int, key []byte) []byte {
	return binary.BigEndian.AppendUint64(append(b[:0], key...), uint64(i)+1)
}

type boltReader struct {
	db  *bbolt.DB
	key []byte
}

func readBolt(dir string, _ options) (reader, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt"), 0o644, &bbolt.Options{ReadOnly: true})
	return &boltReader{db: db}, err
}

func (r *boltReader) scan(visit func(key, value []byte)) error {
	return r.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error { visit(k, v); return nil })
	})
}

func (r *boltReader) get(i int, key []byte) (value []byte, err error) {
	r.key = numberedKey(r.key, i, key)
	err = r.db.View(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucket).Get(r.key))
		return nil
	})
	return value, err
}

func (r *boltReader) close() error { return r.db.Close() }

type pebbleReader struct {
	db  *pebble.DB
	key []byte
}

func readPebble(dir string, _ options) (reader, error) {
	db, err := pebble.Open(filepath.Join(dir, "pebble"), &pebble.Options{Logger: quiet{}})
	return &pebbleReader{db: db}, err
}

func (r *pebbleReader) scan(visit func(key, value []byte)) error {
	it, err := r.db.NewIter(nil)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		visit(it.Key(), it.Value())
	}
	return it.Close() // which returns the iterator's error, too
}

func (r *pebbleReader) get(i int, key []byte) ([]byte, error) {
	r.key = numberedKey(r.key, i, key)
	v, closer, err := r.db.Get(r.key)
	if err != nil {
		return nil, err
	}
	value := bytes.Clone(v)
	return value, closer.Close()
}

func (r *pebbleReader) close() error { return r.db.Close() }

type badgerReader struct {
	db  *badger.DB
	key []byte
}

func readBadger(dir string, _ options) (reader, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	return &badgerReader{db: db}, err
}

func (r *badgerReader) scan(visit func(key, value []byte)) error {
	return r.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			if err := item.Value(func(v []byte) error { visit(item.Key(), v); return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *badgerReader) get(i int, key []byte) (value []byte, err error) {
	r.key = numberedKey(r.key, i, key)
	err = r.db.View(func(tx *badger.Txn) error {
		item, err := tx.Get(r.key)
		if err != nil {
			return err
		}
		value, err = item.ValueCopy(nil)
		return err
	})
	return value, err
}

func (r *badgerReader) close() error { return r.db.Close() }

type sqliteReader struct {
	db *sql.DB
	by *sql.Stmt
}

func readSQLite(dir string, _ options) (reader, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "log.db"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	by, err := db.Prepare("select value from log where key = ?")
	return sqliteReader{db, by}, err
}

func (r sqliteReader) scan(visit func(key, value []byte)) error {
	rows, err := r.db.Query("select key, value from log order by id")
	if err != nil {
		return err
	}
	defer rows.Close() // its error is asked for below
	for rows.Next() {
		var key, value sql.RawBytes
		if err := rows.Scan(&key, &value); err != nil {
			return err
		}
		visit(key, value)
	}
	return rows.Err()
}

func (r sqliteReader) get(_ int, key []byte) (value []byte, err error) {
	err = r.by.QueryRow(key).Scan(&value)
	return value, err
}

func (r sqliteReader) close() error { return r.db.Close() }
