package record

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
)

// testUUID is the identity of the journal that the tests of this package and
// the worked example of docs/FORMAT.md belong to.
var testUUID = [16]byte{0x6D, 0x61, 0x6E, 0x79, 0x70, 0x65, 0x6E, 0, 1, 2, 3, 4, 5, 6, 7, 8}

// testFrame is the frame of segment 1 of that journal.
func testFrame() Frame { return NewFrame(testUUID, 1) }

// join copies the pieces of an encoded record into one.
func join(pieces [][]byte) []byte { return bytes.Join(pieces, nil) }

// encode returns a record of its own, and h as the encoder left it.
func encode(t rapid.TB, f *Frame, h *Header, key, value []byte) []byte {
	t.Helper()
	var enc Buffer
	vec, err := enc.Encode(f, h, key, value)
	if err != nil {
		t.Fatal(err)
	}
	return join(vec)
}

// encodeBatch returns the envelope of entries.
func encodeBatch(t rapid.TB, f *Frame, h *Header, entries ...Entry) []byte {
	t.Helper()
	var enc Buffer
	vec, err := enc.EncodeBatch(f, h, uint32(len(entries)), entryPieces(t, entries))
	if err != nil {
		t.Fatal(err)
	}
	return join(vec)
}

func entryPieces(t rapid.TB, entries []Entry) (pieces [][]byte) {
	t.Helper()
	for _, e := range entries {
		head, err := AppendEntry(nil, e.Kind, len(e.Key), len(e.Value))
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, head, e.Key, e.Value)
	}
	return pieces
}

// rawHead encodes a header as it stands in a file, flags included, however
// impossible it is.
func rawHead(f *Frame, h Header) []byte {
	var r rawHeader
	r.set(f, &h)
	sum, _ := f.headerSum(&r)
	r.setSum(sum)
	return r[:]
}

// forge lays out a record that no encoder would: payload is stored as it is.
func forge(f *Frame, h Header, payload []byte) []byte {
	h.ValueLen = len(payload) - h.KeyLen
	for ; ; h.Time++ {
		b := append(rawHead(f, h), payload...)
		b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b)^f.Seed)
		if f.ends(b[len(b)-TrailerSize:]) {
			return b
		}
	}
}

// parse takes one whole record apart, or fails.
func parse(t rapid.TB, f *Frame, b []byte) (h Header, key, value []byte) {
	t.Helper()
	h, ok := f.ParseHeader(b)
	if !ok {
		t.Fatalf("header of %x does not parse", b[:min(len(b), HeaderSize)])
	}
	if !f.Whole(&h, b) {
		t.Fatalf("record of %d bytes is not whole", len(b))
	}
	key, value = f.Payload(&h, bytes.Clone(b))
	return h, key, value
}

// stepInShort returns 1, or n for -short runs and emulated machines.
func stepInShort(n int) int {
	if testing.Short() {
		return n
	}
	return 1
}
