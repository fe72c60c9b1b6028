package alerts

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rondo/rrd"
)

// RuleLabel is the label by which a Matcher matches the rule's ID, as in
// Alertmanager. A reading that has this label itself is matched by its own:
// imported rules may share a name.
const RuleLabel = "alertname"

// NewLabels makes sorted labels of a map.
func NewLabels(m map[string]string) rrd.Labels {
	ls := make(rrd.Labels, 0, len(m))
	for k, v := range m {
		ls = append(ls, rrd.Label{Name: k, Value: v})
	}
	slices.SortFunc(ls, func(a, b rrd.Label) int { return cmp.Compare(a.Name, b.Name) })
	return ls
}

// MapOf is the reverse of NewLabels.
func MapOf(ls rrd.Labels) map[string]string {
	m := make(map[string]string, len(ls))
	for _, l := range ls {
		m[l.Name] = l.Value
	}
	return m
}

// A Matcher is one condition on a problem's labels, written as in PromQL:
//
//	host="web-1"   alertname=load   group!="db"   host=~"web-.*"   host!~"db.*"
//
// Quotes may be left out. Regular expressions are anchored at both ends.
type Matcher struct {
	rrd.Matcher
	re *regexp.Regexp
}

// ParseMatcher reads a matcher.
func ParseMatcher(s string) (Matcher, error) {
	i := strings.IndexAny(s, "=!")
	if i <= 0 {
		return Matcher{}, fmt.Errorf(`alerts: matcher %q: want label="value", or with !=, =~, !~`, s)
	}
	m := Matcher{Matcher: rrd.Matcher{Label: strings.TrimSpace(s[:i])}}
	rest := s[i:]
	for _, op := range []struct {
		text string
		op   rrd.MatchOp
	}{{"=~", rrd.Regexp}, {"!~", rrd.NotRegexp}, {"!=", rrd.NotEqual}, {"=", rrd.Equal}} {
		if value, ok := strings.CutPrefix(rest, op.text); ok {
			m.Op = op.op
			return m, m.compile(strings.TrimSpace(value))
		}
	}
	return Matcher{}, fmt.Errorf("alerts: matcher %q: want =, !=, =~ or !~ after the label", s)
}

func (m *Matcher) compile(value string) error {
	m.Value = value
	if strings.HasPrefix(value, `"`) {
		unquoted, err := strconv.Unquote(value)
		if err != nil {
			return fmt.Errorf("alerts: matcher for %s: value %s: %w", m.Label, value, err)
		}
		m.Value = unquoted
	}
	if m.Op != rrd.Regexp && m.Op != rrd.NotRegexp {
		return nil
	}
	re, err := regexp.Compile("^(?s:" + m.Value + ")$")
	if err != nil {
		return fmt.Errorf("alerts: matcher for %s: %w", m.Label, err)
	}
	m.re = re
	return nil
}

// Matches says whether a rule's label set meets the condition; an absent
// label is "".
func (m Matcher) Matches(rule string, ls rrd.Labels) bool {
	v := ls.Get(m.Label)
	if m.Label == RuleLabel && v == "" {
		v = rule
	}
	switch m.Op {
	case rrd.NotEqual:
		return v != m.Value
	case rrd.Regexp:
		return m.re != nil && m.re.MatchString(v)
	case rrd.NotRegexp:
		return m.re != nil && !m.re.MatchString(v)
	case rrd.Equal:
	}
	return v == m.Value
}

func matchAll(ms []Matcher, rule string, ls rrd.Labels) bool {
	return !slices.ContainsFunc(ms, func(m Matcher) bool { return !m.Matches(rule, ls) })
}

func (m Matcher) String() string {
	op := [...]string{rrd.Equal: "=", rrd.NotEqual: "!=", rrd.Regexp: "=~", rrd.NotRegexp: "!~"}[m.Op]
	return m.Label + op + strconv.Quote(m.Value)
}

// MarshalText writes the matcher as ParseMatcher reads it.
func (m Matcher) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a matcher.
func (m *Matcher) UnmarshalText(b []byte) error {
	parsed, err := ParseMatcher(string(b))
	if err == nil {
		*m = parsed
	}
	return err
}
