package jtoolcmd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/manypen/manypen/cmd/jtool/internal/where"
	"github.com/manypen/manypen/journal"
)

// selection is what all commands that read records select them by.
type selection struct {
	from, to         string
	since, until     string
	length           time.Duration
	key, prefix      string
	writer           string
	grep, notGrep    []string
	where            string
	keySet           bool
	fromPos, toPos   journal.Position
	sinceAt, untilAt time.Time       // zero: no bound
	writerIDs        [2]uint64       // what the text may mean
	matchers         []where.Matcher // asked last: the others cost less
}

func (s *selection) flags(f *pflag.FlagSet) {
	f.StringVar(&s.from, "from", "", "begin at this position")
	f.StringVar(&s.to, "to", "", "end in front of this position")
	f.StringVar(&s.since, "since", "", "records of this time and later")
	f.StringVar(&s.until, "until", "", "records before this time")
	f.DurationVar(&s.length, "for", 0, "records of so long behind --since; with --follow: stop after so long")
	f.StringVar(&s.key, "key", "", "records of this key")
	f.StringVar(&s.prefix, "prefix", "", "records whose key begins with this")
	f.StringVar(&s.writer, "writer", "", "records of this writer, decimal or hexadecimal")
	f.StringArrayVar(&s.grep, "grep", nil, "records whose value matches this regular expression, or one of several")
	f.StringArrayVar(&s.notGrep, "not-grep", nil, "records whose value matches none of these")
	f.StringVar(&s.where, "where", "", "records that meet a condition, such as '.level = ERROR and not key = debug'")
}

// parse makes sense of the flags' texts.
func (s *selection) parse(f *pflag.FlagSet) (err error) {
	s.keySet = f.Changed("key")
	for _, p := range []struct {
		flag, text string
		to         *journal.Position
	}{{"from", s.from, &s.fromPos}, {"to", s.to, &s.toPos}} {
		if !f.Changed(p.flag) {
			continue
		}
		if *p.to, err = journal.ParsePosition(p.text); err != nil {
			return usagef("--%s: %v", p.flag, err)
		}
	}
	if err := s.parseTimes(f, time.Now()); err != nil {
		return err
	}
	if f.Changed("writer") {
		if s.writerIDs, err = parseWriter(s.writer); err != nil {
			return usagef("--writer %s: want a writer's number, decimal, or hexadecimal as printed", s.writer)
		}
	}
	return s.parseMatchers(f)
}

func (s *selection) parseTimes(f *pflag.FlagSet, now time.Time) (err error) {
	for _, p := range []struct {
		flag, text string
		to         *time.Time
	}{{"since", s.since, &s.sinceAt}, {"until", s.until, &s.untilAt}} {
		if !f.Changed(p.flag) {
			continue
		}
		if *p.to, err = parseTime(p.text, now); err != nil {
			return usagef("--%s: %v", p.flag, err)
		}
	}
	if !f.Changed("for") {
		return nil
	}
	if s.length <= 0 {
		return usagef("--for %v: want a duration above 0, such as 5m", s.length)
	}
	follow := f.Lookup("follow")
	switch {
	case s.until != "":
		return usagef("--for and --until both say where to end; leave one out")
	case s.since != "":
		s.untilAt = s.sinceAt.Add(s.length)
	case follow != nil && follow.Changed:
		s.untilAt = now.Add(s.length)
	default:
		return usagef("--for %v: so long behind what? Give --since too", s.length)
	}
	return nil
}

func (s *selection) parseMatchers(f *pflag.FlagSet) error {
	if len(s.grep) > 0 || len(s.notGrep) > 0 {
		m, err := where.Grep(s.grep, s.notGrep)
		if err != nil {
			return usagef("--grep, --not-grep: %v", err)
		}
		s.matchers = append(s.matchers, m)
	}
	if !f.Changed("where") {
		return nil
	}
	m, err := where.Parse(s.where, where.Options{Now: time.Now(), Time: parseTime, Size: parseSize, Writer: parseWriter})
	if err != nil {
		return usagef("--where: %v", err)
	}
	s.matchers = append(s.matchers, m)
	return nil
}

// parseWriter reads a writer as jtool prints it: 16 hexadecimal digits, or
// decimal as in JSON, or hexadecimal behind 0x. Sixteen digits may be either;
// no journal has both.
func parseWriter(s string) (ids [2]uint64, err error) {
	digits, hexadecimal := strings.CutPrefix(s, "0x")
	hex, herr := strconv.ParseUint(digits, 16, 64)
	dec, err := strconv.ParseUint(s, 10, 64)
	switch {
	case hexadecimal || err != nil && len(s) == 16:
		return [2]uint64{hex, hex}, herr
	case len(s) == 16:
		return [2]uint64{hex, dec}, err
	}
	return [2]uint64{dec, dec}, err
}

// scan is the part of the journal in which what is selected lies. Times are
// searched for (journal.Seek), which is why records that a clock set back has left
// in front of that place are not found by --since.
func (s *selection) scan(j *journal.Journal, reverse bool) (o journal.ScanOptions, err error) {
	o = journal.ScanOptions{From: s.fromPos, To: s.toPos, Reverse: reverse, Reuse: true}
	if !s.sinceAt.IsZero() {
		at, err := j.Seek(s.sinceAt)
		if err != nil {
			return o, err
		}
		if o.From.Before(at) {
			o.From = at
		}
	}
	if !s.untilAt.IsZero() {
		// Records may be out of order by that much: none behind is early enough.
		at, err := j.Seek(s.untilAt.Add(journal.SeekSlack))
		if err != nil {
			return o, err
		}
		if o.To.IsZero() || at.Before(o.To) {
			o.To = at
		}
	}
	return o, nil
}

// empty reports whether nothing can be selected: a zero position means no bound to
// a scan, and the very beginning to --to.
func (s *selection) empty() bool { return s.to != "" && s.toPos.IsZero() }

// anyRecord reports whether the place and the time of a record alone decide.
func (s *selection) anyRecord() bool {
	return !s.keySet && s.prefix == "" && s.writer == "" && len(s.matchers) == 0
}

// ended reports whether r and everything behind it is out of the selection. The time
// of a single record does not decide that, as clocks jump; scan bounds what is read by
// --until, with some slack.
func (s *selection) ended(r *journal.Record) bool {
	return s.to != "" && !r.Position.Before(s.toPos)
}

// matches reports whether r is selected.
func (s *selection) matches(r *journal.Record) bool {
	switch {
	case r.Position.Before(s.fromPos), s.ended(r),
		!s.sinceAt.IsZero() && r.Time.Before(s.sinceAt),
		!s.untilAt.IsZero() && !r.Time.Before(s.untilAt),
		s.keySet && string(r.Key) != s.key,
		s.prefix != "" && !bytes.HasPrefix(r.Key, []byte(s.prefix)),
		s.writer != "" && r.Writer != s.writerIDs[0] && r.Writer != s.writerIDs[1]:
		return false
	}
	for _, m := range s.matchers {
		if !m.Match(r) {
			return false
		}
	}
	return true
}
