package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/vio"
)

// What nobody who keeps the promises can do without: a header, key, value and checksum
// by one gathered write, and the question where they have got to. The others leave
// something out, or put it elsewhere.
const (
	gatherFloor = "floor: writev + lseek"
	copyFloor   = "floor: copy + write"
	groupFloor  = "floor: writev, grouped fdatasync"
	readFloor   = "floor: read + hash + map"
)

var floors = []contestant{
	{name: gatherFloor, plain: untilExit, durable: untilPower, goroutines: true, processes: true, floor: true, open: openFloor(gather), count: countFloor},
	{name: "floor: writev", plain: untilExit, durable: untilPower, goroutines: true, processes: true, floor: true, open: openFloor(gatherBlindly), count: countFloor},
	{name: copyFloor, plain: untilExit, durable: untilPower, goroutines: true, processes: true, batches: true, floor: true, open: openFloor(copied), count: countFloor},
	{name: groupFloor, durable: untilPower, why: "for durable appends", goroutines: true, floor: true, open: openGroup, count: countFloor},
	{name: "floor: bufio", plain: nothing, why: "one buffer", batches: true, floor: true, open: openBuffered, count: countFloor},
	{name: readFloor, why: "for reading", floor: true, open: openFloor(copied), reads: readFloorFile, checks: true},
}

const headSize, sumSize = 44, 8

// raw is a record of the floor under way.
type raw struct {
	f       *os.File
	durable bool
	write   func(r *raw, key, value []byte) error
	head    [headSize]byte
	sum     [sumSize]byte
	vec     [4][]byte
	d       xxhash.Digest
	b       []byte
}

type floor struct {
	f       *os.File
	durable bool
	write   func(r *raw, key, value []byte) error
}

func openFloor(write func(r *raw, key, value []byte) error) func(dir string, o options) (writer, error) {
	return func(dir string, o options) (writer, error) {
		f, err := os.OpenFile(filepath.Join(dir, "floor"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		return floor{f, o.durable, write}, err
	}
}

func (w floor) appender() appender { return &raw{f: w.f, durable: w.durable, write: w.write} }
func (w floor) close() error       { return w.f.Close() }

func (r *raw) append(key, value []byte) error {
	if err := r.write(r, key, value); err != nil || !r.durable {
		return err
	}
	return dataSync(r.f)
}

// header makes the header of records with this value.
func (r *raw) header(value []byte) {
	binary.LittleEndian.PutUint64(r.head[:], uint64(time.Now().UnixNano()))
	binary.LittleEndian.PutUint64(r.head[8:], uint64(len(value)))
}

// pieces lays out a record: header, key, value, checksum.
func (r *raw) pieces(key, value []byte) [][]byte {
	r.header(value)
	r.d.Reset()
	r.d.Write(r.head[:]) // a hash does not fail
	r.d.Write(key)
	r.d.Write(value)
	binary.LittleEndian.PutUint64(r.sum[:], r.d.Sum64())
	r.vec = [4][]byte{r.head[:], key, value, r.sum[:]}
	return r.vec[:]
}

func gather(r *raw, key, value []byte) error {
	if err := gatherBlindly(r, key, value); err != nil {
		return err
	}
	_, err := r.f.Seek(0, io.SeekCurrent)
	return err
}

func gatherBlindly(r *raw, key, value []byte) error {
	_, err := vio.Appendv(r.f, r.pieces(key, value))
	return err
}

func copied(r *raw, key, value []byte) error {
	r.header(value)
	r.b = r.contiguous(r.b[:0], key, value)
	_, err := r.f.Write(r.b)
	return err
}

// contiguous adds a record to b.
func (r *raw) contiguous(b, key, value []byte) []byte {
	binary.LittleEndian.PutUint64(r.head[:], uint64(time.Now().UnixNano()))
	at := len(b)
	b = append(append(append(b, r.head[:]...), key...), value...)
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b[at:]))
}

func (r *raw) batch(keys [][]byte, value []byte) error {
	r.b = r.b[:0]
	r.header(value) // the clock once for a batch, as it is one moment
	for _, key := range keys {
		r.b = r.contiguous(r.b, key, value)
	}
	if _, err := r.f.Write(r.b); err != nil || !r.durable {
		return err
	}
	return dataSync(r.f)
}

func countFloor(dir string, o options) (int, error) {
	st, err := os.Stat(filepath.Join(dir, "floor"))
	if err != nil {
		return 0, err
	}
	return int(st.Size()) / (headSize + keySize + o.value + sumSize), nil
}

// group is the plainest way for goroutines to share a sync: whoever finds none under way
// syncs for all that have written.
type group struct {
	f       *os.File
	mu      sync.Mutex
	synced  sync.Cond
	written uint64
	durable uint64
	syncing bool
	err     error
}

func openGroup(dir string, _ options) (writer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "floor"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	g := &group{f: f}
	g.synced.L = &g.mu
	return g, err
}

func (g *group) appender() appender { return &member{g: g, raw: raw{f: g.f}} }
func (g *group) close() error       { return g.f.Close() }

type member struct {
	raw
	g *group
}

func (m *member) append(key, value []byte) error {
	vec, g := m.pieces(key, value), m.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := vio.Appendv(g.f, vec); err != nil {
		return err
	}
	g.written++
	for mine := g.written; g.durable < mine && g.err == nil; {
		if g.syncing {
			g.synced.Wait()
			continue
		}
		g.syncing = true
		upTo := g.written
		g.mu.Unlock()
		err := dataSync(g.f)
		g.mu.Lock()
		g.syncing, g.durable, g.err = false, upTo, err
		g.synced.Broadcast()
	}
	return g.err
}

// buffered keeps up to 64 KiB to itself.
type buffered struct {
	raw
	w *bufio.Writer
}

func openBuffered(dir string, _ options) (writer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "floor"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	return &buffered{raw{f: f}, bufio.NewWriterSize(f, 64<<10)}, err
}

func (w *buffered) appender() appender { return w }

func (w *buffered) append(key, value []byte) error {
	w.header(value)
	w.b = w.contiguous(w.b[:0], key, value)
	_, err := w.w.Write(w.b)
	return err
}

func (w *buffered) batch(keys [][]byte, value []byte) error {
	for _, key := range keys {
		if err := w.append(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (w *buffered) close() error {
	if err := w.w.Flush(); err != nil {
		return err
	}
	return w.f.Close()
}
