package fuzzdir

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// What is written here is written by docs/FORMAT.md alone, whose sections the comments
// name, and by nothing that the library has.

const (
	pageSize  = 4096
	pageMagic = "\x89MNYPEN\n"
	sumAt     = pageSize - 8
	headSize  = 44

	// Offsets in a header page (2.2).
	atVersion     = 8
	atHeaderSize  = 12
	atUUID        = 16
	atNumber      = 32
	atLimit       = 40
	atLongest     = 48
	atCreated     = 56
	atBoot        = 64
	atMarker      = 80
	atSeed        = 88
	atPrevLimit   = 96
	atPrevLongest = 104
	atAhead       = 112
	atFlags       = 116
	atCutSegment  = 120
	atCutOffset   = 128
	atPrevSize    = 136
	headerEnd     = 144

	// Offsets in a record (3).
	atKind     = 8
	atKeyLen   = 10
	atValueLen = 12
	atTime     = 16
	atWriter   = 24
	atSeq      = 32
	atHeadSum  = 40

	flagMasked = 1
)

var le = binary.LittleEndian

// SegmentName is the name of a segment (2).
func segmentName(n uint64) string { return fmt.Sprintf("seg.%09d", n) }

func sidecarName(n uint64) string { return fmt.Sprintf("idx.%09d", n) }

// numberOf is the number in the name of a segment or a sidecar.
func numberOf(name, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(digits, 10, 28)
	return n, ok && err == nil && n > 0 && digits == fmt.Sprintf("%09d", n)
}

// identity is the content of journal.id (2.1).
func identity(uuid [16]byte, version int) []byte {
	line := fmt.Sprintf("manypen journal %d %x", version, uuid)
	return fmt.Appendf(nil, "%s %016x\n", line, xxhash.Sum64String(line))
}

// parseIdentity is the UUID in journal.id, if it is one of this version.
func parseIdentity(b []byte) (uuid [16]byte, ok bool) {
	fields := strings.Fields(string(b))
	if len(fields) != 5 || len(fields[3]) != 32 {
		return uuid, false
	}
	if _, err := hex.Decode(uuid[:], []byte(fields[3])); err != nil {
		return uuid, false
	}
	return uuid, bytes.Equal(b, identity(uuid, 1))
}

// page returns the bytes of a header page (2.2).
func page(h *oracle.Header) []byte {
	p := make([]byte, pageSize)
	copy(p, pageMagic)
	le.PutUint32(p[atVersion:], 1)
	le.PutUint32(p[atHeaderSize:], oracle.HeaderSize)
	copy(p[atUUID:], h.UUID[:])
	le.PutUint64(p[atNumber:], h.Number)
	le.PutUint64(p[atLimit:], uint64(h.Limit))
	le.PutUint64(p[atLongest:], uint64(h.Longest))
	le.PutUint64(p[atCreated:], uint64(h.Created))
	copy(p[atBoot:], h.Boot[:])
	le.PutUint64(p[atPrevLimit:], uint64(h.PreviousLimit))
	le.PutUint64(p[atPrevLongest:], uint64(h.PreviousLongest))
	le.PutUint32(p[atAhead:], h.Ahead)
	le.PutUint32(p[atFlags:], h.Flags)
	le.PutUint64(p[atCutSegment:], h.CutSegment)
	le.PutUint64(p[atCutOffset:], uint64(h.CutOffset))
	le.PutUint64(p[atPrevSize:], uint64(h.PreviousSize))
	frame(p)
	le.PutUint64(p[sumAt:], xxhash.Sum64(p[:sumAt]))
	return p
}

// frame sets marker and seed of a page (2.3).
func frame(p []byte) {
	marker, seed := oracle.FrameOf([16]byte(p[atUUID:]), le.Uint64(p[atNumber:]))
	copy(p[atMarker:], marker[:])
	le.PutUint64(p[atSeed:], seed)
}

// pageState is what a header page is to a reader.
type pageState int

const (
	pageDamaged pageState = iota
	pageNewer             // whole, and of a version that nobody here knows
	pageOdd               // whole, with a limit that no segment can have (see parsePage)
	pageWhole
)

// Bounds of a limit: records begin behind the header, and an offset has to fit into a
// position. docs/FORMAT.md does not name the upper one.
const maxLimit = 32 << 30

// parsePage says what the page at p is.
func parsePage(p []byte) (h oracle.Header, state pageState) {
	if len(p) < pageSize || string(p[:8]) != pageMagic || le.Uint64(p[sumAt:]) != xxhash.Sum64(p[:sumAt]) {
		return h, pageDamaged
	}
	if le.Uint32(p[atVersion:]) != 1 {
		return h, pageNewer
	}
	h = oracle.Header{
		UUID: [16]byte(p[atUUID:]), Number: le.Uint64(p[atNumber:]),
		Limit: int64(le.Uint64(p[atLimit:])), Longest: int64(le.Uint64(p[atLongest:])),
		PreviousLimit: int64(le.Uint64(p[atPrevLimit:])), PreviousLongest: int64(le.Uint64(p[atPrevLongest:])),
		Flags: le.Uint32(p[atFlags:]), CutSegment: le.Uint64(p[atCutSegment:]), CutOffset: int64(le.Uint64(p[atCutOffset:])),
	}
	marker, seed := oracle.FrameOf(h.UUID, h.Number)
	switch {
	case string(p[atMarker:atMarker+8]) != string(marker[:]) || le.Uint64(p[atSeed:]) != seed || le.Uint32(p[atHeaderSize:]) != oracle.HeaderSize:
		return h, pageDamaged
	case !plausible(h.Limit, h.Longest):
		return h, pageOdd
	}
	return h, pageWhole
}

func plausible(limit, longest int64) bool {
	return limit > oracle.HeaderSize && limit <= maxLimit && longest >= oracle.Overhead && longest <= 1<<30
}

// rec is a record to be written.
type rec struct {
	kind, flags byte
	time        int64
	writer, seq uint64
	key, value  []byte
}

// scribe writes the records of one segment.
type scribe struct {
	marker [8]byte
	seed   uint64
}

func scribeOf(uuid [16]byte, n uint64) scribe {
	marker, seed := oracle.FrameOf(uuid, n)
	return scribe{marker, seed}
}

// encode returns a record that is whole (3): it is masked if it has to be, and its time
// grows until its end is allowed.
func (s *scribe) encode(r rec) []byte {
	for {
		b := make([]byte, 0, oracle.Overhead+len(r.key)+len(r.value))
		b = append(append(b, s.marker[:]...), r.kind, r.flags)
		b = le.AppendUint16(b, uint16(len(r.key)))
		b = le.AppendUint32(b, uint32(len(r.value)))
		b = le.AppendUint64(b, uint64(r.time))
		b = le.AppendUint64(b, r.writer)
		b = le.AppendUint64(b, r.seq)
		nonce := xxhash.Sum64(b) ^ s.seed
		b = le.AppendUint32(b, uint32(nonce))
		b = append(append(b, r.key...), r.value...)
		if r.flags&flagMasked != 0 {
			stream(b[headSize:], nonce)
		}
		b = le.AppendUint64(b, xxhash.Sum64(b)^s.seed)
		switch {
		case bytes.Contains(b[1:], s.marker[:]) && r.flags == 0:
			r.flags = flagMasked
		case bytes.Contains(b[1:], s.marker[:]) || s.badEnd(b):
			r.time++
		default:
			return b
		}
	}
}

// badEnd reports whether a record must not end as b does.
func (s *scribe) badEnd(b []byte) bool {
	for n := 1; n <= 7; n++ {
		if bytes.HasSuffix(b, s.marker[:n]) {
			return true
		}
	}
	return b[len(b)-1] == 0
}

// stream puts the key stream of section 5 over b.
func stream(b []byte, state uint64) {
	var word [8]byte
	for len(b) > 0 {
		state += 0x9E3779B97F4A7C15
		z := state
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		le.PutUint64(word[:], z^z>>31)
		n := min(8, len(b))
		for i := range n {
			b[i] ^= word[i]
		}
		b = b[n:]
	}
}

// entry is one of a batch.
type entry struct {
	kind       byte
	key, value []byte
}

// batchValue is the value of a batch (4).
func batchValue(entries ...entry) []byte {
	b := le.AppendUint32(nil, uint32(len(entries)))
	for _, e := range entries {
		b = append(b, e.kind, 0)
		b = le.AppendUint16(b, uint16(len(e.key)))
		b = le.AppendUint32(b, uint32(len(e.value)))
		b = append(append(b, e.key...), e.value...)
	}
	return b
}
