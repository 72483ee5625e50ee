package where

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A step of a path is the name of a member, or the index of an element.
type step struct {
	name  string
	index int    // -1 if it is a name
	bytes []byte // name
}

type path []step

// slot is what a record has at a path.
type slot struct {
	looked bool
	raw    []byte // the JSON text of the value, nil if there is none
}

// document is one value as JSON, looked at when it is needed.
type document int8

const (
	notLooked document = iota
	isJSON
	notJSON
)

// judge reports whether b is JSON. Everything below relies on that: it walks
// through a document without looking for mistakes again.
func judge(b []byte) document {
	if json.Valid(b) {
		return isJSON
	}
	return notJSON
}

// find returns the text of what a document, which is valid, has at p.
func find(doc []byte, p path) []byte {
	at := bytes.Trim(doc, " \t\r\n")
	scratch := []byte(nil)
	for i := range p {
		s := &p[i]
		switch {
		case s.index < 0 && at[0] == '{':
			at, scratch = member(at, s.name, scratch)
		case s.index >= 0 && at[0] == '[':
			at = element(at, s.index)
		default:
			return nil
		}
		if at == nil {
			return nil
		}
	}
	return at
}

// member returns the last member of an object with this name.
func member(object []byte, name string, scratch []byte) (found, _ []byte) {
	for i := space(object, 1); object[i] != '}'; {
		end := i + textLen(object[i:])
		key := object[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			scratch = unescape(scratch[:0], key)
			key = scratch
		}
		i = space(object, space(object, end)+1) // behind the colon
		end = i + valueLen(object[i:])
		if string(key) == name {
			found = object[i:end:end]
		}
		if i = space(object, end); object[i] == ',' {
			i = space(object, i+1)
		}
	}
	return found, scratch
}

// element returns element n of an array, nil if there are less.
func element(array []byte, n int) (found []byte) {
	elements(array, func(e []byte) bool {
		if n == 0 {
			found = e
		}
		n--
		return found == nil
	})
	return found
}

// elements calls f with the elements of an array until it says no.
func elements(array []byte, f func([]byte) (more bool)) {
	for i := space(array, 1); array[i] != ']'; {
		end := i + valueLen(array[i:])
		if !f(array[i:end:end]) {
			return
		}
		if i = space(array, end); array[i] == ',' {
			i = space(array, i+1)
		}
	}
}

// space returns the first index from i on that is no white space.
func space(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i++
	}
	return i
}

// textLen is the length of the string that b begins with, quotes included.
func textLen(b []byte) int {
	for i := 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueLen is the length of the value that b begins with. It does not call itself:
// ten thousand levels are a document.
func valueLen(b []byte) int {
	depth := 0
	for i := 0; ; {
		switch b[i] {
		case '"':
			i += textLen(b[i:])
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue // only inside of something
		default:
			for i < len(b) && !endsWord(b[i]) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

// endsWord reports whether c ends a number, true, false or null.
func endsWord(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// unescape appends the text of a JSON string, given without its quotes. A half of
// a surrogate pair without the other one is U+FFFD, as in encoding/json; a byte
// that is no UTF-8 stays as it is.
func unescape(b, s []byte) []byte {
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(b, s...)
		}
		b = append(b, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				low := rune(utf8.RuneError)
				if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
					low = hex4(s[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					s = s[6:]
				}
			}
			b = utf8.AppendRune(b, r)
		default: // a quote, a slash, a backslash
			b = append(b, c)
		}
	}
	return b
}

// hex4 reads the four digits of an escape.
func hex4(s []byte) rune {
	n, err := strconv.ParseUint(string(s[:4]), 16, 32)
	if err != nil {
		return utf8.RuneError // not in a valid document
	}
	return rune(n)
}
