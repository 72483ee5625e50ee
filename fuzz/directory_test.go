package fuzz

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/goleak"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/record"
)

// fuzzing says that the engine runs, not only the seeds.
var fuzzing bool

func TestMain(m *testing.M) {
	flag.Parse()
	fuzzing = flag.Lookup("test.fuzz").Value.String() != ""
	if fuzzing {
		os.Exit(m.Run()) // the engine has goroutines of its own
	}
	goleak.VerifyTestMain(m)
}

// patience is how long one step may take before it is taken for a hang. The
// work is bounded by a few files of some KiB.
const patience = 30 * time.Second

// FuzzDirectory runs a program (see program) and then reads and writes what is
// left of the journal. The invariants:
//
//   - no panic, no hang, and every error is of a type that says where
//   - every record handed out is one that was appended, at its place, and none
//     comes twice
//   - all records of the segments that nobody touched are handed out
//   - all ways to read agree: Records, Scan in reverse, Follow, Range, Get, ReadAt,
//     Verify, with sidecars that were made before the damage and without
//   - Verify accounts for every byte of every segment
//   - if a writer opens the journal and appends, that record is read, and every
//     record that was read before
func FuzzDirectory(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		p := &program{input}
		b := newBench(t)
		b.build(p)
		if len(input)%2 == 0 {
			b.index()
		}
		b.ruin(p)
		before, ok := b.read()
		if ok {
			b.write(before)
		}
	})
}

// build is a program that makes some four segments of records of every kind.
func build(more ...byte) []byte {
	var p []byte
	for i := range byte(14) {
		p = append(p, opAppendLarge, i, 200, opAppend, i, 10)
		switch i % 5 {
		case 1:
			p = append(p, opBatch, 0x57)
		case 2:
			p = append(p, opDelete, i)
		case 3:
			p = append(p, opSwitch)
		case 4:
			p = append(p, opAppendNested, i, 100)
		}
	}
	return append(append(p, opRuin), more...)
}

// seeds has a program for each way to ruin a journal, of the first, a middle
// and the last segment, and some combinations that are worse than their parts.
func seeds() [][]byte {
	all := [][]byte{
		nil,
		{opAppend, 1, 10},
		build(),
		append([]byte{opReopen, 9, opAppend, 1, 10, opPrune, 0, opRemoveControl, opAppend, 2, 20}, build()...),
		append([]byte{opAppend, 1, 10, opSwitch, opAppend, 1, 10, opRemoveControl, opReopen, 2}, build()...),
	}
	for _, n := range []byte{0, 1, 2, 3} {
		for _, op := range []byte{opFlip, opZero, opTruncate, opGarbage, opSplice} {
			for _, at := range []byte{0x00, 0x10, 0x20, 0x21, 0x28, 0x2F} {
				all = append(all, build(op, n, n+1, at, 0x33, 77))
			}
		}
		for pages := range byte(4) {
			all = append(all, build(opHeader, n, 0, 0, 0, pages))
		}
		for _, op := range []byte{opRemove, opCopy, opRename, opStranger, opObstacle} {
			all = append(all, build(op, n, 4), build(op, n, 2), build(op, n, 255), build(op, n, 3))
		}
		all = append(all, build(opNewer, n, 0, 0, 0, 0))
		// Neighbours that would make up for each other.
		all = append(all, build(opHeader, n, 0, 0, 0, 3, opHeader, n+1, 0, 0, 0, 3))
		all = append(all, build(opHeader, n, 0, 0, 0, 3, opID, 1, opControl, 0))
		all = append(all, build(opRemove, n, 3, opControl, byte(n)))
	}
	for v := range byte(5) {
		all = append(all, build(opID, v), build(opControl, v), build(opID, v, opControl, v), build(opID, v, opStranger, 3, 4))
	}
	return append(all, build(opID, 128, opControl, 128, opRemove, 3, 0, opRemove, 0, 0))
}

// typed fails the test unless err is one of the errors that callers can tell
// apart and that say where they happened.
func (b *bench) typed(what string, err error) {
	b.t.Helper()
	var located *journal.Error
	if !errors.As(err, &located) && !errors.Is(err, journal.ErrNotFound) {
		b.t.Errorf("%s: %v (%T) does not say where", what, err, err)
	}
	if errors.Is(err, journal.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		b.t.Errorf("%s hangs: %v", what, err)
	}
}

// read reads the journal in every way there is. ok is false if it cannot be
// opened at all.
func (b *bench) read() (delivered []journal.Record, ok bool) {
	b.t.Helper()
	j, err := journal.Open(b.dir, journal.Options{ReadOnly: true})
	if err != nil {
		b.typed("open", err)
		if !b.idTouched {
			b.t.Errorf("open with a good journal.id: %v", err)
		}
		if _, verr := journal.Verify(b.t.Context(), b.dir, journal.VerifyOptions{}); verr == nil {
			b.t.Errorf("Verify opens what Open does not: %v", err)
		}
		return nil, len(b.segments()) == 0 || errors.Is(err, journal.ErrNotJournal)
	}
	defer func() { b.must(j.Close()) }()
	delivered, errs := b.records1(j)
	b.appendedOnce(delivered)
	b.untouched(delivered, errs)
	b.follow(j, delivered, errs)
	b.lookUp(j, delivered, errs)
	b.backwards(j, delivered, errs)
	b.verify(delivered, errs)
	return delivered, true
}

// records1 is what one loop over Records gives.
func (b *bench) records1(j *journal.Journal) (recs []journal.Record, errs []error) {
	b.t.Helper()
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			b.typed("Records", err)
			if errs = append(errs, err); len(errs) > 1000 {
				b.t.Fatalf("Records comes to no end: %v", err)
			}
			continue
		}
		if recs = append(recs, rec); len(recs) > 2*len(b.records)+1000 {
			b.t.Fatal("Records comes to no end")
		}
	}
	return recs, errs
}

// appendedOnce: every record is one that was appended, none comes twice, and
// they come in the order of their positions.
func (b *bench) appendedOnce(delivered []journal.Record) {
	b.t.Helper()
	seen := make(map[string]bool)
	var last journal.Position
	for _, rec := range delivered {
		if !last.Before(rec.Position) || !rec.Position.Before(rec.Next) {
			b.t.Errorf("%v, which ends at %v, comes behind %v", rec.Position, rec.Next, last)
		}
		last = rec.Position
		id := recordID(rec.Kind, rec.Key, rec.Value, rec.Position)
		want := b.records[id]
		if want == nil && b.idTouched && b.strangers {
			continue // nothing is left that says whose journal this is
		}
		if b.void(rec) {
			continue
		}
		if want == nil {
			b.t.Errorf("%v: %.60q was never appended", rec.Position, id)
			continue
		}
		if seen[id] {
			b.t.Errorf("%v: %.60q comes twice", rec.Position, id)
		}
		seen[id] = true
		if !bytes.Equal(rec.Key, want.Key) || rec.Kind != want.Kind || rec.Writer != want.Writer ||
			want.acknowledged && (rec.Seq != want.Seq || rec.Position != want.Position) {
			b.t.Errorf("got %v %v %x %d %q, appended %v %v %x %d %q", rec.Position, rec.Kind, rec.Writer, rec.Seq, rec.Key,
				want.Position, want.Kind, want.Writer, want.Seq, want.Key)
		}
	}
}

// void reports whether a record stands behind the limit that its segment had.
// It may be handed out only if nobody can know that limit any more.
func (b *bench) void(rec journal.Record) bool {
	b.t.Helper()
	limit := b.limits[rec.Position.Segment]
	if limit == 0 || rec.Position.Offset < limit {
		return false
	}
	if !b.touched[rec.Position.Segment] {
		b.t.Errorf("%v: a void record is handed out; the limit is %d", rec.Position, limit)
	}
	return true
}

// untouched: what nobody has ruined is read.
func (b *bench) untouched(delivered []journal.Record, errs []error) {
	b.t.Helper()
	if b.idTouched && b.strangers || b.obstacles || ends(errs) {
		if ends(errs) && !b.obstacles && !errors.Is(errs[len(errs)-1], journal.ErrVersion) {
			b.t.Errorf("reading ends with %v", errs[len(errs)-1])
		}
		return
	}
	have := make(map[string]bool)
	for _, rec := range delivered {
		have[recordID(rec.Kind, rec.Key, rec.Value, rec.Position)] = true
	}
	for id, rec := range b.records {
		if rec.acknowledged && !b.touched[rec.Position.Segment] && !have[id] {
			b.t.Errorf("%v: %.60q is lost, and nobody has touched its segment; errors %v", rec.Position, id, errs)
		}
	}
}

// ends reports whether the last error is one after which nothing more comes.
func ends(errs []error) bool {
	if len(errs) == 0 {
		return false
	}
	last := errs[len(errs)-1]
	return !errors.Is(last, journal.ErrMissing) && !errors.Is(last, journal.ErrPruned) && !errors.Is(last, journal.ErrForeign)
}

// follow: a follower gets the same records and the same errors.
func (b *bench) follow(j *journal.Journal, delivered []journal.Record, errs []error) {
	b.t.Helper()
	n := len(delivered) + len(errs)
	if n == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var got []journal.Record
	failed := 0
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err == nil {
			got = append(got, rec)
		} else {
			failed++
		}
		if n--; n == 0 {
			break
		}
	}
	if ctx.Err() != nil {
		b.t.Errorf("Follow gives %d records and %d errors; want %d and %d", len(got), failed, len(delivered), len(errs))
		return
	}
	if failed != len(errs) || !slices.EqualFunc(got, delivered, sameRecord) {
		b.t.Errorf("Follow gives %d records and %d errors, or others than Records; want %d and %d", len(got), failed, len(delivered), len(errs))
	}
}

func sameRecord(a, b journal.Record) bool {
	return a.Position == b.Position && a.Next == b.Next && a.Kind == b.Kind && a.Writer == b.Writer && a.Seq == b.Seq &&
		bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Time.Equal(b.Time)
}

// lookUp: Get, Range and ReadAt agree with Records.
func (b *bench) lookUp(j *journal.Journal, delivered []journal.Record, errs []error) {
	b.t.Helper()
	newest := make(map[string]journal.Record)
	for _, rec := range delivered {
		if len(rec.Key) > 0 {
			newest[string(rec.Key)] = rec
		}
		if got, err := j.ReadAt(rec.Position); err != nil || !sameRecord(got, rec) {
			b.t.Errorf("ReadAt(%v): %v, %v", rec.Position, got.Position, err)
		}
		// Between two records there is none, or one that a batch has inside.
		at := rec.Position
		at.Offset++
		if got, err := j.ReadAt(at); err == nil {
			b.t.Errorf("ReadAt(%v): %v", at, got)
		} else {
			b.typed("ReadAt", err)
		}
	}
	if ends(errs) {
		// A sidecar may have it, and nobody has looked into its segment then.
		if _, err := j.Get([]byte("a")); err != nil {
			b.typed("Get", err)
		}
		return
	}
	var want []journal.Record
	for key, rec := range newest {
		got, err := j.Get([]byte(key))
		if rec.Kind == journal.KindDelete {
			if !errors.Is(err, journal.ErrNotFound) {
				b.t.Errorf("Get(%q): %v, %v; it was deleted at %v", key, got.Position, err, rec.Position)
			}
			continue
		}
		if want = append(want, rec); err != nil || !sameRecord(got, rec) {
			b.t.Errorf("Get(%q): %v, %v; want %v", key, got.Position, err, rec.Position)
		}
	}
	slices.SortFunc(want, func(a, b journal.Record) int { return bytes.Compare(a.Key, b.Key) })
	var got []journal.Record
	for rec, err := range j.Range(nil, nil) {
		b.must(err)
		got = append(got, rec)
	}
	if !slices.EqualFunc(got, want, sameRecord) {
		b.t.Errorf("Range gives %d records, want %d", len(got), len(want))
	}
}

// index leaves sidecars, which must not make a difference whatever becomes of the
// segments.
func (b *bench) index() {
	b.t.Helper()
	if len(b.segments()) == 0 {
		return
	}
	j, err := journal.Open(b.dir, options(0))
	b.must(err)
	if _, err := j.Get([]byte("nobody's key")); !errors.Is(err, journal.ErrNotFound) {
		b.t.Errorf("Get of what is not there: %v", err)
	}
	b.must(j.Close())
}

// backwards: the same records, from the end.
func (b *bench) backwards(j *journal.Journal, delivered []journal.Record, errs []error) {
	b.t.Helper()
	if ends(errs) {
		return // something else comes first from there
	}
	var got []journal.Record
	for rec, err := range j.Scan(journal.ScanOptions{Reverse: true}) {
		if err != nil {
			b.typed("Scan in reverse", err)
			continue
		}
		if got = append(got, rec); len(got) > len(delivered) {
			break
		}
	}
	slices.Reverse(got)
	if !slices.EqualFunc(got, delivered, sameRecord) {
		b.t.Errorf("Scan in reverse gives %d records, or others than Records; want %d", len(got), len(delivered))
	}
}

// stretch is a part of a segment that Verify has said something about.
type stretch struct{ from, to int64 }

// verify: the report agrees with what was read, and accounts for every byte.
func (b *bench) verify(delivered []journal.Record, errs []error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	parts := make(map[uint64][]stretch)
	report, err := journal.Verify(ctx, b.dir, journal.VerifyOptions{OnDamage: func(d journal.Damage) {
		parts[d.From.Segment] = append(parts[d.From.Segment], stretch{d.From.Offset, d.To.Offset})
	}})
	if err != nil {
		b.typed("Verify", err)
	}
	if (err != nil) != ends(errs) || len(report.Problems) != len(errs) {
		b.t.Errorf("Verify: %v, problems %v; Records has errors %v", err, report.Problems, errs)
	}
	if report.Records != uint64(len(delivered)) {
		b.t.Errorf("Verify counts %d records, Records gives %d", report.Records, len(delivered))
	}
	if err != nil {
		return
	}
	// A batch is one stretch, from its first entry to the end of its last one.
	for _, rec := range delivered {
		n, at := rec.Position.Segment, stretch{rec.Position.Offset, rec.Next.Offset}
		if s := parts[n]; len(s) > 0 && rec.Position.Index > 0 && s[len(s)-1].from == at.from {
			s[len(s)-1] = at
			continue
		}
		parts[n] = append(parts[n], at)
	}
	skipped := make(map[uint64]bool)
	for _, err := range report.Problems {
		var located *journal.Error
		if errors.As(err, &located) {
			skipped[located.Segment] = true
		}
	}
	for _, n := range b.segments() {
		if !skipped[n] {
			b.account(n, parts[n], &report)
		}
	}
}

// account: the parts of segment n follow each other without a gap, from the end
// of the header to the end of the file, or to where it is pending. Damage that
// is known to be such although nothing follows it lies behind the report's end.
func (b *bench) account(n uint64, parts []stretch, report *journal.Report) {
	b.t.Helper()
	slices.SortFunc(parts, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	st, err := os.Stat(b.path(n))
	b.must(err)
	first := journal.FirstPosition(n).Offset
	end := first
	for _, s := range parts {
		switch {
		case s.to <= first: // a page of the header
			if s.to-s.from != 4096 {
				b.t.Errorf("segment %d: damage [%d, %d) of the header", n, s.from, s.to)
			}
		case s.from != b.marks(n, end, report):
			b.t.Errorf("segment %d: nothing, or too much, is said of [%d, %d)", n, min(end, s.from), max(end, s.from))
			fallthrough
		default:
			end = s.to
		}
	}
	end = b.marks(n, end, report)
	if n == report.Last && n == report.End.Segment {
		if report.End.Offset > max(end, first) || end+report.Pending != max(st.Size(), first) {
			b.t.Errorf("segment %d: accounted up to %d, pending %d, ends at %v, has %d bytes", n, end, report.Pending, report.End, st.Size())
		}
	} else if end < st.Size() {
		b.t.Errorf("segment %d: accounted up to %d of %d bytes", n, end, st.Size())
	}
}

// marks is the offset behind the marks that stand at offset end of segment n:
// they are neither delivered nor damage.
func (b *bench) marks(n uint64, end int64, report *journal.Report) int64 {
	b.t.Helper()
	content, err := os.ReadFile(b.path(n))
	b.must(err)
	f := record.NewFrame(report.UUID, n)
	for end < int64(len(content)) {
		rest := content[end:]
		h, ok := f.ParseHeader(rest)
		if !ok || h.Kind != record.KindMark || h.Size() > int64(len(rest)) || !f.Whole(&h, rest[:h.Size()]) {
			break
		}
		end += h.Size()
	}
	return end
}

// write opens the journal for writing and appends. It may refuse.
func (b *bench) write(before []journal.Record) {
	b.t.Helper()
	if fuzzing && b.unknownLimit() {
		return
	}
	j, err := journal.Open(b.dir, options(0))
	if err != nil {
		b.typed("open for writing", err)
		return
	}
	defer func() { b.must(j.Close()) }()
	var written []journal.Position
	for i := range 3 {
		v := b.value([]byte("behind the damage"))
		pos, err := j.Append([]byte("new"), v)
		rec := &appended{journal.Record{
			Position: pos, Writer: j.WriterID(), Seq: uint64(len(written)) + 1, Kind: journal.KindData, Key: []byte("new"), Value: v,
		}, err == nil}
		b.records[string(v)] = rec
		if err != nil {
			b.typed("append", err)
			continue
		}
		written = append(written, pos)
		if got, err := j.ReadAt(pos); err != nil || !bytes.Equal(got.Value, v) {
			b.t.Errorf("record %d at %v is not read back: %q, %v", i, pos, got.Value, err)
		}
	}
	if len(written) > 0 {
		if err := j.Sync(); err != nil {
			b.typed("sync", err)
		}
	}
	after, errs := b.records1(j)
	b.appendedOnce(after)
	have := make(map[journal.Position]journal.Record)
	for _, rec := range after {
		have[rec.Position] = rec
	}
	for _, rec := range before {
		if got, ok := have[rec.Position]; !ok || !bytes.Equal(got.Value, rec.Value) {
			b.t.Errorf("%v: %.60q was read before a writer came, and is not any more", rec.Position, rec.Value)
		}
	}
	for _, pos := range written {
		if _, ok := have[pos]; !ok && !ends(errs) {
			b.t.Errorf("%v was appended and is not read; errors %v", pos, errs)
		}
	}
}

// unknownLimit reports whether a segment has lost both pages of its header and
// has no neighbour to make up for that. Recovery then seals it at 64 MiB and
// copies it, which takes a hundred times as long as everything else here: the
// seeds have such journals, the engine would try little besides.
func (b *bench) unknownLimit() bool {
	b.t.Helper()
	for _, n := range b.segments() {
		if !b.hasHeader(n-1) && !b.hasHeader(n) && !b.hasHeader(n+1) {
			return true
		}
	}
	return false
}

// hasHeader reports whether segment n has a whole page of a header.
func (b *bench) hasHeader(n uint64) bool {
	content, err := os.ReadFile(b.path(n))
	if err != nil {
		return false
	}
	for ; len(content) >= 4096; content = content[4096:] {
		sum := binary.LittleEndian.Uint64(content[4088:])
		if bytes.HasPrefix(content, []byte("\x89MNYPEN\n")) && sum == xxhash.Sum64(content[:4088]) {
			return true
		}
	}
	return false
}

// TestSeedsReachEverything keeps the seeds from becoming programs of nothing.
func TestSeedsReachEverything(t *testing.T) {
	b := newBench(t)
	p := &program{build()}
	b.build(p)
	kinds := make(map[string]int)
	for _, rec := range b.records {
		kinds[fmt.Sprint(rec.Kind)]++
		if rec.Position.Index > 0 {
			kinds["in a batch"]++
		}
	}
	if len(b.segments()) < 4 || kinds["data"] < 20 || kinds["delete"] < 3 || kinds["in a batch"] < 3 {
		t.Errorf("the journal has %d segments and records %v", len(b.segments()), kinds)
	}
}
