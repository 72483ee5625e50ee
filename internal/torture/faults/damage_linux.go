package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// damaged is a journal after a crash, before anybody has opened it.
type damaged struct {
	files   map[string][]byte
	durable []oracle.Record // what lay in front of the last sync
}

// damage makes a journal below root by chance, and does to it what a crash does. With
// tear, a writer that was killed has left torn records, one in the middle of what was
// not synced and one at the end; with lose, the power was lost, and any of the last
// blocks that were not synced have not got to the disk. The control file is gone. With
// boot the machine has been booted anew.
func damage(root string, rng *rand.Rand, tear, lose, boot bool) (*damaged, error) {
	dir := filepath.Join(root, "built")
	torn, synced, err := build(dir, rng)
	if err != nil {
		return nil, err
	}
	if err := forgetControl(dir); err != nil {
		return nil, err
	}
	if boot {
		if err := reboot(dir); err != nil {
			return nil, err
		}
	}
	j, err := oracle.Read(dir)
	if err != nil {
		return nil, err
	}
	d := &damaged{}
	for _, r := range j.Records {
		if r.Segment < synced.Segment || r.Segment == synced.Segment && r.End <= synced.Offset {
			d.durable = append(d.durable, r)
		}
	}
	if d.files, err = load(dir); err != nil {
		return nil, err
	}
	if tear {
		d.tear(j, torn, rng)
	}
	if lose {
		d.lose(synced, rng)
	}
	return d, nil
}

// build makes a journal of some segments by a writer and another one, of which nobody
// will know the records that it returns. It returns where the last sync was too.
func build(dir string, rng *rand.Rand) (torn map[string]bool, synced oracle.Position, err error) {
	o := quiet(48 << 10)
	w, err := journal.Open(dir, o)
	if err != nil {
		return nil, synced, err
	}
	killed, err := journal.Open(dir, o)
	if err != nil {
		return nil, synced, errors.Join(err, w.Close())
	}
	n := 0
	put := func(j *journal.Journal) (at journal.Position) {
		if err == nil {
			v := make([]byte, 1+rng.IntN(900))
			for i := range v {
				v[i] = byte(rng.Uint32())
			}
			at, err = j.Append(fmt.Append(nil, "key ", n), v)
			n++
		}
		return at
	}
	for range 1 + rng.IntN(30) {
		put(w)
	}
	if err == nil {
		err = w.Sync()
	}
	// Marks apart, which are judged by their own start, what follows begins where
	// the durable part ends.
	first := put(w)
	synced = oracle.Position{Segment: first.Segment, Offset: first.Offset}
	unsynced := 10 + rng.IntN(90)
	torn = make(map[string]bool)
	for i := range unsynced {
		if i >= unsynced-10 && len(torn) == 0 && rng.IntN(5) == 0 {
			torn[put(killed).String()] = true
		}
		put(w)
	}
	torn[put(killed).String()] = true
	return torn, synced, errors.Join(err, w.Close(), killed.Close())
}

// tear cuts the records off that torn names, behind some bytes, as short writes leave
// them. Those of an earlier segment stay as they are: it would not be full then.
func (d *damaged) tear(j *oracle.Journal, torn map[string]bool, rng *rand.Rand) {
	last := j.Segments[len(j.Segments)-1]
	var b []byte
	from := int64(0)
	for _, f := range last.Frames {
		if torn[oracle.Position{Segment: last.Number, Offset: f.From}.String()] {
			b = append(b, last.Bytes[from:f.From+1+rng.Int64N(f.To-f.From-1)]...)
			from = f.To
		}
	}
	d.files[segName(last.Number)] = append(b, last.Bytes[from:]...)
}

func segName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

// lose takes a subset of the newest blocks away. A file system may have written the
// size of a file before its blocks, or not, or something between.
func (d *damaged) lose(synced oracle.Position, rng *rand.Rand) {
	blocks := oracle.Unsynced(func(n uint64) []byte { return d.files[segName(n)] }, synced)
	kept := rng.IntN(1 << oracle.LostBlocks)
	size := make(map[uint64]int64) // that the blocks need which are on the disk
	for i, l := range blocks {
		if _, ok := size[l.Segment]; !ok {
			size[l.Segment] = l.From
		}
		if kept&(1<<i) != 0 {
			size[l.Segment] = l.To
		} else {
			clear(d.files[segName(l.Segment)][l.From:l.To])
		}
	}
	for n, size := range size {
		b := d.files[segName(n)]
		switch rng.IntN(3) {
		case 0:
			b = b[:size]
		case 1:
			b = b[:size+rng.Int64N(int64(len(b))-size+1)]
		}
		d.files[segName(n)] = b
	}
}
