package where

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/manypen/manypen/journal"
)

// Grep returns a matcher of values: at least one of want occurs in it, unless
// there is none, and no one of not. The patterns have the syntax of RE2.
//
// As with journalctl --grep, a pattern without a capital letter matches without
// regard to case, and one with a capital letter anywhere, be it in \S, with
// regard to it. (?-i) or (?i) at the beginning of a pattern decides otherwise.
//
// A deletion has no value, so no pattern occurs in it.
func Grep(want, not []string) (Matcher, error) {
	var g grep
	for _, list := range []struct {
		patterns []string
		to       *[]*regexp.Regexp
	}{{want, &g.want}, {not, &g.not}} {
		for _, p := range list.patterns {
			re, err := compileSmart(p)
			if err != nil {
				return nil, err
			}
			*list.to = append(*list.to, re)
		}
	}
	return &g, nil
}

func compileSmart(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, fmt.Errorf("the pattern is empty; want a regular expression")
	}
	re, err := regexp.Compile(pattern) // as it is, for the text of the error
	if err != nil || strings.ContainsFunc(pattern, unicode.IsUpper) {
		return re, err
	}
	return regexp.Compile("(?i)" + pattern)
}

type grep struct{ want, not []*regexp.Regexp }

func (g *grep) Match(r *journal.Record) bool {
	if r.Kind == journal.KindDelete {
		return len(g.want) == 0
	}
	return (len(g.want) == 0 || occurs(g.want, r.Value)) && !occurs(g.not, r.Value)
}

func occurs(list []*regexp.Regexp, b []byte) bool {
	for _, re := range list {
		if re.Match(b) {
			return true
		}
	}
	return false
}
