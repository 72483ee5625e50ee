// Package fuzzdir checks that a journal directory whose bytes were changed by chance,
// or by somebody who knows the format, is read as docs/FORMAT.md says, in every way
// there is to read it: without a panic, without an allocation or a loop that the input
// has chosen, and with errors that say where.
//
// A directory is an [Archive], which is one piece of bytes, so that a fuzzing engine
// can change the bytes of the files themselves. [Check] is what all of it is for. It is
// called by the fuzz targets of package fuzz and by the class X14 of the scoreboard.
package fuzzdir

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
)

// Archive is the files of a directory, and what is to be made right in them before they
// are used.
type Archive struct {
	Fix   Fix
	Files map[string][]byte
}

// Fix says which checksums are made right again, so that what stands behind a right
// checksum is reached.
type Fix byte

// What can be made right. The order in which it is done is that of repair.
const (
	FixMirror   Fix = 1 << iota // the second page of a header is made like the first
	FixFrame                    // marker and seed of a header page follow from its UUID and number
	FixPages                    // the hash of a header page
	FixRecords                  // both checksums of a record, wherever the marker stands
	FixID                       // the hash of journal.id
	FixSums                     // the checksums of a sidecar
	FixSize                     // the size of the segment in its sidecar
	FixPrevious                 // the limits of the predecessor in a header
)

// Bounds of what an archive may unpack to. Whatever the bytes say, a directory has not
// more than that.
const (
	maxFiles = 12
	maxFile  = 48 << 10
	maxName  = 48
	gapMin   = 16 // zeros that are worth being left out
)

// archiveHead begins an archive.
const archiveHead = 'D'

// Pack returns the bytes of an archive: a byte 'D', the fixes, and the files in the
// order of their names. A file is the length of its name (8 bits), the name, its size
// (32 bits), the number of its pieces (8 bits), and the pieces: offset (32 bits), length
// (16 bits), bytes. Between the pieces are zeros, of which a segment has many, and an
// engine that changed those would try nothing.
func (a *Archive) Pack() []byte {
	out := []byte{archiveHead, byte(a.Fix)}
	for _, name := range slices.Sorted(maps.Keys(a.Files)) {
		b := a.Files[name]
		out = append(out, byte(len(name)))
		out = append(out, name...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(b)))
		pieces := piecesOf(b)
		out = append(out, byte(len(pieces)))
		for _, p := range pieces {
			out = binary.LittleEndian.AppendUint32(out, uint32(p[0]))
			out = binary.LittleEndian.AppendUint16(out, uint16(p[1]-p[0]))
			out = append(out, b[p[0]:p[1]]...)
		}
	}
	return out
}

// piecesOf returns the parts of b that are not long runs of zeros: at most 255, which is
// what a byte can count. The last one takes what is left.
func piecesOf(b []byte) (pieces [][2]int) {
	for at := 0; at < len(b); {
		if b[at] == 0 {
			at++
			continue
		}
		end, zeros := at, 0
		for end+zeros < len(b) && (zeros < gapMin || len(pieces) == 254) {
			if b[end+zeros] == 0 {
				zeros++
				continue
			}
			end, zeros = end+zeros+1, 0
		}
		pieces = append(pieces, [2]int{at, end})
		at = end
	}
	return pieces
}

// Unpack returns the archive that some bytes are. Every input is one: what does not fit
// is cut off, and what is no name of a file is left out.
func Unpack(in []byte) *Archive {
	a := &Archive{Files: make(map[string][]byte)}
	r := reader{in}
	if r.take(1)[0] != archiveHead {
		return a
	}
	a.Fix = Fix(r.take(1)[0])
	for len(r.rest) > 0 && len(a.Files) < maxFiles {
		name := string(r.some(int(r.take(1)[0])))
		b := make([]byte, min(binary.LittleEndian.Uint32(r.take(4)), maxFile))
		for range r.take(1)[0] {
			from := int(min(binary.LittleEndian.Uint32(r.take(4)), maxFile))
			piece := r.some(int(binary.LittleEndian.Uint16(r.take(2))))
			if from < len(b) {
				copy(b[from:], piece)
			}
		}
		if fileName(name) {
			a.Files[name] = b
		}
	}
	return a
}

// fileName reports whether a file of the directory may have that name.
func fileName(name string) bool {
	return len(name) > 0 && len(name) <= maxName && name != "." && name != ".." &&
		bytes.IndexFunc([]byte(name), func(c rune) bool { return c <= ' ' || c == '/' || c == '\\' || c > '~' }) < 0
}

// reader takes bytes from the front. Behind the end there are zeros.
type reader struct{ rest []byte }

func (r *reader) take(n int) []byte {
	b := make([]byte, n)
	copy(b, r.some(n))
	return b
}

// some returns at most n bytes.
func (r *reader) some(n int) []byte {
	n = min(n, len(r.rest))
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// Clone returns a copy that shares no memory.
func (a *Archive) Clone() *Archive {
	c := &Archive{Fix: a.Fix, Files: make(map[string][]byte, len(a.Files))}
	for name, b := range a.Files {
		c.Files[name] = bytes.Clone(b)
	}
	return c
}

// Size is that of all files together.
func (a *Archive) Size() (n int64) {
	for _, b := range a.Files {
		n += int64(len(b))
	}
	return n
}

// names returns the names of the files, in order.
func (a *Archive) names() []string {
	names := slices.Collect(maps.Keys(a.Files))
	slices.SortFunc(names, cmp.Compare)
	return names
}
