package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/vio"
)

// A raw record has the sizes of one of the journal, and of what that does only what
// every log must: a checksum over all of it.
const (
	rawHead = 44
	rawKey  = 16
	rawTail = 8
	rawSize = rawHead + rawKey + rawTail

	lengthAt = 12 // of the value, in the head
)

// rawLog is a file of raw records that is appended to.
type rawLog struct {
	f      *os.File
	sync   bool
	head   [rawHead]byte
	key    [rawKey]byte
	value  []byte
	tail   [rawTail]byte
	digest xxhash.Digest
	vec    [][]byte
	copied []byte // a batch of small values
}

func openRaw(path string, size int, sync bool) (*rawLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &rawLog{f: f, sync: sync, value: make([]byte, size)}, nil
}

func setKey(key *[rawKey]byte, n int64) { binary.BigEndian.PutUint64(key[:], uint64(n)) }

// smallRecord is up to where it is faster to copy a record together for its checksum.
const smallRecord = 1024

// append is the floor of an append: one writev of four pieces with their checksum,
// the question where it went, and the sync if there is to be one.
func (r *rawLog) append(n int64) error {
	setKey(&r.key, n)
	binary.LittleEndian.PutUint32(r.head[lengthAt:], uint32(len(r.value)))
	r.vec = append(r.vec[:0], r.head[:], r.key[:], r.value, r.tail[:])
	return r.write()
}

// batch is the floor of a batch: one write, and one checksum, for all its values.
// Small ones are copied together, for the system call is slower than the copy.
func (r *rawLog) batch(n int64, count int) error {
	const small = 4 << 10
	length := count * (rawKey + len(r.value))
	binary.LittleEndian.PutUint32(r.head[lengthAt:], uint32(length-rawKey))
	r.vec, r.copied = append(r.vec[:0], r.head[:]), r.copied[:0]
	for i := range count {
		setKey(&r.key, n+int64(i))
		if r.copied = append(r.copied, r.key[:]...); len(r.value) < small {
			r.copied = append(r.copied, r.value...)
		}
	}
	if len(r.value) < small {
		r.vec = append(r.vec, r.copied)
	} else {
		for i := range count {
			r.vec = append(r.vec, r.copied[i*rawKey:(i+1)*rawKey], r.value)
		}
	}
	r.vec = append(r.vec, r.tail[:])
	return r.write()
}

// write sums up the pieces in front of the tail and writes them.
func (r *rawLog) write() error {
	body := r.vec[:len(r.vec)-1]
	if len(body) == 3 && rawSize+len(r.value) <= smallRecord {
		r.copied = append(append(append(r.copied[:0], body[0]...), body[1]...), body[2]...)
		binary.LittleEndian.PutUint64(r.tail[:], xxhash.Sum64(r.copied))
	} else {
		r.digest.Reset()
		for _, piece := range body {
			r.digest.Write(piece) // a hash does not fail
		}
		binary.LittleEndian.PutUint64(r.tail[:], r.digest.Sum64())
	}
	if _, err := vio.Appendv(r.f, r.vec); err != nil {
		return err
	}
	if _, err := r.f.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	if r.sync {
		return host.SyncData(r.f)
	}
	return nil
}

func (r *rawLog) close() error { return r.f.Close() }

var errRaw = errors.New("the floor's file has a record that fails its checksum")

// scanBlock is how much a scan reads at a time, unless a record is longer.
const scanBlock = 128 << 10

// scanRaw reads a file of raw records, checks each, and counts them.
func scanRaw(f io.ReaderAt, buf []byte) (count int64, err error) {
	if len(buf) < scanBlock {
		buf = make([]byte, scanBlock)
	}
	for off, have := int64(0), 0; ; {
		n, err := f.ReadAt(buf[have:], off+int64(have))
		if err != nil && err != io.EOF {
			return count, err
		}
		have += n
		rest := buf[:have]
		for len(rest) >= rawSize {
			size := rawSize + int(binary.LittleEndian.Uint32(rest[lengthAt:]))
			if size > len(rest) {
				if size > len(buf) {
					buf = append(buf, make([]byte, size-len(buf))...)
				}
				break
			}
			if !wholeRaw(rest[:size]) {
				return count, errRaw
			}
			rest, count = rest[size:], count+1
		}
		if n == 0 {
			if len(rest) > 0 {
				return count, fmt.Errorf("%w: %d bytes at the end", errRaw, len(rest))
			}
			return count, nil
		}
		off += int64(have - len(rest))
		have = copy(buf, rest)
	}
}

func wholeRaw(b []byte) bool {
	n := len(b) - rawTail
	return xxhash.Sum64(b[:n]) == binary.LittleEndian.Uint64(b[n:])
}
