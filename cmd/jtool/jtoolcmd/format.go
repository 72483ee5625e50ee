package jtoolcmd

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/manypen/manypen/journal"
)

// timeLayout has a fixed width, so that columns stand.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

func appendRaw(b []byte, r journal.Record) []byte { return append(append(b, r.Value...), '\n') }

// appendShort prints a record on one line: POSITION TIME WRITER:SEQ KEY VALUE,
// separated by tabs. A deletion has "(deleted)" for its value.
func (t *tool) appendShort(b []byte, r journal.Record) []byte {
	b, _ = r.Position.AppendText(b) // never fails
	b = append(b, '\t')
	b = r.Time.UTC().AppendFormat(b, timeLayout)
	b = fmt.Appendf(b, "\t%016x:%d\t", r.Writer, r.Seq)
	key, value := t.shown(r)
	b = append(appendEscaped(b, key), '\t')
	if r.Kind == journal.KindDelete {
		return append(b, "(deleted)\n"...)
	}
	return append(appendEscaped(b, value), '\n')
}

// jsonRecord is a record in JSON. 64-bit numbers are strings, since JavaScript and
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
			b = fmt.Appendf(b, "%s, %d bytes\n", part.name, len(part.bytes))
			b = slices.Grow(b, (len(part.bytes)+15)/16*79) // a line of hex.Dump has 79 bytes
			w := bytes.NewBuffer(b)
			d := hex.Dumper(w)
			d.Write(part.bytes) // into memory: neither fails
			d.Close()
			b = w.Bytes()
		}
	}
	return append(b, '\n')
}

func (t *tool) appendVerbose(b []byte, r journal.Record) []byte {
	key, value := t.shown(r)
	for _, f := range []struct{ name, text string }{
		{"position", r.Position.String()},
		{"next", r.Next.String()},
		{"time", r.Time.UTC().Format(timeLayout)},
		{"writer", fmt.Sprintf("%016x (%d)", r.Writer, r.Writer)},
		{"sequence", strconv.FormatUint(r.Seq, 10)},
		{"kind", r.Kind.String()},
		{"key", fmt.Sprintf("%d bytes: %s", len(r.Key), appendEscaped(nil, key))},
		{"value", fmt.Sprintf("%d bytes: %s", len(r.Value), appendEscaped(nil, value))},
	} {
		b = t.paint(b, sgrDim, fmt.Sprintf("%-9s", f.name))
		b = append(append(append(b, ' '), f.text...), '\n')
	}
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
