package logmetric

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rondo/rrd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A matcher finds the messages of a rule, and takes labels and numbers out of
// them. It is immutable.
type matcher struct {
	cheap    []filter.Expr // terms that look at short fields
	literals []string      // what the text of every match holds
	dear     []filter.Expr // terms that look at the text
	extract  *regexp.Regexp
	value    int // group of the number; 0: none
	labels   []source
	byTime   bool // the sender's clock
}

// A source is where a label comes from.
type source struct {
	field string // "" for a group
	group int
}

func newMatcher(r Rule) *matcher {
	m := &matcher{extract: r.Extract.Regexp, byTime: r.Time == Message}
	if r.Filter != nil && r.Filter.Root != nil {
		m.order(r.Filter.Root)
	}
	group := func(string) int { return -1 }
	if m.extract != nil {
		m.require(m.extract)
		m.value = max(0, m.extract.SubexpIndex(valueGroup))
		group = m.extract.SubexpIndex
	}
	for _, l := range r.By {
		s := source{field: l.field}
		if i := group(l.name); i > 0 {
			s = source{group: i}
		}
		m.labels = append(m.labels, s)
	}
	return m
}

// order sorts the terms of a filter by what they cost.
func (m *matcher) order(root filter.Expr) {
	terms := []filter.Expr{root}
	if and, ok := root.(filter.And); ok {
		terms = and.Terms
	}
	for _, t := range terms {
		switch e := t.(type) {
		case *filter.Field:
			m.cheap = append(m.cheap, t)
			continue
		case filter.Regex:
			m.require(e.Regexp)
		}
		m.dear = append(m.dear, t)
	}
}

// require notes what any match of a regular expression holds: to look for that
// first is ten times cheaper than to run it.
func (m *matcher) require(re *regexp.Regexp) {
	parsed, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return
	}
	if s := longestLiteral(parsed.Simplify()); s != "" && !slices.Contains(m.literals, s) {
		m.literals = append(m.literals, s)
	}
}

// longestLiteral is the longest string that every match contains, "" if none
// is found.
func longestLiteral(re *syntax.Regexp) (best string) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return longestLiteral(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if s := longestLiteral(sub); len(s) > len(best) {
				best = s
			}
		}
	}
	return best
}

// match says whether the rule is about a message, and where the groups of its
// pattern are in the text.
func (m *matcher) match(msg *syslog.Message) (groups []int, ok bool) {
	for _, t := range m.cheap {
		if !t.Match(msg) {
			return nil, false
		}
	}
	for _, s := range m.literals {
		if !strings.Contains(msg.Text, s) {
			return nil, false
		}
	}
	for _, t := range m.dear {
		if !t.Match(msg) {
			return nil, false
		}
	}
	if m.extract == nil {
		return nil, true
	}
	groups = m.extract.FindStringSubmatchIndex(msg.Text)
	return groups, groups != nil
}

// number reads the rule's number, which is 1 where it only counts.
func (m *matcher) number(msg *syslog.Message, groups []int) (float64, bool) {
	if m.value == 0 {
		return 1, true
	}
	v, err := strconv.ParseFloat(submatch(msg.Text, groups, m.value), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

func submatch(text string, groups []int, i int) string {
	if groups[2*i] < 0 {
		return ""
	}
	return text[groups[2*i]:groups[2*i+1]]
}

const (
	// absent is the value of a label whose field is empty or missing: as
	// syslog itself writes a field that is not there.
	absent = "-"
	// other is the value of all labels of what is beyond Config.MaxSeries.
	other = "other"
	// maxValue bounds the value of a label, in bytes; longer ones are cut.
	maxValue = 128
	// separator cannot be in UTF-8.
	separator = 0xff
)

// appendID appends the values of a message's labels, each with a separator. It
// counts those that were cut.
func (m *matcher) appendID(dst []byte, msg *syslog.Message, groups []int, cut *int) []byte {
	for _, l := range m.labels {
		from := len(dst)
		if l.field == "" {
			dst = appendValue(dst, submatch(msg.Text, groups, l.group), cut)
		} else {
			dst = appendField(dst, msg, l.field, cut)
		}
		if len(dst) == from {
			dst = append(dst, absent...)
		}
		dst = append(dst, separator)
	}
	return dst
}

func appendField(dst []byte, m *syslog.Message, field string, cut *int) []byte {
	switch field {
	case "host":
		if m.Host == "" && m.Sender.IsValid() {
			return m.Sender.Unmap().AppendTo(dst) // as Origin, without its allocation
		}
		return appendValue(dst, m.Origin(), cut)
	case "app":
		return appendValue(dst, m.App, cut)
	case "severity":
		return append(dst, m.Severity.String()...)
	case "facility":
		return append(dst, m.Facility.String()...)
	case "sender":
		if !m.Sender.IsValid() {
			return dst
		}
		return m.Sender.Unmap().AppendTo(dst)
	case "pid":
		return appendValue(dst, m.PID, cut)
	case "msgid":
		return appendValue(dst, m.MsgID, cut)
	}
	v, _ := filter.SDValue(m.SD, field[len("sd."):])
	return appendValue(dst, v, cut)
}

// appendValue appends a value that a label can have: valid UTF-8, and not
// longer than maxValue.
func appendValue(dst []byte, s string, cut *int) []byte {
	if len(s) > maxValue {
		*cut++
		s = s[:maxValue]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	return append(dst, s...)
}

// seriesPrefix begins the name of every series that is made of log lines.
const seriesPrefix = "log_"

func seriesName(rule string) string {
	return seriesPrefix + strings.TrimPrefix(rule, seriesPrefix)
}

// FromLogs says whether a series is made of log lines. Its samples are ours:
// they go on as zeros when a host has fallen silent, so they are no sign of
// its life.
func FromLogs(k rrd.Key) bool { return strings.HasPrefix(string(k), seriesPrefix) }
