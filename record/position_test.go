package record

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestPositionText(t *testing.T) {
	for _, tt := range []struct {
		p    Position
		text string
	}{
		{Position{}, "0:0"},
		{Position{1, 8192, 0}, "1:8192"},
		{Position{1, 8192, 1}, "1:8192+1"},
		{Position{math.MaxUint64, math.MaxInt64, math.MaxInt32}, "18446744073709551615:9223372036854775807+2147483647"},
	} {
		if got := tt.p.String(); got != tt.text {
			t.Errorf("%#v is %q, want %q", tt.p, got, tt.text)
		}
		got, err := ParsePosition(tt.text)
		if err != nil || got != tt.p {
			t.Errorf("ParsePosition(%q) = %v, %v", tt.text, got, err)
		}
		var u Position
		text, err := tt.p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := u.UnmarshalText(text); err != nil || u != tt.p {
			t.Errorf("UnmarshalText(%q) = %v, %v", text, u, err)
		}
	}
}

func TestPositionRejects(t *testing.T) {
	for _, s := range []string{
		"", ":", "+", "1", "1:", ":1", "1:2+", "1:2:3", "1:2+3+4", "1+2",
		"-1:2", "+1:2", "1:-2", "1:+2", "1:2+-3", "1:2++3", "-0:0", "0:-0",
		" 1:2", "1 :2", "1: 2", "1:2 ", "1:2+ 3", "1:2\n", "\t1:2",
		"01:2", "1:02", "1:2+03", "1:2+0", "00:0", "0:0+0",
		"0x1:2", "1:0x2", "1_0:2", "1:1_0", "1e3:2", "1:2.0", "a:b", "١:٢",
		"18446744073709551616:0", "0:9223372036854775808", "0:0+9223372036854775808",
		"1:2\x00", "1;2",
	} {
		p, err := ParsePosition(s)
		if err == nil {
			t.Errorf("ParsePosition(%q) = %v, want an error", s, p)
		}
		if p != (Position{}) {
			t.Errorf("ParsePosition(%q) = %v along with an error", s, p)
		}
		q := Position{1, 2, 3}
		if err := q.UnmarshalText([]byte(s)); err == nil || q != (Position{1, 2, 3}) {
			t.Errorf("UnmarshalText(%q) left %v, %v", s, q, err)
		}
	}
}

func TestPositionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Position{
			rapid.Uint64().Draw(t, "segment"),
			rapid.Int64Min(0).Draw(t, "offset"),
			int(rapid.Int32Min(0).Draw(t, "index")),
		}
		if q, err := ParsePosition(p.String()); err != nil || q != p {
			t.Fatalf("%v became %v, %v", p, q, err)
		}
	})
}

// What parses is exactly what is written: no two texts of one position.
func TestPositionOneText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[+\- 0]?[0-9]{1,3}:[+\- 0]?[0-9]{1,3}(\+[0-9]{0,3})?`).Draw(t, "text")
		if p, err := ParsePosition(s); err == nil && p.String() != s {
			t.Fatalf("%q parses as %v", s, p)
		}
	})
}

func TestPositionCompare(t *testing.T) {
	ordered := []Position{
		{}, {0, 0, 1}, {0, 1, 0}, {0, math.MaxInt64, math.MaxInt32}, {1, 0, 0}, {1, 8192, 0},
		{1, 8192, 1}, {1, 8192, 2}, {1, 8193, 0}, {2, 0, 0}, {math.MaxUint64, 0, 0},
	}
	for i, p := range ordered {
		for j, q := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := p.Compare(q); got != want {
				t.Errorf("%v compared with %v is %d, want %d", p, q, got, want)
			}
			if got := p.Before(q); got != (want < 0) {
				t.Errorf("%v before %v is %v", p, q, got)
			}
		}
		if p.IsZero() != (i == 0) {
			t.Errorf("IsZero(%v) = %v", p, p.IsZero())
		}
	}
}

func TestNames(t *testing.T) {
	got := fmt.Sprint(KindData, KindDelete, KindMark, KindBatch, KindGap, Kind(0), Kind(6), Whole, Classes, Class(9))
	const want = "data delete mark batch gap kind(0) kind(6) whole [fragment void unused dropped hole corruption] class(9)"
	if got != want {
		t.Errorf("names are %q, want %q", got, want)
	}
	for k := range 256 {
		if Kind(k).Known() != (k >= 1 && k <= 5) {
			t.Errorf("kind %d known: %v", k, Kind(k).Known())
		}
	}
}
