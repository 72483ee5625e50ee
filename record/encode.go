package record

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/invariant"
)

// Header describes a record without its key and value.
type Header struct {
	Kind Kind
	// KeyLen and ValueLen are lengths in bytes. For a batch KeyLen is 0 and
	// ValueLen covers all its entries.
	KeyLen, ValueLen int
	// Time is when the record was made, in nanoseconds since 1970 (UTC).
	Time int64
	// Writer is the random identity of the handle that appended the record,
	// Seq the place of the record, or of a batch's first entry, among all that
	// this writer appended, counted from 1 without holes.
	Writer, Seq uint64

	flags byte
}

// Size is the length of the whole record in bytes, header and trailer included.
func (h *Header) Size() int64 {
	return Overhead + int64(h.KeyLen) + int64(h.ValueLen)
}

// Masked reports whether the payload is stored under the mask.
func (h *Header) Masked() bool { return h.flags&flagMasked != 0 }

// ErrTooLarge is what every [SizeError] is, for errors.Is.
var ErrTooLarge = errors.New("too large")

// SizeError reports a key, value or record that is longer than its limit.
type SizeError struct {
	What        string // "key", "value", "record", "batch"
	Size, Limit int64  // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s of %d bytes is longer than the limit of %d", e.What, e.Size, e.Limit)
}

// Unwrap makes errors.Is(err, ErrTooLarge) true.
func (e *SizeError) Unwrap() error { return ErrTooLarge }

// ErrLayout: a record cannot be laid out so that a reader would know it for certain.
// Another time would help.
var ErrLayout = errors.New("no layout")

// smallRecord is the size up to which a record is also laid out contiguously
// while it is encoded: one call of the hash over contiguous bytes costs half of
// what three calls of its streaming form do.
const smallRecord = 2048

// maxTries bounds the search for a layout. One try in 128 ends in a way that a
// record must not, and next to none contains the marker after masking; the
// bound only keeps the loop finite should a writer's identity itself be the
// marker.
const maxTries = 1 << 10

// A Buffer encodes one record after the other for a gathered write. It owns
// the memory of header and trailer; key and value are referred to where they
// are, except when they contain the segment's marker.
//
// KeepTime is for records of another journal: none is moved in time. What cannot be
// laid out otherwise than by that is refused with ErrLayout.
//
// What Encode returns is valid until the next call. The zero Buffer is ready;
// once it has grown to its caller's records, encoding allocates nothing.
type Buffer struct {
	KeepTime bool

	head   rawHeader
	tail   [TrailerSize]byte
	count  [BatchHeaderSize]byte
	mark   [markValue]byte
	vec    [][]byte // head, payload..., tail
	hidden [][]byte // head, masked, tail
	masked []byte
	small  [smallRecord]byte
	digest xxhash.Digest
	proof  []byte // used by readable only
}

// Encode lays out a record with one key and one value. It sets h's lengths, and
// moves h.Time by a nanosecond for about one record in 128, whose checksum would
// end in a way that a torn record may (see Frame.ends).
func (b *Buffer) Encode(f *Frame, h *Header, key, value []byte) ([][]byte, error) {
	if len(key) > MaxKey {
		return nil, &SizeError{"key", int64(len(key)), MaxKey}
	}
	h.KeyLen, h.ValueLen = len(key), len(value)
	b.vec = append(b.vec[:0], b.head[:], key, value, b.tail[:])
	return b.finish(f, h)
}

// EncodeBatch lays out the envelope of a batch: entries is the concatenation
// of its count encoded entries (see [AppendEntry]).
func (b *Buffer) EncodeBatch(f *Frame, h *Header, count uint32, entries [][]byte) ([][]byte, error) {
	n, ok := total(entries)
	if !ok {
		return nil, &SizeError{"batch", n, MaxSize}
	}
	h.Kind, h.KeyLen, h.ValueLen = KindBatch, 0, BatchHeaderSize+int(n)
	binary.LittleEndian.PutUint32(b.count[:], count)
	b.vec = append(b.vec[:0], b.head[:], b.count[:])
	b.vec = append(b.vec, entries...)
	b.vec = append(b.vec, b.tail[:])
	return b.finish(f, h)
}

// Release drops every reference to the memory of callers.
func (b *Buffer) Release() {
	clear(b.vec[:cap(b.vec)])
	if cap(b.masked) > 1<<20 {
		b.masked = nil
	}
}

// total adds up lengths until they pass MaxSize.
func total(pieces [][]byte) (n int64, ok bool) {
	for _, p := range pieces {
		if n += int64(len(p)); n > MaxSize {
			return n, false
		}
	}
	return n, true
}

// finish fills in header and trailer, the first and the last piece of b.vec.
func (b *Buffer) finish(f *Frame, h *Header) ([][]byte, error) {
	if h.Size() > MaxSize {
		return nil, &SizeError{"record", h.Size(), MaxSize}
	}
	h.flags = 0
	vec := b.vec
	for range maxTries {
		if h.Masked() {
			b.mask(f, h)
			vec = b.hidden
		}
		hidden := b.seal(f, h, vec)
		switch ends := f.ends(b.tail[:]); {
		case hidden && ends:
			if invariant.Enabled {
				b.readable(f, h, vec)
			}
			return vec, nil
		case !h.Masked() && (ends || b.KeepTime):
			h.flags = flagMasked // another checksum too
		case b.KeepTime:
			return nil, fmt.Errorf("record of writer %#x: %w at the time %d", h.Writer, ErrLayout, h.Time)
		default:
			h.Time++ // another header, so another key stream and another checksum
		}
	}
	return nil, fmt.Errorf("record of writer %#x: %w: nothing hides the marker %x of its segment", h.Writer, ErrLayout, f.Marker)
}

// readable checks that a reader takes vec for the record that h describes. It leaves
// out what is long, so that tests with long values stay affordable.
func (b *Buffer) readable(f *Frame, h *Header, vec [][]byte) {
	const long = 64 << 10
	if h.Size() > long {
		return
	}
	b.proof = b.proof[:0]
	for _, p := range vec {
		b.proof = append(b.proof, p...)
	}
	if got, ok := f.ParseHeader(b.proof); !ok || got != *h {
		invariant.Violated("the header of %+v is read as %+v, %v", *h, got, ok)
	}
	if !f.Whole(h, b.proof) {
		invariant.Violated("%x is not the record %+v", b.proof, *h)
	}
}

// seal writes header and trailer for the payload between them and reports
// whether the marker occurs nowhere but at the start of the record. The search
// begins at the second byte: no marker can begin inside another one.
func (b *Buffer) seal(f *Frame, h *Header, vec [][]byte) (hidden bool) {
	b.head.set(f, h)
	sum, _ := f.headerSum(&b.head)
	b.head.setSum(sum)
	last := len(vec) - 1
	if size := h.Size(); size <= smallRecord {
		n := 0
		for _, p := range vec[:last] {
			n += copy(b.small[n:], p)
		}
		binary.LittleEndian.PutUint64(b.tail[:], xxhash.Sum64(b.small[:n])^f.Seed)
		copy(b.small[n:], b.tail[:])
		return f.Find(b.small[1:size]) < 0
	}
	b.digest.Reset()
	for _, p := range vec[:last] {
		b.digest.Write(p) // never fails
	}
	binary.LittleEndian.PutUint64(b.tail[:], b.digest.Sum64()^f.Seed)
	vec[0] = b.head[1:]
	found := f.occurs(vec)
	vec[0] = b.head[:]
	return !found
}

// mask copies the payload of b.vec under the key stream of the header that h
// describes.
func (b *Buffer) mask(f *Frame, h *Header) {
	b.head.set(f, h)
	_, nonce := f.headerSum(&b.head)
	b.masked = b.masked[:0]
	for _, p := range b.vec[1 : len(b.vec)-1] {
		b.masked = append(b.masked, p...)
	}
	xorStream(b.masked, nonce)
	b.hidden = append(b.hidden[:0], b.head[:], b.masked, b.tail[:])
}
