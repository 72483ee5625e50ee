package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/manypen/manypen/journal"
)

// stock is what is read: the same records in a raw log and in a journal.
type stock struct {
	count int64
	size  int
	buf   []byte // of who scans
	rng   *rand.Rand
	raw   *rawLog
	j     *journal.Journal
}

// Bounds of the stock: it is to be larger than the caches of the processor, and not
// take long to make.
const (
	leastStock = 10
	mostStock  = 100_000
	stockBytes = 64 << 20
)

// fill makes a stock, and less of it if that takes longer than a limit.
func fill(ctx context.Context, dir string, size int, limit time.Duration) (st *stock, err error) {
	most := int64(min(mostStock, max(leastStock, stockBytes/(size+rawSize))))
	st = &stock{size: size, buf: make([]byte, max(scanBlock, 2*(size+rawSize))), rng: rand.New(rand.NewPCG(1, 2))}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, st.close())
		}
	}()
	if st.raw, err = openRaw(filepath.Join(dir, "raw"), size, false); err != nil {
		return st, err
	}
	path := filepath.Join(dir, "journal")
	if st.j, err = journal.Open(path, options(false)); err != nil {
		return st, err
	}
	var key [rawKey]byte
	for start := time.Now(); st.count < most && (st.count < leastStock || time.Since(start) < limit); st.count++ {
		setKey(&key, st.count)
		_, err := st.j.Append(key[:], st.raw.value)
		if err := errors.Join(err, st.raw.append(st.count), ctx.Err()); err != nil {
			return st, err
		}
	}
	if n, err := countJournal(ctx, path); err != nil || n != st.count {
		return st, errors.Join(err, fmt.Errorf("%d of %d records are in the journal that is to be read", n, st.count))
	}
	_, err = st.j.Get(key[:]) // makes the index
	return st, err
}

func (st *stock) close() (err error) {
	if st.raw != nil {
		err = st.raw.close()
	}
	if st.j != nil {
		err = errors.Join(err, st.j.Close())
	}
	return err
}

// again calls a scan of everything until the time is up.
func (s *slice) again(scan func() (int64, error)) error {
	return s.loop(int(s.stock.count), func(int64) error {
		count, err := scan()
		if err == nil && count != s.stock.count {
			err = fmt.Errorf("%d records were read of %d", count, s.stock.count)
		}
		return err
	})
}

func floorScan(s *slice) error {
	return s.again(func() (int64, error) { return scanRaw(s.stock.raw.f, s.stock.buf) })
}

func journalScan(s *slice) error {
	return s.again(func() (count int64, err error) {
		for _, err := range s.stock.j.Scan(journal.ScanOptions{Reuse: true}) {
			if err != nil {
				return count, err
			}
			count++
		}
		return count, nil
	})
}

// key is that of a random record, and its number.
func (st *stock) key(key *[rawKey]byte) (n int64) {
	n = st.rng.Int64N(st.count)
	setKey(key, n)
	return n
}

func floorGet(s *slice) error {
	var key [rawKey]byte
	st := s.stock
	size := int64(st.size + rawSize)
	return s.loop(1, func(int64) error {
		n := st.key(&key)
		b := make([]byte, size) // who asks for a record keeps it
		if _, err := st.raw.f.ReadAt(b, n*size); err != nil {
			return err
		}
		if !wholeRaw(b) || !bytes.Equal(b[rawHead:rawHead+rawKey], key[:]) {
			return errRaw
		}
		return nil
	})
}

func journalGet(s *slice) error {
	var key [rawKey]byte
	st := s.stock
	return s.loop(1, func(int64) error {
		st.key(&key)
		r, err := st.j.Get(key[:])
		if err == nil && (!bytes.Equal(r.Key, key[:]) || len(r.Value) != st.size) {
			err = fmt.Errorf("key %x has a value of %d bytes under %x", key, len(r.Value), r.Key)
		}
		return err
	})
}
