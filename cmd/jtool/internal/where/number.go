package where

import (
	"bytes"
	"cmp"
	"strconv"
)

// decimal is a number as it is written, so that it can be compared exactly in
// time linear in its length: 1e1000000000 is not multiplied out.
type decimal struct {
	neg bool
	// digits begin and end with one that is not 0, and may have a point among them;
	// none is the number 0.
	digits []byte
	// exp is the power of ten of the first digit.
	exp int64
}

// maxExponent bounds what is written behind the e, so that sums of it with the
// length of a number do not overflow.
const maxExponent = 1e18

// parseDecimal reads a number in the notation of JSON; a plus in front, and a
// point without digits on one side, are read too. It is false for anything else,
// for numbers with zeros in front, which people use for names, and for an
// exponent beyond maxExponent.
func parseDecimal(b []byte) (d decimal, ok bool) {
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		d.neg, b = b[0] == '-', b[1:]
	}
	n, whole, digits, point := 0, 0, 0, false
	for ; n < len(b); n++ {
		switch c := b[n]; {
		case c >= '0' && c <= '9':
			digits++
			if !point {
				whole++
			}
		case c == '.' && !point:
			point = true
		default:
			return d.exponent(b[:n], b[n:], whole, digits)
		}
	}
	return d.exponent(b, nil, whole, digits)
}

// exponent takes the part of a number from the e on, if there is one.
func (d decimal) exponent(mantissa, rest []byte, whole, digits int) (decimal, bool) {
	if digits == 0 || whole > 1 && mantissa[0] == '0' {
		return d, false
	}
	exp := int64(0)
	if len(rest) > 0 {
		if rest[0] != 'e' && rest[0] != 'E' || len(rest) == 1 {
			return d, false
		}
		var err error
		if exp, err = strconv.ParseInt(string(rest[1:]), 10, 64); err != nil || exp > maxExponent || exp < -maxExponent {
			return d, false
		}
	}
	exp += int64(whole) - 1
	for i, c := range mantissa {
		if c >= '1' {
			d.digits = bytes.TrimRight(mantissa[i:], "0.")
			break
		}
		if c == '0' {
			exp--
		}
	}
	if d.exp = exp; len(d.digits) == 0 {
		d.exp, d.neg = 0, false
	}
	return d, true
}

// compare returns -1, 0 or +1 as d is below, equal to or above e.
func (d decimal) compare(e decimal) int {
	ds, es := d.sign(), e.sign()
	if ds != es || ds == 0 {
		return cmp.Compare(ds, es)
	}
	if d.exp != e.exp {
		return ds * cmp.Compare(d.exp, e.exp)
	}
	return ds * compareDigits(d.digits, e.digits)
}

func (d decimal) sign() int {
	switch {
	case len(d.digits) == 0:
		return 0
	case d.neg:
		return -1
	}
	return 1
}

// compareDigits compares two runs of digits that stand for fractions, with no
// regard to a point in them.
func compareDigits(a, b []byte) int {
	for {
		if len(a) > 0 && a[0] == '.' {
			a = a[1:]
		}
		if len(b) > 0 && b[0] == '.' {
			b = b[1:]
		}
		if len(a) == 0 || len(b) == 0 {
			return cmp.Compare(len(a), len(b)) // what is left ends in a digit above 0
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
}
