package oracle

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Sizes of sections 2.2 and 3.
const (
	HeaderSize  = 8192 // of a segment: its first record
	page        = 4096
	headSize    = 44
	Overhead    = 52
	maxLongest  = 1 << 30
	maxLimit    = 1 << 35
	flagMasked  = 1
	Rolled      = 1 // flags of a segment header
	Doubted     = 2
	formatOne   = 1
	pageHashAt  = 4088
	magic       = "\x89MNYPEN\n"
	entryHeader = 8
)

func hash(b []byte) uint64 { return xxhash.Sum64(b) }

func le16(b []byte, at int) int    { return int(binary.LittleEndian.Uint16(b[at:])) }
func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// Header is that of a segment (section 2.2).
type Header struct {
	UUID            [16]byte
	Number          uint64
	Limit, Longest  int64
	Created         int64
	Boot            [16]byte
	Marker          [8]byte
	Seed            uint64
	PreviousLimit   int64
	PreviousLongest int64
	Ahead, Flags    uint32
	CutSegment      uint64
	CutOffset       int64
	PreviousSize    int64
}

// parseHeader returns the header of segment n from one of its two pages, the first
// that is right. With a uuid only a page of that journal is.
func parseHeader(b []byte, n uint64, uuid *[16]byte) (h Header, ok bool) {
	for at := 0; at < HeaderSize && at+page <= len(b); at += page {
		p := b[at : at+page]
		if string(p[:8]) != magic || le32(p, 8) != formatOne || le32(p, 12) != HeaderSize ||
			le64(p, pageHashAt) != hash(p[:pageHashAt]) || le64(p, 32) != n || uuid != nil && string(p[16:32]) != string(uuid[:]) {
			continue
		}
		h = Header{
			Number: n, Limit: int64(le64(p, 40)), Longest: int64(le64(p, 48)), Created: int64(le64(p, 56)),
			Seed: le64(p, 88), PreviousLimit: int64(le64(p, 96)), PreviousLongest: int64(le64(p, 104)),
			Ahead: le32(p, 112), Flags: le32(p, 116), CutSegment: le64(p, 120), CutOffset: int64(le64(p, 128)),
			PreviousSize: int64(le64(p, 136)),
		}
		copy(h.UUID[:], p[16:])
		copy(h.Boot[:], p[64:])
		copy(h.Marker[:], p[80:])
		if marker, seed := FrameOf(h.UUID, n); marker != h.Marker || seed != h.Seed || !limitsOK(h.Limit, h.Longest) {
			continue
		}
		return h, true
	}
	return Header{}, false
}

func limitsOK(limit, longest int64) bool {
	return limit > HeaderSize && limit <= maxLimit && longest >= Overhead && longest <= maxLongest
}

// FrameOf returns the marker and the seed of a segment (section 2.3).
func FrameOf(uuid [16]byte, n uint64) (marker [8]byte, seed uint64) {
	var b [25]byte
	copy(b[:], uuid[:])
	binary.LittleEndian.PutUint64(b[16:], n)
	seed = hash(b[:])
	for try := 1; try <= 255; try++ {
		b[24] = byte(try)
		binary.LittleEndian.PutUint64(marker[:], hash(b[:]))
		marker[0] |= 0xF8
		if bytes.IndexByte(marker[1:], marker[0]) < 0 {
			break
		}
	}
	return marker, seed
}

// Frame is a whole record as it is stored, key and value unmasked.
type Frame struct {
	Segment      uint64
	From, To     int64
	Kind, Flags  byte
	Time         int64
	Writer, Seq  uint64
	Key, Value   []byte
	Interpreted  bool // kind and flags are known
	entries      []Record
	otherEntries int // of kinds that are not known
}

// head returns the length that a valid header at o claims (section 3). size is the
// size of the file.
func (s *Segment) head(o int64) (length int64, ok bool) {
	if o < 0 || o+headSize > s.Size {
		return 0, false
	}
	b := s.Bytes[o : o+headSize]
	if !bytes.Equal(b[:8], s.Marker[:]) || b[8] == 0 || le32(b, 40) != uint32(hash(b[:40])^s.Seed) {
		return 0, false
	}
	length = Overhead + int64(le16(b, 10)) + int64(le32(b, 12))
	return length, length <= maxLongest // of section 7: the segment's own does not count here
}

// whole returns the record at o (sections 3 and 4).
func (s *Segment) whole(o int64) (Frame, bool) {
	length, ok := s.head(o)
	if !ok || o+length > s.Size {
		return Frame{}, false
	}
	b := s.Bytes[o : o+length]
	body := b[:length-8]
	switch {
	case le64(b, int(length-8)) != hash(body)^s.Seed:
		return Frame{}, false
	case bytes.Contains(b[1:], s.Marker[:]):
		return Frame{}, false
	case b[length-1] == 0:
		return Frame{}, false
	}
	for n := 1; n <= 7; n++ {
		if bytes.HasSuffix(b, s.Marker[:n]) {
			return Frame{}, false
		}
	}
	f := Frame{Segment: s.Number, From: o, To: o + length, Kind: b[8], Flags: b[9],
		Time: int64(le64(b, 16)), Writer: le64(b, 24), Seq: le64(b, 32)}
	keyLen := le16(b, 10)
	payload := bytes.Clone(body[headSize:])
	if f.Flags&flagMasked != 0 {
		unmask(payload, hash(b[:40])^s.Seed)
	}
	f.Interpreted = f.Flags&^flagMasked == 0 && f.Kind >= Data && f.Kind <= Gap
	f.Key, f.Value = payload[:keyLen], payload[keyLen:]
	if f.Interpreted && f.Kind == Batch {
		return f, f.batch()
	}
	return f, true
}

// unmask takes the key stream of section 5 off.
func unmask(b []byte, state uint64) {
	var word [8]byte
	for len(b) > 0 {
		state += 0x9E3779B97F4A7C15
		z := state
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		binary.LittleEndian.PutUint64(word[:], z^z>>31)
		n := min(8, len(b))
		for i := range n {
			b[i] ^= word[i]
		}
		b = b[n:]
	}
}

// batch takes the entries out of a batch and reports whether it has the form of
// section 4.
func (f *Frame) batch() bool {
	if len(f.Key) != 0 || len(f.Value) < 4 {
		return false
	}
	n, rest := le32(f.Value, 0), f.Value[4:]
	for i := uint32(0); i < n; i++ {
		if len(rest) < entryHeader || rest[0] == 0 || rest[1] != 0 {
			return false
		}
		k, v := int64(le16(rest, 2)), int64(le32(rest, 4))
		if int64(len(rest)) < entryHeader+k+v {
			return false
		}
		e := Record{Position: Position{f.Segment, f.From, int(i)}, End: f.To, Kind: rest[0], Time: f.Time,
			Writer: f.Writer, Seq: f.Seq + uint64(i), Key: rest[entryHeader : entryHeader+k], Value: rest[entryHeader+k : entryHeader+k+v]}
		if e.Kind == Data || e.Kind == Delete {
			f.entries = append(f.entries, e)
		} else {
			f.otherEntries++
		}
		rest = rest[entryHeader+k+v:]
	}
	return n > 0 && len(rest) == 0
}

// Pages returns the pages of the segment's header that are not whole. A page that the
// file is too short for is a hole.
func (s *Segment) Pages() []Stretch {
	var bad []Stretch
	for at := int64(0); at < HeaderSize; at += page {
		if at+page > s.Size {
			bad = append(bad, Stretch{s.Number, at, at + page, Hole})
		} else if !s.pageWhole(at) {
			bad = append(bad, Stretch{s.Number, at, at + page, Corruption})
		}
	}
	return bad
}

func (s *Segment) pageWhole(at int64) bool {
	alone := make([]byte, HeaderSize)
	copy(alone[at:], s.Bytes[at:at+page])
	_, ok := parseHeader(alone, s.Number, &s.UUID)
	return ok
}
