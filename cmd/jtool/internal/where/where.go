package where

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/manypen/manypen/journal"
)

const (
	// MaxLength is the longest expression in bytes.
	MaxLength = 64 << 10
	// MaxDepth is how deep parentheses and negations may be nested, and how many
	// steps a path may have.
	MaxDepth = 100
)

// Options says how values are read that a program has a notation of its own for.
// The zero value knows RFC 3339 and decimal numbers.
type Options struct {
	// Now is what relative times are relative to.
	Now time.Time
	// Time reads a time, Size a number of bytes. Writer reads the identity of a
	// writer, which may be either of two numbers.
	Time   func(text string, now time.Time) (time.Time, error)
	Size   func(text string) (int64, error)
	Writer func(text string) ([2]uint64, error)
}

func (o Options) withDefaults() Options {
	if o.Time == nil {
		o.Time = func(s string, _ time.Time) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) }
	}
	if o.Size == nil {
		o.Size = func(s string) (int64, error) {
			n, err := strconv.ParseUint(s, 10, 63)
			return int64(n), err
		}
	}
	if o.Writer == nil {
		o.Writer = func(s string) ([2]uint64, error) {
			n, err := strconv.ParseUint(s, 10, 64)
			return [2]uint64{n, n}, err
		}
	}
	return o
}

// Matcher decides about records. It may be used by any number of goroutines.
type Matcher interface {
	Match(r *journal.Record) bool
}

// Expr is an expression that was parsed. It does not change, and may be used by
// any number of goroutines. A nil Expr is true of every record.
type Expr struct {
	root   *node
	paths  int       // how many different ones there are
	states sync.Pool // of *state, if there are paths
}

// Match reports whether the expression is true of r. It keeps nothing of r.
func (e *Expr) Match(r *journal.Record) bool {
	if e == nil {
		return true
	}
	if e.paths == 0 {
		return e.root.eval(&state{rec: r})
	}
	s, _ := e.states.Get().(*state)
	if s == nil {
		s = &state{slots: make([]slot, e.paths)}
	}
	s.rec = r
	matched := e.root.eval(s)
	s.reset()
	e.states.Put(s)
	return matched
}

// String is the expression in a form of which there is one for all spellings. It
// parses to the same expression: relative times are absolute in it.
func (e *Expr) String() string {
	if e == nil {
		return ""
	}
	return string(e.root.appendText(nil, 0))
}

// SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Text   string // the whole expression
	Column int    // in characters, from 1
	Reason string
}

// shown is how much of a long expression is shown on each side of a mistake.
const shown = 60

// Error has three lines: the reason with the column, the expression, and a caret
// below the place.
func (e *SyntaxError) Error() string {
	runes := []rune(strings.ToValidUTF8(e.Text, "?"))
	at := min(max(e.Column-1, 0), len(runes))
	from, to := max(0, at-shown), min(len(runes), at+shown)
	lead, tail := "", ""
	if from > 0 {
		lead = "..."
	}
	if to < len(runes) {
		tail = "..."
	}
	line := strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case !unicode.IsPrint(r):
			return '?' // it must neither move the caret nor change the terminal
		}
		return r
	}, string(runes[from:to]))
	caret := strings.Repeat(" ", len(lead)+at-from) + "^"
	return fmt.Sprintf("column %d: %s\n  %s%s%s\n  %s", e.Column, e.Reason, lead, line, tail, caret)
}

// errorAt returns a SyntaxError about byte offset off of text.
func errorAt(text string, off int, format string, args ...any) *SyntaxError {
	return &SyntaxError{text, utf8.RuneCountInString(text[:min(off, len(text))]) + 1, fmt.Sprintf(format, args...)}
}

// And is true of a record if all of ms are. Those that are nil are left out.
func And(ms ...Matcher) Matcher {
	var all every
	for _, m := range ms {
		switch m := m.(type) {
		case nil:
		case *Expr:
			if m != nil {
				all = append(all, m)
			}
		case every:
			all = append(all, m...)
		default:
			all = append(all, m)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

type every []Matcher

func (all every) Match(r *journal.Record) bool {
	for _, m := range all {
		if !m.Match(r) {
			return false
		}
	}
	return true
}
