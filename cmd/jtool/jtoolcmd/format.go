package jtoolcmd

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/manypen/manypen/journal"
)

// timeLayout has a fixed width, so that columns stand.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// A format appends one record to b as it is to be printed.
type format func(b []byte, r journal.Record) []byte

var formats = map[string]format{
	"short":   appendShort,
	"json":    appendJSON,
	"raw":     appendRaw,
	"hex":     appendHex,
	"verbose": appendVerbose,
}

func (t *tool) formatOf(name string) (format, error) {
	if t.json {
		name = "json"
	}
	f := formats[name]
	if f == nil {
		return nil, usagef("-o %s: want short, json, raw, hex or verbose", name)
	}
	return f, nil
}

func appendRaw(b []byte, r journal.Record) []byte { return append(append(b, r.Value...), '\n') }

// appendShort prints a record on one line: POSITION TIME WRITER:SEQ KEY VALUE,
// separated by tabs. A deletion has "(deleted)" for its value.
func appendShort(b []byte, r journal.Record) []byte {
	b, _ = r.Position.AppendText(b) // never fails
	b = append(b, '\t')
	b = r.Time.UTC().AppendFormat(b, timeLayout)
	b = fmt.Appendf(b, "\t%016x:%d\t", r.Writer, r.Seq)
	b = appendEscaped(b, r.Key)
	b = append(b, '\t')
	if r.Kind == journal.KindDelete {
		b = append(b, "(deleted)"...)
	} else {
		b = appendEscaped(b, r.Value)
	}
	return append(b, '\n')
}

// appendEscaped appends text so that it stays on one line and cannot change a
// terminal: everything that does not print is written as in Go.
func appendEscaped(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\\':
			b = append(b, `\\`...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == utf8.RuneError && n == 1 || r < 0x80 && !unicode.IsPrint(r):
			b = fmt.Appendf(b, `\x%02x`, text[0])
		case !unicode.IsPrint(r):
			if r > 0xFFFF {
				b = fmt.Appendf(b, `\U%08x`, r)
			} else {
				b = fmt.Appendf(b, `\u%04x`, r)
			}
		default:
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b
}

// record is a record in JSON. 64-bit numbers are strings, since JavaScript and
// jq would round them.
type jsonRecord struct {
	V        int     `json:"v"`
	Type     string  `json:"type"`
	Position string  `json:"position"`
	Next     string  `json:"next"`
	Time     string  `json:"time"`
	TimeNS   string  `json:"time_ns"`
	Writer   string  `json:"writer"`
	Seq      string  `json:"seq"`
	Kind     string  `json:"kind"`
	Key      *string `json:"key,omitempty"`
	KeyB64   *string `json:"key_b64,omitempty"`
	Value    *string `json:"value,omitempty"`
	ValueB64 *string `json:"value_b64,omitempty"`
}

func appendJSON(b []byte, r journal.Record) []byte {
	o := jsonRecord{
		V: 1, Type: "record",
		Position: r.Position.String(), Next: r.Next.String(),
		Time: r.Time.UTC().Format(time.RFC3339Nano), TimeNS: strconv.FormatInt(r.Time.UnixNano(), 10),
		Writer: strconv.FormatUint(r.Writer, 10), Seq: strconv.FormatUint(r.Seq, 10),
		Kind: r.Kind.String(),
	}
	o.Key, o.KeyB64 = textOrBase64(r.Key)
	if r.Kind != journal.KindDelete {
		o.Value, o.ValueB64 = textOrBase64(r.Value)
	}
	return appendLine(b, o)
}

// appendLine appends v as one line of JSON. What v may be cannot fail.
func appendLine(b []byte, v any) []byte {
	w := bytes.NewBuffer(b)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("jtoolcmd: " + err.Error()) // strings and numbers only: a mistake in this package
	}
	return w.Bytes()
}

func textOrBase64(p []byte) (text, b64 *string) {
	s := string(p)
	if utf8.ValidString(s) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString(p)
	return nil, &s
}

func appendHex(b []byte, r journal.Record) []byte {
	b = fmt.Appendf(b, "%v %s %016x:%d %v\n", r.Position, r.Time.UTC().Format(timeLayout), r.Writer, r.Seq, r.Kind)
	for _, part := range []struct {
		name  string
		bytes []byte
	}{{"key", r.Key}, {"value", r.Value}} {
		if len(part.bytes) > 0 {
			b = fmt.Appendf(b, "%s, %d bytes\n%s", part.name, len(part.bytes), hex.Dump(part.bytes))
		}
	}
	return append(b, '\n')
}

func appendVerbose(b []byte, r journal.Record) []byte {
	b = fmt.Appendf(b, "position  %v\nnext      %v\ntime      %s\nwriter    %016x (%d)\nsequence  %d\nkind      %v\n",
		r.Position, r.Next, r.Time.UTC().Format(timeLayout), r.Writer, r.Writer, r.Seq, r.Kind)
	b = append(appendEscaped(fmt.Appendf(b, "key       %d bytes: ", len(r.Key)), r.Key), '\n')
	b = append(appendEscaped(fmt.Appendf(b, "value     %d bytes: ", len(r.Value)), r.Value), '\n')
	return append(b, '\n')
}

// jsonDamage is a stretch without a record in JSON.
type jsonDamage struct {
	V     int    `json:"v"`
	Type  string `json:"type"`
	Class string `json:"class"`
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes string `json:"bytes"`
}

func damageObject(d journal.Damage) jsonDamage {
	return jsonDamage{1, "damage", d.Class.String(), d.From.String(), d.To.String(), strconv.FormatInt(d.Bytes(), 10)}
}
