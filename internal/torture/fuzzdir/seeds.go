package fuzzdir

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/oracle"
)

const (
	idName = "journal.id"
	// BootName stands for the control file of this boot, whose name no archive can
	// know.
	bootName = "ctl.@boot"

	seedLimit   = oracle.HeaderSize + 640
	seedLongest = 1024
	seedTime    = int64(1_700_000_000_000_000_000)
)

var (
	seedUUID     = [16]byte([]byte("manypen\x00fuzzdir."))
	strangerUUID = [16]byte([]byte("manypen\x00stranger"))
)

// Seed is a directory with a fault, or with none.
type Seed struct {
	Name    string
	Archive *Archive
}

// draft is a journal while a seed is made of it.
type draft struct {
	uuid  [16]byte
	parts []*part
	files map[string][]byte // others than segments
	clock int64
	seqs  map[uint64]uint64
}

// part is a segment of a draft. Its records are put into it in turn.
type part struct {
	oracle.Header
	body []byte // from the end of the header on
	at   []int  // where its records begin in the file
	s    scribe
}

func newDraft() *draft {
	d := &draft{uuid: seedUUID, files: make(map[string][]byte), clock: seedTime, seqs: make(map[uint64]uint64)}
	d.files[idName] = identity(d.uuid, 1)
	return d
}

// segment begins the next segment.
func (d *draft) segment(flags uint32) *part {
	p := &part{Header: oracle.Header{
		UUID: d.uuid, Number: uint64(len(d.parts) + 1), Limit: seedLimit, Longest: seedLongest,
		Created: d.tick(), Boot: [16]byte([]byte("a boot long gone")), Ahead: 1, Flags: flags,
	}}
	if n := len(d.parts); n > 0 {
		prev := d.parts[n-1]
		p.PreviousLimit, p.PreviousLongest = prev.Limit, prev.Longest
		if flags&oracle.Rolled != 0 {
			p.PreviousSize = prev.size()
		}
	}
	p.s = scribeOf(d.uuid, p.Number)
	d.parts = append(d.parts, p)
	return p
}

func (p *part) size() int64 { return oracle.HeaderSize + int64(len(p.body)) }

func (d *draft) tick() int64 {
	d.clock += 1_000_000
	return d.clock
}

// put appends a record, with the next time and sequence unless it has its own. count is
// how many sequences it takes.
func (d *draft) put(p *part, r rec, count uint64) {
	r.writer, r.time = cmp.Or(r.writer, 7), cmp.Or(r.time, d.tick())
	if r.seq == 0 {
		r.seq = d.seqs[r.writer] + min(count, 1)
		d.seqs[r.writer] += count
	}
	p.at = append(p.at, int(p.size()))
	p.body = append(p.body, p.s.encode(r)...)
}

func (d *draft) data(p *part, key, value string) {
	d.put(p, rec{kind: oracle.Data, key: []byte(key), value: []byte(value)}, 1)
}

// fill appends records of keys that come again until the segment is full.
func (d *draft) fill(p *part) {
	for i := 0; p.size() < p.Limit; i++ {
		switch i % 4 {
		case 0:
			d.data(p, "a", "of the first key")
		case 1:
			d.data(p, "b", "and of the second one, which is longer than the others")
		case 2:
			d.put(p, rec{kind: oracle.Data, writer: 9, value: []byte("no key")}, 1)
		case 3:
			d.put(p, rec{kind: oracle.Delete, key: []byte("a")}, 1)
		}
	}
}

// plain is a journal of three segments in which nothing is wrong.
func plain() *draft {
	d := newDraft()
	d.fill(d.segment(0))
	d.fill(d.segment(oracle.Rolled))
	p := d.segment(oracle.Rolled)
	d.data(p, "c", "in the newest segment")
	d.data(p, "a", "the newest of its key")
	return d
}

// seal extends a segment with zeros up to its limit.
func (p *part) seal() {
	if n := p.Limit - p.size(); n > 0 {
		p.body = append(p.body, make([]byte, n)...)
	}
}

// archive is the files of the draft.
func (d *draft) archive() *Archive {
	a := &Archive{Files: make(map[string][]byte)}
	for name, b := range d.files {
		a.Files[name] = b
	}
	for _, p := range d.parts {
		h := page(&p.Header)
		a.Files[segmentName(p.Number)] = slices.Concat(h, h, p.body)
	}
	return a
}

// sidecars makes the sidecar of every segment but the newest, as it is now.
func (d *draft) sidecars() error {
	a := d.archive()
	j, err := oracle.Parse(a.Files[idName], segmentsOf(a))
	if err != nil {
		return err
	}
	for _, s := range j.Segments[:len(j.Segments)-1] {
		d.files[sidecarName(s.Number)] = Sidecar(j, s, [16]byte{})
	}
	return nil
}

// segmentsOf returns the segments among the files.
func segmentsOf(a *Archive) map[uint64][]byte {
	m := make(map[uint64][]byte)
	for name, b := range a.Files {
		if n, ok := numberOf(name, "seg."); ok {
			m[n] = b
		}
	}
	return m
}

// placed is a record with a key, as a sidecar has it.
type placed struct {
	key    []byte
	offset int64
	index  int
	dead   bool
}

// Sidecar returns the sidecar of a segment (10) that an honest program would write.
func Sidecar(j *oracle.Journal, s *oracle.Segment, boot [16]byte) []byte {
	var all []placed
	var records, deletes uint64
	for i := range j.Records {
		r := &j.Records[i]
		if r.Segment != s.Number {
			continue
		}
		if records++; r.Kind == oracle.Delete {
			deletes++
		}
		if len(r.Key) > 0 {
			all = append(all, placed{r.Key, r.Offset, r.Index, r.Kind == oracle.Delete})
		}
	}
	list, run := listed(all)
	limit := s.Limit
	if s.Cut >= 0 {
		limit = min(limit, s.Cut)
	}
	oldest, newest := times(s)
	table := le.AppendUint64(le.AppendUint64(nil, uint64(len(list))), xxhash.Sum64(list))
	b := le.AppendUint64([]byte("\x89MNYIDX\n"), 1)
	b = append(append(b, j.UUID[:]...), boot[:]...)
	for _, w := range []uint64{s.Number, uint64(s.Size), uint64(limit), records, deletes, uint64(oldest), uint64(newest),
		uint64(len(list)), uint64(len(run)), xxhash.Sum64(table), xxhash.Sum64(run)} {
		b = le.AppendUint64(b, w)
	}
	b = le.AppendUint64(b, xxhash.Sum64(b))
	return slices.Concat(b, table, list, run)
}

// listed returns the entries and the run of records with keys, which are in the order of
// their offsets.
func listed(all []placed) (list, run []byte) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b placed) int { return bytes.Compare(a.key, b.key) })
	var entries [][2]uint64
	for len(all) > 0 {
		n := 1
		for n < len(all) && bytes.Equal(all[n].key, all[0].key) {
			n++
		}
		run = appendRun(run, all[:n])
		newest := all[n-1]
		entries = append(entries, [2]uint64{xxhash.Sum64(newest.key)&^1 | bit(newest.dead), uint64(newest.offset)})
		all = all[n:]
	}
	slices.SortFunc(entries, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	for _, e := range entries {
		list = le.AppendUint64(le.AppendUint64(list, e[0]), e[1])
	}
	return list, run
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// appendRun appends the entry of a key, of which places are all.
func appendRun(run []byte, places []placed) []byte {
	run = appendUvarint(run, uint64(len(places[0].key)))
	run = append(run, places[0].key...)
	run = appendUvarint(run, uint64(len(places)))
	last := int64(0)
	for _, p := range places {
		run = appendUvarint(run, uint64(p.offset-last))
		run = appendUvarint(run, uint64(p.index)*2+bit(p.dead))
		last = p.offset
	}
	return run
}

func appendUvarint(b []byte, n uint64) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// times returns the earliest and the latest time of a segment's records.
func times(s *oracle.Segment) (oldest, newest int64) {
	oldest, newest = 1<<63-1, -1<<63
	for i := range s.Frames {
		f := &s.Frames[i]
		if f.Interpreted && (f.Kind == oracle.Mark || f.Kind == oracle.Gap) {
			continue
		}
		oldest, newest = min(oldest, f.Time), max(newest, f.Time)
	}
	return oldest, newest
}
