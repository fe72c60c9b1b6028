package loki

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A translation is a query in the filter language.
type translation struct {
	filter *filter.Filter
	// exact says that the filter matches what comes out of the pipeline, and
	// nothing else; otherwise it matches that and more.
	exact bool
	// labels says that no stage makes or leaves out labels but for errors, so
	// that those of the message are those of the line.
	labels bool
}

// lookup returns the values of a field that occur, to resolve regular
// expressions; false if there are too many.
type lookup func(field string) ([]string, bool, error)

// translator turns a query into a filter.
type translator struct {
	lookup lookup
	terms  []filter.Expr
	exact  bool
	err    error
}

// translate turns what it can of a query into a filter, which the store plans
// a search by. Its values say how far that goes.
func translate(q *logQuery, find lookup) (translation, error) {
	t := &translator{lookup: find, exact: true}
	for i := range q.matchers {
		t.and(t.matcher(&q.matchers[i]))
	}
	labels := t.stages(q.stages)
	if t.err != nil {
		return translation{}, t.err
	}
	return translation{filter: &filter.Filter{Root: allOf(t.terms)}, exact: t.exact, labels: labels}, nil
}

// stages translates a pipeline as far as it goes by what the message holds.
func (t *translator) stages(stages []stage) (labels bool) {
	parsed, formatted, picked, failing := false, false, false, false
	for _, s := range stages {
		switch s := s.(type) {
		case *lineFilter:
			if formatted {
				t.exact = false
				continue
			}
			t.and(lineExpr(s))
		case parser:
			parsed, failing = true, failing || s.name == "json"
		case *format:
			formatted = true
		case *pick:
			for _, name := range s.names {
				failing = failing && (s.keep || name != errorLabel)
				picked = picked || s.keep || name != errorLabel && name != detailsLabel
			}
		default:
			t.and(t.labelFilter(s, func(name string) bool {
				return !picked && (!parsed || always(name)) && name != errorLabel && name != detailsLabel
			}))
		}
	}
	t.exact = t.exact && !failing
	return !parsed && !picked
}

// labelFilter translates a label filter, of the labels that are the message's
// own; nil if it matches everything, or if it cannot be translated.
func (t *translator) labelFilter(f labelFilter, own func(name string) bool) filter.Expr {
	switch f := f.(type) {
	case *labelMatch:
		if own(f.name) {
			return t.matcher(&f.matcher)
		}
	case *labelAnd:
		a, b := t.labelFilter(f.a, own), t.labelFilter(f.b, own)
		return allOf(slices.DeleteFunc([]filter.Expr{a, b}, func(e filter.Expr) bool { return e == nil }))
	case *labelOr:
		a, b := t.labelFilter(f.a, own), t.labelFilter(f.b, own)
		if a == nil || b == nil {
			return nil
		}
		return filter.Or{Terms: []filter.Expr{a, b}}
	}
	t.exact = false
	return nil
}

// always reports whether every message has a label of that name, so that no
// parser can make another one of it.
func always(name string) bool {
	switch native(name) {
	case ofHost, ofLevel, ofSeverity, ofFacility:
		return true
	}
	return false
}

// and adds a condition; nil is none.
func (t *translator) and(e filter.Expr) {
	if e != nil {
		t.terms = append(t.terms, e)
	}
}

// matcher translates a matcher; nil if it matches everything, or if it cannot
// be translated.
func (t *translator) matcher(m *matcher) filter.Expr {
	switch k := native(m.name); k {
	case ofLevel:
		return severities(func(s syslog.Severity) bool { return m.matches(levels(s)) })
	case ofSeverity:
		return severities(func(s syslog.Severity) bool { return m.matches([]string{s.String()}) })
	case ofFacility:
		return facilities(m)
	case ofSD:
	default:
		if k == ofHost && m.op == "=~" && m.value == ".+" { // every message has one
			return nil
		}
		return t.field(fieldName(k), m)
	}
	sd := "sd." + m.name
	if alias(m.name) == ofSD {
		return t.field(sd, m)
	}
	// The field stands for the label where there is no such label.
	there := &filter.Field{Name: sd, Op: filter.Equal, Value: "*"}
	own, instead := t.field(sd, m), t.field(fieldName(alias(m.name)), m)
	yes, no := filter.And{Terms: []filter.Expr{there}}, filter.And{Terms: []filter.Expr{filter.Not{Term: there}}}
	if own != nil {
		yes.Terms = append(yes.Terms, own)
	}
	if instead != nil {
		no.Terms = append(no.Terms, instead)
	}
	return filter.Or{Terms: []filter.Expr{yes, no}}
}

// fieldName is the name of a field in the filter language.
func fieldName(k kind) string {
	switch k {
	case ofHost:
		return "host"
	case ofApp:
		return "app"
	case ofPID:
		return "pid"
	}
	return "msgid"
}

// severities is the filter of those that match; nil if all do.
func severities(match func(syslog.Severity) bool) filter.Expr {
	var terms []filter.Expr
	for s := syslog.Emergency; s <= syslog.Debug; s++ {
		if match(s) {
			terms = append(terms, &filter.Field{Name: "severity", Op: filter.Equal, Value: s.String(), Number: float64(s)})
		}
	}
	if len(terms) == int(syslog.Debug)+1 {
		return nil
	}
	return anyOf(terms)
}

func facilities(m *matcher) filter.Expr {
	var terms []filter.Expr
	all := true
	for f := range syslog.Facility(maxFacility + 1) {
		ok := m.matches([]string{f.String()})
		if all = all && ok; ok {
			terms = append(terms, &filter.Field{Name: "facility", Op: filter.Equal, Value: f.String(), Number: float64(f)})
		}
	}
	if all {
		return nil
	}
	return anyOf(terms)
}

const maxFacility = 23

// allOf joins terms; without any it is nil, which matches everything.
func allOf(terms []filter.Expr) filter.Expr {
	switch len(terms) {
	case 0:
		return nil
	case 1:
		return terms[0]
	}
	return filter.And{Terms: terms}
}

// anyOf joins terms; without any it matches nothing.
func anyOf(terms []filter.Expr) filter.Expr {
	switch len(terms) {
	case 0:
		return filter.Not{Term: filter.Word{Prefix: true}}
	case 1:
		return terms[0]
	}
	return filter.Or{Terms: terms}
}

// field translates a matcher of a field that is text.
func (t *translator) field(name string, m *matcher) filter.Expr {
	list, rest, ok := t.wanted(name, m)
	if !ok {
		t.exact = false
		return nil
	}
	terms := rest
	for _, v := range list {
		terms = append(terms, equal(name, v))
	}
	if m.negative() {
		return filter.Not{Term: anyOf(terms)}
	}
	if slices.Contains(list, "") && len(rest) == 1 { // any value, and none
		if f, ok := rest[0].(*filter.Field); ok && f.Value == "*" {
			return nil
		}
	}
	return anyOf(terms)
}

// equal is a filter for one value; "" is that there is none.
func equal(name, v string) filter.Expr {
	if v == "" {
		return filter.Not{Term: &filter.Field{Name: name, Op: filter.Equal, Value: "*"}}
	}
	return &filter.Field{Name: name, Op: filter.Equal, Value: v, Quoted: true}
}

// maxResolved is how many values of a field a regular expression may stand for.
const maxResolved = 200

// wanted returns the values that a matcher names, or does not want, and filters
// for those that need not be listed.
func (t *translator) wanted(name string, m *matcher) (list []string, rest []filter.Expr, ok bool) {
	if m.re == nil {
		return []string{m.value}, nil, true
	}
	there := &filter.Field{Name: name, Op: filter.Equal, Value: "*"}
	if list, ok := finite(m.value); ok {
		return list, nil, true
	}
	switch prefix, isPrefix := strings.CutSuffix(m.value, ".*"); {
	case m.value == ".+":
		return nil, []filter.Expr{there}, true
	case m.value == ".*":
		return []string{""}, []filter.Expr{there}, true
	case isPrefix && prefix == regexp.QuoteMeta(prefix):
		return nil, []filter.Expr{&filter.Field{Name: name, Op: filter.Equal, Value: prefix + "*"}}, true
	}
	if strings.HasPrefix(name, "sd.") { // of which a message may have several, and lookup knows the first
		t.exact = false
		return nil, []filter.Expr{there}, !m.negative() && !m.re.MatchString("")
	}
	all, few, err := t.lookup(name)
	if err != nil || !few {
		t.err = err
		return nil, nil, false
	}
	for _, v := range append(all, "") {
		if m.re.MatchString(v) && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list, nil, len(list) <= maxResolved
}

// lineExpr translates a line filter; nil if it matches everything. The regular
// expression heeds case, the phrase beside it is what the index knows.
func lineExpr(f *lineFilter) filter.Expr {
	var terms []filter.Expr
	for i, text := range f.texts {
		switch {
		case f.res != nil:
			terms = append(terms, filter.Regex{Regexp: f.res[i]})
		case text == "":
			terms = append(terms, filter.Word{Prefix: true})
		case !strings.ContainsFunc(text, hasCase):
			terms = append(terms, filter.Phrase{Text: text})
		default:
			re := filter.Regex{Regexp: regexp.MustCompile(regexp.QuoteMeta(text))}
			terms = append(terms, filter.And{Terms: []filter.Expr{filter.Phrase{Text: filter.Lower(text)}, re}})
		}
	}
	if f.op[0] == '!' {
		return filter.Not{Term: anyOf(terms)}
	}
	return anyOf(terms)
}

// hasCase reports whether a phrase, which ignores case, may match another
// character in place of this one.
func hasCase(r rune) bool { return r >= utf8.RuneSelf || isLetter(byte(r)) && r != '_' }
