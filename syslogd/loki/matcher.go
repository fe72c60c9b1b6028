package loki

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"rondo/syslogd/syslog"
)

// A matcher compares the values that a message has for a label: {app=~"web.*"}.
type matcher struct {
	name  string
	op    string // = != =~ !~
	value string
	re    *regexp.Regexp // anchored, of =~ and !~
}

// newMatcher makes a matcher. Its regular expression must match the whole
// value, as everywhere in Prometheus' family.
func newMatcher(name, op, value string) (matcher, error) {
	m := matcher{name: name, op: op, value: value}
	if op != "=~" && op != "!~" {
		return m, nil
	}
	var err error
	m.re, err = regexp.Compile("^(?s:" + value + ")$")
	return m, err
}

// negative reports whether it matches what others do not.
func (m *matcher) negative() bool { return m.op[0] == '!' }

// holds reports whether a value is what the matcher names, or does not want.
// Levels go by any of their spellings, which values lists.
func (m *matcher) holds(v string) bool {
	if m.re != nil {
		return m.re.MatchString(v)
	}
	if native(m.name) == ofLevel {
		return v == strings.ToLower(m.value)
	}
	return v == m.value
}

// matches compares a label's values: one that holds is enough, and none may be
// there for a negative matcher. A label without a value is as one that is "".
func (m *matcher) matches(values []string) bool {
	any := slices.ContainsFunc(values, m.holds)
	if !slices.ContainsFunc(values, func(v string) bool { return v != "" }) {
		any = m.holds("")
	}
	return any != m.negative()
}

// match compares a message.
func (m *matcher) match(msg *syslog.Message) bool { return m.matches(values(msg, m.name)) }

// finite lists all strings that a regular expression matches, if they are few:
// a|b|c, which is how Grafana writes a choice of values.
func finite(expr string) ([]string, bool) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, false
	}
	return expand(re.Simplify())
}

// maxChoice is how many values a finite expression may have.
const maxChoice = 100

func expand(re *syntax.Regexp) ([]string, bool) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return []string{""}, true
	case syntax.OpLiteral:
		return []string{string(re.Rune)}, re.Flags&syntax.FoldCase == 0
	case syntax.OpCharClass:
		return expandClass(re.Rune)
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpQuest:
		list, ok := expand(re.Sub[0])
		return append(list, ""), ok
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			list, ok := expand(sub)
			if all = append(all, list...); !ok || len(all) > maxChoice {
				return nil, false
			}
		}
		return all, true
	case syntax.OpConcat:
		return expandConcat(re.Sub)
	}
	return nil, false
}

func expandClass(ranges []rune) ([]string, bool) {
	var list []string
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if list = append(list, string(r)); len(list) > maxChoice {
				return nil, false
			}
		}
	}
	return list, true
}

func expandConcat(subs []*syntax.Regexp) ([]string, bool) {
	all := []string{""}
	for _, sub := range subs {
		list, ok := expand(sub)
		if !ok || len(all)*len(list) > maxChoice {
			return nil, false
		}
		var next []string
		for _, a := range all {
			for _, b := range list {
				next = append(next, a+b)
			}
		}
		all = next
	}
	return all, true
}
