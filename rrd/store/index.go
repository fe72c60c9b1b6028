package store

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"sort"
	"strings"
	"sync"

	"rondo/rrd"
)

// An index finds series by their labels: for each label and value the ids of
// the series that have it, ascending. The name is a label like the others.
type index struct {
	labels map[string]*values
}

// The values of one label, numbered in the order in which they came. Most
// names belong to one series, so that its id lies in a list of such.
type values struct {
	numbers idTable  // of texts
	texts   []string // by number; also of values that no series has any more
	first   []uint32 // by number: the id, where it is the only one
	more    map[uint32][]uint32

	mu       sync.Mutex // guards the two below: readers of the table share them
	sorted   []string   // never written to again, so that it may be handed out
	sortedTo int        // of texts, how many sorted has
}

func newIndex() *index { return &index{labels: map[string]*values{}} }

// add enters a series. Mostly its id is above all others. The strings of the
// key are kept.
func (x *index) add(id uint32, k rrd.Key) {
	for _, l := range k.Labels() {
		vs := x.labels[l.Name]
		if vs == nil {
			vs = &values{numbers: newIDTable(), more: map[uint32][]uint32{}}
			x.labels[l.Name] = vs
		}
		vs.add(id, l.Value)
	}
}

func (vs *values) add(id uint32, v string) {
	if n, known := vs.number(v); known {
		ids := vs.list(n)
		at := len(ids)
		if ids[at-1] > id {
			at, _ = slices.BinarySearch(ids, id)
		}
		vs.more[n] = slices.Insert(ids, at, id)
		return
	}
	n := uint32(len(vs.texts))
	vs.texts, vs.first = append(vs.texts, v), append(vs.first, id)
	vs.numbers.add(v, n, vs.text)
}

func (vs *values) text(n uint32) string { return vs.texts[n] }

func (vs *values) number(v string) (n uint32, known bool) { return vs.numbers.find(v, vs.text) }

// list returns the ids of the series that have the value with a number.
func (vs *values) list(n uint32) []uint32 {
	if ids, many := vs.more[n]; many {
		return ids
	}
	return vs.first[n : n+1 : n+1]
}

// ids returns those that have a value.
func (vs *values) ids(v string) []uint32 {
	if n, known := vs.number(v); known {
		return vs.list(n)
	}
	return nil
}

// all returns the values, sorted, for reading only. Sorting waits until
// someone asks, and is of what was added since: a fleet's series come by the
// thousand, and between two of them nobody looks.
func (vs *values) all() []string {
	if vs == nil {
		return nil
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.sortedTo < len(vs.texts) {
		var added []string
		for n := vs.sortedTo; n < len(vs.texts); n++ {
			if now, known := vs.number(vs.texts[n]); known && now == uint32(n) {
				added = append(added, vs.texts[n])
			}
		}
		slices.Sort(added)
		vs.sorted, vs.sortedTo = merge(vs.sorted, added), len(vs.texts)
	}
	return vs.sorted
}

// forget takes out a value that no series has any more.
func (vs *values) forget(v string) {
	n, _ := vs.number(v)
	vs.numbers.remove(v, vs.text)
	delete(vs.more, n)
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.sorted = slices.DeleteFunc(slices.Clone(vs.sorted), func(s string) bool { return s == v })
}

// merge returns the values of two sorted lists in a new one.
func merge(a, b []string) []string {
	out := make([]string, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		from := &a
		if b[0] < a[0] {
			from = &b
		}
		out, *from = append(out, (*from)[0]), (*from)[1:]
	}
	return append(append(out, a...), b...)
}

// withPrefix returns the part of sorted values that begins with a prefix.
func withPrefix(sorted []string, prefix string) []string {
	first, _ := slices.BinarySearch(sorted, prefix)
	sorted = sorted[first:]
	return sorted[:sort.Search(len(sorted), func(i int) bool { return !strings.HasPrefix(sorted[i], prefix) })]
}

// find returns the ids of the series that meet all conditions, ascending. all
// lists every id, for conditions that only exclude.
func (x *index) find(ms []condition, all func() []uint32) []uint32 {
	var found []uint32
	started := false
	for _, positive := range []bool{true, false} {
		for _, m := range ms {
			// A condition that the empty text meets holds for series without
			// the label, so it is known by what it excludes.
			if m.matches("") == positive {
				continue
			}
			switch {
			case positive && !started:
				found, started = x.union(&m, true), true
			case positive:
				found = intersect(found, x.union(&m, true))
			default:
				if !started {
					found, started = all(), true
				}
				found = subtract(found, x.union(&m, false))
			}
		}
	}
	if !started {
		return all()
	}
	return found
}

// union returns the ids that have the label with a value for which the
// condition comes out as wanted.
func (x *index) union(c *condition, want bool) []uint32 {
	vs := x.labels[c.Label]
	if vs == nil {
		return nil
	}
	if v, ok := c.only(want); ok {
		return slices.Clone(vs.ids(v))
	}
	var ids []uint32
	lists := 0
	for _, v := range c.candidates(vs.all(), want) {
		if c.matches(v) == want {
			ids = append(ids, vs.ids(v)...)
			lists++
		}
	}
	if lists > 1 {
		slices.Sort(ids)
	}
	return ids
}

func intersect(a, b []uint32) []uint32 {
	out := a[:0]
	for _, id := range a {
		for len(b) > 0 && b[0] < id {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == id {
			out = append(out, id)
		}
	}
	return out
}

func subtract(a, b []uint32) []uint32 {
	out := a[:0]
	for _, id := range a {
		for len(b) > 0 && b[0] < id {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != id {
			out = append(out, id)
		}
	}
	return out
}

// A condition is a Matcher that is ready to run.
type condition struct {
	rrd.Matcher
	expression
}

func (c *condition) matches(v string) bool {
	switch c.Op {
	case rrd.Equal:
		return v == c.Value
	case rrd.NotEqual:
		return v != c.Value
	case rrd.Regexp:
		return c.expression.matches(v)
	}
	return !c.expression.matches(v)
}

// only returns the single value for which c comes out as wanted, if it is
// plain to see that there is just one.
func (c *condition) only(want bool) (string, bool) {
	return c.Value, want && c.Op == rrd.Equal || !want && c.Op == rrd.NotEqual
}

// candidates returns those of sorted values for which c may come out as
// wanted.
func (c *condition) candidates(sorted []string, want bool) []string {
	if want && c.Op == rrd.Regexp || !want && c.Op == rrd.NotRegexp {
		return withPrefix(sorted, c.prefix)
	}
	return sorted
}

// regexps keeps compiled expressions, which dashboards ask for again and
// again. When it is full it begins anew.
type regexps struct {
	mu sync.Mutex
	m  map[string]expression
}

// An expression is compiled, with what every match of it begins and ends with.
type expression struct {
	re             *regexp.Regexp
	prefix, suffix string
}

func (e *expression) matches(v string) bool {
	return strings.HasPrefix(v, e.prefix) && strings.HasSuffix(v, e.suffix) && e.re.MatchString(v)
}

const maxRegexps = 1000

func (c *regexps) compile(text string) (expression, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[text]; ok {
		return e, nil
	}
	re, err := regexp.Compile("^(?s:" + text + ")$")
	if err != nil {
		return expression{}, err
	}
	e := expression{re, literalPrefix(text), literalSuffix(text)}
	if c.m == nil || len(c.m) >= maxRegexps {
		c.m = map[string]expression{}
	}
	c.m[text] = e
	return e, nil
}

// conditions compiles matchers.
func (c *regexps) conditions(ms []rrd.Matcher) ([]condition, error) {
	out := make([]condition, len(ms))
	for i, m := range ms {
		if m.Label == "" {
			return nil, errors.New("store: a matcher has no label")
		}
		out[i].Matcher = m
		if m.Op != rrd.Regexp && m.Op != rrd.NotRegexp {
			continue
		}
		e, err := c.compile(m.Value)
		if err != nil {
			return nil, fmt.Errorf("store: matcher of %s: %w", m.Label, err)
		}
		out[i].expression = e
	}
	return out, nil
}

// literalPrefix returns text that every match of the expression begins with.
func literalPrefix(expr string) string {
	re, err := regexp.Compile("(?s:" + expr + ")")
	if err != nil {
		return ""
	}
	prefix, _ := re.LiteralPrefix()
	return prefix
}

// literalSuffix returns text that every match of the expression ends with.
func literalSuffix(expr string) string {
	re, err := syntax.Parse("(?s:"+expr+")", syntax.Perl)
	if err != nil {
		return ""
	}
	if re = re.Simplify(); re.Op == syntax.OpConcat {
		re = re.Sub[len(re.Sub)-1]
	}
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase != 0 {
		return ""
	}
	return string(re.Rune)
}
