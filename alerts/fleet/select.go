package fleet

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"rondo/rrd"
)

// Labels that no series has, and that selectors may ask for all the same: the
// host and the group that a series belongs to, however it says so ([Fleet.Identify]).
const (
	HostLabel  = "__host__"
	GroupLabel = "__group__"
)

// Series is a store whose selectors may ask for [HostLabel] and [GroupLabel],
// with = and =~:
//
//	avg(run_queue{__group__="web"})
//
// That is one selector over three ways to name a group:
//
//	run_queue{host="web-1", group="web"}    a label of its own
//	fleet.web.web-1.run_queue               a Graphite path with a template
//	log_messages{host="web-1"}              its host alone, which the fleet knows
//
// The first two are found for all time. A series that names its host alone
// belongs to the group while the fleet remembers the host: after its withdrawal
// that is [Options].Keep.
type Series struct {
	rrd.Querier
	rrd.Index
	Fleet *Fleet
}

// Select implements rrd.Querier.
func (s Series) Select(ctx context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	own, rest := split(q.Matchers)
	if len(own) == 0 {
		return s.Querier.Select(ctx, q)
	}
	return func(yield func(rrd.Series, error) bool) {
		p, err := s.plan(ctx, own, rest)
		if err != nil {
			yield(rrd.Series{}, err)
			return
		}
		left := q.Limit
		for _, way := range p.ways {
			q := q
			q.Matchers, q.Limit = slices.Concat(rest, way), 0 // what does not belong must not use the limit up
			for one, err := range s.Querier.Select(ctx, q) {
				if err == nil && !p.takes(one.Key) {
					continue
				}
				if !yield(one, err) {
					return
				}
				if left--; left == 0 && err == nil {
					return
				}
			}
		}
	}
}

// Find implements rrd.Index.
func (s Series) Find(ctx context.Context, ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	own, rest := split(ms)
	if len(own) == 0 {
		return s.Index.Find(ctx, ms, limit)
	}
	p, err := s.plan(ctx, own, rest)
	if err != nil {
		return nil, err
	}
	var all []rrd.Key
	for _, way := range p.ways {
		found, err := s.Index.Find(ctx, slices.Concat(rest, way), 0)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(found, func(k rrd.Key) bool { return !p.takes(k) })...)
	}
	slices.Sort(all)
	if limit > 0 {
		all = all[:min(len(all), limit)]
	}
	return all, nil
}

// LabelNames implements rrd.Index.
func (s Series) LabelNames(ctx context.Context, ms []rrd.Matcher) ([]string, error) {
	if own, _ := split(ms); len(own) == 0 {
		return s.Index.LabelNames(ctx, ms)
	}
	return s.gather(ctx, ms, func(l rrd.Label) string { return l.Name })
}

// LabelValues implements rrd.Index.
func (s Series) LabelValues(ctx context.Context, name string, ms []rrd.Matcher) ([]string, error) {
	if own, _ := split(ms); len(own) == 0 {
		return s.Index.LabelValues(ctx, name, ms)
	}
	return s.gather(ctx, ms, func(l rrd.Label) string {
		if l.Name != name {
			return ""
		}
		return l.Value
	})
}

func (s Series) gather(ctx context.Context, ms []rrd.Matcher, of func(rrd.Label) string) ([]string, error) {
	keys, err := s.Find(ctx, ms, 0)
	var out []string
	for _, k := range keys {
		for _, l := range k.Labels() {
			if text := of(l); text != "" {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// split parts the matchers of our labels from those that the store knows.
func split(ms []rrd.Matcher) (own, rest []rrd.Matcher) {
	for _, m := range ms {
		if m.Label == HostLabel || m.Label == GroupLabel {
			own = append(own, m)
		} else {
			rest = append(rest, m)
		}
	}
	return own, rest
}

// A plan is how the series of some hosts are found: by ways that may find too
// many, and some twice.
type plan struct {
	fleet   *Fleet
	want    []wanted
	ways    [][]rrd.Matcher
	groupOf map[string]string // of the hosts of the fleet
	members []string          // hosts of the fleet that are wanted
	taken   map[rrd.Key]bool
}

// wanted is one of our matchers.
type wanted struct {
	label string
	text  string // as a regular expression
	re    *regexp.Regexp
}

// plan finds the ways to the series of matchers.
func (s Series) plan(ctx context.Context, own, rest []rrd.Matcher) (*plan, error) {
	p := &plan{fleet: s.Fleet, groupOf: make(map[string]string), taken: make(map[rrd.Key]bool)}
	for _, m := range own {
		w := wanted{label: m.Label, text: m.Value}
		switch m.Op {
		case rrd.Equal:
			w.text = regexp.QuoteMeta(m.Value)
		case rrd.Regexp:
		case rrd.NotEqual, rrd.NotRegexp:
			return nil, fmt.Errorf("fleet: %s: want = or =~", m.Label)
		}
		var err error
		if w.re, err = regexp.Compile("^(?s:" + w.text + ")$"); err != nil {
			return nil, fmt.Errorf("fleet: %s: %w", m.Label, err)
		}
		if w.re.MatchString("") {
			return nil, fmt.Errorf("fleet: %s: want a name, or an expression that is none without one", m.Label)
		}
		p.want = append(p.want, w)
	}
	p.meet()
	p.addLabels()
	p.addPaths()
	return p, p.addMembers(ctx, s.Index, rest)
}

// meet looks who of the fleet is wanted.
func (p *plan) meet() {
	p.fleet.mu.RLock()
	defer p.fleet.mu.RUnlock()
	for id, e := range p.fleet.hosts {
		p.groupOf[id] = e.Group
		if p.fits(id, e.Group) {
			p.members = append(p.members, id)
		}
	}
	slices.Sort(p.members)
}

// addLabels adds the way by labels.
func (p *plan) addLabels() {
	var way []rrd.Matcher
	for label, ours := range map[string]string{"host": HostLabel, "group": GroupLabel} {
		if text := p.text(ours); text != "" {
			way = append(way, rrd.Matcher{Label: label, Op: rrd.Regexp, Value: text})
		}
	}
	p.ways = append(p.ways, way)
}

// addPaths adds the way by Graphite paths.
func (p *plan) addPaths() {
	var paths []string
	host, group := p.text(HostLabel), p.text(GroupLabel)
	for _, t := range p.fleet.templates {
		switch {
		case group == "" || t.hasGroup():
			paths = append(paths, t.pattern(host, group))
		case len(p.members) > 0:
			quoted := make([]string, len(p.members))
			for i, id := range p.members {
				quoted[i] = regexp.QuoteMeta(id)
			}
			paths = append(paths, t.pattern(strings.Join(quoted, "|"), ""))
		}
	}
	if len(paths) > 0 {
		p.ways = append(p.ways, []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: strings.Join(paths, "|")}})
	}
}

// addMembers adds a way for each member of a group that has series which name
// the host alone. To ask for those without a label costs as much as to look at
// all series that have it, so the keys are looked at instead.
func (p *plan) addMembers(ctx context.Context, ix rrd.Index, rest []rrd.Matcher) error {
	if p.text(GroupLabel) == "" {
		return nil // labels find all
	}
	lack := make(map[string]bool)
	look := func(ms []rrd.Matcher) error {
		keys, err := ix.Find(ctx, ms, 0)
		for _, k := range keys {
			if k.Get("group") == "" {
				lack[k.Get("host")] = true
			}
		}
		return err
	}
	named := slices.ContainsFunc(rest, func(m rrd.Matcher) bool { return m.Label == rrd.NameLabel && m.Op == rrd.Equal })
	if named {
		if err := look(rest); err != nil {
			return err
		}
	}
	for _, id := range p.members {
		way := []rrd.Matcher{{Label: "host", Value: id}}
		if !named {
			if err := look(slices.Concat(rest, way)); err != nil {
				return err
			}
		}
		if lack[id] {
			p.ways = append(p.ways, way)
		}
	}
	return nil
}

// text is the expression for a label, or "". One of several is enough: the
// others are looked at with each series.
func (p *plan) text(label string) string {
	for _, w := range p.want {
		if w.label == label {
			return w.text
		}
	}
	return ""
}

func (p *plan) fits(host, group string) bool {
	for _, w := range p.want {
		name := host
		if w.label == GroupLabel {
			name = group
		}
		if !w.re.MatchString(name) {
			return false
		}
	}
	return true
}

// takes says whether a series that a way found is one of those wanted, and was
// not found before.
func (p *plan) takes(k rrd.Key) bool {
	id, ok := p.fleet.Identify(k)
	if id.Group == "" {
		id.Group = p.groupOf[id.Host]
	}
	if !ok || !p.fits(id.Host, id.Group) || p.taken[k] {
		return false
	}
	p.taken[k] = true
	return true
}

func (t Template) hasGroup() bool { return slices.Contains(t.parts, "<group>") }

// pattern matches the paths of a host and a group, as expressions; "" is any.
func (t Template) pattern(host, group string) string {
	out := make([]string, len(t.parts)-1)
	for i, part := range t.parts[:len(t.parts)-1] {
		switch {
		case part == "<host>" && host != "":
			out[i] = "(?:" + host + ")"
		case part == "<group>" && group != "":
			out[i] = "(?:" + group + ")"
		case part == "<host>" || part == "<group>" || part == "*":
			out[i] = "[^.]+"
		default:
			out[i] = regexp.QuoteMeta(part)
		}
	}
	return strings.Join(out, "[.]") + "[.].+"
}
