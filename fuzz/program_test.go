package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/manypen/manypen/journal"
)

// A program is the input of a fuzz test: bytes that are read one after the
// other as operations and their arguments. Behind its end there are zeros, so
// that every input is a program.
type program struct{ rest []byte }

func (p *program) next() int {
	if len(p.rest) == 0 {
		return 0
	}
	b := p.rest[0]
	p.rest = p.rest[1:]
	return int(b)
}

// Operations that build a journal. The program goes over to ruining it with
// opRuin, at its end, or after maxBuild operations.
const (
	opRuin = iota
	opAppend
	opAppendLarge
	opAppendNested // a value that holds records of this very segment
	opBatch
	opDelete
	opSwitch // to the other of two handles
	opReopen
	opPrune
	opRemoveControl
	buildOps

	maxBuild = 60
)

// appended is a record as it was appended.
type appended struct {
	journal.Record
	acknowledged bool
}

// A bench is a journal directory and what was done to it.
type bench struct {
	t   testing.TB
	dir string

	handles [2]*journal.Journal
	seqs    [2]uint64
	active  int

	// records are all that were ever appended, by their values, which are unique.
	records map[string]*appended
	count   int
	// limits of the segments as they were written.
	limits map[uint64]int64

	// What was ruined.
	touched   map[uint64]bool // segments
	idTouched bool
	strangers bool // there is a segment of another journal
	obstacles bool // there is something that keeps a reader from going on
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return &bench{
		t: t, dir: newDir(t),
		records: make(map[string]*appended), limits: make(map[uint64]int64), touched: make(map[uint64]bool),
	}
}

// newDir makes a directory in memory, where there is one: a fuzz test that
// waits for a disk is slow.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "manypen")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// must ends the test if something failed that nothing was done to make fail.
func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// options of a handle; v varies them.
func options(v int) journal.Options {
	o := journal.Options{SegmentSize: 12<<10 + int64(v%3)<<10, MaxRecord: 8 << 10, Sync: journal.SyncNone}
	if v&8 != 0 {
		o.Sync = journal.SyncAlways
	}
	return o
}

// handle returns the handle in use.
func (b *bench) handle() *journal.Journal {
	b.t.Helper()
	if b.handles[b.active] == nil {
		b.reopen(b.active)
	}
	return b.handles[b.active]
}

func (b *bench) reopen(v int) {
	b.t.Helper()
	b.closeHandle(b.active)
	j, err := journal.Open(b.dir, options(v))
	b.must(err)
	b.handles[b.active], b.seqs[b.active] = j, 0
}

func (b *bench) closeHandle(i int) {
	b.t.Helper()
	if b.handles[i] != nil {
		b.must(b.handles[i].Close())
		b.handles[i] = nil
	}
}

// value makes a value that nobody else has.
func (b *bench) value(filler []byte) []byte {
	b.count++
	return append(fmt.Appendf(nil, "%d|", b.count), filler...)
}

var keys = []string{"", "a", "b", "c", "d", "e", "\x00", "\xFF\xFF"}

func (b *bench) note(pos journal.Position, kind journal.Kind, key, value []byte) {
	b.seqs[b.active]++
	b.records[recordID(kind, key, value, pos)] = &appended{journal.Record{
		Position: pos, Writer: b.handle().WriterID(), Seq: b.seqs[b.active], Kind: kind, Key: key, Value: value,
	}, true}
}

// recordID identifies a record. Values are unique, deletions have none: their
// position does instead.
func recordID(kind journal.Kind, key, value []byte, pos journal.Position) string {
	if kind == journal.KindDelete {
		return fmt.Sprintf("deletion of %q at %v", key, pos)
	}
	return string(value)
}

// build runs the first half of a program.
func (b *bench) build(p *program) {
	b.t.Helper()
	for range maxBuild {
		switch op := p.next() % buildOps; op {
		case opRuin:
			b.closeAll()
			return
		case opAppend, opAppendLarge, opAppendNested:
			b.appendOne(op, p.next(), p.next())
		case opBatch:
			b.appendBatch(p.next())
		case opDelete:
			key := []byte(keys[1+p.next()%(len(keys)-1)])
			pos, err := b.handle().Delete(key)
			b.must(err)
			b.note(pos, journal.KindDelete, key, nil)
		case opSwitch:
			b.active = 1 - b.active
		case opReopen:
			b.reopen(p.next())
		case opPrune:
			infos, err := b.handle().Segments()
			b.must(err)
			b.must(b.handle().Prune(journal.Position{Segment: infos[p.next()%len(infos)].Number}))
		case opRemoveControl:
			for _, path := range b.glob("ctl.*") {
				b.must(os.Remove(path))
			}
		}
	}
	b.closeAll()
}

func (b *bench) appendOne(op, key, size int) {
	b.t.Helper()
	k := []byte(keys[key%len(keys)])
	filler := bytes.Repeat([]byte{byte(size)}, size)
	switch op {
	case opAppendLarge:
		filler = bytes.Repeat([]byte("large "), size*5)
	case opAppendNested:
		if paths := b.glob("seg.*"); len(paths) > 0 {
			content, err := os.ReadFile(paths[len(paths)-1])
			b.must(err)
			from := min(len(content), int(journal.FirstPosition(1).Offset))
			filler = content[from:min(len(content), from+size*8)]
		}
	}
	v := b.value(filler)
	ack, err := b.handle().AppendAck(k, v)
	b.must(err)
	b.note(ack.Position, journal.KindData, k, v)
	if ack.Seq != b.seqs[b.active] {
		b.t.Fatalf("record %d of its handle has sequence %d", b.seqs[b.active], ack.Seq)
	}
}

func (b *bench) appendBatch(v int) {
	b.t.Helper()
	type entry struct {
		kind       journal.Kind
		key, value []byte
	}
	var batch journal.Batch
	var entries []entry
	for i := range 1 + v%5 {
		e := entry{journal.KindData, []byte(keys[(v+i)%len(keys)]), nil}
		if v&(16<<i) != 0 && len(e.key) > 0 {
			e.kind = journal.KindDelete
			batch.Delete(e.key)
		} else {
			e.value = b.value(bytes.Repeat([]byte{'b'}, v*i))
			batch.Put(e.key, e.value)
		}
		entries = append(entries, e)
	}
	pos, err := b.handle().AppendBatch(&batch)
	b.must(err)
	for _, e := range entries {
		b.note(pos, e.kind, e.key, e.value)
		pos.Index++
	}
}

// closeAll ends the building: it closes the handles, notes the limits of all
// segments and forgets what was pruned.
func (b *bench) closeAll() {
	b.t.Helper()
	infos, err := b.handle().Segments()
	b.must(err)
	for _, info := range infos {
		b.limits[info.Number] = info.Limit
	}
	for id, r := range b.records {
		if b.limits[r.Position.Segment] == 0 {
			delete(b.records, id)
		}
	}
	b.closeHandle(0)
	b.closeHandle(1)
}

func (b *bench) glob(pattern string) []string {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.dir, pattern))
	b.must(err)
	slices.Sort(paths)
	return paths
}

// segments returns the numbers of the files that have a segment's name.
func (b *bench) segments() []uint64 {
	b.t.Helper()
	var numbers []uint64
	for _, path := range b.glob("seg.*") {
		var n uint64
		if _, err := fmt.Sscanf(filepath.Base(path), "seg.%d", &n); err != nil {
			b.t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

func (b *bench) path(n uint64) string { return filepath.Join(b.dir, fmt.Sprintf("seg.%09d", n)) }

// Operations that ruin a journal.
const (
	opEnd = iota
	opFlip
	opZero
	opTruncate
	opRemove
	opCopy
	opRename
	opStranger
	opID
	opControl
	opGarbage
	opHeader
	opSplice
	opObstacle
	opNewer
	ruinOps

	maxRuin = 8
)

// ruin runs the second half of a program.
func (b *bench) ruin(p *program) {
	b.t.Helper()
	for range maxRuin {
		op := p.next() % ruinOps
		numbers := b.segments()
		if op == opEnd || len(numbers) == 0 {
			return
		}
		switch op {
		case opID:
			b.ruinID(p.next())
		case opControl:
			b.ruinControl(p.next())
		case opCopy, opRename, opStranger, opRemove, opObstacle:
			b.ruinName(op, numbers[p.next()%len(numbers)], p.next())
		default:
			n := numbers[p.next()%len(numbers)]
			other := numbers[p.next()%len(numbers)]
			at, length := p.next()<<8|p.next(), p.next()
			b.ruinContent(op, n, other, at, length)
		}
	}
}

func (b *bench) ruinID(v int) {
	b.t.Helper()
	b.idTouched = true
	path := filepath.Join(b.dir, "journal.id")
	content := [][]byte{nil, []byte("junk"), make([]byte, 4096), []byte("manypen journal 1 "), bytes.Repeat([]byte("x "), 1<<16)}[v%5]
	if v >= 128 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			b.t.Fatal(err)
		}
		return
	}
	b.must(os.WriteFile(path, content, 0o644))
}

func (b *bench) ruinControl(v int) {
	b.t.Helper()
	for _, path := range b.glob("ctl.*") {
		switch v % 5 {
		case 0:
			b.must(os.Remove(path))
		case 1:
			b.must(os.Truncate(path, int64(v)))
		case 2:
			b.must(os.WriteFile(path, make([]byte, 4096), 0o644))
		case 3:
			b.must(os.WriteFile(path, bytes.Repeat([]byte("noise!! "), 512), 0o644))
		case 4: // a word of it
			content, err := os.ReadFile(path)
			b.must(err)
			if len(content) == 4096 {
				content[128+v] ^= 0x55
			}
			b.must(os.WriteFile(path, content, 0o644))
		}
	}
}

// ruinName does something to the name of segment n.
func (b *bench) ruinName(op int, n uint64, v int) {
	b.t.Helper()
	target := n + uint64(v%7) - 3
	if v >= 250 {
		target = 1<<28 - 1 // the highest number there is
	}
	if target == 0 || target >= 1<<28 || target == n && op != opStranger && op != opRemove && op != opObstacle {
		return
	}
	content, err := os.ReadFile(b.path(n))
	if err != nil {
		return // an obstacle
	}
	if st, err := os.Stat(b.path(target)); err == nil && st.IsDir() {
		return
	}
	switch op {
	case opRemove:
		b.must(os.Remove(b.path(n)))
		b.touched[n] = true
	case opCopy:
		b.must(os.WriteFile(b.path(target), content, 0o644))
		b.touched[target] = true
	case opRename:
		b.must(os.Rename(b.path(n), b.path(target)))
		b.touched[n], b.touched[target] = true, true
	case opStranger:
		b.must(os.WriteFile(b.path(target), strangersSegment(b.t), 0o644))
		b.touched[target], b.strangers = true, true
	case opObstacle:
		b.must(os.Remove(b.path(n)))
		b.must(os.Mkdir(b.path(n), 0o755))
		b.touched[n], b.obstacles = true, true
	}
}

// ruinContent changes bytes of segment n.
func (b *bench) ruinContent(op int, n, other uint64, at, length int) {
	b.t.Helper()
	content, err := os.ReadFile(b.path(n))
	if err != nil || len(content) == 0 {
		return
	}
	b.touched[n] = true
	at %= len(content)
	end := min(len(content), at+1+length*8)
	switch op {
	case opFlip:
		content[at] ^= 1 << (length % 8)
	case opZero:
		clear(content[at:end])
	case opTruncate:
		content = content[:at]
	case opGarbage:
		content = append(content, bytes.Repeat([]byte("garbage "), length+1)...)
	case opHeader:
		for page := range 2 {
			if from := page * 4096; length&(1<<page) != 0 && from < len(content) {
				copy(content[from:min(len(content), from+4096)], bytes.Repeat([]byte("lost"), 1024))
			}
		}
	case opSplice: // bytes of another segment, at the same place
		from, err := os.ReadFile(b.path(other))
		if err != nil || other == n || at >= len(from) {
			return
		}
		copy(content[at:end], from[at:])
	case opNewer: // as if a newer version had written it
		b.obstacles = true
		for _, off := range []int{8, 4096 + 8} {
			if off < len(content) {
				content[off] = 2
			}
		}
	}
	b.must(os.WriteFile(b.path(n), content, 0o644))
}

// strangersSegment is the first segment of another journal.
func strangersSegment(t testing.TB) []byte {
	t.Helper()
	dir := newDir(t)
	j, err := journal.Open(dir, options(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append([]byte("a"), []byte("a stranger's")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "seg.000000001"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
