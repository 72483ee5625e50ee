package jtoolcmd

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// What a value holds must never control a terminal: it may move the cursor, set
// the title, or answer in place of the user. So no byte of a record reaches one
// unless it belongs to a character that prints (unicode.IsPrint, which leaves out
// C0 and C1 controls, and what turns the direction of writing round).

// appendEscaped appends text so that it stays on one line and cannot change a
// terminal: everything that does not print is written as in Go.
func appendEscaped(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch r {
		case '\\':
			b = append(b, `\\`...)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			b = appendRune(b, text[:n], r)
		}
		text = text[n:]
	}
	return b
}

// appendRune appends a character, escaped if it does not print.
func appendRune(b, text []byte, r rune) []byte {
	switch {
	case r == utf8.RuneError && len(text) == 1 || r < 0x80 && !unicode.IsPrint(r):
		return fmt.Appendf(b, `\x%02x`, text[0])
	case unicode.IsPrint(r):
		return append(b, text...)
	case r > 0xFFFF:
		return fmt.Appendf(b, `\U%08x`, r)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}

// appendSafe appends text as it is, except for what does not print and is no
// newline or tab. It is for formats that are data, when they go to a terminal.
func appendSafe(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\n' || r == '\t' {
			b = append(b, text[:n]...)
		} else {
			b = appendRune(b, text[:n], r)
		}
		text = text[n:]
	}
	return b
}

// appendSafeJSON does the same to JSON, in whose strings alone such characters can
// be, so that it stays the same JSON.
func appendSafeJSON(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b = append(b, text[:n]...)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b
}
