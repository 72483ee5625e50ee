package media

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// longestKey is that of section 7 of docs/FORMAT.md.
const longestKey = 1<<16 - 1

// bait makes hostile contents for a journal.
type bait struct {
	rng  *rand.Rand
	uuid [16]byte
	page []byte // of the header of its first segment
}

func newBait(dir string, rng *rand.Rand) (*bait, error) {
	s, err := load(dir)
	if err != nil {
		return nil, err
	}
	j, err := s.oracle()
	if err != nil {
		return nil, err
	}
	return &bait{rng, j.UUID, j.Segments[0].Bytes[:4096]}, nil
}

// put appends a record, or a batch, with hostile content in its value, its key, or
// both, so that something begins in the one and ends in the other.
func (b *bait) put(p *pen) error {
	content := b.content()
	if len(p.all) > 0 && b.rng.IntN(3) == 0 {
		old, err := b.replay(p)
		if err != nil {
			return err
		}
		content = append(content, old...)
	}
	switch b.rng.IntN(6) {
	case 0:
		return p.put([]byte("carrier"), content)
	case 1:
		return p.put(content[:min(len(content), longestKey)], []byte("value"))
	case 2:
		cut := b.rng.IntN(min(len(content), longestKey) + 1)
		return p.put(content[:cut], content[cut:])
	case 3: // a marker, or the rest of a header, over the seam of key and value
		r, cut := b.record(p.last().Segment), 1+b.rng.IntN(43)
		if b.rng.IntN(2) == 0 {
			cut = 1 + cut%7
		}
		return p.put(append(fill(b.rng, b.rng.IntN(20)), r[:cut]...), append(r[cut:], content...))
	case 4: // the longest key there is, with the content at its end
		pad := max(0, longestKey-len(content))
		return p.put(append(fill(b.rng, pad), content[:longestKey-pad]...), b.content())
	}
	var batch journal.Batch
	batch.Put([]byte("entry"), content)
	batch.Put(content[:min(len(content), 100)], b.content())
	h := p.handles[p.next%len(p.handles)]
	p.next++
	at, err := h.AppendBatch(&batch)
	if err != nil {
		return err
	}
	for r, err := range h.Records(at) {
		if err != nil {
			return err
		}
		p.all = append(p.all, written{r.Position, oracle.Data, bytes.Clone(r.Key), bytes.Clone(r.Value)})
	}
	return nil
}

// content is some pieces, at any alignment.
func (b *bait) content() []byte {
	content := fill(b.rng, b.rng.IntN(64))
	for range 1 + b.rng.IntN(4) {
		content = append(content, b.piece()...)
		if b.rng.IntN(2) == 0 {
			content = append(content, fill(b.rng, b.rng.IntN(16))...)
		}
	}
	return content
}

// piece is a whole record of some kind in the frame of this segment, the next one, or
// one of another journal; its first bytes alone; or a page of a segment header.
func (b *bait) piece() []byte {
	uuid, n := b.uuid, uint64(1)
	switch b.rng.IntN(8) {
	case 0:
		n = 2
	case 1:
		uuid[0]++
	}
	r, seed := b.recordOf(uuid, n)
	switch b.rng.IntN(6) {
	case 0:
		return r[:b.rng.IntN(len(r))]
	case 1:
		return b.page
	case 2: // a claim to everything that follows
		binary.LittleEndian.PutUint32(r[12:], 1<<20)
		seal(r, seed)
	}
	return r
}

// replay returns the bytes of a record of the journal itself: one that checks out, and
// that a judge by writers and sequences alone would take for genuine.
func (b *bait) replay(p *pen) ([]byte, error) {
	at := p.all[b.rng.IntN(len(p.all))].at
	raw, err := os.ReadFile(filepath.Join(p.dir, segName(at.Segment)))
	if err != nil {
		return nil, err
	}
	raw = raw[at.Offset:]
	n := oracle.Overhead + int(binary.LittleEndian.Uint16(raw[10:])) + int(binary.LittleEndian.Uint32(raw[12:]))
	return raw[:min(n, 8<<10)], nil // contents of contents would grow without end
}

// record is a whole record of some kind in the frame of segment n.
func (b *bait) record(n uint64) []byte {
	r, _ := b.recordOf(b.uuid, n)
	return r
}

func (b *bait) recordOf(uuid [16]byte, n uint64) (r []byte, seed uint64) {
	marker, seed := oracle.FrameOf(uuid, n)
	value := []byte("nobody has appended this")
	kind := byte(1 + b.rng.IntN(6)) // 6 is unknown
	switch kind {
	case oracle.Mark:
		value = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 1), 1<<40)
	case oracle.Batch:
		value = append([]byte{1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0}, "evil"...)
	case oracle.Gap:
		value = binary.LittleEndian.AppendUint64(nil, 1)
	}
	return forge(marker, seed, kind, value), seed
}

// forge lays out a record by section 3 of docs/FORMAT.md.
func forge(marker [8]byte, seed uint64, kind byte, value []byte) []byte {
	r := make([]byte, 44, 52+len(value))
	copy(r, marker[:])
	r[8] = kind
	binary.LittleEndian.PutUint32(r[12:], uint32(len(value)))
	binary.LittleEndian.PutUint64(r[24:], attacker)
	r = append(r, value...)
	for t := uint64(1); ; t++ { // until it ends as a record may
		binary.LittleEndian.PutUint64(r[16:], t)
		binary.LittleEndian.PutUint64(r[32:], 1)
		seal(r, seed)
		whole := binary.LittleEndian.AppendUint64(r, xxhash.Sum64(r)^seed)
		if last := whole[len(whole)-1]; last != 0 && last != marker[0] {
			return whole
		}
	}
}

// seal makes the checksum of a header right.
func seal(r []byte, seed uint64) {
	binary.LittleEndian.PutUint32(r[40:], uint32(xxhash.Sum64(r[:40])^seed))
}
