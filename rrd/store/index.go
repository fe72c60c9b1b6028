package store

import (
	"errors"
	"fmt"
	"regexp"
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

// The values of one label. They are only ever added to.
type values struct {
	ids map[string][]uint32

	mu     sync.Mutex // guards the two below: readers of the table share them
	sorted []string   // never written to again, so that it may be handed out
	added  []string   // since sorted was made, in no order
}

func newIndex() *index { return &index{labels: map[string]*values{}} }

// add enters a series. Mostly its id is above all others. The strings of the
// key are kept.
func (x *index) add(id uint32, k rrd.Key) {
	for _, l := range k.Labels() {
		vs := x.labels[l.Name]
		if vs == nil {
			vs = &values{ids: map[string][]uint32{}}
			x.labels[l.Name] = vs
		}
		vs.add(id, l.Value)
	}
}

func (vs *values) add(id uint32, v string) {
	list, known := vs.ids[v]
	at := len(list)
	if at > 0 && list[at-1] > id {
		at, _ = slices.BinarySearch(list, id)
	}
	vs.ids[v] = slices.Insert(list, at, id)
	if !known {
		vs.mu.Lock()
		vs.added = append(vs.added, v)
		vs.mu.Unlock()
	}
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
	if len(vs.added) > 0 {
		slices.Sort(vs.added)
		vs.sorted, vs.added = merge(vs.sorted, vs.added), nil
	}
	return vs.sorted
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
		return slices.Clone(vs.ids[v])
	}
	var ids []uint32
	lists := 0
	for _, v := range c.candidates(vs.all(), want) {
		if c.matches(v) == want {
			ids = append(ids, vs.ids[v]...)
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
		return strings.HasPrefix(v, c.prefix) && c.re.MatchString(v)
	}
	return !strings.HasPrefix(v, c.prefix) || !c.re.MatchString(v)
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

// An expression is compiled, with what every match of it begins with.
type expression struct {
	re     *regexp.Regexp
	prefix string
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
	e := expression{re, literalPrefix(text)}
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
