package jtoolcmd

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/manypen/manypen/journal"
)

// selection is what all commands that print records select them by.
type selection struct {
	from, to         string
	since, until     string
	key, prefix      string
	writer           string
	keySet           bool
	fromPos, toPos   journal.Position
	sinceAt, untilAt time.Time
	writerIDs        [2]uint64 // what the text may mean
}

func (s *selection) flags(f *pflag.FlagSet) {
	f.StringVar(&s.from, "from", "", "begin at this position")
	f.StringVar(&s.to, "to", "", "end in front of this position")
	f.StringVar(&s.since, "since", "", "records of this time and later")
	f.StringVar(&s.until, "until", "", "records before this time")
	f.StringVar(&s.key, "key", "", "records of this key")
	f.StringVar(&s.prefix, "prefix", "", "records whose key begins with this")
	f.StringVar(&s.writer, "writer", "", "records of this writer, decimal or hexadecimal")
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
	now := time.Now()
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
	if !f.Changed("writer") {
		return nil
	}
	if s.writerIDs, err = parseWriter(s.writer); err != nil {
		return usagef("--writer %s: want a writer's number, decimal, or hexadecimal as printed", s.writer)
	}
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

// ended reports whether r and everything behind it is out of the selection.
// Times do not decide that: clocks jump.
func (s *selection) ended(r *journal.Record) bool {
	return s.to != "" && !r.Position.Before(s.toPos)
}

// matches reports whether r is selected.
func (s *selection) matches(r *journal.Record) bool {
	switch {
	case r.Position.Before(s.fromPos), s.ended(r),
		s.since != "" && r.Time.Before(s.sinceAt),
		s.until != "" && !r.Time.Before(s.untilAt),
		s.keySet && string(r.Key) != s.key,
		s.prefix != "" && !bytes.HasPrefix(r.Key, []byte(s.prefix)),
		s.writer != "" && r.Writer != s.writerIDs[0] && r.Writer != s.writerIDs[1]:
		return false
	}
	return true
}
