package loki

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rondo/syslogd/syslog"
)

// The labels of a line that a stage could not deal with.
const (
	errorLabel   = "__error__"
	detailsLabel = "__error_details__"
)

// maxExtracted is how many labels the parsers may make of one line.
const maxExtracted = 256

// A record is a message on its way through a pipeline.
type record struct {
	msg       *syslog.Message
	line      string
	extracted []label // by the parsers
	picks     []*pick // that hold for the labels of the message
}

// run passes a message through a query; nil if it does not come out.
func (q *logQuery) run(msg *syslog.Message) *record {
	for i := range q.matchers {
		if !q.matchers[i].match(msg) {
			return nil
		}
	}
	r := &record{msg: msg, line: msg.Text}
	for _, s := range q.stages {
		if !r.pass(s) {
			return nil
		}
	}
	return r
}

// pass applies a stage; false if the line goes no further.
func (r *record) pass(s stage) bool {
	switch s := s.(type) {
	case *lineFilter:
		return s.match(r.line)
	case parser:
		r.parse(s.name)
	case *pick:
		r.extracted = slices.DeleteFunc(r.extracted, func(l label) bool { return s.drops(l.name) })
		r.picks = append(r.picks, s)
	case *format:
		r.line = s.format(r)
	default:
		return r.filter(s)
	}
	return true
}

func (s *pick) drops(name string) bool { return slices.Contains(s.names, name) != s.keep }

// match reports whether a line holds one of the texts, or none of them.
func (f *lineFilter) match(line string) bool {
	if f.res != nil {
		return slices.ContainsFunc(f.res, func(re *regexp.Regexp) bool { return re.MatchString(line) }) == (f.op == "|~")
	}
	return slices.ContainsFunc(f.texts, func(t string) bool { return strings.Contains(line, t) }) == (f.op == "|=")
}

// visible reports whether no stage has left out a label of the message.
func (r *record) visible(name string) bool {
	return !slices.ContainsFunc(r.picks, func(s *pick) bool { return s.drops(name) })
}

// values are what the line says for a label: what was extracted last, else
// what its message says.
func (r *record) values(name string) []string {
	for _, l := range slices.Backward(r.extracted) {
		if l.name == name {
			return []string{l.value}
		}
	}
	if !r.visible(name) {
		return nil
	}
	return values(r.msg, name)
}

// value is the one value of a label that answers show.
func (r *record) value(name string) string {
	if list := r.values(name); len(list) > 0 {
		return list[0]
	}
	return ""
}

// extract sets a label. One that the message has already stays, and the new
// one is called so.
func (r *record) extract(name, value string) {
	if len(r.extracted) >= maxExtracted { // by a chain of parsers: each is bounded itself
		return
	}
	if list := values(r.msg, name); len(list) > 0 && list[0] != "" && r.visible(name) {
		name += "_extracted"
	}
	r.extracted = append(r.extracted, label{name, value})
}

// fail marks the line as one that a stage could not deal with.
func (r *record) fail(what, details string) {
	r.extracted = slices.DeleteFunc(r.extracted, func(l label) bool { return l.name == errorLabel || l.name == detailsLabel })
	r.extracted = append(r.extracted, label{errorLabel, what}, label{detailsLabel, details})
}

// failed is the error of the line, "" if there is none.
func (r *record) failed() string {
	for _, l := range r.extracted {
		if l.name == errorLabel {
			return l.value
		}
	}
	return ""
}

// filter judges a label filter.
func (r *record) filter(f labelFilter) bool {
	switch f := f.(type) {
	case *labelMatch:
		return f.matches(r.values(f.name))
	case *labelNumber:
		return r.compare(f)
	case *labelAnd:
		return r.filter(f.a) && r.filter(f.b)
	case *labelOr:
		return r.filter(f.a) || r.filter(f.b)
	}
	return false
}

// compare compares a label as a number. As in Loki a line whose label is none
// passes, marked by an error.
func (r *record) compare(f *labelNumber) bool {
	s := r.value(f.name)
	if s == "" {
		return false
	}
	v, ok := f.read(s)
	if !ok {
		r.fail("LabelFilterErr", "label "+f.name+": "+strconv.Quote(cut(s)))
		return true
	}
	return compare(f.op, v, f.value)
}

// read reads the value of a label in the unit of the filter.
func (f *labelNumber) read(s string) (float64, bool) {
	switch f.unit {
	case duration:
		d, ok := parseDuration(s)
		return d.Seconds(), ok
	case size:
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			return v, true
		}
		return parseSize(strings.ReplaceAll(s, " ", ""))
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

func compare(op string, a, b float64) bool {
	switch op {
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case "!=":
		return a != b
	}
	return a == b
}

func (s *format) format(r *record) string {
	var b strings.Builder
	for _, p := range s.parts {
		switch p.label {
		case "":
			b.WriteString(p.text)
		case "__line__":
			b.WriteString(r.line)
		default:
			b.WriteString(r.value(p.label[1:]))
		}
	}
	return b.String()
}

// stream returns the labels of the stream that a line belongs to.
func (r *record) stream() []label { return r.seen(streamLabels(r.msg)) }

// metadata returns the structured metadata of a line.
func (r *record) metadata() []label { return r.seen(metadata(r.msg)) }

func (r *record) seen(labels []label) []label {
	if len(r.picks) == 0 {
		return labels
	}
	return slices.DeleteFunc(labels, func(l label) bool { return !r.visible(l.name) })
}

// parsed returns the labels that the parsers made, by name; the last of each.
func (r *record) parsed() []label {
	labels := slices.Clone(r.extracted)
	slices.Reverse(labels)
	return sorted(labels)
}

// labels returns all of them. What was extracted wins over what is there.
func (r *record) labels() []label {
	return sorted(slices.Concat(r.parsed(), r.stream(), r.metadata()))
}
