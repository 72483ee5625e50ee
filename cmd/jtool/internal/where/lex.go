package where

import (
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer takes an expression apart. What a piece of text may be depends on what
// the parser expects there, so it asks for that.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) errorf(format string, args ...any) *SyntaxError {
	return errorAt(l.text, l.pos, format, args...)
}

func (l *lexer) space() {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
}

// end reports whether nothing is left.
func (l *lexer) end() bool {
	l.space()
	return l.pos == len(l.text)
}

// symbol takes the first of these that the text goes on with.
func (l *lexer) symbol(symbols ...string) string {
	l.space()
	for _, s := range symbols {
		if strings.HasPrefix(l.text[l.pos:], s) {
			l.pos += len(s)
			return s
		}
	}
	return ""
}

var keywords = []string{"and", "or", "not", "in", "contains", "exists"}

// isKeyword returns the keyword that word is, in any case.
func isKeyword(word string) string {
	for _, k := range keywords {
		if strings.EqualFold(word, k) {
			return k
		}
	}
	return ""
}

// letters is the length of the run of letters that the text goes on with.
func (l *lexer) letters() int {
	rest := l.text[l.pos:]
	return len(rest) - len(strings.TrimLeftFunc(rest, nameRune))
}

// keyword takes the keyword if it comes next as a word of its own.
func (l *lexer) keyword(k string) bool {
	l.space()
	n := l.letters()
	if !strings.EqualFold(l.text[l.pos:l.pos+n], k) {
		return false
	}
	l.pos += n
	return true
}

// nameRune reports whether r may stand in a name without quotes.
func nameRune(r rune) bool {
	return r == '_' || r == '-' || r == '@' || r == '$' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// wordEnds are the bytes that end a bare word.
const wordEnds = " \t\r\n()',\"=!<>~&|"

// word takes a bare word, "" if there is none.
func (l *lexer) word() (string, *SyntaxError) {
	l.space()
	rest := l.text[l.pos:]
	n := strings.IndexAny(rest, wordEnds)
	if n < 0 {
		n = len(rest)
	}
	for i, r := range rest[:n] {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			l.pos += i
			return "", l.errorf("the byte %#02x cannot stand in a bare word; want quotes around it", rest[i])
		}
	}
	l.pos += n
	return rest[:n], nil
}

// quoted takes text in quotes. With pattern set only \' and \" are escapes: the
// rest is for the regular expression.
func (l *lexer) quoted(pattern bool) (string, *SyntaxError) {
	start, quote := l.pos, l.text[l.pos]
	var b []byte
	for l.pos++; l.pos < len(l.text); {
		c := l.text[l.pos]
		switch {
		case c == quote:
			l.pos++
			return string(b), nil
		case c != '\\':
			b = append(b, c)
			l.pos++
		case l.pos+1 == len(l.text):
			l.pos = len(l.text)
		case pattern:
			if c := l.text[l.pos+1]; c != '\'' && c != '"' {
				b = append(b, '\\')
			}
			b = append(b, l.text[l.pos+1])
			l.pos += 2
		default:
			var err *SyntaxError
			if b, err = l.escape(b); err != nil {
				return "", err
			}
		}
	}
	l.pos = start
	return "", l.errorf("want a closing %c for this one", quote)
}

// escape takes one escape sequence and appends what it stands for.
func (l *lexer) escape(b []byte) ([]byte, *SyntaxError) {
	c, digits := l.text[l.pos+1], 0
	switch c {
	case '\\', '\'', '"':
		b = append(b, c)
	case 'n':
		b = append(b, '\n')
	case 'r':
		b = append(b, '\r')
	case 't':
		b = append(b, '\t')
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return b, l.errorf(`there is no such escape; want \\ for a backslash, or one of \' \" \n \r \t \xFF \u00E9 \U0001F642`)
	}
	if digits > 0 {
		hex := l.text[min(l.pos+2, len(l.text)):min(l.pos+2+digits, len(l.text))]
		n, err := strconv.ParseUint(hex, 16, 32)
		switch {
		case err != nil || len(hex) < digits:
			return b, l.errorf(`want %d hexadecimal digits behind \%c`, digits, c)
		case c == 'x':
			b = append(b, byte(n))
		case n > unicode.MaxRune || !utf8.ValidRune(rune(n)):
			return b, l.errorf("there is no such character")
		default:
			b = utf8.AppendRune(b, rune(n))
		}
	}
	l.pos += 2 + digits
	return b, nil
}

// appendQuoted appends s so that quoted gives it back.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\\' || r == '\'':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == utf8.RuneError && n == 1 || r < 0x80 && !unicode.IsPrint(r):
			b = append(b, `\x`...)
			b = append(b, "0123456789abcdef"[s[i]>>4], "0123456789abcdef"[s[i]&15])
		case !unicode.IsPrint(r):
			b = append(b, `\U`...)
			hex := strconv.FormatUint(uint64(r), 16)
			b = append(append(b, "00000000"[len(hex):]...), hex...)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return append(b, '\'')
}

// appendPattern appends a regular expression so that quoted gives back one that
// means the same.
func appendPattern(b []byte, s string) []byte {
	if strings.Contains(s, `\Q`) {
		// Behind it a backslash is a character, also in front of a quote or the end,
		// where it would be taken for an escape here. There is another way to say it.
		if re, err := syntax.Parse(s, syntax.Perl); err == nil {
			s = re.String()
		}
	}
	b = append(b, '\'')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			b = append(b, c, s[i+1])
			i++
		case c == '\'':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}
