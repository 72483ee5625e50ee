package jslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// This file turns values into JSON, byte for byte as slog.JSONHandler does. What
// it does not know by itself it leaves to encoding/json, as that one does.

const hexDigits = "0123456789abcdef"

// plain says which bytes of a string stand for themselves in JSON: those of
// ASCII but for control characters, quotation mark and backslash. Others need a
// closer look.
var plain = func() (t [256]bool) {
	for b := ' '; b < utf8.RuneSelf; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if !plain[s[i]] {
			return append(appendEscaped(append(b, s[:i]...), s[i:]), '"')
		}
	}
	return append(append(b, s...), '"')
}

// appendEscaped appends s with escapes and without quotation marks.
func appendEscaped(b []byte, s string) []byte {
	done := 0 // s[:done] is in b
	for i := 0; i < len(s); {
		c, size := rune(s[i]), 1
		if plain[s[i]] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(s[i:])
			// The two separators are line ends in JavaScript, of which JSON was part.
			ordinary := c != '\u2028' && c != '\u2029' && (c != utf8.RuneError || size > 1)
			if ordinary {
				i += size
				continue
			}
		}
		b = append(b, s[done:i]...)
		i += size
		done = i
		b = appendEscape(b, c)
	}
	return append(b, s[done:]...)
}

// appendEscape appends the escape of a character that needs one.
func appendEscape(b []byte, c rune) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', byte(c))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', hexDigits[c>>12&15], hexDigits[c>>8&15], hexDigits[c>>4&15], hexDigits[c&15])
}

// appendValue appends a value that is no group and is resolved.
func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		return appendFloat(b, v.Float64())
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10)
	case slog.KindTime:
		return appendTime(b, v.Time())
	}
	return appendAny(b, v.Any())
}

// appendFloat appends the shortest text that is f again, as encoding/json does:
// with an exponent where the number is small or large, of as few digits as it
// needs.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return appendMarshal(b, f)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	// strconv gives an exponent two digits at least: e-07. Large ones have them.
	if n := len(b); b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// appendTime appends t as RFC 3339 with as many digits of the second as it has.
func appendTime(b []byte, t time.Time) []byte {
	if y := t.Year(); y < 0 || y > 9999 {
		// slog appends the time behind that, which is not JSON any more.
		return appendString(b, "!ERROR:time.Time year outside of range [0,9999]")
	}
	b = append(b, '"')
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendAny appends a value of any type. What its methods do wrong costs nobody
// but itself.
func appendAny(b []byte, v any) (out []byte) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		// A nil pointer whose methods do not expect that, most likely.
		if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
			out = appendString(b, "<nil>")
			return
		}
		out = appendString(b, fmt.Sprintf("!PANIC: %v", r))
	}()
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case slog.Level:
		return appendString(b, v.String())
	case json.Marshaler:
	case error:
		return appendString(b, v.Error())
	}
	return appendMarshal(b, v)
}

// encoder is a json.Encoder and what it writes to.
type encoder struct {
	buf bytes.Buffer
	enc *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.enc = json.NewEncoder(&e.buf)
	e.enc.SetEscapeHTML(false)
	return e
}}

// maxPooled is the size in bytes up to which a buffer is kept for the next one.
const maxPooled = 16 << 10

// appendMarshal appends what encoding/json makes of v, or says why it makes
// nothing.
func appendMarshal(b []byte, v any) []byte {
	e := encoders.Get().(*encoder)
	defer func() { // also if v panics
		if e.buf.Cap() <= maxPooled {
			e.buf.Reset()
			encoders.Put(e)
		}
	}()
	if err := e.enc.Encode(v); err != nil {
		return appendString(b, fmt.Sprintf("!ERROR:%v", err))
	}
	return append(b, bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))...)
}
