package segment

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A second name for one number would be a second segment of that number.
func TestParseName(t *testing.T) {
	for _, c := range []struct {
		name string
		n    uint64
		ok   bool
	}{
		{"seg.000000001", 1, true},
		{"seg.000000010", 10, true},
		{"seg.268435455", MaxNumber, true},
		{"seg.000000000", 0, false}, // 0 stands for the oldest segment
		{"seg.268435456", 0, false}, // does not fit a position
		{"seg.999999999", 0, false},
		{"seg.1", 0, false},
		{"seg.00000001", 0, false},
		{"seg.0000000001", 0, false},
		{"seg.00000001 ", 0, false},
		{"seg. 00000001", 0, false},
		{"seg.+00000001", 0, false},
		{"seg.-00000001", 0, false},
		{"seg.0x0000001", 0, false},
		{"seg.00000000a", 0, false},
		{"seg.0000_0001", 0, false},
		{"seg.00000001\n", 0, false},
		{"seg.00000001\x00", 0, false},
		{"seg.000000001.bak", 0, false},
		{"seg.000000001~", 0, false},
		{"Seg.000000001", 0, false},
		{"SEG.000000001", 0, false},
		{"seg,000000001", 0, false},
		{"seg000000001", 0, false},
		{"xseg.000000001", 0, false},
		{"./seg.000000001", 0, false},
		{"seg.٠٠٠٠٠٠٠٠١", 0, false}, // digits, but not these
		{"seg.00000000\uFF11", 0, false},
		{"seg.", 0, false},
		{"", 0, false},
		{"journal.id", 0, false},
	} {
		n, ok := ParseName(c.name)
		if ok != c.ok || ok && n != c.n {
			t.Errorf("ParseName(%q) = %d, %v; want %d, %v", c.name, n, ok, c.n, c.ok)
		}
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, MaxNumber).Draw(t, "n")
		if got, ok := ParseName(Name(n)); !ok || got != n {
			t.Fatalf("ParseName(%q) = %d, %v", Name(n), got, ok)
		}
	})
}

// Whatever parses is what Name would have written, and names are in the order
// of their numbers.
func TestParseNameIsStrict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`seg\.[0-9 +\-_x]{7,11}`)).Draw(t, "name")
		if n, ok := ParseName(name); ok && Name(n) != name {
			t.Fatalf("ParseName(%q) = %d, whose name is %q", name, n, Name(n))
		}
		a, b := rapid.Uint64Range(1, MaxNumber).Draw(t, "a"), rapid.Uint64Range(1, MaxNumber).Draw(t, "b")
		if (a < b) != (strings.Compare(Name(a), Name(b)) < 0) {
			t.Fatalf("%d and %d are in another order than %q and %q", a, b, Name(a), Name(b))
		}
	})
}
