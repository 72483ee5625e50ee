package record

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// ParseHeader reads the header at the start of b. It reports false unless
// marker and checksum are right and the lengths are possible, so its result
// may be believed whatever b is.
func (f *Frame) ParseHeader(b []byte) (Header, bool) {
	if len(b) < HeaderSize || [MarkerSize]byte(b) != f.Marker {
		return Header{}, false
	}
	r := (*rawHeader)(b)
	if sum, _ := f.headerSum(r); sum != r.sum() {
		return Header{}, false
	}
	h := Header{
		Kind:   r.kind(),
		KeyLen: int(r.keyLen()),
		Time:   r.time(),
		Writer: r.writer(),
		Seq:    r.seq(),
		flags:  r.flags(),
	}
	// Compared before it becomes an int, which has 32 bits on some machines.
	if r.valueLen() > MaxSize || h.Kind == 0 {
		return Header{}, false
	}
	h.ValueLen = int(r.valueLen())
	return h, h.Size() <= MaxSize
}

// Whole reports whether b, exactly the bytes of the record that h describes,
// is that record: its checksum is right, it does not end as a torn record may
// (see ends), and the marker stands nowhere but at its start. The form of a
// batch is left to [NewEntries].
//
// No writer lays out a record with the marker inside. Were one believed all the
// same, its reader could not agree with another one that saw the segment while
// the record was half written, and read on at the header inside it.
func (f *Frame) Whole(h *Header, b []byte) bool {
	if int64(len(b)) != h.Size() {
		return false
	}
	body, tail := b[:len(b)-TrailerSize], b[len(b)-TrailerSize:]
	return xxhash.Sum64(body)^f.Seed == binary.LittleEndian.Uint64(tail) && f.ends(tail) && f.Find(b[1:]) < 0
}

// Interpretable reports whether this version knows the kind of the record and
// every flag it carries. Key and value of another record mean nothing to it.
func (h *Header) Interpretable() bool {
	return h.Kind.Known() && h.flags&^knownFlags == 0
}

// Payload returns key and value of the record b, which must be whole. A masked
// payload is unmasked in place: b is no longer the record afterwards, and
// Payload must not be called on it again.
func (f *Frame) Payload(h *Header, b []byte) (key, value []byte) {
	payload := b[HeaderSize : len(b)-TrailerSize]
	if h.Masked() {
		_, nonce := f.headerSum((*rawHeader)(b))
		xorStream(payload, nonce)
	}
	k := h.KeyLen
	return payload[:k:k], payload[k:len(payload):len(payload)]
}
