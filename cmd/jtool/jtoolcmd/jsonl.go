package jtoolcmd

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/manypen/manypen/journal"
)

// longestLine bounds a line of JSON in bytes: that of the longest record there can be,
// of which each byte may be written as six (\u0000), and what is around it.
const longestLine = 6*longestPiece + 64<<10

// readLine reads a line of at most limit bytes, without its newline. At the end of
// the input it returns what there is and io.EOF.
func readLine(r *bufio.Reader, limit int64) ([]byte, error) {
	var whole []byte
	for {
		part, err := r.ReadSlice('\n')
		if int64(len(whole))+int64(len(part)) > limit {
			return nil, &journal.SizeError{What: "line", Size: int64(len(whole)) + int64(len(part)), Limit: limit}
		}
		whole = append(whole, part...)
		switch {
		case err == nil:
			return whole[:len(whole)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return whole, err
		}
	}
}

// jsonLine is what import reads of an object; unknown fields are ignored. Pointers
// tell what is not there.
type jsonLine struct {
	V        *int64  `json:"v"`
	Type     *string `json:"type"`
	Position *string `json:"position"`
	Next     *string `json:"next"`
	TimeNS   *string `json:"time_ns"`
	Writer   *string `json:"writer"`
	Seq      *string `json:"seq"`
	Kind     *string `json:"kind"`
	Key      *string `json:"key"`
	KeyB64   *string `json:"key_b64"`
	Value    *string `json:"value"`
	ValueB64 *string `json:"value_b64"`
}

// parseLine reads a line of JSON. other is the type of an object that is no record.
// Time, writer and sequence must be there if they are to be kept.
func parseLine(line []byte, keep bool) (rec journal.Record, other string, err error) {
	if !utf8.Valid(line) {
		// The decoder would put another character in its place, without a word.
		return rec, "", errors.New("this is no UTF-8, so it is no JSON")
	}
	var o jsonLine
	if err := json.Unmarshal(line, &o); err != nil {
		return rec, "", jsonError(err)
	}
	switch {
	case o.Type == nil || *o.Type == "":
		return rec, "", errors.New(`"type" is missing; want the objects that export prints`)
	case o.V != nil && *o.V != 1:
		return rec, "", fmt.Errorf(`"v" is %d; this program knows 1`, *o.V)
	case *o.Type != "record":
		return rec, *o.Type, nil
	}
	if rec.Kind, err = kindOf(o.Kind); err != nil {
		return rec, "", err
	}
	if rec.Key, err = bytesOf("key", o.Key, o.KeyB64, true); err != nil {
		return rec, "", err
	}
	if rec.Value, err = bytesOf("value", o.Value, o.ValueB64, rec.Kind == journal.KindData); err != nil {
		return rec, "", err
	}
	if rec.Kind == journal.KindDelete && len(rec.Value) > 0 {
		return rec, "", errors.New("a deletion has no value")
	}
	return rec, "", o.place(&rec, keep)
}

// place reads where and when the record was appended.
func (o *jsonLine) place(rec *journal.Record, keep bool) error {
	for _, p := range []struct {
		name string
		text *string
		to   *journal.Position
	}{{"position", o.Position, &rec.Position}, {"next", o.Next, &rec.Next}} {
		if p.text == nil {
			continue
		}
		at, err := journal.ParsePosition(*p.text)
		if err != nil {
			return fmt.Errorf("%q: %w", p.name, err)
		}
		*p.to = at
	}
	var ns int64
	for _, n := range []struct {
		name string
		text *string
		read func(s string) error
	}{
		{"time_ns", o.TimeNS, func(s string) (err error) { ns, err = strconv.ParseInt(s, 10, 64); return err }},
		{"writer", o.Writer, func(s string) (err error) { rec.Writer, err = strconv.ParseUint(s, 10, 64); return err }},
		{"seq", o.Seq, func(s string) (err error) { rec.Seq, err = strconv.ParseUint(s, 10, 64); return err }},
	} {
		switch {
		case n.text != nil && n.read(*n.text) != nil:
			return fmt.Errorf("%q is %q; want a decimal number of 64 bits", n.name, *n.text)
		case n.text == nil && keep:
			return fmt.Errorf("%q is missing, which --keep needs", n.name)
		}
	}
	rec.Time = time.Unix(0, ns)
	return nil
}

func kindOf(s *string) (journal.Kind, error) {
	if s == nil {
		return 0, errors.New(`"kind" is missing; want data or delete`)
	}
	for _, k := range []journal.Kind{journal.KindData, journal.KindDelete} {
		if *s == k.String() {
			return k, nil
		}
	}
	return 0, fmt.Errorf(`"kind" is %q; want data or delete`, *s)
}

// bytesOf returns what stands in one of two fields.
func bytesOf(name string, text, b64 *string, must bool) ([]byte, error) {
	switch {
	case text != nil && b64 != nil:
		return nil, fmt.Errorf("%q and %q are both there; want one of them", name, name+"_b64")
	case text != nil:
		return []byte(*text), nil
	case b64 != nil:
		b, err := base64.StdEncoding.DecodeString(*b64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name+"_b64", err)
		}
		return b, nil
	case must:
		return nil, fmt.Errorf("%q is missing, and so is %q", name, name+"_b64")
	}
	return nil, nil
}

// jsonError says what is wrong with a line without the names of this program.
func jsonError(err error) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%q is a %s; want another type", wrong.Field, wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("this is a JSON %s; want an object", wrong.Value)
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return errors.New("this is the beginning of a JSON object only")
	case errors.As(err, &syntax):
		return fmt.Errorf("this is no JSON object, by byte %d: %w", syntax.Offset, err)
	}
	return err
}
