package journal_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

var flagModelSteps = flag.Int("model.steps", 2000, "steps that TestModel makes")

// A run of TestModel is as many programs as its steps take. Long ones get into
// states that short ones never see, but take longer to make small when they fail.
const (
	modelPrograms = 5 // between two looks at the number of steps; -short makes it 1
	modelLength   = 150
)

// TestModel runs random programs on a journal with several handles and holds
// each answer against a model of it: a slice of all records and a map of the
// newest one of each key. -model.steps says how much of that, -rapid.seed
// repeats it.
func TestModel(t *testing.T) {
	seed, err := strconv.ParseUint(flag.Lookup("rapid.seed").Value.String(), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	if seed == 0 {
		seed = rand.Uint64()>>32 + 1
	}
	t.Logf("-rapid.seed=%d", seed)
	setFlag(t, "rapid.checks", fmt.Sprint(modelPrograms))
	setFlag(t, "rapid.steps", fmt.Sprint(modelLength))
	base, made := t.TempDir(), modelTally{}
	for round := uint64(0); made.steps < *flagModelSteps; round++ {
		// rapid counts the seed up by itself; the rounds keep out of its way. The
		// seed that it names when a program fails repeats that one first.
		setFlag(t, "rapid.seed", fmt.Sprint(seed+round<<32))
		rapid.Check(t, func(t *rapid.T) { runModel(t, base, &made) })
	}
	t.Logf("%d steps, %d records, %d segments with %d records pruned: %v", made.steps, made.records, made.prunes, made.pruned, made.actions)
}

// setFlag sets a flag of rapid until the test ends.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set(name, old); err != nil {
			t.Error(err)
		}
	})
}

// modelTally tells that the test did something.
type modelTally struct {
	steps, records int
	prunes, pruned int // segments and records that are gone
	actions        map[string]int
}

// modelAction is one kind of step. It gets a handle: one that can write, one
// of any kind, or none.
type modelAction struct {
	name   string
	weight int
	handle modelHandleKind
	run    func(m *model, t *rapid.T, h *modelHandle)
}

type modelHandleKind int

const (
	noHandle modelHandleKind = iota
	anyHandle
	writingHandle
)

// modelActions is what programs are made of. A sequence of records that the
// journal is to hand out is checked by model.same, against some of
// model.recs or what model.keyed finds.
var modelActions = []modelAction{
	{"append", 14, writingHandle, (*model).append},
	{"delete", 4, writingHandle, (*model).delete},
	{"batch", 6, writingHandle, (*model).batch},
	{"refused", 1, anyHandle, (*model).refused},
	{"sync", 1, anyHandle, (*model).sync},
	{"prune", 3, writingHandle, (*model).prune},
	{"open", 3, noHandle, (*model).openOne},
	{"close", 2, anyHandle, (*model).closeOne},
	{"close all", 1, noHandle, (*model).closeAll},
	{"remove the control file", 1, noHandle, (*model).removeControl},
	{"remove the control file of a closed journal", 1, noHandle, (*model).removeControlClosed},
	{"damage other files", 1, noHandle, (*model).damageOthers},
	{"get", 8, anyHandle, (*model).get},
	{"range", 3, anyHandle, (*model).ranged},
	{"prefix", 2, anyHandle, (*model).prefix},
	{"count", 2, anyHandle, (*model).count},
	{"history", 3, anyHandle, (*model).history},
	{"retain", 1, writingHandle, (*model).retain},
	{"seek", 2, anyHandle, (*model).seek},
	{"scan", 6, anyHandle, (*model).scan},
	{"records", 6, anyHandle, (*model).records},
	{"read at", 6, anyHandle, (*model).readAt},
	{"follow", 3, anyHandle, (*model).follow},
	{"begin to follow", 2, anyHandle, (*model).beginToFollow},
	{"follow on", 6, noHandle, (*model).followOn},
	{"everything", 1, anyHandle, (*model).everything},
	{"verify", 1, noHandle, (*model).verify},
	{"segments", 1, anyHandle, (*model).segments},
	{"snapshot", 1, anyHandle, (*model).snapshot},
}

// model is what the journal in dir should be.
type model struct {
	dir  string
	made *modelTally
	// recs are all records ever appended, in journal order. A time is zero until
	// a reader has told it.
	recs []*journal.Record
	// newest is the index in recs of the newest record of each key, deletions
	// included.
	newest map[string]int
	// oldest and last are the segments that are there.
	oldest, last uint64
	controlGone  bool // nobody has opened the journal for writing since
	handles      []*modelHandle
	followers    []*modelFollower
	damage       []journal.Damage // that was reported and that nothing explains
}

// modelHandle is an open handle, and what it must know of itself.
type modelHandle struct {
	j              *journal.Journal
	writes         bool
	records, bytes uint64
	// touched are segments that it may have open: "a handle of another process
	// may read what it has open a little longer", and so may another handle of
	// this one.
	touched map[uint64]bool
}

func runModel(t *rapid.T, base string, made *modelTally) {
	dir, err := os.MkdirTemp(base, "model")
	if err != nil {
		t.Fatal(err)
	}
	m := &model{dir: filepath.Join(dir, "journal"), made: made, newest: make(map[string]int)}
	defer func() {
		for _, f := range m.followers {
			f.stop()
		}
		for _, h := range m.handles {
			h.j.Close() // if this matters, the program has failed already
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	if _, err := journal.Open(m.dir, journal.Options{ReadOnly: true}); !errors.Is(err, journal.ErrNotJournal) {
		t.Fatalf("opening what is not there: %v", err)
	}
	m.open(t, true)
	if made.actions == nil {
		made.actions = make(map[string]int)
	}
	actions := map[string]func(*rapid.T){"": m.check}
	for _, a := range modelActions {
		// rapid draws each name, and the first in their order most often: that
		// must not be all the copies of one action.
		for i := range a.weight {
			actions[fmt.Sprintf("%02d %s", i, a.name)] = func(t *rapid.T) {
				made.steps++
				made.actions[a.name]++
				a.run(m, t, m.pick(t, a.handle))
			}
		}
	}
	t.Repeat(actions)
	m.everything(t, m.pick(t, anyHandle))
	m.closeAll(t, nil)
	m.everything(t, m.pick(t, anyHandle))
	m.closeAll(t, nil)
	m.verify(t, nil)
}

// check is what must be true after each step and costs little.
func (m *model) check(t *rapid.T) {
	for _, h := range m.handles {
		m.look(t, h)
		h.checkStats(t)
	}
	if len(m.damage) > 0 {
		t.Fatalf("damage that nobody did: %v", m.damage)
	}
}

// look finds out which the newest segment is. Who opens the journal while another
// handle syncs, be it in the background, may not trust what came of that: it
// recovers, and begins a segment, at a moment that only the scheduler knows.
func (m *model) look(t *rapid.T, h *modelHandle) {
	oldest, newest, err := h.j.SegmentRange()
	if err != nil || oldest != m.oldest || newest < m.last || newest > m.last+maxGrowth {
		t.Fatalf("segments %d to %d, %v; want %d to %d or a little more", oldest, newest, err, m.oldest, m.last)
	}
	m.last = newest
}

// maxGrowth is the most segments that one step makes: one because another is
// full, and one for each writer that recovers.
const maxGrowth = 1 + maxHandles

func (h *modelHandle) checkStats(t *rapid.T) {
	s := h.j.Stats()
	for i := 0; s.Records < h.records && i < 1e6; i++ { // a sync in the background is under way
		runtime.Gosched()
		s = h.j.Stats()
	}
	if s.Records != h.records || s.Fragments != 0 || s.SyncFailures != 0 {
		t.Fatalf("%+v after %d records", s, h.records)
	}
	s.Followers, s.IndexKeys, s.IndexBytes, s.Damage = 0, 0, 0, journal.DamageStats{} // of readers
	if s.Bytes < h.bytes || !h.writes && s != (journal.Stats{}) {                     // marks are bytes too
		t.Fatalf("%+v after %d bytes, writing: %v", s, h.bytes, h.writes)
	}
}

// pick returns one of the open handles, or a new one if there is none.
func (m *model) pick(t *rapid.T, kind modelHandleKind) *modelHandle {
	if kind == noHandle {
		return nil
	}
	var fit []*modelHandle
	for _, h := range m.handles {
		if kind == anyHandle || h.writes {
			fit = append(fit, h)
		}
	}
	if len(fit) == 0 {
		return m.open(t, kind == writingHandle)
	}
	return fit[rapid.IntRange(0, len(fit)-1).Draw(t, "handle")]
}

// maxHandles includes writers with segment sizes of their own, which meet in
// segments that one of them takes for full and the other does not.
const maxHandles = 4

func (m *model) openOne(t *rapid.T, _ *modelHandle) {
	if len(m.handles) == maxHandles {
		m.closeOne(t, m.pick(t, anyHandle))
	}
	m.open(t, false)
}

func (m *model) open(t *rapid.T, writes bool) *modelHandle {
	opts := journal.Options{
		ReadOnly:    !writes && rapid.Bool().Draw(t, "read only"),
		SegmentSize: rapid.SampledFrom([]int64{12 << 10, 16 << 10, 40 << 10, 256 << 10, 3 << 20}).Draw(t, "segment size"),
		Sync: rapid.SampledFrom([]journal.SyncPolicy{
			journal.SyncNone, journal.SyncNone, journal.SyncNone, journal.SyncInterval, journal.SyncAlways,
		}).Draw(t, "sync"),
		SyncInterval: 10 * time.Millisecond,
		Strict:       rapid.Bool().Draw(t, "strict"),
		OnDamage: func(d journal.Damage) {
			if d.Class != journal.Void && d.Class != journal.Unused {
				m.damage = append(m.damage, d)
			}
		},
	}
	j, err := journal.Open(m.dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	h := &modelHandle{j: j, writes: !opts.ReadOnly, touched: make(map[uint64]bool)}
	m.handles = append(m.handles, h)
	if m.last == 0 {
		m.oldest, m.last = 1, 1
	} else if h.writes && m.controlGone {
		m.last++ // it must begin one
		m.controlGone = false
	}
	m.look(t, h)
	if (j.WriterID() != 0) != h.writes {
		t.Fatalf("writer %d, writing: %v", j.WriterID(), h.writes)
	}
	return h
}

func (m *model) closeOne(t *rapid.T, h *modelHandle) {
	if err := h.j.Close(); err != nil {
		t.Fatal(err)
	}
	m.handles = slices.DeleteFunc(m.handles, func(x *modelHandle) bool { return x == h })
	m.followers = slices.DeleteFunc(m.followers, func(f *modelFollower) bool {
		if f.h != h {
			return false
		}
		for f.open != 0 && f.at.Index > 0 {
			m.followOne(t, f) // the rest of the batch that it is in
		}
		if rec, err, ok := f.next(); !ok || !errors.Is(err, journal.ErrClosed) {
			t.Fatalf("a follower of a closed handle: %v, %v, %v", rec.Position, err, ok)
		}
		if _, err, ok := f.next(); ok {
			t.Fatalf("a follower of a closed handle goes on: %v", err)
		}
		f.stop()
		return true
	})
	h.checkStats(t)
	for name, err := range map[string]error{
		"Append": second(h.j.Append(nil, nil)), "Get": second(h.j.Get([]byte("k"))), "Sync": h.j.Sync(),
		"ReadAt": second(h.j.ReadAt(journal.Position{})), "Close": h.j.Close(), "Segments": second(h.j.Segments()),
	} {
		if !errors.Is(err, journal.ErrClosed) {
			t.Fatalf("%s after Close: %v", name, err)
		}
	}
}

func (m *model) closeAll(t *rapid.T, _ *modelHandle) {
	for len(m.handles) > 0 {
		m.closeOne(t, m.handles[0])
	}
}

// removeControl takes the control file away under the open handles. Each finds
// out when it likes, and the first one to do so recovers.
func (m *model) removeControl(t *rapid.T, _ *modelHandle) {
	files, err := filepath.Glob(filepath.Join(m.dir, "ctl.*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *model) removeControlClosed(t *rapid.T, _ *modelHandle) {
	m.closeAll(t, nil)
	m.removeControl(t, nil)
	m.controlGone = true
}

// damageOthers deletes, cuts or changes a file that is neither a segment nor
// the journal's identity nor the control file. All others must be caches.
func (m *model) damageOthers(t *rapid.T, _ *modelHandle) {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		number, segment := strings.CutPrefix(e.Name(), "seg.")
		return segment && strings.Trim(number, "0123456789") == "" || e.Name() == "journal.id" || strings.HasPrefix(e.Name(), "ctl.")
	})
	if len(entries) == 0 {
		return
	}
	path := filepath.Join(m.dir, rapid.SampledFrom(entries).Draw(t, "file").Name())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	way := rapid.SampledFrom([]string{"delete", "cut", "flip"}).Draw(t, "way")
	at := rapid.IntRange(0, max(0, len(b)-1)).Draw(t, "at")
	switch {
	case way == "delete" || len(b) == 0:
		err = os.Remove(path)
	case way == "cut": // in place: somebody may have it open
		err = os.Truncate(path, int64(at))
	default:
		f, oerr := os.OpenFile(path, os.O_WRONLY, 0)
		if oerr != nil {
			t.Fatal(oerr)
		}
		_, err = f.WriteAt([]byte{b[at] ^ 1<<rapid.IntRange(0, 7).Draw(t, "bit")}, int64(at))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// key draws keys that are few and short, so that they meet, and others.
func (m *model) key(t *rapid.T) []byte {
	switch class := rapid.IntRange(0, 19).Draw(t, "class of key"); {
	case class < 15:
		return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 'b', 0xFF}), 0, 2).Draw(t, "key")
	case class < 19:
		return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key")
	default:
		n := rapid.SampledFrom([]int{100, 5000, 1<<16 - 1}).Draw(t, "length of key")
		return modelBytes[:n:n]
	}
}

// bound is a key, or none.
func (m *model) bound(t *rapid.T, label string) []byte {
	if rapid.IntRange(0, 3).Draw(t, label+" is nil") == 0 {
		return nil
	}
	return m.key(t)
}

// modelBytes is what most values are cut from: the model need not copy them.
var modelBytes = func() []byte {
	b := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{'m'}).Read(b) // never fails
	return b
}()

// value draws values of nothing to several times what a reader has in one
// block, and pieces of the journal itself, which must not surface.
func (m *model) value(t *rapid.T) []byte {
	switch class := rapid.IntRange(0, 99).Draw(t, "class of value"); {
	case class < 5:
		return nil
	case class < 90:
		limit := []int{100, 100, 5000, 40_000}[class%4]
		n := rapid.IntRange(0, limit).Draw(t, "size")
		at := rapid.IntRange(0, 1<<20).Draw(t, "offset")
		return modelBytes[at : at+n : at+n]
	case class < 95:
		b, err := os.ReadFile(filepath.Join(m.dir, fmt.Sprintf("seg.%09d", m.last)))
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.IntRange(0, len(b)).Draw(t, "offset")
		return bytes.Clone(b[at:min(len(b), at+rapid.IntRange(0, 20_000).Draw(t, "size"))])
	case class < 98:
		n := rapid.IntRange(120<<10, 300<<10).Draw(t, "size")
		return modelBytes[n : 2*n : 2*n]
	default:
		n := rapid.IntRange(1000<<10, 3<<20).Draw(t, "size")
		return modelBytes[:n:n]
	}
}

// added takes note of the records of one append, which have a kind, a key and a
// value so far. unit is the length of all of it in the journal.
func (m *model) added(t *rapid.T, h *modelHandle, p journal.Position, err error, unit int, recs ...*journal.Record) {
	if err != nil {
		t.Fatal(err)
	}
	if p.Segment < m.last || p.Segment > m.last+maxGrowth || p.Index != 0 {
		t.Fatalf("appended at %v, the newest segment is %d", p, m.last)
	}
	if n := len(m.recs); n > 0 && p.Before(m.recs[n-1].Next) {
		t.Fatalf("appended at %v, the record before ends at %v", p, m.recs[n-1].Next)
	}
	m.last = p.Segment
	for i, rec := range recs {
		rec.Position, rec.Next = p, journal.Position{Segment: p.Segment, Offset: p.Offset + int64(unit)}
		if rec.Position.Index = i; i < len(recs)-1 {
			rec.Next = journal.Position{Segment: p.Segment, Offset: p.Offset, Index: i + 1}
		}
		h.records++
		rec.Writer, rec.Seq = h.j.WriterID(), h.records
		if len(rec.Key) > 0 {
			m.newest[string(rec.Key)] = len(m.recs)
		}
		m.recs = append(m.recs, rec)
	}
	h.bytes += uint64(unit)
	m.made.records += len(recs)
}

func (m *model) append(t *rapid.T, h *modelHandle) {
	rec := &journal.Record{Kind: journal.KindData, Key: m.key(t), Value: m.value(t)}
	var p journal.Position
	var ack journal.Ack
	var err error
	switch rapid.IntRange(0, 9).Draw(t, "way") {
	default:
		p, err = h.j.Append(rec.Key, rec.Value)
	case 8:
		ack, err = h.j.AppendAck(rec.Key, rec.Value)
	case 9:
		ack, err = h.j.AppendSync(rec.Key, rec.Value)
	}
	if p.IsZero() {
		if p = ack.Position; err == nil && ack.Seq != h.records+1 {
			t.Fatalf("acknowledged as number %d; want %d", ack.Seq, h.records+1)
		}
	}
	m.added(t, h, p, err, record.Overhead+len(rec.Key)+len(rec.Value), rec)
}

// fullKey draws one that is not empty.
func (m *model) fullKey(t *rapid.T) []byte {
	if k := m.key(t); len(k) > 0 {
		return k
	}
	return []byte("a")
}

func (m *model) delete(t *rapid.T, h *modelHandle) {
	rec := &journal.Record{Kind: journal.KindDelete, Key: m.fullKey(t)}
	p, err := h.j.Delete(rec.Key)
	m.added(t, h, p, err, record.Overhead+len(rec.Key), rec)
}

func (m *model) batch(t *rapid.T, h *modelHandle) {
	var b journal.Batch
	var recs []*journal.Record
	unit := record.Overhead + record.BatchHeaderSize
	for range rapid.IntRange(1, 9).Draw(t, "entries") {
		rec := &journal.Record{Kind: journal.KindDelete}
		if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
			rec.Key = m.fullKey(t)
			b.Delete(rec.Key)
		} else {
			rec.Kind, rec.Key, rec.Value = journal.KindData, m.key(t), m.value(t)
			b.Put(rec.Key, rec.Value)
		}
		unit += record.EntryHeaderSize + len(rec.Key) + len(rec.Value)
		recs = append(recs, rec)
	}
	var p journal.Position
	var err error
	if rapid.IntRange(0, 9).Draw(t, "way") > 0 {
		p, err = h.j.AppendBatch(&b)
	} else {
		p, err = h.j.AppendBatchSync(&b)
	}
	m.added(t, h, p, err, unit, recs...)
}

// refused tries what must fail and add no record. A segment that is full already
// may get its successor by it.
func (m *model) refused(t *rapid.T, h *modelHandle) {
	var empty, bad, good journal.Batch
	bad.Put([]byte("a"), nil)
	bad.Delete(nil)
	good.Put([]byte("a"), nil)
	for _, try := range []struct {
		err, want error
	}{
		{second(h.j.Append(make([]byte, 1<<16), nil)), journal.ErrTooLarge},
		{second(h.j.Delete(nil)), journal.ErrEmptyKey},
		{second(h.j.AppendBatch(&empty)), journal.ErrEmptyBatch},
		{second(h.j.AppendBatch(&bad)), journal.ErrEmptyKey},
	} {
		if !errors.Is(try.err, try.want) && (h.writes || !errors.Is(try.err, journal.ErrReadOnly)) {
			t.Fatalf("%v; want %v", try.err, try.want)
		}
	}
	if h.writes {
		return
	}
	for _, err := range []error{
		second(h.j.Append([]byte("a"), nil)), second(h.j.Delete([]byte("a"))), second(h.j.AppendBatch(&good)),
		h.j.Prune(journal.FirstPosition(m.last + 1)),
	} {
		if !errors.Is(err, journal.ErrReadOnly) {
			t.Fatalf("writing to a handle that only reads: %v", err)
		}
	}
}

func (m *model) sync(t *rapid.T, h *modelHandle) {
	if err := h.j.Sync(); err != nil {
		t.Fatal(err)
	}
}

func (m *model) prune(t *rapid.T, h *modelHandle) {
	p := m.place(t)
	if err := h.j.Prune(p); err != nil {
		t.Fatal(err)
	}
	m.pruned(t, h, p.Segment, p.Segment)
}

// pruned takes note that h has removed segments: all below least, and none from
// most on, apart from the newest, which is never removed.
func (m *model) pruned(t *rapid.T, h *modelHandle, least, most uint64) {
	before := m.live()
	oldest, newest, err := h.j.SegmentRange()
	least, most = max(m.oldest, min(least, m.last)), max(m.oldest, min(most, newest))
	if err != nil || oldest < least || oldest > most {
		t.Fatalf("pruning segments %d to %d leaves %d to %d, %v; want %d to %d as the oldest one",
			m.oldest, m.last, oldest, newest, err, least, most)
	}
	for ; m.oldest < oldest; m.oldest++ {
		delete(h.touched, m.oldest) // who removes a segment closes it
		m.made.prunes++
	}
	m.made.pruned += m.live() - before
}

// live is the index of the oldest record that was not pruned.
func (m *model) live() int { return m.from(journal.Position{Segment: m.oldest}) }

// from is the index of the first record that is not in front of p.
func (m *model) from(p journal.Position) int {
	return sort.Search(len(m.recs), func(i int) bool { return !m.recs[i].Position.Before(p) })
}

// place draws a position: of a record, pruned or not, of what follows one,
// inside one, of a segment, or where nothing is.
func (m *model) place(t *rapid.T) journal.Position {
	kind := rapid.IntRange(0, 9).Draw(t, "kind of position")
	p := journal.Position{Segment: m.oldest, Offset: journal.FirstPosition(1).Offset}
	if n := len(m.recs); n > 0 {
		// The newest ones are where most of what is interesting happens.
		back := rapid.IntRange(0, rapid.SampledFrom([]int{3, 30, n}).Draw(t, "of the last")).Draw(t, "record")
		rec := m.recs[max(0, n-1-back)]
		if p = rec.Position; kind >= 3 && kind < 5 {
			return rec.Next
		}
	}
	switch kind {
	case 5: // there is no segment 0; an offset in it is in front of all records
		return journal.Position{Offset: rapid.SampledFrom([]int64{0, 0, 0, 9000}).Draw(t, "offset")}
	case 6:
		p.Offset += rapid.Int64Range(-100, 10_000).Draw(t, "off by")
	case 7:
		p.Index += rapid.IntRange(-1, 3).Draw(t, "index off by")
	case 8:
		p = journal.FirstPosition(p.Segment)
	case 9:
		p = journal.Position{Segment: m.last + rapid.Uint64Range(0, 2).Draw(t, "beyond"), Offset: rapid.Int64Range(-1, 5<<20).Draw(t, "offset")}
	}
	return p
}

// differs says how got is not the record of the model, or nothing.
func (m *model) differs(got journal.Record, want *journal.Record) string {
	if want.Time.IsZero() {
		want.Time = got.Time // by this it is known
	}
	if got.Position != want.Position || got.Next != want.Next || got.Writer != want.Writer || got.Seq != want.Seq ||
		got.Kind != want.Kind || !got.Time.Equal(want.Time) {
		return fmt.Sprintf("record %v next %v of %d:%d kind %v at %v; want %v next %v of %d:%d kind %v at %v",
			got.Position, got.Next, got.Writer, got.Seq, got.Kind, got.Time,
			want.Position, want.Next, want.Writer, want.Seq, want.Kind, want.Time)
	}
	if !bytes.Equal(got.Key, want.Key) || !bytes.Equal(got.Value, want.Value) {
		return fmt.Sprintf("record %v has key %.30q and value %.30q of %d bytes; want %.30q and %.30q of %d",
			got.Position, got.Key, got.Value, len(got.Value), want.Key, want.Value, len(want.Value))
	}
	return ""
}

// same fails unless seq hands out want. Those that maybe says may be left out.
func (m *model) same(t *rapid.T, seq iter.Seq2[journal.Record, error], want []*journal.Record, maybe func(*journal.Record) bool) {
	for got, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		for len(want) > 0 && want[0].Position != got.Position && maybe != nil && maybe(want[0]) {
			want = want[1:]
		}
		if len(want) == 0 {
			t.Fatalf("record %v comes where nothing should", got.Position)
		}
		if d := m.differs(got, want[0]); d != "" {
			t.Fatal(d)
		}
		want = want[1:]
	}
	for _, rec := range want {
		if maybe == nil || !maybe(rec) {
			t.Fatalf("record %v does not come", rec.Position)
		}
	}
}

// lingers reports whether h may still have a record in reach that was pruned.
func (m *model) lingers(h *modelHandle) func(*journal.Record) bool {
	return func(rec *journal.Record) bool {
		return rec.Position.Segment < m.oldest && h.touched[rec.Position.Segment]
	}
}

func (m *model) get(t *rapid.T, h *modelHandle) {
	key := m.key(t)
	rec, err := h.j.Get(key)
	var want *journal.Record
	if i, ok := m.newest[string(key)]; ok && m.recs[i].Kind == journal.KindData {
		if want = m.recs[i]; want.Position.Segment < m.oldest && (err != nil || !h.touched[want.Position.Segment]) {
			want = nil
		}
	}
	if want == nil {
		if !errors.Is(err, journal.ErrNotFound) {
			t.Fatalf("Get(%.30q): %v, %v; want ErrNotFound", key, rec.Position, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Get(%.30q): %v; want the record at %v", key, err, want.Position)
	}
	if d := m.differs(rec, want); d != "" {
		t.Fatalf("Get(%.30q): %s", key, d)
	}
	h.touched[rec.Position.Segment] = true
}

// keyed returns the newest record of each key that fits, in the order of keys,
// of those that h can have.
func (m *model) keyed(h *modelHandle, fits func(key string) bool) []*journal.Record {
	var found []*journal.Record
	for key, i := range m.newest {
		rec := m.recs[i]
		if rec.Kind == journal.KindData && fits(key) && (rec.Position.Segment >= m.oldest || h.touched[rec.Position.Segment]) {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, func(a, b *journal.Record) int { return bytes.Compare(a.Key, b.Key) })
	return found
}

func (m *model) ranged(t *rapid.T, h *modelHandle) {
	lo, hi := m.bound(t, "lo"), m.bound(t, "hi")
	want := m.keyed(h, func(key string) bool { return key >= string(lo) && (hi == nil || key < string(hi)) })
	m.same(t, h.j.Range(lo, hi), want, m.lingers(h))
	for _, rec := range want {
		h.touched[rec.Position.Segment] = true
	}
}

func (m *model) prefix(t *rapid.T, h *modelHandle) {
	p := m.key(t)
	want := m.keyed(h, func(key string) bool { return strings.HasPrefix(key, string(p)) })
	m.same(t, h.j.Prefix(p), want, m.lingers(h))
	for _, rec := range want {
		h.touched[rec.Position.Segment] = true
	}
}

func (m *model) count(t *rapid.T, h *modelHandle) {
	lo, hi := m.bound(t, "lo"), m.bound(t, "hi")
	want := 0
	for key, i := range m.newest {
		rec := m.recs[i]
		if rec.Kind == journal.KindData && rec.Position.Segment >= m.oldest && key >= string(lo) && (hi == nil || key < string(hi)) {
			want++
		}
	}
	if got, err := h.j.Count(lo, hi); err != nil || got != want {
		t.Fatalf("Count(%.30q, %.30q) = %d, %v; want %d", lo, hi, got, err, want)
	}
}

func (m *model) history(t *rapid.T, h *modelHandle) {
	key := m.fullKey(t)
	var want []*journal.Record
	for _, rec := range slices.Backward(m.recs) {
		if bytes.Equal(rec.Key, key) && (rec.Position.Segment >= m.oldest || h.touched[rec.Position.Segment]) {
			want = append(want, rec)
		}
	}
	m.same(t, h.j.History(key), want, m.lingers(h))
	for _, rec := range want {
		h.touched[rec.Position.Segment] = true
	}
}

func (m *model) retain(t *rapid.T, h *modelHandle) {
	n := rapid.IntRange(1, 8).Draw(t, "segments")
	needed := m.place(t)
	_, err := h.j.Retain(journal.Retention{MaxSegments: n, Keep: func() (journal.Position, error) { return needed, nil }})
	if err != nil {
		t.Fatal(err)
	}
	most := m.last // more: see look
	if needed.Segment < most {
		most = needed.Segment
	}
	m.pruned(t, h, min(needed.Segment, m.last-min(m.last, uint64(n))), most)
}

func (m *model) seek(t *rapid.T, h *modelHandle) {
	m.same(t, h.j.Records(journal.Position{}), m.recs[m.live():], nil) // now all times are known
	live := m.recs[m.live():]
	if len(live) == 0 {
		return
	}
	at := live[rapid.IntRange(0, len(live)-1).Draw(t, "record")].Time.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "off by")))
	got, err := h.j.Seek(at)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(live, func(rec *journal.Record) bool { return !rec.Time.Before(at) })
	if i < 0 {
		m.same(t, h.j.Records(got), nil, nil)
	} else if got != live[i].Position {
		t.Fatalf("Seek(%v) = %v; want %v", at, got, live[i].Position)
	}
}

func (m *model) scan(t *rapid.T, h *modelHandle) {
	opts := journal.ScanOptions{
		From: m.place(t), To: m.place(t),
		Reverse: rapid.Bool().Draw(t, "reverse"), Reuse: rapid.Bool().Draw(t, "reuse"),
	}
	if opts.From.Segment < m.oldest {
		opts.From = journal.Position{} // what comes of others, records checks
	}
	to := len(m.recs)
	if !opts.To.IsZero() {
		to = m.from(opts.To)
	}
	from := max(m.live(), m.from(opts.From))
	want := slices.Clone(m.recs[min(from, to):to])
	if opts.Reverse {
		slices.Reverse(want)
	}
	seq := h.j.Scan(opts)
	if len(want) > 0 && rapid.Bool().Draw(t, "in part") {
		n := rapid.IntRange(1, len(want)).Draw(t, "records")
		want, seq = want[:n], firstOf(seq, n)
	}
	m.same(t, seq, want, nil)
}

// after hands out what seq does behind the error that a pruned position gets.
func (m *model) after(t *rapid.T, seq iter.Seq2[journal.Record, error], from journal.Position) iter.Seq2[journal.Record, error] {
	if from.Segment == 0 || from.Segment >= m.oldest {
		return seq
	}
	return func(yield func(journal.Record, error) bool) {
		first := true
		for rec, err := range seq {
			if !first && !yield(rec, err) {
				return
			}
			if first {
				m.gone(t, err, from)
			}
			first = false
		}
		if first {
			t.Fatalf("nothing says that %v was pruned", from)
		}
	}
}

// gone checks the error of a reader whose next segment was pruned.
func (m *model) gone(t *rapid.T, err error, from journal.Position) {
	var gone *journal.GoneError
	if !errors.Is(err, journal.ErrPruned) || !errors.As(err, &gone) {
		t.Fatalf("reading from %v, which was pruned: %v", from, err)
	}
	if gone.Oldest != journal.FirstPosition(m.oldest) || gone.From.Segment < from.Segment || gone.From.Segment >= m.oldest {
		t.Fatalf("reading from %v: gone from %v to %v; want to %v", from, gone.From, gone.Oldest, journal.FirstPosition(m.oldest))
	}
}

func (m *model) records(t *rapid.T, h *modelHandle) {
	from := m.place(t)
	want := m.recs[max(m.live(), m.from(from)):]
	seq := m.after(t, h.j.Records(from), from)
	if len(want) > 0 && rapid.IntRange(0, 3).Draw(t, "to the end") > 0 {
		n := rapid.IntRange(1, min(len(want), 10)).Draw(t, "records")
		want, seq = want[:n], firstOf(seq, n)
	}
	m.same(t, seq, want, nil)
}

// firstOf leaves the loop over seq after n.
func firstOf(seq iter.Seq2[journal.Record, error], n int) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		left := n
		for rec, err := range seq {
			if left--; !yield(rec, err) || left == 0 {
				return
			}
		}
	}
}

// everything reads all there is, in both orders.
func (m *model) everything(t *rapid.T, h *modelHandle) {
	m.same(t, h.j.Records(journal.Position{}), m.recs[m.live():], nil)
	want := m.keyed(h, func(string) bool { return true })
	m.same(t, h.j.Range(nil, nil), want, m.lingers(h))
	for _, rec := range want {
		h.touched[rec.Position.Segment] = true
	}
}

func (m *model) readAt(t *rapid.T, h *modelHandle) {
	p := m.place(t)
	var want *journal.Record
	why := journal.ErrNoRecord
	i := m.from(p)
	switch {
	case p.IsZero():
		if live := m.live(); live < len(m.recs) {
			want = m.recs[live]
		}
	case i < len(m.recs) && m.recs[i].Position == p:
		want = m.recs[i]
	}
	got, err := h.j.ReadAt(p)
	if !p.IsZero() && p.Segment < m.oldest && (err != nil || !h.touched[p.Segment]) {
		if want, why = nil, journal.ErrPruned; h.touched[p.Segment] && errors.Is(err, journal.ErrNoRecord) {
			return // it looked into what it has open
		}
	}
	if !p.IsZero() && p.Segment <= m.last && p.Segment >= m.oldest {
		h.touched[p.Segment] = true
	}
	if want == nil {
		if !errors.Is(err, why) {
			t.Fatalf("ReadAt(%v): %v, %v; want %v", p, got.Position, err, why)
		}
		return
	}
	if err != nil {
		t.Fatalf("ReadAt(%v): %v", p, err)
	}
	if d := m.differs(got, want); d != "" {
		t.Fatalf("ReadAt(%v): %s", p, d)
	}
}

// follow takes some of the records that are there and cancels in the loop, or
// leaves it.
func (m *model) follow(t *rapid.T, h *modelHandle) {
	from := m.place(t)
	want := m.recs[max(m.live(), m.from(from)):]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if len(want) == 0 { // it would wait for ever
		cancel()
		m.same(t, h.j.Follow(ctx, from), nil, nil)
		return
	}
	n := rapid.IntRange(1, min(len(want), 20)).Draw(t, "records")
	seq := m.after(t, h.j.Follow(ctx, from), from)
	if rapid.Bool().Draw(t, "cancel") {
		m.same(t, func(yield func(journal.Record, error) bool) {
			left := n
			for rec, err := range seq {
				if left--; left == 0 {
					cancel()
				}
				if !yield(rec, err) {
					return
				}
			}
		}, want[:n], nil)
		return
	}
	m.same(t, firstOf(seq, n), want[:n], nil)
}

// modelFollower is a Follow that goes on from step to step, while others append,
// roll and prune.
type modelFollower struct {
	h    *modelHandle
	next func() (journal.Record, error, bool)
	stop func()
	at   journal.Position // where it is
	open uint64           // the segment it is in, 0 if it is in none
}

const maxFollowers = 4

func (m *model) beginToFollow(t *rapid.T, h *modelHandle) {
	if len(m.followers) == maxFollowers {
		m.followers[0].stop()
		m.followers = m.followers[1:]
	}
	from := m.place(t)
	if m.from(from) == len(m.recs) && len(m.recs) > 0 {
		// What was handed out, or where a segment will begin: where in a record to
		// come a position is, only somebody who knows the future could say.
		if from = m.recs[len(m.recs)-1].Next; rapid.Bool().Draw(t, "segment to come") {
			from = journal.FirstPosition(m.last + 1)
		}
	}
	f := &modelFollower{h: h, at: from}
	if from.Segment == 0 {
		// The oldest record there is when it begins, which is now known to the
		// model and later to the follower.
		from = journal.FirstPosition(m.oldest)
		f.at = from
	}
	ctx, cancel := context.WithCancel(context.Background())
	next, stop := iter.Pull2(h.j.Follow(ctx, from))
	f.next, f.stop = next, func() { cancel(); stop() }
	m.followers = append(m.followers, f)
}

// followOn takes the next record of a follower, if there is one.
func (m *model) followOn(t *rapid.T, _ *modelHandle) {
	if len(m.followers) == 0 {
		return
	}
	f := m.followers[rapid.IntRange(0, len(m.followers)-1).Draw(t, "follower")]
	for range rapid.IntRange(1, 5).Draw(t, "records") {
		if max(m.live(), m.from(f.at)) == len(m.recs) {
			return // it would wait for ever
		}
		m.followOne(t, f)
	}
}

func (m *model) followOne(t *rapid.T, f *modelFollower) {
	got, err, ok := f.next()
	if !ok {
		t.Fatal("a follower ended")
	}
	want := m.recs[m.from(f.at)]
	// A follower goes on to the end of the segment it is in, and into the next,
	// whatever is pruned. Else it has to be told.
	stays := f.open != 0 && want.Position.Segment == f.open
	if f.at.Segment < m.oldest && !stays && (f.open == 0 || f.open+1 < m.oldest) {
		m.gone(t, err, f.at)
		f.at, f.open = journal.FirstPosition(m.oldest), 0
		if got, err, ok = f.next(); !ok {
			t.Fatal("a follower ended")
		}
		want = m.recs[m.from(f.at)]
	}
	if err != nil {
		t.Fatalf("following from %v in segment %d: %v", f.at, f.open, err)
	}
	if d := m.differs(got, want); d != "" {
		t.Fatalf("following from %v in segment %d: %s", f.at, f.open, d)
	}
	f.at, f.open = got.Next, got.Position.Segment
}

func (m *model) segments(t *rapid.T, h *modelHandle) {
	infos, err := h.j.Segments()
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(infos)) < m.last-m.oldest+1 { // more: see look
		t.Fatalf("%d segments; want %d to %d", len(infos), m.oldest, m.last)
	}
	recs := m.recs[m.live():]
	for i, info := range infos {
		n := m.oldest + uint64(i)
		if info.Number != n || info.Sealed != (i < len(infos)-1) {
			t.Fatalf("segment %+v is one of %d; want number %d, and all but the last sealed", info, len(infos), n)
		}
		st, err := os.Stat(filepath.Join(m.dir, info.Name))
		if err != nil || st.Size() != info.Size {
			t.Fatalf("segment %+v: %v", info, err)
		}
		for ; len(recs) > 0 && recs[0].Position.Segment == n; recs = recs[1:] {
			if p := recs[0].Position; p.Offset >= info.Limit || recs[0].Next.Offset > info.Size {
				t.Fatalf("segment %+v has a record from %v to %v", info, p, recs[0].Next)
			}
		}
	}
}

func (m *model) verify(t *rapid.T, _ *modelHandle) { m.verifyDir(t, m.dir, m.oldest, m.last) }

// verifyDir holds the report about dir, with segments first to last, against
// the records that there are.
func (m *model) verifyDir(t *rapid.T, dir string, first, last uint64) {
	r, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	type count struct{ records, deletes, payload uint64 }
	var want count
	writers := make(map[uint64]journal.WriterReport)
	for _, rec := range m.recs[m.live():] {
		want.records++
		want.payload += uint64(len(rec.Key) + len(rec.Value))
		if rec.Kind == journal.KindDelete {
			want.deletes++
		}
		w, ok := writers[rec.Writer]
		if !ok {
			w = journal.WriterReport{ID: rec.Writer, First: rec.Seq}
		}
		w.Records++
		w.Last = rec.Seq
		writers[rec.Writer] = w
	}
	if got := (count{r.Records, r.Deletes, uint64(r.Payload)}); got != want {
		t.Fatalf("Verify counts %+v; want %+v", got, want)
	}
	// A handle that recovers in the background may have sealed the last segment, and
	// not made the next one yet.
	if r.Corrupt() || r.Missing() != 0 || r.Unknown != 0 || r.Pending != 0 && len(m.handles) == 0 {
		t.Fatalf("Verify finds damage: %+v", r)
	}
	for class, c := range r.Classes {
		if c.Count > 0 && class != journal.Void && class != journal.Unused {
			t.Fatalf("Verify finds %d times %v: %+v", c.Count, class, r.Damage)
		}
	}
	if r.First != first || r.Last < last || uint64(r.Segments) != r.Last-first+1 { // more: see look
		t.Fatalf("Verify finds %d segments, %d to %d; want %d to %d", r.Segments, r.First, r.Last, first, last)
	}
	if len(r.Writers) != len(writers) {
		t.Fatalf("Verify finds %d writers; want %d", len(r.Writers), len(writers))
	}
	for _, w := range r.Writers {
		want := writers[w.ID]
		if w.First != want.First || w.Last != want.Last || w.Records != want.Records || w.Missing != 0 || w.Repeated != 0 {
			t.Fatalf("Verify says %+v; want %+v", w, want)
		}
	}
}

func (m *model) snapshot(t *rapid.T, h *modelHandle) {
	path := filepath.Join(filepath.Dir(m.dir), "snapshot")
	if rapid.Bool().Draw(t, "directory exists") {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.j.Snapshot(path); err != nil {
		t.Fatal(err)
	}
	if err := h.j.Snapshot(path); !errors.Is(err, os.ErrExist) {
		t.Fatalf("a second snapshot at the same place: %v", err)
	}
	s, err := journal.Open(path, journal.Options{ReadOnly: rapid.Bool().Draw(t, "read only")})
	if err != nil {
		t.Fatal(err)
	}
	if s.UUID() != h.j.UUID() {
		t.Fatal("the snapshot is of another journal")
	}
	m.same(t, s.Records(journal.Position{}), m.recs[m.live():], nil)
	first, last, err := s.SegmentRange()
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	m.verifyDir(t, path, first, last)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
