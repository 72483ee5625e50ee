package segment

import (
	"fmt"
	"strings"

	"github.com/manypen/manypen/internal/host"
)

// MaxNumber is the highest segment number: positions are compared as one word
// of 28 bits for the segment and 36 for the offset (see package control).
const MaxNumber = 1<<28 - 1

// numberDigits is the width of a number in a file name: every valid one fits,
// and a listing in order of names is in order of segments.
const numberDigits = 9

const (
	segmentPrefix = "seg."
	sidecarPrefix = "idx."
	idName        = "journal.id"
	// ControlPrefix begins the name of a control file.
	ControlPrefix = "ctl."
)

// Name is the file name of segment n.
func Name(n uint64) string { return fmt.Sprintf("%s%0*d", segmentPrefix, numberDigits, n) }

// SidecarName is the file name of the sidecar of segment n.
func SidecarName(n uint64) string { return fmt.Sprintf("%s%0*d", sidecarPrefix, numberDigits, n) }

// ParseName returns the number of the segment that has this file name. It is
// strict: every number has exactly one name.
func ParseName(name string) (n uint64, ok bool) { return parseName(name, segmentPrefix) }

// ParseSidecarName returns the number of the segment whose sidecar has this name.
func ParseSidecarName(name string) (n uint64, ok bool) { return parseName(name, sidecarPrefix) }

func parseName(name, prefix string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) != numberDigits {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n >= 1 && n <= MaxNumber
}

// ours reports whether a name may stand in a journal directory. lost+found is
// what mkfs leaves in the root of a file system, and names that begin with a
// dot are other programs' business everywhere.
func ours(name string) bool {
	_, segment := ParseName(name)
	_, sidecar := ParseSidecarName(name)
	return segment || sidecar || name == idName || name == "lost+found" ||
		strings.HasPrefix(name, ControlPrefix) ||
		strings.HasPrefix(name, host.TempPrefix) ||
		strings.HasPrefix(name, ".")
}
