package fuzzdir

import (
	"bytes"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// repair makes right what a.Fix asks for. It works on the names of the files, whatever
// they hold: an input that has nothing to be made right stays as it is.
func (a *Archive) repair() {
	if a.Fix == 0 {
		return
	}
	if id := a.Files[idName]; a.Fix&FixID != 0 && len(id) > 18 {
		a.Files[idName] = fixID(id)
	}
	uuid, _ := parseIdentity(a.Files[idName])
	for _, name := range a.names() { // in order: a header repeats limits of the one in front
		b := a.Files[name]
		if n, ok := numberOf(name, "seg."); ok {
			if prev := a.Files[segmentName(n-1)]; a.Fix&FixPrevious != 0 && len(prev) >= headerEnd && len(b) >= headerEnd {
				copy(b[atPrevLimit:atPrevLongest+8], prev[atLimit:atLongest+8])
			}
			a.Fix.pages(b)
			if a.Fix&FixRecords != 0 {
				fixRecords(b, uuid, n)
			}
		}
	}
	for _, name := range a.names() {
		if n, ok := numberOf(name, "idx."); ok {
			a.Fix.sidecar(a.Files[name], len(a.Files[segmentName(n)]))
		}
	}
}

// fixID sets the hash at the end of journal.id, in front of the newline.
func fixID(id []byte) []byte {
	line := id[:len(id)-18]
	return fmt.Appendf(nil, "%s %016x\n", line, xxhash.Sum64(line))
}

// pages makes the header pages right.
func (f Fix) pages(b []byte) {
	if f&FixMirror != 0 && len(b) >= oracle.HeaderSize {
		copy(b[pageSize:oracle.HeaderSize], b[:pageSize])
	}
	for at := 0; at < oracle.HeaderSize && at+pageSize <= len(b); at += pageSize {
		p := b[at : at+pageSize]
		if f&FixFrame != 0 {
			frame(p)
		}
		if f&FixPages != 0 {
			le.PutUint64(p[sumAt:], xxhash.Sum64(p[:sumAt]))
		}
	}
}

// fixRecords goes from marker to marker of the segment's frame and makes each record
// that fits into the file whole again, as far as its checksums go. One that does not fit
// gets the checksum of its header: that is a torn one.
func fixRecords(b []byte, uuid [16]byte, n uint64) {
	if len(b) >= pageSize && string(b[:8]) == pageMagic {
		uuid = [16]byte(b[atUUID:])
	}
	s := scribeOf(uuid, n)
	for at := oracle.HeaderSize; at+headSize <= len(b); {
		i := bytes.Index(b[at:], s.marker[:])
		if i < 0 || at+i+headSize > len(b) {
			return
		}
		at += i
		end := at + oracle.Overhead + int(le.Uint16(b[at+atKeyLen:])) + int(le.Uint32(b[at+atValueLen:]))
		if end < at || end > len(b) {
			le.PutUint32(b[at+atHeadSum:], uint32(xxhash.Sum64(b[at:at+atHeadSum])^s.seed))
			at++
			continue
		}
		for range 64 { // one end in 128 is not allowed, and a nanosecond more makes another
			le.PutUint32(b[at+atHeadSum:], uint32(xxhash.Sum64(b[at:at+atHeadSum])^s.seed))
			le.PutUint64(b[end-8:], xxhash.Sum64(b[at:end-8])^s.seed)
			if !s.badEnd(b[at:end]) {
				break
			}
			le.PutUint64(b[at+atTime:], le.Uint64(b[at+atTime:])+1)
		}
		at = end
	}
}

// Offsets in a sidecar (10).
const (
	sideSize     = 56
	sideLimit    = 64
	sideEntries  = 104
	sideRun      = 112
	sideTableSum = 120
	sideRunSum   = 128
	sideSum      = 136
	sideHeader   = 144
	sideRow      = 16
	sideParts    = 256 << 10 // entries of so many bytes are in several parts
)

// sidecar makes the checksums of a sidecar right, of as much as its lengths say that
// is there.
func (f Fix) sidecar(b []byte, segment int) {
	if len(b) < sideHeader+sideRow {
		return
	}
	if f&FixSize != 0 {
		le.PutUint64(b[sideSize:], uint64(segment))
	}
	if f&FixSums == 0 {
		return
	}
	const from = sideHeader + sideRow // one part: nothing here is longer
	entries, run := le.Uint64(b[sideEntries:]), le.Uint64(b[sideRun:])
	if have := uint64(len(b) - from); entries <= have && run <= have-entries {
		le.PutUint64(b[sideHeader+8:], xxhash.Sum64(b[from:from+entries]))
		le.PutUint64(b[sideRunSum:], xxhash.Sum64(b[from+entries:from+entries+run]))
	}
	le.PutUint64(b[sideTableSum:], xxhash.Sum64(b[sideHeader:from]))
	le.PutUint64(b[sideSum:], xxhash.Sum64(b[:sideSum]))
}
