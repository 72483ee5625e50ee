package jtoolcmd

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/go-logfmt/logfmt"
	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

// A format appends one record to b as it is to be printed.
type format func(b []byte, r journal.Record) []byte

// output is what all commands that print records are told about how.
type output struct {
	t        *tool
	name     string
	template string
	utc      bool
	noPager  bool
}

const formatNames = "short, verbose, json, json-pretty, raw, hex, logfmt, csv or template"

func (o *output) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.name, "output", "o", "short", formatNames)
	f.StringVar(&o.template, "template", "", "Go template for -o template, which it implies; see the command's help")
	f.BoolVar(&o.utc, "utc", false, "on a terminal: times in UTC, not in local time")
	f.BoolVar(&o.noPager, "no-pager", false, "on a terminal: do not start $JTOOL_PAGER, $PAGER or less")
	// An error would say that the flag does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"short", "verbose", "json", "json-pretty", "raw", "hex", "logfmt", "csv", "template"}, cobra.ShellCompDirectiveNoFileComp
	})
}

// printing is a format that is ready: what comes in front of all records, how each
// one is printed, and what kept one from being printed.
type printing struct {
	head   []byte
	format format
	failed func() error
}

// printing makes sense of the flags. It has to be called when the pager has been
// started, if there will be one.
func (o *output) printing() (p printing, err error) {
	t := o.t
	name := o.name
	switch {
	case t.json && name != "json-pretty":
		name = "json"
	case o.template != "":
		name = "template"
	}
	p.failed = func() error { return nil }
	safe := appendSafe // what keeps a format from controlling the terminal
	switch name {
	case "short":
		if p.format = t.appendShort; t.tty {
			p.format = t.columns(o.utc)
		}
		return p, nil // they escape what does not print
	case "verbose":
		p.format = t.appendVerbose
		return p, nil
	case "hex":
		p.format = appendHex
		return p, nil
	case "json":
		p.format, safe = appendJSON, appendSafeJSON
	case "json-pretty":
		p.format, safe = appendPretty, appendSafeJSON
	case "raw":
		p.format = appendRaw
	case "logfmt":
		p.format = appendLogfmt
	case "csv":
		p.head, p.format = appendCSV(nil, csvHeader), appendRow
	case "template":
		if p.format, p.failed, err = t.templated(o.template); err != nil {
			return p, err
		}
	default:
		return p, usagef("-o %s: want %s", o.name, formatNames)
	}
	if t.tty {
		p.format = sanitized(p.format, safe)
	}
	return p, nil
}

func sanitized(f format, safe func(b, text []byte) []byte) format {
	var scratch []byte
	return func(b []byte, r journal.Record) []byte {
		scratch = f(scratch[:0], r)
		return safe(b, scratch)
	}
}

// appendPretty is appendJSON over several lines.
func appendPretty(b []byte, r journal.Record) []byte {
	w := bytes.NewBuffer(b)
	if err := json.Indent(w, appendJSON(nil, r), "", "  "); err != nil {
		panic("jtoolcmd: " + err.Error()) // what it cannot do is text that is no JSON
	}
	return w.Bytes()
}

// appendLogfmt prints name=value pairs: the fields of JSON under the same names.
func appendLogfmt(b []byte, r journal.Record) []byte {
	w := bytes.NewBuffer(b)
	e := logfmt.NewEncoder(w)
	pairs := []any{
		"position", r.Position.String(), "time", r.Time.UTC().Format(time.RFC3339Nano),
		"writer", fmt.Sprintf("%016x", r.Writer), "seq", r.Seq, "kind", r.Kind.String(),
	}
	for _, p := range []struct {
		name  string
		bytes []byte
		has   bool
	}{{"key", r.Key, len(r.Key) > 0}, {"value", r.Value, r.Kind != journal.KindDelete}} {
		if !p.has {
			continue
		}
		if text, b64 := textOrBase64(p.bytes); text != nil {
			pairs = append(pairs, p.name, *text)
		} else {
			pairs = append(pairs, p.name+"_b64", *b64)
		}
	}
	if err := errors.Join(e.EncodeKeyvals(pairs...), e.EndRecord()); err != nil {
		panic("jtoolcmd: " + err.Error()) // strings and numbers into memory: a mistake in this package
	}
	return w.Bytes()
}

// csvHeader names the columns. CSV is text: a key or value that is not is in
// base64, and the last column names which are.
var csvHeader = []string{"position", "time", "writer", "seq", "kind", "key", "value", "base64"}

func appendCSV(b []byte, row []string) []byte {
	w := bytes.NewBuffer(b)
	c := csv.NewWriter(w)
	err := c.Write(row)
	c.Flush()
	if err = errors.Join(err, c.Error()); err != nil {
		panic("jtoolcmd: " + err.Error()) // strings into memory
	}
	return w.Bytes()
}

func appendRow(b []byte, r journal.Record) []byte {
	row := []string{r.Position.String(), r.Time.UTC().Format(time.RFC3339Nano), fmt.Sprintf("%016x", r.Writer),
		strconv.FormatUint(r.Seq, 10), r.Kind.String(), "", "", ""}
	var encoded []string
	for i, p := range []struct {
		name  string
		bytes []byte
	}{{"key", r.Key}, {"value", r.Value}} {
		text, b64 := textOrBase64(p.bytes)
		if text == nil {
			text, encoded = b64, append(encoded, p.name)
		}
		row[5+i] = *text
	}
	row[7] = strings.Join(encoded, " ")
	return appendCSV(b, row)
}

// fields is what a template is given.
type fields struct {
	Position, Next string
	Time           time.Time
	Writer         string // 16 hexadecimal digits, as --writer takes them
	Seq            uint64
	Kind           string
	Key, Value     string
}

// JSON is the value decoded, if it is a JSON object; else an empty one. Numbers stay
// as they are written.
func (f fields) JSON() map[string]any {
	d := json.NewDecoder(strings.NewReader(f.Value))
	d.UseNumber()
	var object map[string]any
	if d.Decode(&object) != nil || d.More() {
		return nil
	}
	return object
}

// Field is a field of the value, by its path, or nothing: what .JSON.user.name is,
// also for a value that has no user.
func (f fields) Field(path string) any {
	var at any = f.JSON()
	for name := range strings.SplitSeq(path, ".") {
		object, _ := at.(map[string]any) // nil, which has no fields, if it is something else
		found, ok := object[name]
		if !ok {
			return ""
		}
		at = found
	}
	return at
}

var templateFuncs = template.FuncMap{
	"base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"hex":    func(s string) string { return fmt.Sprintf("%x", s) },
	"escape": func(s string) string { return string(appendEscaped(nil, []byte(s))) },
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
}

// templated is a format by a Go template, a line for each record.
func (t *tool) templated(text string) (format, func() error, error) {
	if text == "" {
		return nil, nil, usagef("-o template: give the template, such as --template '{{.Time}} {{.Key}} {{.JSON.level}}'")
	}
	tmpl, err := template.New("--template").Option("missingkey=zero").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, nil, usagef("%v; see the help of the command for what there is", err)
	}
	var failed error
	print := func(b []byte, r journal.Record) []byte {
		w := bytes.NewBuffer(b)
		f := fields{r.Position.String(), r.Next.String(), r.Time, fmt.Sprintf("%016x", r.Writer), r.Seq, r.Kind.String(), string(r.Key), string(r.Value)}
		if t.decode != nil {
			f.Key, f.Value = t.decode(r)
		}
		if err := tmpl.Execute(w, f); err != nil {
			failed = fmt.Errorf("record at %v: %w", r.Position, err)
			return b
		}
		w.WriteByte('\n')
		return w.Bytes()
	}
	return print, func() error { return failed }, nil
}

const templateHelp = `
A template (--template) is one of Go's package text/template. It is given .Position,
.Next, .Time, .Writer, .Seq, .Kind, .Key, .Value, .JSON, which is the value decoded
({{.JSON.level}}), and .Field, which looks for a path in that and gives nothing if
there is none ({{.Field "user.name"}}). Functions: base64, hex, escape, json.`
