package fuzzdir

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// Seeds returns a directory for each class of faults. They are made anew each time and
// are always the same. An error says that a seed cannot be made, which is a mistake in
// this package.
func Seeds() ([]Seed, error) {
	var all []Seed
	for _, group := range [][]fault{endings, contents, headers, others} {
		for _, f := range group {
			d := plain()
			if f.from != nil {
				d = f.from()
			}
			if f.sidecars {
				if err := d.sidecars(); err != nil {
					return nil, fmt.Errorf("seed %s: %w", f.name, err)
				}
			}
			a := d.archive()
			if f.ruin != nil {
				f.ruin(d, a)
			}
			all = append(all, Seed{f.name, a})
		}
	}
	return all, nil
}

// fault is how a seed is made: a journal, which is plain unless from makes another one,
// and what is done to its files.
type fault struct {
	name     string
	from     func() *draft
	sidecars bool
	ruin     func(d *draft, a *Archive)
}

// cut returns a ruin that shortens segment n to the given record and so many bytes.
func cut(n uint64, record, bytes int) func(*draft, *Archive) {
	return func(d *draft, a *Archive) {
		name := segmentName(n)
		a.Files[name] = a.Files[name][:d.parts[n-1].at[record]+bytes]
	}
}

// at returns the bytes of segment n from a record on.
func at(d *draft, a *Archive, n uint64, record int) []byte {
	return a.Files[segmentName(n)][d.parts[n-1].at[record]:]
}

// early is a journal whose second segment was closed before it was full, in front of
// the record that it then ends in so many bytes of.
func early(torn int) *draft {
	d := newDraft()
	d.fill(d.segment(0))
	p := d.segment(oracle.Rolled)
	d.data(p, "a", "whole")
	d.data(p, "b", "torn, unless nothing is left of it")
	p.body = p.body[:p.at[1]-oracle.HeaderSize+torn]
	p.seal()
	d.data(d.segment(0), "c", "behind a recovery")
	return d
}

// endings are about what the end of a segment lacks, or has too much.
var endings = []fault{
	{name: "plain"},
	{name: "empty-segment", from: func() *draft {
		d := newDraft()
		d.segment(0)
		return d
	}},
	{name: "truncated", ruin: cut(3, 1, 0)},
	{name: "truncated-in-a-record", ruin: cut(3, 1, 30)},
	{name: "truncated-in-the-middle", ruin: cut(2, 2, 60)},
	{name: "lost-tail", ruin: func(d *draft, a *Archive) {
		clear(at(d, a, 2, 3)) // the size was on disk, the last blocks were not
	}},
	{name: "lost-tail-of-the-last", ruin: func(d *draft, a *Archive) { clear(at(d, a, 3, 1)) }},
	{name: "lost-size", ruin: cut(1, 3, 0)},
	{name: "rolled-early", from: func() *draft { return early(0) }},
	{name: "rolled-early-torn-header", from: func() *draft { return early(20) }},
	{name: "rolled-early-torn", from: func() *draft { return early(60) }},
	{name: "rolled-early-torn-checksum", from: func() *draft { return early(oracle.Overhead + 1 + 34 - 3) }},
	{name: "void", from: func() *draft {
		d := newDraft()
		p := d.segment(0)
		d.fill(p)
		seqs := d.seqs[7]
		d.data(p, "b", "too late for its segment")
		d.seqs[7] = seqs // and again, as its writer does
		d.data(d.segment(oracle.Rolled), "b", "too late for its segment")
		return d
	}},
	{name: "beyond-the-capacity", ruin: func(d *draft, a *Archive) {
		name := segmentName(3)
		a.Files[name] = append(a.Files[name], bytes.Repeat([]byte("junk "), 400)...)
	}},
}

// contents are about what stands between the records, and in them.
var contents = []fault{
	{name: "torn-in-the-middle", ruin: func(d *draft, a *Archive) {
		b := a.Files[segmentName(2)]
		from := d.parts[1].at[1]
		a.Files[segmentName(2)] = slices.Delete(b, from+50, d.parts[1].at[2])
	}},
	{name: "flipped-bit", ruin: func(d *draft, a *Archive) { at(d, a, 1, 1)[headSize+9] ^= 4 }},
	{name: "flipped-bit-of-a-header", ruin: func(d *draft, a *Archive) { at(d, a, 1, 1)[atValueLen] ^= 4 }},
	{name: "flipped-bit-at-the-end", ruin: func(d *draft, a *Archive) { at(d, a, 3, 1)[headSize+9] ^= 4 }},
	{name: "zeroed-block", ruin: func(d *draft, a *Archive) {
		b := a.Files[segmentName(2)]
		clear(b[d.parts[1].at[1]+20 : d.parts[1].at[3]+10])
	}},
	{name: "masked", from: func() *draft {
		d := plain()
		p := d.parts[2]
		d.data(p, "marker", "a marker "+string(p.s.marker[:])+" in a value")
		return d
	}},
	{name: "record-in-a-record", from: func() *draft {
		d := plain()
		p := d.parts[2]
		d.data(p, "nested", string(p.s.encode(rec{kind: oracle.Data, writer: 7, seq: 99, key: []byte("a"), value: []byte("an attack")})))
		return d
	}, ruin: cut(3, 2, 100)},
	{name: "record-in-a-record-unmasked", ruin: func(d *draft, a *Archive) {
		// Nobody who keeps to the format writes that: the checksum is right.
		inner := d.parts[2].s.encode(rec{kind: oracle.Data, writer: 7, seq: 99, key: []byte("a"), value: []byte("an attack")})
		outer := at(d, a, 3, 0)
		copy(outer[headSize:], inner)
		a.Fix = FixRecords
	}},
	{name: "batch", from: batches(batchValue(
		entry{oracle.Data, []byte("a"), []byte("first")}, entry{oracle.Delete, []byte("b"), nil}, entry{oracle.Data, nil, []byte("x")},
		entry{oracle.Data, []byte("a"), []byte("a second time")}), 4)},
	{name: "batch-unknown-entry", from: batches(batchValue(
		entry{oracle.Data, []byte("a"), []byte("first")}, entry{77, []byte("b"), []byte("?")}, entry{oracle.Data, []byte("z"), nil}), 3)},
	{name: "batch-count-too-high", from: batches(append(le.AppendUint32(nil, 1<<31), batchValue(entry{oracle.Data, []byte("a"), nil})[4:]...), 1)},
	{name: "batch-with-a-key", from: special(rec{kind: oracle.Batch, key: []byte("a"), value: batchValue(entry{oracle.Data, []byte("a"), nil})}, 1)},
	{name: "batch-of-none", from: batches(make([]byte, 4), 1)},
	{name: "batch-reserved", from: batches([]byte{1, 0, 0, 0, 1, 9, 1, 0, 0, 0, 0, 0, 'a'}, 1)},
	{name: "unknown-kind", from: special(rec{kind: 200, key: []byte("a"), value: []byte("of a later version")}, 1)},
	{name: "unknown-flags", from: special(rec{kind: oracle.Data, flags: 0x80, key: []byte("a"), value: []byte("of a later version")}, 1)},
	{name: "mark", from: special(rec{kind: oracle.Mark, value: le.AppendUint64(le.AppendUint64(nil, 2), oracle.HeaderSize)}, 0)},
	{name: "mark-over-a-hole", from: special(rec{kind: oracle.Mark, value: le.AppendUint64(le.AppendUint64(nil, 3), oracle.HeaderSize)}, 0),
		ruin: func(d *draft, a *Archive) {
			b := a.Files[segmentName(2)]
			clear(b[d.parts[1].at[1]:d.parts[1].at[2]])
		}},
	{name: "gap", from: special(rec{kind: oracle.Gap, writer: 5, seq: 40, value: le.AppendUint64(nil, 1)}, 0)},
	{name: "gap-of-another-form", from: special(rec{kind: oracle.Gap, writer: 5, seq: 4, value: []byte("?")}, 0)},
	{name: "missing-sequence", from: special(rec{kind: oracle.Data, seq: 900, key: []byte("a")}, 0)},
	{name: "repeated-sequence", from: special(rec{kind: oracle.Data, seq: 2, key: []byte("a"), value: []byte("again")}, 0)},
}

// special is a plain journal with one more record, and one behind it.
func special(r rec, count uint64) func() *draft {
	return func() *draft {
		d := plain()
		d.put(d.parts[2], r, count)
		d.data(d.parts[2], "d", "behind it")
		return d
	}
}

func batches(value []byte, count uint64) func() *draft {
	return special(rec{kind: oracle.Batch, value: value}, count)
}

// headers are about the first two pages of a segment.
var headers = []fault{
	{name: "lost-first-page", ruin: func(_ *draft, a *Archive) { clear(a.Files[segmentName(2)][:pageSize]) }},
	{name: "lost-second-page", ruin: func(_ *draft, a *Archive) { clear(a.Files[segmentName(2)][pageSize:oracle.HeaderSize]) }},
	{name: "lost-header", ruin: func(_ *draft, a *Archive) { clear(a.Files[segmentName(2)][:oracle.HeaderSize]) }},
	{name: "lost-header-of-the-last", ruin: func(_ *draft, a *Archive) { clear(a.Files[segmentName(3)][:oracle.HeaderSize]) }},
	{name: "flipped-bit-in-a-page", ruin: func(_ *draft, a *Archive) { a.Files[segmentName(1)][atLimit] ^= 1 }},
	{name: "failed-sync-doubted", from: func() *draft {
		d := early(0)
		d.parts[2].Flags |= oracle.Doubted
		return d
	}},
	{name: "failed-sync-cut", from: func() *draft {
		d := plain()
		p := d.parts[2]
		p.Flags = oracle.Doubted
		p.CutSegment, p.CutOffset = 2, int64(d.parts[1].at[2])
		return d
	}},
	{name: "dropped-segment", from: func() *draft {
		d := plain()
		p := d.parts[2]
		p.Flags = 0
		p.CutSegment, p.CutOffset = 1, int64(d.parts[0].at[1])
		return d
	}},
	{name: "newer-version", ruin: func(_ *draft, a *Archive) {
		b := a.Files[segmentName(2)]
		b[atVersion], b[pageSize+atVersion] = 2, 2
		a.Fix = FixPages
	}},
	{name: "hostile-limit", ruin: func(_ *draft, a *Archive) {
		le.PutUint64(a.Files[segmentName(3)][atLimit:], 1<<34)
		le.PutUint64(a.Files[segmentName(3)][atLongest:], 1<<30)
		a.Fix = FixPages | FixMirror
	}},
	{name: "hostile-length", ruin: func(d *draft, a *Archive) {
		le.PutUint64(a.Files[segmentName(3)][atLongest:], 1<<30)
		le.PutUint32(at(d, a, 3, 0)[atValueLen:], 1<<29)
		a.Fix = FixPages | FixMirror | FixRecords
	}},
}

// others are about the files that are no segments.
var others = []fault{
	{name: "foreign-segment", ruin: func(_ *draft, a *Archive) {
		d := newDraft()
		d.uuid = strangerUUID
		d.fill(d.segment(0))
		d.data(d.segment(oracle.Rolled), "a", "a stranger's")
		a.Files[segmentName(2)] = d.archive().Files[segmentName(2)]
	}},
	{name: "segment-of-another-number", ruin: func(_ *draft, a *Archive) {
		a.Files[segmentName(2)] = bytes.Clone(a.Files[segmentName(1)])
	}},
	{name: "missing-segment", ruin: func(_ *draft, a *Archive) { delete(a.Files, segmentName(2)) }},
	{name: "pruned", sidecars: true, ruin: func(_ *draft, a *Archive) { delete(a.Files, segmentName(1)) }},
	{name: "missing-id", ruin: func(_ *draft, a *Archive) { delete(a.Files, idName) }},
	{name: "damaged-id", ruin: func(_ *draft, a *Archive) { a.Files[idName][30] ^= 1 }},
	{name: "newer-id", ruin: func(_ *draft, a *Archive) { a.Files[idName] = identity(seedUUID, 2) }},
	{name: "sidecar", sidecars: true},
	{name: "sidecar-damaged", sidecars: true, ruin: func(_ *draft, a *Archive) {
		b := a.Files[sidecarName(2)]
		b[len(b)-3] ^= 1
	}},
	{name: "sidecar-stale", sidecars: true, ruin: func(d *draft, a *Archive) {
		a.Files[sidecarName(2)] = bytes.Clone(a.Files[sidecarName(1)])
		a.Files[segmentName(1)] = append(a.Files[segmentName(1)], "longer"...)
	}},
	{name: "sidecar-of-a-shorter-segment", ruin: func(d *draft, a *Archive) {
		whole := a.Files[segmentName(2)]
		cut(2, 2, 0)(d, a)
		if j, err := oracle.Parse(a.Files[idName], segmentsOf(a)); err == nil {
			a.Files[sidecarName(2)] = Sidecar(j, j.Segments[1], [16]byte{})
		}
		a.Files[segmentName(2)] = whole
	}},
	{name: "sidecar-of-a-damaged-segment", sidecars: true, ruin: func(d *draft, a *Archive) {
		last := (len(d.parts[1].at)-2)/4*4 + 1 // the newest record of its key
		at(d, a, 2, last)[headSize+9] ^= 4
	}},
	{name: "sidecar-that-lies", sidecars: true, ruin: func(_ *draft, a *Archive) {
		b := a.Files[sidecarName(2)]
		le.PutUint64(b[sideHeader+sideRow+8:], 8300)
		a.Fix = FixSums
	}},
	{name: "control-garbage", ruin: func(_ *draft, a *Archive) {
		a.Files[bootName] = bytes.Repeat([]byte("noise!! "), 512)
	}},
	{name: "control-short", ruin: func(_ *draft, a *Archive) { a.Files[bootName] = []byte("\x89MNYCTL\n") }},
	{name: "leftovers", ruin: func(_ *draft, a *Archive) {
		a.Files["tmp.1234"] = []byte("of a killed process")
		a.Files["ctl.another-boot"] = make([]byte, 100)
		a.Files["seg.1"] = []byte("no name of a segment")
	}},
}
