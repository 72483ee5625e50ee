package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/dgraph-io/badger/v4"
	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver
)

// Stores of keys that are used as a log. A key that comes again would replace the older
// record, so each has a number behind it.
var stores = []contestant{
	{name: "bbolt", module: "go.etcd.io/bbolt", plain: untilExit, durable: untilPower, goroutines: true, batches: true, slow: true, open: openBolt, count: countBolt, reads: readBolt},
	{name: "pebble", module: "github.com/cockroachdb/pebble/v2", plain: nothing, durable: untilPower, goroutines: true, batches: true, open: openPebble, count: countPebble, reads: readPebble, checks: true},
	{name: "badger", module: "github.com/dgraph-io/badger/v4", plain: untilExit, durable: untilPower, goroutines: true, batches: true, slow: true, open: openBadger, count: countBadger, reads: readBadger},
	{name: "SQLite, WAL mode", module: "modernc.org/sqlite", plain: untilExit, durable: untilPower, goroutines: true, processes: true, batches: true, slow: true, open: openSQLite, count: countSQLite, reads: readSQLite},
}

// counter makes keys that come once.
type counter struct{ n atomic.Uint64 }

func (c *counter) key(key []byte) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(key), c.n.Add(1))
}

var bucket = []byte("log")

type bolt struct {
	counter
	db *bbolt.DB
}

func openBolt(dir string, o options) (writer, error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt"), 0o644, &bbolt.Options{NoSync: !o.durable})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucketIfNotExists(bucket); return err })
	return &bolt{db: db}, err
}

func (w *bolt) appender() appender { return w }

// append uses Batch, as the documentation recommends for many goroutines, where there
// are many; alone it would wait for others.
func (w *bolt) append(key, value []byte) error {
	put := func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(w.key(key), value) }
	if *flagGoroutines > 1 {
		return w.db.Batch(put)
	}
	return w.db.Update(put)
}

func (w *bolt) batch(keys [][]byte, value []byte) error {
	return w.db.Update(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			if err := tx.Bucket(bucket).Put(w.key(key), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *bolt) close() error { return w.db.Close() }

func countBolt(dir string, _ options) (n int, err error) {
	db, err := bbolt.Open(filepath.Join(dir, "bolt"), 0o644, nil)
	if err != nil {
		return 0, err
	}
	defer db.Close() // only read from
	err = db.View(func(tx *bbolt.Tx) error {
		n = tx.Bucket(bucket).Stats().KeyN
		return nil
	})
	return n, err
}

type pebbleDB struct {
	counter
	db   *pebble.DB
	opts *pebble.WriteOptions
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func openPebble(dir string, o options) (writer, error) {
	db, err := pebble.Open(filepath.Join(dir, "pebble"), &pebble.Options{Logger: quiet{}})
	w := &pebbleDB{db: db, opts: pebble.NoSync}
	if o.durable {
		w.opts = pebble.Sync
	}
	return w, err
}

func (w *pebbleDB) appender() appender { return w }

func (w *pebbleDB) append(key, value []byte) error { return w.db.Set(w.key(key), value, w.opts) }

func (w *pebbleDB) batch(keys [][]byte, value []byte) error {
	b := w.db.NewBatch()
	for _, key := range keys {
		if err := b.Set(w.key(key), value, nil); err != nil {
			return err
		}
	}
	return b.Commit(w.opts)
}

func (w *pebbleDB) close() error { return w.db.Close() }

func countPebble(dir string, _ options) (n int, err error) {
	db, err := pebble.Open(filepath.Join(dir, "pebble"), &pebble.Options{Logger: quiet{}})
	if err != nil {
		return 0, err
	}
	defer db.Close() // only read from
	it, err := db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer it.Close() // its error is asked for below
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	return n, it.Error()
}

type badgerDB struct {
	counter
	db *badger.DB
}

func openBadger(dir string, o options) (writer, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(o.durable).WithLogger(nil))
	return &badgerDB{db: db}, err
}

func (w *badgerDB) appender() appender { return w }

func (w *badgerDB) append(key, value []byte) error {
	return w.db.Update(func(tx *badger.Txn) error { return tx.Set(w.key(key), value) })
}

func (w *badgerDB) batch(keys [][]byte, value []byte) error {
	return w.db.Update(func(tx *badger.Txn) error {
		for _, key := range keys {
			if err := tx.Set(w.key(key), value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *badgerDB) close() error { return w.db.Close() }

func countBadger(dir string, _ options) (n int, err error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	if err != nil {
		return 0, err
	}
	defer db.Close() // only read from
	err = db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			n++
		}
		return nil
	})
	return n, err
}

type sqlite struct {
	db     *sql.DB
	insert *sql.Stmt
}

func openSQLite(dir string, o options) (writer, error) {
	level := "normal" // a commit is not synced: it survives the process, not the machine
	if o.durable {
		level = "full"
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "log.db")+"?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)&_pragma=synchronous("+level+")")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	// Who changes the mode of a database that somebody else has just made is not waited
	// with, whatever the timeout: it is refused.
	for begun := time.Now(); ; {
		_, err := db.Exec("create table if not exists log (id integer primary key, key blob, value blob)")
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "SQLITE_BUSY") || time.Since(begun) > time.Minute {
			return nil, err
		}
	}
	insert, err := db.Prepare("insert into log (key, value) values (?, ?)")
	return &sqlite{db, insert}, err
}

func (w *sqlite) appender() appender { return w }

func (w *sqlite) append(key, value []byte) error { _, err := w.insert.Exec(key, value); return err }

func (w *sqlite) batch(keys [][]byte, value []byte) error {
	tx, err := w.db.Begin()
	if err != nil {
		return err
	}
	insert := tx.Stmt(w.insert)
	for _, key := range keys {
		if _, err := insert.Exec(key, value); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (w *sqlite) close() error { return w.db.Close() }

// filled makes what finds a record by its key: who only appends does without.
func (w *sqlite) filled() error { _, err := w.db.Exec("create index keys on log (key)"); return err }

func countSQLite(dir string, _ options) (n int, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "log.db"))
	if err != nil {
		return 0, err
	}
	defer db.Close() // only read from
	return n, db.QueryRow("select count(*) from log").Scan(&n)
}
