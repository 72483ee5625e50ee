package writer

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// errDisk is what the disk says when it could not write.
var errDisk = errors.New("the disk of the test has failed")

// disk stands for what is below the page cache. The files themselves are real:
// what they hold is what a process reads. The disk knows what of it would be
// there after a loss of power, and behaves as the kernel does about errors (K5):
// a failure is reported once to each descriptor that was open then, and to one
// that was opened later only if nobody has been told; the pages count as clean.
type disk struct {
	t      testing.TB
	rng    *rand.Rand
	dir    string
	inodes map[uint64]*node
	names  map[string]*node // in the directory, as of the last sync of it
	clock  uint64
	synced uint64 // when that sync began
}

const (
	block   = 4096 // what is lost, or kept, as a whole or torn at a sector
	sectors = 512
)

type node struct {
	f      *os.File // of the disk itself
	safe   []byte   // what is on disk
	synced uint64   // when the sync began that made it so
	failed []byte   // content when the last failure made all of it clean, nil if there was none
	errors int      // failures so far
	seen   bool     // somebody was told of the last one
	fds    map[*os.File]int
}

func newDisk(t testing.TB, rng *rand.Rand, dir string) *disk {
	d := &disk{t: t, rng: rng, dir: dir, inodes: make(map[uint64]*node), names: make(map[string]*node)}
	d.names = d.list()
	return d
}

func (d *disk) close() {
	for _, in := range d.inodes {
		in.f.Close()
	}
}

// list returns what is in the directory now. A file that was not known has been
// synced before it got its name (host.Publish, host.Replace).
func (d *disk) list() map[string]*node {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	names := make(map[string]*node)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), segment.ControlPrefix) {
			continue // a cache of one boot
		}
		names[e.Name()] = d.open(filepath.Join(d.dir, e.Name()))
	}
	return names
}

func (d *disk) open(path string) *node {
	f, err := os.Open(path)
	if err != nil {
		d.t.Fatal(err)
	}
	ino := inodeOf(d.t, f)
	if in := d.inodes[ino]; in != nil {
		f.Close()
		return in
	}
	in := &node{f: f, fds: make(map[*os.File]int)}
	in.safe = in.content(d.t)
	d.inodes[ino] = in // the disk holds it open, so the number is not used again
	return in
}

func inodeOf(t testing.TB, f *os.File) uint64 {
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Ino
}

func (in *node) content(t testing.TB) []byte {
	b, err := io.ReadAll(io.NewSectionReader(in.f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opened tells the disk of a descriptor, as soon as there is one.
func (d *disk) opened(f *os.File) *node {
	in := d.inodes[inodeOf(d.t, f)]
	if in == nil {
		d.list()
		in = d.inodes[inodeOf(d.t, f)]
	}
	if _, known := in.fds[f]; !known {
		in.fds[f] = in.errors
		if in.errors > 0 && !in.seen {
			in.fds[f]--
		}
	}
	return in
}

// forget is what the kernel does to an inode that nobody has open.
func (d *disk) forget(open map[*os.File]bool) {
	for _, in := range d.inodes {
		for f := range in.fds {
			if !open[f] {
				delete(in.fds, f)
			}
		}
		if len(in.fds) == 0 {
			in.seen = true
		}
	}
}

// fail makes everything of in clean that is not on disk.
func (d *disk) fail(in *node) {
	in.errors++
	in.seen = false
	in.failed = in.content(d.t)
}

// sync is fdatasync. Others may run while between is called.
func (d *disk) sync(f *os.File, fails bool, between func()) error {
	in := d.opened(f)
	d.clock++
	began, b := d.clock, in.content(d.t)
	between()
	if fails {
		d.fail(in)
	}
	if in.fds[f] < in.errors {
		in.fds[f], in.seen = in.errors, true
		return errDisk
	}
	if began < in.synced {
		return nil
	}
	in.synced = began
	for from := 0; from < len(b); from += block {
		to := min(from+block, len(b))
		if in.failed != nil && to <= len(in.failed) && bytes.Equal(in.failed[from:to], b[from:to]) {
			continue // clean, whatever is on disk
		}
		in.safe = grow(in.safe, to)
		copy(in.safe[from:to], b[from:to])
	}
	in.safe = grow(in.safe, len(b)) // the size is metadata, and there
	return nil
}

func grow(b []byte, n int) []byte {
	return append(b, make([]byte, max(0, n-len(b)))...)
}

// syncDir is fsync of the directory.
func (d *disk) syncDir(between func()) {
	d.clock++
	began, names := d.clock, d.list()
	between()
	if began > d.synced {
		d.names, d.synced = names, began
	}
}

// has reports whether a record would be there after any loss of power.
func (d *disk) has(p record.Position, value string) bool {
	in := d.names[segment.Name(p.Segment)]
	if in == nil {
		return false
	}
	from, to := p.Offset+record.HeaderSize, p.Offset+record.HeaderSize+int64(len(value))
	return to+record.TrailerSize <= int64(len(in.safe)) && string(in.safe[from:to]) == value
}

// evict drops pages that count as clean from the page cache: what is read from
// then on is what is on disk. It reports whether that is something else.
func (d *disk) evict() (changed bool) {
	for _, ino := range slices.Sorted(maps.Keys(d.inodes)) {
		in := d.inodes[ino]
		if in.failed == nil {
			continue
		}
		b := in.content(d.t)
		f, err := os.OpenFile("/proc/self/fd/"+itoa(in.f.Fd()), os.O_WRONLY, 0)
		if err != nil {
			d.t.Fatal(err)
		}
		for from := 0; from < len(b); from += block {
			to := min(from+block, len(b))
			old := grow(slices.Clone(in.safe), to)[from:to]
			if to > len(in.failed) || !bytes.Equal(in.failed[from:to], b[from:to]) || bytes.Equal(old, b[from:to]) {
				continue
			}
			changed = true
			if _, err := f.WriteAt(old, int64(from)); err != nil {
				d.t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
	return changed
}

// crash writes to the directory to what is on disk after a loss of power: what
// was synced, and of the rest each block and each name by chance.
func (d *disk) crash(to string) {
	now := d.list()
	for name := range d.names {
		if _, there := now[name]; !there {
			now[name] = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) { // chance takes its turns in the same order
		in := now[name]
		if old := d.names[name]; old != in && d.rng.IntN(2) == 0 {
			in = old
		}
		if in == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(to, name), d.survives(in), 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
}

// survives returns what is left of a file.
func (d *disk) survives(in *node) []byte {
	b := in.content(d.t)
	left := slices.Clone(in.safe)
	// The size may have become durable or not, or that of a part.
	size := len(left)
	if len(b) > size {
		switch d.rng.IntN(3) {
		case 0:
			size = len(b)
		case 1:
			size += d.rng.IntN(len(b) - size + 1)
		}
	}
	left = grow(left, size)
	mood := d.rng.IntN(4) // all, none, or each by chance
	for from := 0; from < size; from += block {
		to := min(from+block, size)
		if bytes.Equal(left[from:to], b[from:to]) {
			continue
		}
		if in.failed != nil && to <= len(in.failed) && bytes.Equal(in.failed[from:to], b[from:to]) {
			continue // clean: nobody writes it any more
		}
		fate := d.rng.IntN(3)
		if mood < 2 {
			fate = mood
		}
		switch fate {
		case 0: // lost
		case 1:
			copy(left[from:to], b[from:to])
		case 2:
			for s := from; s < to; s += sectors {
				if d.rng.IntN(2) == 0 {
					copy(left[s:min(s+sectors, to)], b[s:min(s+sectors, to)])
				}
			}
		}
	}
	return left
}
